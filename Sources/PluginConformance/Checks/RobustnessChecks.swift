// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginClient

extension Check {
    /// What no well-meaning caller sends, and calls that break off.
    static let robustness: [Check] = [
        Check(
            "large-body", .required, "A body of 1 MiB is answered",
            source: "moby pkg/plugins/client.go: engines send names and options of any length", needs: .volumePlugin
        ) { session in
            let start = Array(#"{"Name":"\#(session.newName())","Fill":""#.utf8)
            let fill = [UInt8](repeating: UInt8(ascii: "x"), count: (1 << 20) - start.count - 2)
            let exchange = await session.exchange(
                session.request("VolumeDriver.Get", start + fill + Array("\"}".utf8)),
                as: "VolumeDriver.Get with a body of 1 MiB")
            guard exchange.answer != nil else { throw Violation("\(exchange)") }
            return "\(exchange); \(try await session.requireAlive(after: "that"))"
        },
        Check(
            "broken-json", .advised, "A body that is not what it should be is refused",
            source: "a call that was cut off", needs: .volumePlugin
        ) { session in
            let bodies = [
                #"{"Name":"mobyfs-verify-"#, "\u{0}\u{1}", "[]", #""x""#, #"{"Name":1}"#, #"{"Name":{}}"#,
                "{\"Name\":" + String(repeating: "[", count: 100_000),
            ]
            for body in bodies {
                let exchange = await session.exchange(
                    session.request("VolumeDriver.Get", Array(body.utf8)),
                    as: "VolumeDriver.Get \(Array(body.utf8).excerpt(60))")
                let isFound = try !exchange.isHungUp && exchange.volume() != nil
                guard !isFound else { throw Violation("\(exchange)") }
            }
            return try await session.requireAlive(after: "\(bodies.count) kinds of broken JSON")
        },
        Check(
            "half-request", .required, "A call that breaks off before its end changes nothing",
            source: "every engine that is killed", needs: .consent
        ) { session in
            try await session.breakOffACreate()
        },
        Check(
            "create-hang-up", .required,
            "A caller of Create that hangs up leaves a volume that is there or not, no half one",
            source: "moby volume/drivers/proxy.go: engines hang up after two minutes, since 18.03", needs: .consent
        ) { session in
            _ = try await session.newVolume()
            let name = session.newName()
            session.expect(name)
            let connection = try await session.connect()
            let body = session.createRequest(name, options: session.options).encoded
            try await connection.send(session.request("VolumeDriver.Create", body).encoded)
            connection.close()
            // Whether that one came through or not, the volume is there after this one, and whole; if not at once.
            let (again, found) = try await session.retrying {
                let again = await session.create(name)
                let found = await session.get(name)
                guard try found.volume() != nil else { throw Violation("after a hang-up: \(again); \(found)") }
                return (again, found)
            }
            let removal = await session.remove(name)
            if !removal.isSuccess { throw Violation("after a hang-up: \(again); \(removal)") }
            return "after a hang-up: \(again); \(found); \(removal)"
        },
        Check(
            "empty-change", .required,
            "Create, Mount, Unmount and Remove without a body are refused, and change nothing",
            source: "moby pkg/plugins/client.go: a call that is tried again has lost its body, since 1.13",
            needs: .consent
        ) { session in
            let volume = try await session.newVolume()
            let before = try await session.listedNames().contains("")
            var shown: [String] = []
            for method in ["Create", "Mount", "Unmount", "Remove"] {
                let exchange = await session.call("VolumeDriver.\(method)")
                guard exchange.isRefused || exchange.isHungUp else {
                    if method == "Create", exchange.isSuccess { session.leaveAlone("") }
                    throw exchange.violation("it stands for a call whose body was lost")
                }
                shown.append("\(exchange)")
            }
            guard try await session.listedNames().contains("") == before else {
                session.leaveAlone("")
                throw Violation("after calls without a body, List has a volume without a name")
            }
            let found = await session.get(volume)
            guard try found.volume() != nil else { throw found.violation("it was there before calls without a body") }
            return shown.joined(separator: "; ")
        },
    ]
}

extension Session {
    /// Sends a Create that is announced longer than it is, and hangs up.
    fileprivate func breakOffACreate() async throws -> String {
        let name = newName()
        let body = createRequest(name, options: options).encoded
        let whole = request("VolumeDriver.Create", body).encoded
        // Inside the name, so that a reader that makes do with what is there makes a volume of a shorter name.
        guard let start = whole.firstRange(of: name.utf8)?.lowerBound else { return "" }
        let short = String(name.dropLast(3))
        expect(name)
        expect(short)
        let connection = try await connect()
        try await connection.send(Array(whole[..<(start + short.utf8.count)]))
        connection.close()
        // The next call is answered after the plugin has had time for this one.
        try await Task.sleep(for: .milliseconds(100))
        for name in [name, short] {
            let exchange = await get(name)
            guard try exchange.volume() == nil else { throw exchange.violation("its Create broke off") }
        }
        return
            "VolumeDriver.Create broke off after \(start + short.utf8.count) of \(whole.count) bytes; \(await get(name))"
    }
}
