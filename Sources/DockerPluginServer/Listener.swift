// SPDX-License-Identifier: Apache-2.0

import Glibc
import NIOCore
import NIOPosix

/// Where a plugin server takes connections.
public enum Listener: Hashable, Sendable {
    /// A listening socket that is open already, from systemd for example. The server owns the descriptor; the
    /// socket's file, if any, belongs to whoever bound it.
    case descriptor(CInt)
    /// A unix socket for the server to bind, mode 0600, and to take away at its end.
    case unix(path: String)
    /// A TCP port for the server to bind; 0 lets the kernel choose.
    case tcp(host: String, port: Int)
}

/// Why a server cannot listen.
public struct ListenError: Error, CustomStringConvertible {
    /// What is in the way and what to do.
    public let description: String
}

extension Listener {
    func bind(_ bootstrap: ServerBootstrap) async throws -> any Channel {
        do {
            switch self {
            case .descriptor(let descriptor):
                return try await bootstrap.withBoundSocket(descriptor).get()
            case .tcp(let host, let port):
                return try await bootstrap.serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                    .bind(host: host, port: port).get()
            case .unix(let path):
                try await Self.clear(path)
                // Nobody may connect between bind(2) and a chmod(2).
                let mask = umask(0o177)
                defer { umask(mask) }
                return try await bootstrap.bind(unixDomainSocketPath: path).get()
            }
        } catch let error as IOError {
            let hint =
                if case .tcp(_, 1..<1024) = self, error.errnoCode == EACCES {
                    ": a port below 1024 needs a privilege; choose a higher one"
                } else {
                    ""
                }
            throw ListenError(
                description: "cannot listen on \(self): \(String(cString: strerror(error.errnoCode)))\(hint)")
        }
    }

    /// Removes what a dead server left at the path; a live one is left alone, and so is any other file.
    private static func clear(_ path: String) async throws {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw ListenError(description: "cannot listen on '\(path)': a file that is no socket is there; move it")
        }
        do {
            let probe = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(unixDomainSocketPath: path).get()
            try await probe.close().get()
        } catch let error as IOError where error.errnoCode == ECONNREFUSED {
            unlink(path)
            return
        }
        throw ListenError(
            description: "cannot listen on '\(path)': another server is listening there; stop it or choose another path"
        )
    }
}

extension Listener: CustomStringConvertible {
    /// The listener as an address: `unix:///run/mobyfs.sock`, `tcp://127.0.0.1:8080`.
    public var description: String {
        switch self {
        case .descriptor(let descriptor): "descriptor \(descriptor)"
        case .unix(let path): "unix://\(path)"
        case .tcp(let host, let port): "tcp://\(host):\(port)"
        }
    }
}
