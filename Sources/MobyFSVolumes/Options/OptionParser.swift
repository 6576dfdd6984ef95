// SPDX-License-Identifier: Apache-2.0

/// Reads the options of one driver as a user gave them.
package struct OptionParser: Sendable {
    /// Options that make sense, and what they keep secret.
    package struct Parsed: Sendable {
        package var options: VolumeOptions
        package var secrets: [String: Secret]
    }

    /// The mount options that are passwords: what each is called in ``Parsed/secrets``.
    private static let secretMountOptions = [
        "password": "password", "pass": "password", "passwd": "password", "password2": "password2", "secret": "secret",
    ]

    private let driver: any VolumeDriver
    private let info: DriverInfo
    private let others: [DriverInfo]

    /// Makes a parser.
    ///
    /// - Parameters:
    ///   - driver: Whose options they are.
    ///   - others: The drivers whose options somebody may have meant instead.
    package init(_ driver: any VolumeDriver, others: [DriverInfo] = []) {
        self.driver = driver
        info = driver.info
        self.others = others
    }

    /// Checks options against the driver's table and brings their values into one spelling.
    ///
    /// Blocks where names of users are looked up.
    ///
    /// - Parameters:
    ///   - given: The options.
    ///   - isWhole: Whether they are all that a volume is asked for with; else others come to them later.
    /// - Returns: The options in one spelling.
    /// - Throws: ``VolumeError`` with code `invalidArgument`, naming the option, the value and what it takes.
    package func parse(_ given: [String: String], asWhole isWhole: Bool = true) throws(VolumeError) -> Parsed {
        var given = given
        given["driver"] = nil  // recorded on its own
        var secrets = try Self.takeSecrets(outOf: &given)
        try driver.translate(&given)
        // What a driver has translated may be a list as well.
        secrets.merge(try Self.takeSecrets(outOf: &given)) { _, later in later }
        try expandList(&given)
        var values: [String: String] = [:]
        for (name, value) in given.sorted(by: { $0.key < $1.key }) {
            guard let option = info.option(named: name) else { throw unknown(name) }
            let normal = try Self.normalized(value, of: option, calledAs: name)
            if option.isSecret {
                secrets[option.name] = Secret(normal)
            } else if let other = values.updateValue(normal, forKey: option.name), other != normal {
                throw VolumeError(
                    .invalidArgument,
                    "option '\(option.name)' is given twice, as '\(other.excerpt())' and as '\(normal.excerpt())'")
            }
        }
        for name in secrets.keys { values[name] = Secret.placeholder }
        let options = VolumeOptions(checked: values)
        if isWhole { try driver.check(options) }
        return Parsed(options: options, secrets: secrets)
    }

    private func unknown(_ name: String) -> VolumeError {
        if let owner = others.owner(ofOption: name) {
            return VolumeError(
                .invalidArgument,
                "option '\(name)' is of driver '\(owner.name)', and this volume's is '\(info.name)', which knows: "
                    + info.allOptions.map(\.name).sorted().joined(separator: ", "))
        }
        return VolumeError(
            .invalidArgument, Suggestion.complaint("option", name, known: info.allOptions.map(\.name), others: others))
    }

    /// Brings a value of one option into its one spelling.
    static func normalized(
        _ value: String, of option: OptionInfo, calledAs name: String
    ) throws(VolumeError) -> String {
        do {
            return try option.value.normalized(value)
        } catch {
            let shown = option.isSecret ? Secret.placeholder : value.excerpt()
            throw VolumeError(.invalidArgument, "option \(name)='\(shown)' \(error.reason)")
        }
    }

    /// Takes the passwords out of `o=`, so that nothing that quotes the list can show them.
    private static func takeSecrets(
        outOf given: inout [String: String]
    ) throws(VolumeError) -> [String: Secret] {
        guard let text = given["o"] else { return [:] }
        var list = try MountOptionList(parsing: text)
        var secrets: [String: Secret] = [:]
        // Some programs care for capitals and spaces as little as whoever typed them.
        for item in list.items {
            let key = item.key.lowercased().filter { $0 != " " }
            guard let name = secretMountOptions[key], list.remove(item.key) != nil else { continue }
            secrets[name] = Secret(item.value ?? "")
        }
        if !secrets.isEmpty { given["o"] = list.text }
        return secrets
    }

    /// Takes `o=uid=1000,size=1G` for `uid=1000` and `size=1G`, as Podman does, where the driver mounts nothing.
    private func expandList(_ given: inout [String: String]) throws(VolumeError) {
        guard info.option(named: "o") == nil, let text = given.removeValue(forKey: "o") else { return }
        for item in try MountOptionList(parsing: text).items {
            guard let option = info.option(named: item.key), option.name != "driver" else {
                let known = info.allOptions.map(\.name).filter { $0 != "driver" }
                throw VolumeError(
                    .invalidArgument,
                    Suggestion.complaint("option", item.key, known: known)
                        + "; mount options in o= go with type= and device=")
            }
            let value = item.value ?? ""
            if let other = given.updateValue(value, forKey: item.key), other != value {
                throw VolumeError(.invalidArgument, "option '\(option.name)' is given twice, also in o=")
            }
        }
    }
}
