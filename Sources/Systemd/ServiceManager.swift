// SPDX-License-Identifier: Apache-2.0

import CSystemd
import Glibc

/// What a service says to the service manager that started it; said into the wind where there is none.
///
/// Source: sd_notify(3).
public struct ServiceManager: Sendable {
    /// Makes the connection to the manager, if the process has one.
    public init() {}

    /// Whether a service manager listens.
    public var isPresent: Bool { getenv("NOTIFY_SOCKET") != nil }

    /// Whether a manager has started this very process, and not one that it has come from.
    ///
    /// Managers before systemd 248 do not say so. Source: systemd.exec(5).
    public var hasStartedThisProcess: Bool {
        getenv("SYSTEMD_EXEC_PID").map { String(cString: $0) } == String(getpid())
    }

    /// How often the manager wants to hear ``alive()``, or nil if it does not watch this process.
    public var watchdogInterval: Duration? {
        var microseconds: UInt64 = 0
        return sd_watchdog_enabled(0, &microseconds) > 0 ? .microseconds(Int64(clamping: microseconds)) : nil
    }

    /// The folder that `CacheDirectory=` of the unit has made; nil if it has made none.
    public var cacheDirectory: String? {
        getenv("CACHE_DIRECTORY").flatMap { String(cString: $0).split(separator: ":").first.map(String.init) }
    }

    /// The service has started, or has finished reloading.
    public func ready(status: String) {
        notify("READY=1\nSTATUS=\(status)")
    }

    /// The service has begun to reload; ``ready(status:)`` ends that.
    public func reloading() {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        notify("RELOADING=1\nMONOTONIC_USEC=\(now.tv_sec * 1_000_000 + now.tv_nsec / 1000)")
    }

    /// The service has begun to stop.
    public func stopping() {
        notify("STOPPING=1")
    }

    /// Shows a line in `systemctl status`.
    public func status(_ text: String) {
        notify("STATUS=\(text)")
    }

    /// The service is alive: to be said at least once in ``watchdogInterval``.
    public func alive() {
        notify("WATCHDOG=1")
    }

    /// Leaves a copy of a descriptor with the manager, which passes it to this service's next process.
    ///
    /// Needs `FileDescriptorStoreMax=` in the unit.
    public func store(_ descriptor: CInt, name: String) {
        var descriptor = descriptor
        sd_pid_notify_with_fds(0, 0, "FDSTORE=1\nFDNAME=\(name)", &descriptor, 1)
    }

    /// Makes the manager close all its copies of descriptors of this name.
    public func removeStored(name: String) {
        notify("FDSTOREREMOVE=1\nFDNAME=\(name)")
    }

    /// Waits until the manager has taken in what was said so far.
    ///
    /// Blocks the calling thread, for five seconds at most.
    public func flush() {
        sd_notify_barrier(0, 5_000_000)
    }

    private func notify(_ message: String) {
        sd_notify(0, message)
    }
}
