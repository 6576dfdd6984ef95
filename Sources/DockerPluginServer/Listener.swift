// SPDX-License-Identifier: Apache-2.0

import Glibc
import NIOCore
import NIOPosix

/// Where a plugin server takes connections.
public enum Listener: Sendable {
    /// A listening socket that is open already, from systemd for example. The server owns the descriptor; the
    /// socket's file, if any, belongs to whoever bound it.
    case descriptor(CInt)
    /// A unix socket for the server to bind, mode 0600, and to take away at its end.
    case unix(path: String)
    /// A TCP port for the server to bind; 0 lets the kernel choose. Without TLS, whoever reaches it decides over
    /// every volume.
    case tcp(host: String, port: Int, tls: ServerTLS? = nil)

    /// What TLS connections are made with, if the listener speaks TLS.
    var tls: ServerTLS? {
        if case .tcp(_, _, let tls) = self { tls } else { nil }
    }
}

/// Why a server cannot listen.
public struct ListenError: Error, CustomStringConvertible {
    /// What is in the way and what to do.
    public let description: String
}

extension Listener {
    /// How many connections may wait to be accepted; more are refused, or have to wait themselves.
    static let backlog: CInt = 4096

    func bind(_ bootstrap: ServerBootstrap) async throws -> any Channel {
        do {
            switch self {
            case .descriptor(let descriptor):
                return try await Self.listen(on: descriptor, bootstrap)
            case .tcp(let host, let port, _):
                return try await bootstrap.serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                    .bind(host: host, port: port).get()
            case .unix(let path):
                try await Self.clear(path)
                return try await Self.listen(on: try Self.bindForOwner(path), bootstrap)
            }
        } catch let error as IOError {
            throw ListenError(
                description: "cannot listen on \(self): \(String(cString: strerror(error.errnoCode)))"
                    + hint(error.errnoCode))
        } catch let error as SocketAddressError.UnknownHost {
            throw ListenError(description: "cannot listen on \(self): no host '\(error.host)' is known")
        }
    }

    /// Listens on a socket that is bound.
    private static func listen(on descriptor: CInt, _ bootstrap: ServerBootstrap) async throws -> any Channel {
        let channel = try await bootstrap.withBoundSocket(descriptor).get()
        // NIO has done so with a backlog of its own, 128, whatever the option says; listen(2) changes it any time.
        guard Glibc.listen(descriptor, backlog) == 0 else { throw IOError(errnoCode: errno, reason: "listen") }
        return channel
    }

    /// Binds a unix socket to which nobody but its owner can connect, from the first moment on.
    ///
    /// A socket's file gets the mode that the socket has before it is bound, less the umask. To set the umask itself
    /// would concern the whole process, in which others make sockets and files at the same time.
    private static func bindForOwner(_ path: String) throws -> CInt {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw ListenError(
                description: "cannot listen on '\(path)': the path has \(bytes.count) bytes, and a unix socket's may "
                    + "have 107; choose a shorter one")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let flags = CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | flags, 0)
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                fchmod(descriptor, 0o600) == 0 ? Glibc.bind(descriptor, address, size) : -1
            }
        }
        guard result == 0 else {
            let reason = errno
            Glibc.close(descriptor)
            throw IOError(errnoCode: reason, reason: "bind")
        }
        return descriptor
    }

    /// What to do about a TCP port that cannot be had.
    private func hint(_ code: CInt) -> String {
        guard case .tcp(_, let port, _) = self else { return "" }
        return switch code {
        case EACCES where port < 1024: ": a port below 1024 needs a privilege; choose a higher one"
        case EADDRINUSE: ": another program has the port (ss -tlnp 'sport = :\(port)' names it)"
        case EADDRNOTAVAIL: ": this host does not have that address (ip address lists those it has)"
        default: ""
        }
    }

    /// Removes what a dead server left at the path; a live one is left alone, and so is any other file.
    private static func clear(_ path: String) async throws {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw ListenError(description: "cannot listen on '\(path)': a file that is no socket is there; move it")
        }
        let end = ContinuousClock.now + patience
        while try await isAlive(socket: path) {
            guard .now < end else {
                throw ListenError(
                    description: "cannot listen on '\(path)': another server is listening there; stop it or choose "
                        + "another path")
            }
            try await Task.sleep(for: patience / 20)
        }
        unlink(path)
    }

    /// How long a server may take to end: one that was killed while it started a program lives on in it, until that
    /// program is in its place.
    private static let patience = Duration.seconds(1)

    /// Whether somebody listens on a unix socket.
    static func isAlive(socket path: String) async throws -> Bool {
        do {
            let probe = try await ClientBootstrap(group: EventLoops.group)
                .connect(unixDomainSocketPath: path).get()
            // It may have hung up already.
            try? await probe.close().get()
            return true
        } catch let error as IOError where [ECONNREFUSED, ENOENT].contains(error.errnoCode) {
            return false
        }
    }
}

extension Listener: CustomStringConvertible {
    /// The listener as an address: `unix:///run/mobyfs.sock`, `tcp://127.0.0.1:8080`.
    public var description: String {
        switch self {
        case .descriptor(let descriptor): "descriptor \(descriptor)"
        case .unix(let path): "unix://\(path)"
        case .tcp(let host, let port, _): "tcp://\(host.contains(":") ? "[\(host)]" : host):\(port)"
        }
    }
}

/// What tells the file of a socket from a later one at the same path.
struct SocketFile: Hashable {
    private let device: dev_t
    private let inode: ino_t

    /// Looks at a path; nil if nothing is there.
    init?(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        (device, inode) = (status.st_dev, status.st_ino)
    }
}
