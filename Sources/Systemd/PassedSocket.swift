// SPDX-License-Identifier: Apache-2.0

import CSystemd
import Glibc

/// A descriptor that the service manager passed to this process.
public struct PassedSocket: Hashable, Sendable {
    /// The descriptor, close-on-exec, owned by the caller of ``takeAll()``.
    public let descriptor: CInt
    /// The name given by `FileDescriptorName=` of the socket unit, or by whoever stored the descriptor.
    public let name: String
    /// Whether it is a stream socket that listens; a connection otherwise.
    public let isListening: Bool

    /// The path of the unix socket that it is, or that the connection came in by; nil for any other.
    public var path: String? {
        var address = sockaddr_un()
        var size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        guard result == 0, address.sun_family == sa_family_t(AF_UNIX) else { return nil }
        let path = withUnsafeBytes(of: &address.sun_path) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        return path.isEmpty ? nil : path
    }

    /// Takes the descriptors passed to this process: sockets of its socket units, and what it stored with
    /// ``ServiceManager/store(_:name:)`` before it was restarted.
    ///
    /// The second call returns none. Source: sd_listen_fds_with_names(3).
    ///
    /// - Throws: ``SystemdError`` if the environment that announces them makes no sense or one is no stream socket.
    public static func takeAll() throws -> [PassedSocket] {
        var names: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        let count = sd_listen_fds_with_names(1, &names)
        guard count >= 0 else { throw SystemdError(call: "sd_listen_fds_with_names", code: -count) }
        defer {
            for index in 0..<Int(count) { free(names?[index]) }
            free(names)
        }
        return try (0..<Int(count)).map { index in
            let descriptor = CInt(SD_LISTEN_FDS_START) + CInt(index)
            let isStream = sd_is_socket(descriptor, AF_UNSPEC, CInt(SOCK_STREAM.rawValue), -1)
            guard isStream > 0 else {
                throw SystemdError(
                    call: "sd_is_socket (descriptor \(descriptor))", code: isStream < 0 ? -isStream : ENOTSOCK)
            }
            return PassedSocket(
                descriptor: descriptor,
                name: (names?[index]).map { String(cString: $0) } ?? "",
                isListening: sd_is_socket(descriptor, AF_UNSPEC, CInt(SOCK_STREAM.rawValue), 1) > 0)
        }
    }
}

/// A call into libsystemd that failed.
public struct SystemdError: Error, CustomStringConvertible {
    /// The function.
    public let call: String
    /// The error number.
    public let code: CInt

    /// The function and the text of the error.
    public var description: String { "\(call): \(String(cString: strerror(code)))" }
}
