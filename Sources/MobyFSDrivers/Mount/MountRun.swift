// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSVolumes
import SystemPackage

/// One attempt to mount what is asked for.
struct MountRun: Sendable {
    let request: MountRequest
    let method: MountMethod
    let credentials: MountCredentials
    let target: FilePath
    /// When a helper program is ended; some time before the call has to be over, to clean up after it.
    let deadline: ContinuousClock.Instant
    let patientWork: PatientWork

    /// Mounts it; what is left of an attempt that failed is for the caller to undo.
    func mount() async throws {
        switch method {
        case .bind: try await bind()
        case .kernel:
            let options = request.options.items.map { ($0.key, $0.value) }
            try await BlockingWork.run(until: deadline, "mount '\(request.source)'") { [request, target] in
                try Mounts.mount(type: request.type.name, source: request.source, at: target, options: options)
            }
        case .mountProgram:
            let options = try await resolved(request.options, as: "addr")
            try await MountMethod.mount.run(
                ["-i", "-t", request.type.name] + method.list(options) + ["--", request.source, target.string],
                until: deadline)
        case .helper(let program):
            let login = try login()
            var options = try await resolved(request.options, as: request.type.isSMB ? "ip" : "addr")
            options.items += login.options
            if request.type.name == "glusterfs", options["log-file"] == nil, let log = GlusterLog(for: target).option {
                options.items.append(.init("log-file", log))
            }
            try await program.run(
                [request.source, target.string] + method.list(options), input: login.input,
                environment: login.environment.merging(mark.environment) { _, mark in mark }, hiding: hidden,
                until: deadline)
        case .fuse(let program):
            let login = try login()
            let options = (request.options.items + login.options).flatMap { ["-o", Self.escaped($0)] }
            // Else sshfs keeps to itself why ssh fails.
            let verbosity = request.type.isSSHFS ? ["-v"] : []
            // Under its own name rclone takes other arguments.
            try await program.run(
                [login.source ?? request.source, target.string] + verbosity + options,
                calledAs: program.name == "rclone" ? "mount.rclone" : nil, input: login.input,
                environment: mark.environment, hiding: hidden, until: deadline)
        }
    }

    /// By which the program that serves it is known later.
    private var mark: HelperMark { FUSEConnection.mark(of: target) }

    /// What no error may show.
    private var hidden: [String] { credentials.password.map { [$0.value] } ?? [] }

    private func bind() async throws {
        let source = FilePath(request.source)
        let options = request.options.items.map { ($0.key, $0.value) }
        try await patientWork.run(on: "source of \(target)", until: deadline, "bind '\(source)'") { [request, target] in
            guard Directories.isDirectory(source) != false else {
                throw SystemCallError("bind '\(source)'", .notDirectory)
            }
            try Mounts.bind(source, at: target, recursive: request.isRecursive, options: options)
        }
    }

    /// As fuse_opt_parse(3) reads it: a backslash keeps a comma.
    private static func escaped(_ item: MountOptionList.Item) -> String {
        guard let value = item.value else { return item.key }
        return "\(item.key)=" + value.map { $0 == "," || $0 == "\\" ? "\\\($0)" : String($0) }.joined()
    }

    /// What tells a program who asks, unseen by others.
    private struct Login {
        /// What to mount, with the user's name in it.
        var source: String?
        var options: [MountOptionList.Item] = []
        var environment: [String: String] = [:]
        var input: [UInt8] = []
    }

    private func login() throws -> Login {
        var login = Login()
        let type = request.type
        // To mount.cifs a line break is part of the password; others read a line.
        if let password = credentials.password { login.input = Array((password.value + (type.isSMB ? "" : "\n")).utf8) }
        if type.isSMB {
            if let name = credentials.username { login.options.append(.init("username", name)) }
            if let domain = credentials.domain { login.options.append(.init("domain", domain)) }
            if credentials.password != nil { login.environment["PASSWD_FD"] = "0" }
        } else if type.isSSHFS {
            if let name = credentials.username, !request.source.contains("@") {
                login.source = "\(name)@\(request.source)"
            }
            if credentials.password != nil {
                // Asked once more, nobody would answer.
                login.options += [.init("password_stdin"), .init("NumberOfPasswordPrompts", "1")]
            }
        } else if type.isCeph {
            if let name = credentials.username { login.options.append(.init("name", name)) }
            if credentials.password != nil { login.options.append(.init("secretfile", "/dev/stdin")) }
        } else if let name = credentials.username {
            login.options.append(.init("username", name))
        }
        return login
    }

    /// The options with the address of the server as a number, as the kernel takes it.
    private func resolved(_ options: MountOptionList, as key: String) async throws -> MountOptionList {
        guard request.type.isNFS || request.type.isSMB else { return options }
        var options = options
        for index in options.items.indices where ["addr", "ip"].contains(options.items[index].key) {
            guard let name = options.items[index].value else { continue }
            let address = try await BlockingWork.run(until: deadline, "look up '\(name)'") {
                try Self.address(of: name)
            }
            options.items[index] = .init(key, address)
        }
        return options
    }

    private static func address(of name: String) throws -> String {
        var hints = addrinfo()
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let failure = getaddrinfo(name, nil, &hints, &found)
        defer { if let found { freeaddrinfo(found) } }
        guard failure == 0, let first = found?.pointee else {
            throw VolumeError(
                .unavailable, "the address of addr='\(name)' is unknown: \(String(cString: gai_strerror(failure)))")
        }
        var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        getnameinfo(first.ai_addr, first.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
