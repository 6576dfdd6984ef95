// SPDX-License-Identifier: Apache-2.0

import MobyFSTesting
import Subprocess
import SystemPackage
import Testing

/// The openssl program of this machine, by which certificates are checked and foreign ones made.
enum OpenSSL {
    static let path: FilePath = "/usr/bin/openssl"
    static var isPresent: Bool { path.exists }

    /// Runs it, in a directory, to its end.
    ///
    /// - Returns: Whether it succeeded, and what it printed on both outputs.
    static func run(_ arguments: String, in directory: FilePath) async throws -> (succeeded: Bool, output: String) {
        let result = try await Subprocess.run(
            .path(path), arguments: Arguments(arguments.split(separator: " ").map(String.init)),
            workingDirectory: directory, output: .string(limit: 1 << 20), error: .combinedWithOutput)
        return (result.terminationStatus.isSuccess, result.standardOutput)
    }

    /// Runs it where it must succeed.
    @discardableResult
    static func get(_ arguments: String, in directory: FilePath) async throws -> String {
        let (succeeded, output) = try await run(arguments, in: directory)
        try #require(succeeded, "openssl \(arguments): \(output)")
        return output
    }

    /// Makes a CA in `ca.pem` and `ca-key.pem`.
    static func makeAuthority(
        _ subject: String = "/CN=foreign", key: String = "rsa:2048", days: Int = 100, in directory: FilePath
    ) async throws {
        try await get(
            "req -x509 -newkey \(key) -nodes -subj \(subject) -days \(days) -keyout ca-key.pem -out ca.pem"
                + " -addext keyUsage=critical,keyCertSign,cRLSign",
            in: directory)
    }

    /// Makes a certificate signed by that CA, in `NAME-cert.pem` and `NAME-key.pem`.
    static func makeLeaf(
        _ name: String, extensions: String, key: String = "rsa:2048", days: Int = 50, in directory: FilePath
    ) async throws {
        try directory.appending("extensions").write(extensions)
        try await get(
            "req -newkey \(key) -nodes -subj /CN=\(name) -keyout \(name)-key.pem -out \(name).csr", in: directory)
        try await get(
            "x509 -req -in \(name).csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days \(days)"
                + " -extfile extensions -out \(name)-cert.pem",
            in: directory)
    }
}

/// Whether a command succeeds in a shell.
func shell(_ command: String) async throws -> Bool {
    let result = try await Subprocess.run(
        .path("/bin/sh"), arguments: ["-c", command], output: .discarded, error: .discarded)
    return result.terminationStatus.isSuccess
}
