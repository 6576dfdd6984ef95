// SPDX-License-Identifier: Apache-2.0

import DockerPluginDiscovery
import Glibc
import NIOCore
import NIOPosix

/// Says why there is no connection, and what to do.
enum ConnectFailure {
    static func explain(_ error: any Error, address: PluginAddress) -> any Error {
        switch error {
        case is PluginClientError, is CancellationError: return error
        case let failure as TLSFailure: return PluginClientError(failure.code, "'\(address)' \(failure.description)")
        case let failure as IOError:
            return PluginClientError(
                .unreachable, "cannot connect to '\(address)': \(words(for: failure.errnoCode, address))")
        case let failure as NIOConnectionError: return explain(failure, address)
        case ChannelError.eof:
            return PluginClientError(.dropped, "'\(address)' closed the connection as soon as it was made")
        default: return PluginClientError(.unreachable, "cannot connect to '\(address)': \(error)")
        }
    }

    private static func explain(_ failure: NIOConnectionError, _ address: PluginAddress) -> PluginClientError {
        // Of several addresses, localhost's two for example, the last one tried speaks for all.
        guard let last = failure.connectionErrors.last else {
            let reason = (failure.dnsAAAAError as? HostLookUpError).map { ": \($0)" } ?? ""
            return PluginClientError(
                .unreachable, "cannot connect to '\(address)': the host '\(failure.host)' is not found\(reason)")
        }
        let reason = (last.error as? IOError).map { words(for: $0.errnoCode, address) } ?? "\(last.error)"
        return PluginClientError(.unreachable, "cannot connect to '\(address)': \(reason)")
    }

    private static func words(for code: CInt, _ address: PluginAddress) -> String {
        guard case .unix(let path) = address.transport else {
            let text = String(cString: strerror(code)).lowercased()
            return code == ECONNREFUSED ? "\(text): nothing listens on this port" : text
        }
        switch code {
        case ENOENT: return "no such file: the plugin is not running, or listens elsewhere"
        case ECONNREFUSED:
            var status = stat()
            let isSocket = stat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFSOCK
            return isSocket
                ? "connection refused: the plugin that made this socket is gone; start it, or remove the file"
                : "the file there is no socket"
        case EACCES, EPERM: return "permission denied: try as root"
        case EAGAIN: return "the plugin takes no connections and its queue of them is full: it hangs; restart it"
        default: return String(cString: strerror(code)).lowercased()
        }
    }
}
