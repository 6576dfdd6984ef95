// SPDX-License-Identifier: Apache-2.0

package import SystemPackage

/// The mounts that the host's administrator has told systemd of, in fstab(5) or by units.
package struct MountUnits: Sendable {
    /// What systemd made of /etc/fstab is in the last.
    private static let standard: [FilePath] = ["/etc/systemd/system", "/run/systemd/system", "/run/systemd/generator"]

    private let folders: [FilePath]

    /// - Parameter folders: Where unit files are, the first wins.
    package init(in folders: [FilePath]? = nil) {
        self.folders = folders ?? Self.standard
    }

    /// A mount that a path is to be on, and that is not there.
    ///
    /// - Parameters:
    ///   - path: An absolute path.
    ///   - table: What is mounted.
    /// - Returns: The name of the unit, and where it mounts.
    package func missing(for path: FilePath, in table: MountTable) -> (unit: String, mountpoint: FilePath)? {
        var place = path
        while !place.components.isEmpty {
            let unit = Self.name(of: place)
            if isThere(unit), !table.entries.contains(where: { $0.mountpoint == place }) { return (unit, place) }
            place.removeLastComponent()
        }
        return nil
    }

    private func isThere(_ unit: String) -> Bool {
        for file in folders.map({ $0.appending(unit) }) {
            if let target = Files.target(ofLink: file.string) { return target != "/dev/null" }
            if (try? FileID(of: file)) != nil { return true }
        }
        return false
    }

    /// Source: systemd.unit(5), "String escaping for inclusion in unit names".
    static func name(of mountpoint: FilePath) -> String {
        let path = mountpoint.components.map(\.string).joined(separator: "/")
        var name = ""
        for (index, byte) in path.utf8.enumerated() {
            let scalar = UnicodeScalar(byte)
            switch scalar {
            case "/": name += "-"
            case "0"..."9", "a"..."z", "A"..."Z", ":", "_": name.unicodeScalars.append(scalar)
            case "." where index > 0: name += "."
            default: name += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return name + ".mount"
    }
}
