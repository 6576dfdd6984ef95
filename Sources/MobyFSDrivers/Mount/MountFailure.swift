// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSVolumes
import SystemPackage

/// Why something could not be mounted, for the user of the engine.
struct MountFailure {
    let request: MountRequest
    let target: FilePath
    /// What must not be shown, whoever says it.
    private(set) var secrets: [Secret]
    /// How long the log of mount.glusterfs was before.
    private let logSize: Int
    private let log: FilePath

    /// To be made before the attempt.
    init(request: MountRequest, target: FilePath, secrets: [Secret]) {
        self.request = request
        self.target = target
        self.secrets = secrets
        var status = stat()
        log = request.options["log-file"].map { FilePath($0) } ?? GlusterLog(for: target).path
        logSize = request.type.name == "glusterfs" && stat(log.string, &status) == 0 ? Int(status.st_size) : 0
    }

    /// The same, with one more secret.
    func hiding(_ secret: Secret) -> MountFailure {
        var failure = self
        failure.secrets.append(secret)
        return failure
    }

    /// The error to throw for a volume.
    func describe(_ error: any Error, of volume: Volume) -> VolumeError {
        let reason = redacted(reason(error))
        let code = (error as? VolumeError)?.code ?? .unavailable
        return VolumeError(
            code, "volume '\(volume.name)' cannot be mounted: \(reason) (\(request.summary))")
    }

    private func reason(_ error: any Error) -> String {
        switch error {
        case let error as HelperError: helperReason(error)
        case let error as MountError: kernelReason(error)
        case let error as SystemCallError: "\(error) (\(error.errno.name))"
        default: "\(error)"
        }
    }

    private func helperReason(_ error: HelperError) -> String {
        var error = error
        // Where to read more is not what happened.
        error.lines = (error.lines + (request.type.name == "glusterfs" ? glusterLog() : [])).filter { line in
            !["Refer to the ", "dmesg(1) may have more", "Warning: Permanently added"].contains { line.hasPrefix($0) }
        }
        // What ssh says comes before what sshfs says of it.
        var lines: [String] = []
        for line in error.lines.suffix(3) where !lines.contains(line) { lines.append(line) }
        error.lines = lines.isEmpty ? [] : [lines.joined(separator: "; ")]
        let name = lines.reversed().lazy.compactMap { Errno(endOf: $0) }.first?.name
        var text = "\(error)" + (name.map { " (\($0))" } ?? "")
        if case .timedOut = error.reason { text += "; is the server there?" }
        if request.type.isSSHFS { text += sshAdvice(error.lines.joined()) }
        if secrets.isEmpty, text.lowercased().contains("empty password") {
            text += "; give it one with password= or credentials="
        }
        return text
    }

    /// What to do about what ssh says.
    private func sshAdvice(_ text: String) -> String {
        if text.contains("Host key verification failed") {
            return text.contains("CHANGED")
                ? ""
                : "; to trust the host from now on, add o=StrictHostKeyChecking=accept-new, or put its key into "
                    + "/root/.ssh/known_hosts (ssh-keyscan shows it)"
        }
        if text.contains("Permission denied (") {
            return secrets.isEmpty
                ? "; ssh logs in as root of this host: give a key with o=IdentityFile=FILE, or password="
                : "; it does not take the password that was given"
        }
        return ""
    }

    private func kernelReason(_ error: MountError) -> String {
        var text = "\(error)"
        if error.errno == .invalidArgument, error.messages.isEmpty, request.type.isOnDisk {
            text += "; there may be no \(request.type.name) on it, or it does not take the options: see dmesg"
        } else if error.errno.rawValue == ENOTBLK {
            text += "; it is not a block device: for a file, attach a loop device first (losetup --find --show FILE)"
        }
        return text
    }

    /// The last error in the log that mount.glusterfs leaves the reason to.
    private func glusterLog() -> [String] {
        // No log says no more.
        guard let bytes = try? DurableFile.read(log, limit: 1 << 26) else { return [] }
        let lines = String(decoding: bytes.dropFirst(logSize).suffix(65536), as: UTF8.self).split(separator: "\n")
        guard let line = lines.last(where: { $0.contains("] E [") }) else { return [] }
        // [time] E [MSGID: n] [file.c:line:function] 0-part: text
        let text = line.split(separator: "] ").last.map(String.init) ?? ""
        return [String(text.prefix(300))]
    }

    private func redacted(_ text: String) -> String {
        var text = text
        for secret in secrets where !secret.value.isEmpty {
            text = text.split(separator: secret.value, omittingEmptySubsequences: false).joined(
                separator: Secret.placeholder)
        }
        return text
    }
}
