// SPDX-License-Identifier: Apache-2.0

import Testing

extension EngineHost {
    private static let package = "/root/mobyfs.deb"

    /// Copies the package under test into the host and installs it, as a user does.
    func installPackage() async throws {
        let package = try #require(EngineRequirements.package)
        try await copyIn(package, to: Self.package)
        try await install()
    }

    /// Installs the package under test, in place of what is installed.
    @discardableResult
    func install(_ package: String = Self.package) async throws -> String {
        try await bash("apt-get install -y -q --allow-downgrades \(package) 2>&1")
    }

    /// Removes or purges the package: `verb` is apt's.
    @discardableResult
    func uninstall(_ verb: String) async throws -> String {
        try await bash("apt-get \(verb) -y -q mobyfs 2>&1")
    }

    /// Makes a package of a higher version out of the one under test; otherwise the same.
    ///
    /// - Returns: Its path in the host, and its version.
    func makeUpgrade() async throws -> (path: String, version: String) {
        let version = try await run("dpkg-deb", "-f", Self.package, "Version") + "+eng1"
        try await bash(
            """
            rm -rf /root/upgrade
            dpkg-deb -R \(Self.package) /root/upgrade
            sed -i 's/^Version:.*/Version: \(version)/' /root/upgrade/DEBIAN/control
            dpkg-deb --root-owner-group -Zgzip -z1 -b /root/upgrade /root/upgrade.deb
            """)
        return ("/root/upgrade.deb", version)
    }

    func installedVersion() async throws -> String {
        try await run("dpkg-query", "-W", "-f", "${Version}", "mobyfs")
    }

    /// Does something that may take the package away, and installs it again afterwards, pass or fail.
    func withPackageReinstalled(_ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch {
            try await install()
            throw error
        }
        try await install()
    }
}
