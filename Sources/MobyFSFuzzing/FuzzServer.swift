// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginServer
import Glibc
import Logging
import MobyFSHost
import Synchronization
import SystemPackage

/// A server that runs as long as the process, on a unix socket that is nowhere in the file system.
final class FuzzServer: Sendable {
    let plugin = ForgetfulPlugin()
    private let listener: CInt

    init() throws {
        let flags = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        listener = try Self.check(socket(AF_UNIX, flags | CInt(SOCK_NONBLOCK.rawValue), 0), "socket")
        var address = sockaddr()
        address.sa_family = sa_family_t(AF_UNIX)
        // For an address that has nothing but its family the kernel finds a name: unix(7).
        try Self.check(bind(listener, &address, socklen_t(MemoryLayout<sa_family_t>.size)), "bind")
        try Self.check(listen(listener, 128), "listen")
        let server = PluginServer(
            PluginServer.Configuration(listeners: [.descriptor(listener)]), subsystems: [VolumeSubsystem(plugin)],
            logger: .silent)
        Task { try await server.run() }
    }

    /// Connects; the kernel takes connections from the beginning on.
    func connect() throws -> CInt {
        var address = sockaddr_un()
        var size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let connection = try Self.check(
            socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0), "socket")
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                getsockname(listener, address, &size) == 0 ? Glibc.connect(connection, address, size) : -1
            }
        }
        try Self.check(result, "connect")
        return connection
    }

    @discardableResult
    private static func check(_ result: CInt, _ call: String) throws -> CInt {
        guard result >= 0 else { throw SystemCallError(call, Errno(rawValue: errno)) }
        return result
    }
}

/// A plugin that keeps volumes until it is told to forget them.
final class ForgetfulPlugin: VolumePlugin {
    private struct Trouble: Error, CustomStringConvertible {
        let description: String
    }

    private struct State {
        var volumes: [String: [String: String]] = [:]
        var holders: [String: Set<String>] = [:]
    }

    private let state = Mutex(State())

    var scope: VolumeScope { .local }

    func forget() { state.withLock { $0 = State() } }

    func create(_ name: String, options: [String: String]?) async throws {
        state.withLock { $0.volumes[name] = options ?? [:] }
    }

    func remove(_ name: String) async throws {
        try state.withLock { state in
            guard state.holders[name]?.isEmpty ?? true else { throw Trouble(description: "'\(name)' is in use") }
            state.volumes[name] = nil
        }
    }

    func mount(_ name: String, id: String, for engine: Caller) async throws -> String {
        try state.withLock { state in
            guard state.volumes[name] != nil else { throw VolumeNotFound("there is no '\(name)'") }
            state.holders[name, default: []].insert(id)
            return "/volumes/\(name)"
        }
    }

    func unmount(_ name: String, id: String) async throws {
        state.withLock { _ = $0.holders[name]?.remove(id) }
    }

    func path(_ name: String) throws -> String { try get(name).mountpoint ?? "" }

    func get(_ name: String) throws -> VolumeInfo {
        try state.withLock { state in
            // Nobody is to take a volume for lost that cannot be looked at.
            if name == "sick" { throw Trouble(description: "the disk is on fire") }
            guard let options = state.volumes[name] else { throw VolumeNotFound("there is no '\(name)'") }
            let isMounted = state.holders[name]?.isEmpty == false
            return VolumeInfo(
                name: name, mountpoint: isMounted ? "/volumes/\(name)" : nil,
                status: ["options": .object(options.mapValues { .string($0) })])
        }
    }

    func list() throws -> [VolumeInfo] {
        try state.withLock { $0.volumes.keys.sorted() }.map { try get($0) }
    }
}
