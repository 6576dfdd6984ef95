// SPDX-License-Identifier: Apache-2.0

import DockerPluginClient

/// Shows what goes over the wire on standard error, as curl does: `*` notes, `>` sent, `<` received.
enum WireTrace {
    /// More of one message is not shown.
    private static let limit = 16 << 10

    static func show(_ event: TraceEvent) {
        switch event {
        case .note(let note): TerminalText.complain("* \(note)")
        case .retry(let error, let pause): TerminalText.complain("* \(error); trying again in \(pause.inSeconds)")
        case .sent(let bytes): show(bytes, after: ">")
        case .received(let bytes): show(bytes, after: "<")
        }
    }

    private static func show(_ bytes: [UInt8], after mark: String) {
        var lines = bytes.prefix(limit).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        // Behind the last line end there is no line.
        if lines.last?.isEmpty == true { lines.removeLast() }
        for line in lines {
            let text = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            TerminalText.complain("\(mark) \(String(decoding: text, as: UTF8.self))")
        }
        if bytes.count > limit { TerminalText.complain("* and \(bytes.count - limit) bytes more") }
    }
}
