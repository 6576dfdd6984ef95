// SPDX-License-Identifier: Apache-2.0

extension HelperProgram {
    /// How long to wait before it is tried again.
    private static let pause = Duration.milliseconds(50)

    /// Runs a program of btrfs-progs on a file system that is not mounted.
    ///
    /// Such a program makes sure of that by itself. For that it asks each loop device that has something mounted for its
    /// file, and gives up when one is detached just then, whoever's that is: so it is run again.
    ///
    /// - Parameters:
    ///   - arguments: Its arguments.
    ///   - deadline: When to end it.
    /// - Throws: What ``run(_:calledAs:input:environment:hiding:excusing:until:)`` does.
    package func runBesideLoopDevices(_ arguments: [String], until deadline: ContinuousClock.Instant) async throws {
        while true {
            do {
                _ = try await run(arguments, until: deadline)
                return
            } catch let error as HelperError where error.isAboutALoopDeviceThatWent && .now + Self.pause < deadline {
                try await Task.sleep(for: Self.pause)
            }
        }
    }
}

extension HelperError {
    fileprivate var isAboutALoopDeviceThatWent: Bool {
        guard case .failed = reason else { return false }
        return lines.contains { $0.contains("check mount status") && $0.hasSuffix("No such device or address") }
    }
}
