// SPDX-License-Identifier: Apache-2.0

import Glibc
import NIOCore
import NIOSSL
import Synchronization

/// The certificate of a server and the authorities of its clients, from files that may change while it runs.
///
/// TLS 1.2 and later is spoken, and a client has to show a certificate that one of the authorities has issued for
/// clients. A change reaches handshakes that begin after ``reload()``; connections that are open stay.
public final class ServerTLS: Sendable {
    /// PEM files.
    public struct Files: Hashable, Sendable {
        /// The server's certificate, with intermediate ones behind it where there are any.
        public var certificate: String
        /// The certificate's key, not encrypted.
        public var key: String
        /// The authorities that issue certificates of clients.
        public var authorities: String

        /// Names the files.
        public init(certificate: String, key: String, authorities: String) {
            self.certificate = certificate
            self.key = key
            self.authorities = authorities
        }

        fileprivate var all: [String] { [certificate, key, authorities] }
    }

    /// What came of looking at the files again.
    public enum Reload: Sendable {
        /// They are as they were.
        case unchanged
        /// The new ones are in use.
        case replaced
        /// The new ones cannot be used; the old ones stay in use.
        case kept(TLSError)
    }

    private struct State {
        var loaded: LoadedCertificates
        /// What the files were like when they were last looked at, whatever came of it.
        var seen: [FileStamp?]
        /// Why files that are there are not in use.
        var refusal: TLSError?
    }

    /// Where certificates and key are.
    public let files: Files
    private let state: Mutex<State>

    /// Reads the files.
    ///
    /// A certificate that has expired is taken, for want of a better one; see ``trouble``.
    ///
    /// - Parameter files: Where certificates and key are.
    /// - Throws: ``TLSError`` if a file cannot be read or makes no sense, or key and certificate do not fit.
    public init(_ files: Files) throws(TLSError) {
        self.files = files
        let seen = files.all.map(FileStamp.init)
        state = Mutex(State(loaded: try LoadedCertificates(files), seen: seen))
    }

    /// What new connections are to use.
    var context: NIOSSLContext { state.withLock { $0.loaded.context } }

    /// Reads the files again if they have changed.
    ///
    /// What cannot be read, does not fit together or is not valid now is refused, unless what is in use is not valid
    /// either.
    public func reload() -> Reload {
        let seen = files.all.map(FileStamp.init)
        if state.withLock({ $0.seen == seen }) { return .unchanged }
        let outcome = Result { () throws(TLSError) in try LoadedCertificates(files) }
        return state.withLock { state in
            state.seen = seen
            let refusal: TLSError
            switch outcome {
            case .failure(let error): refusal = error
            case .success(let new):
                guard let problem = new.problem, state.loaded.problem == nil else {
                    state.loaded = new
                    state.refusal = nil
                    return .replaced
                }
                refusal = problem
            }
            state.refusal = refusal
            return .kept(refusal)
        }
    }

    /// What somebody should do something about; nil if there is nothing.
    ///
    /// Files that are refused, a certificate that is not valid or soon will not be.
    public var trouble: String? {
        state.withLock { state in
            if let refusal = state.refusal { return "\(refusal); the certificate from before stays in use" }
            return (state.loaded.problem ?? state.loaded.warning)?.description
        }
    }
}

/// What identifies the content of a file without reading it.
private struct FileStamp: Equatable {
    let device: dev_t
    let inode: ino_t
    let size: off_t
    let seconds: Int
    let nanoseconds: Int

    init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        device = status.st_dev
        inode = status.st_ino
        size = status.st_size
        seconds = status.st_ctim.tv_sec
        nanoseconds = status.st_ctim.tv_nsec
    }
}

/// Certificates and a key that fit together, ready for use.
private struct LoadedCertificates {
    private static let warningTime = 14 * 86400

    let context: NIOSSLContext
    /// The times at which certificates begin and end to be valid, and their files.
    private let periods: [(file: String, from: time_t, until: time_t)]

    init(_ files: ServerTLS.Files) throws(TLSError) {
        let chain = try Self.certificates(files.certificate)
        let authorities = try Self.certificates(files.authorities)
        var configuration = TLSConfiguration.makeServerConfigurationWithMTLS(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(try Self.key(files.key)),
            trustRoots: .certificates(authorities))
        configuration.minimumTLSVersion = .tlsv12
        configuration.shutdownTimeout = .seconds(1)
        do {
            context = try NIOSSLContext(configuration: configuration)
        } catch {
            throw TLSError("the key in '\(files.key)' is not the one of the certificate in '\(files.certificate)'")
        }
        periods =
            chain.prefix(1).map { (files.certificate, $0.notValidBefore, $0.notValidAfter) }
            + authorities.map { (files.authorities, $0.notValidBefore, $0.notValidAfter) }
    }

    /// Why a client would refuse the server, or the server every client.
    var problem: TLSError? {
        let now = time(nil)
        for period in periods {
            if period.until < now {
                return TLSError("the certificate in '\(period.file)' expired \(Self.days(now - period.until)) ago")
            }
            if period.from > now {
                return TLSError(
                    "the certificate in '\(period.file)' is valid only in \(Self.days(period.from - now)): "
                        + "is the clock right?")
            }
        }
        return nil
    }

    /// What will soon be a problem.
    var warning: TLSError? {
        let now = time(nil)
        guard let next = periods.min(by: { $0.until < $1.until }), next.until - now < Self.warningTime else {
            return nil
        }
        return TLSError("the certificate in '\(next.file)' expires in \(Self.days(next.until - now))")
    }

    private static func days(_ seconds: Int) -> String {
        seconds < 2 * 86400 ? "\(seconds / 3600) hours" : "\(seconds / 86400) days"
    }

    private static func certificates(_ path: String) throws(TLSError) -> [NIOSSLCertificate] {
        let bytes = try read(path)
        // What is in the way is said below, whatever the library calls it.
        let certificates = (try? NIOSSLCertificate.fromPEMBytes(bytes)) ?? []
        guard !certificates.isEmpty else {
            throw TLSError(
                bytes.contains("PRIVATE KEY")
                    ? "'\(path)' has a key in it where a certificate is wanted"
                    : "'\(path)' has no certificate in it: a PEM file is wanted (-----BEGIN CERTIFICATE-----)")
        }
        return certificates
    }

    private static func key(_ path: String) throws(TLSError) -> NIOSSLPrivateKey {
        let bytes = try read(path)
        if bytes.contains("ENCRYPTED") {
            throw TLSError(
                "the key in '\(path)' is encrypted, and nobody is there to be asked for the password: "
                    + "write it in clear, for root alone: openssl pkey -in '\(path)' -out NEW.pem")
        }
        do {
            return try NIOSSLPrivateKey(bytes: bytes, format: .pem)
        } catch {
            throw TLSError("'\(path)' has no private key in it: a PEM file is wanted (-----BEGIN PRIVATE KEY-----)")
        }
    }

    private static func read(_ path: String) throws(TLSError) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { throw TLSError("'\(path)' cannot be read: \(String(cString: strerror(errno)))") }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = Glibc.read(file, &bytes, bytes.count)
        guard count >= 0 else { throw TLSError("'\(path)' cannot be read: \(String(cString: strerror(errno)))") }
        return Array(bytes[..<count])
    }
}

extension [UInt8] {
    fileprivate func contains(_ text: StaticString) -> Bool {
        text.withUTF8Buffer { firstRange(of: $0) } != nil
    }
}

/// Why certificates or a key cannot be used.
public struct TLSError: Error, Hashable, CustomStringConvertible {
    /// What is wrong, with the file it is in.
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}
