// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import PluginCertificates
import SystemPackage

extension TLSCommand {
    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "create",
            abstract: "Make a CA, a certificate for mobyfs and one for engines, each with its key.",
            discussion: """
                The certificate for mobyfs is also valid for localhost, 127.0.0.1 and ::1, by which an engine on the \
                same host connects.
                """)

        @Option(
            help: ArgumentHelp(
                "A name or an address that engines connect to; may be given again.", valueName: "name"))
        var host: [String] = []

        @Option(help: "Where the files go. (default: \(TLSCommand.defaultDirectory))")
        var dir: String?

        @Option(help: "For how long the two certificates are valid.")
        var days = CertificateSet.Lifetimes.standard.leaf

        @Option(help: "For how long the CA is valid. (default: \(CertificateSet.Lifetimes.standard.authority))")
        var caDays: Int?

        @Flag(help: "Make new certificates with the CA and the keys that are there.")
        var renew = false

        @Flag(help: "Replace what is there, the CA included.")
        var force = false

        @Flag(name: .shortAndLong, help: "Print only the paths of the files that were written.")
        var quiet = false

        func validate() throws {
            guard !(renew && force) else {
                throw ValidationError("--renew keeps the CA and --force replaces it: give one of them")
            }
            guard !(renew && caDays != nil) else {
                throw ValidationError("--ca-days is for a new CA, and --renew keeps the one that is there")
            }
            guard renew || !host.isEmpty else {
                throw ValidationError(
                    "no --host is given: give each name and address that engines will connect to, "
                        + "such as --host \(Self.hostName ?? "nas.example")")
            }
            let range = CertificateSet.Lifetimes.range
            guard range.contains(days), range.contains(caDays ?? range.lowerBound) else {
                let value = range.contains(days) ? "--ca-days '\(caDays ?? 0)'" : "--days '\(days)'"
                throw ValidationError("\(value) is not between \(range.lowerBound) and \(range.upperBound)")
            }
            guard renew || days <= caDays ?? CertificateSet.Lifetimes.standard.authority else {
                throw ValidationError("--days '\(days)' is longer than the CA lives: give more --ca-days")
            }
        }

        func run() throws {
            let hosts = try host.map { name throws in try CertifiedHost(name) }
            let set = try CertificateSet(dir.map(TLSCommand.path) ?? CertificateSet.defaultDirectory)
            let result: CertificateSet.Result
            if renew {
                result = try set.renew(hosts: hosts.isEmpty ? nil : hosts, days: days)
            } else {
                let authority = caDays ?? CertificateSet.Lifetimes.standard.authority
                result = try set.create(
                    hosts: hosts, lifetimes: .init(leaf: days, authority: authority), replacesExisting: force)
            }
            if quiet {
                for file in result.written { print(set.path(of: file)) }
            } else {
                print(CertificateInstructions(set: set, result: result, isRenewal: renew))
            }
        }

        /// What this host calls itself, as an example.
        private static var hostName: String? {
            var name = [CChar](repeating: 0, count: 256)
            guard gethostname(&name, name.count - 1) == 0 else { return nil }
            let text = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            return (try? CertifiedHost(text))?.description  // a host may be called anything
        }
    }
}
