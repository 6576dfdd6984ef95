// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

extension EngineTests {
    /// `mobyfs plugin` finds what the engine finds, and nothing else, among 60 plugins in good and odd places.
    @Suite struct DiscoveryTests {
        let host = EngineHost.shared

        /// Each volume of a name that the engine does not find takes it 15 seconds, all at the same time.
        private static let useAllByName = """
            number=0
            while read -r name; do
                number=$((number + 1))
                timeout 100 docker volume create -d "$name" "odd$number" >/dev/null 2>&1 &
            done < <(odd-plugins names)
            wait
            """

        @Test func theEngineListsAndUsesWhatMobyfsSaysItDoes() async throws {
            try await withOddPlugins {
                // Forgotten by the restart; the engine asks those that it knows no more.
                try await host.restartEngine()
                _ = try await activated()
                try await host.docker("volume", "ls")
                let listed = try await activated()
                try await host.run("odd-plugins", "ask", "listed")
                #expect(try await activated() == listed)
                #expect(listed.count > 20)

                try await host.restartEngine()
                _ = try await activated()
                try await host.bash(Self.useAllByName)
                let used = try await activated()
                try await host.run("odd-plugins", "ask", "named")
                #expect(try await activated() == used)
                #expect(used.count > listed.count)
            }
        }

        private func activated() async throws -> [String] {
            try await host.run("odd-plugins", "activated").lines
        }

        /// Runs `body` with plugins that answer, and takes them and their files away again.
        private func withOddPlugins(_ body: () async throws -> Void) async throws {
            let tool = EngineRequirements.tool.removingLastComponent().appending("odd-plugins")
            try await host.copyIn(tool, to: "/usr/local/bin/odd-plugins")
            try await host.bash("cp -a /etc/docker/plugins /run/plugins.before")
            try await host.run("systemd-run", "--unit=odd-plugins", "odd-plugins", "serve")
            let outcome: Result<Void, any Error>
            do {
                try await eventually("the plugins are made") { try await host.exists("/run/odd-plugins/names") }
                outcome = .success(try await body())
            } catch {
                outcome = .failure(error)
            }
            try await host.bash(
                """
                systemctl stop odd-plugins
                rm -rf /run/docker/plugins /etc/docker/plugins /usr/lib/docker/plugins /run/odd-plugins
                mv /run/plugins.before /etc/docker/plugins
                """)
            try await host.restartEngine()
            try outcome.get()
        }
    }
}
