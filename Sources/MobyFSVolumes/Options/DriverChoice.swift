// SPDX-License-Identifier: Apache-2.0

import SystemPackage

/// Chooses the driver that a volume's options ask for.
struct DriverChoice {
    /// The default first.
    let drivers: [any VolumeDriver]
    /// The folder of the pool that volumes are in.
    let pool: FilePath

    func driver(named name: String) throws(VolumeError) -> any VolumeDriver {
        guard let driver = drivers.first(where: { $0.info.name == name }) else {
            throw VolumeError(.invalidArgument, Suggestion.complaint("driver", name, known: drivers.map(\.info.name)))
        }
        return driver
    }

    /// The driver that options ask for: the one that is named, or that an option selects; else the existing volume's, or
    /// for a new volume the one that suits the pool and can hold the volume to its size.
    ///
    /// Blocks: what suits is asked of the disk.
    func driver(for given: [String: String], existing: String? = nil) throws(VolumeError) -> any VolumeDriver {
        if let name = given["driver"] { return try driver(named: name) }
        let selections = selections(of: given)
        if let first = selections.first {
            guard selections.count == 1 else {
                let parts = selections.map { "'\($0.option)' of driver '\($0.driver.info.name)'" }
                throw VolumeError(
                    .invalidArgument,
                    "options of different drivers are given: \(parts.joined(separator: " and ")); leave out those of all "
                        + "but one")
            }
            return first.driver
        }
        if let existing { return try driver(named: existing) }
        let suiting = drivers.first { $0.suits(pool: pool) } ?? drivers[0]
        guard asksForSize(given) else { return suiting }
        // Nobody who asks for a size means memory.
        let lasting = drivers.filter { $0.info.isLasting }
        return ([suiting] + lasting).first { $0.canLimitSize(pool: pool) } ?? suiting
    }

    /// The drivers that options select, each with the first option that does.
    private func selections(of given: [String: String]) -> [(driver: any VolumeDriver, option: String)] {
        // "type=tmpfs" is more to the point than "type", and all that goes with it is not for others.
        let taken = drivers.first { driver in
            driver.info.selectors.contains { $0.contains("=") && Self.matches($0, given) }
        }
        return drivers.compactMap { driver in
            let selector = driver.info.selectors.first { selector in
                guard Self.matches(selector, given) else { return false }
                return taken.map { $0.info.name == driver.info.name || $0.info.option(named: selector) == nil } ?? true
            }
            return selector.map { (driver, $0) }
        }
    }

    private static func matches(_ selector: String, _ given: [String: String]) -> Bool {
        guard let equals = selector.firstIndex(of: "=") else { return given[selector] != nil }
        return given[String(selector[..<equals])] == String(selector[selector.index(after: equals)...])
    }

    private func asksForSize(_ given: [String: String]) -> Bool {
        // A list that makes no sense is complained of where it is read.
        given["size"] != nil
            || (try? given["o"].map { text in try MountOptionList(parsing: text)["size"] }) ?? nil != nil
    }

    /// Throws unless the driver holds a volume to its size.
    ///
    /// Blocks.
    func requireHardSize(_ driver: any VolumeDriver, _ options: VolumeOptions) throws(VolumeError) {
        guard let size = options.size, case .unsupported(let reason) = driver.sizeSupport(options, pool: pool) else {
            return
        }
        let able = drivers.filter { $0.info.name != driver.info.name && $0.canLimitSize(pool: pool) }
        let alternatives =
            able.isEmpty
            ? "no driver can on this host"
            : "these can here: " + able.map { "driver=\($0.info.name)" }.joined(separator: ", ")
        throw VolumeError(
            .invalidArgument,
            "driver '\(driver.info.name)' cannot hold a volume to size='\(size.normal)': \(reason); \(alternatives)")
    }
}

extension VolumeDriver {
    fileprivate func canLimitSize(pool: FilePath) -> Bool {
        if case .enforced = sizeSupport(VolumeOptions(checked: [:]), pool: pool) { true } else { false }
    }
}
