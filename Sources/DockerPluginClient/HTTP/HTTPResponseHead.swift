// SPDX-License-Identifier: Apache-2.0

/// The first line and the header fields of a response.
package struct HTTPResponseHead: Hashable, Sendable {
    /// `HTTP/1.1`, for example.
    package var version: String
    package var status: Int
    /// The words behind the status.
    package var reason: String
    package var headers: [HTTPField]

    /// How the end of the body is told.
    enum Framing: Hashable {
        case length(Int)
        case chunked
        case untilEnd
    }

    var framing: Framing {
        get throws(MalformedResponse) {
            // These have none, whatever the fields say.
            if status == 204 || status == 304 { return .length(0) }
            if let coding = headers["Transfer-Encoding"] {
                guard coding.lowercased() == "chunked" else {
                    throw MalformedResponse(
                        "has the transfer encoding '\(coding.shown)', and engines know 'chunked' only")
                }
                return .chunked
            }
            let lengths = Set(headers.filter { $0.name.lowercased() == "content-length" }.map(\.value))
            guard let text = lengths.first else { return .untilEnd }
            guard lengths.count == 1, text.allSatisfy(\.isASCIIDigit), let length = Int(text) else {
                throw MalformedResponse(
                    "has '\(lengths.sorted().joined(separator: ", ").shown)' for its Content-Length")
            }
            return .length(length)
        }
    }

    /// Whether the connection stays open for another request.
    var keepsAlive: Bool {
        let connection = headers["Connection"]?.lowercased()
        return version == "HTTP/1.0" ? connection == "keep-alive" : connection != "close"
    }

    /// Reads the lines of a head, the empty one at its end left out.
    init(lines: [String]) throws(MalformedResponse) {
        let words = (lines.first ?? "").split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), words[1].count == 3,
            words[1].allSatisfy(\.isASCIIDigit), let status = Int(words[1])
        else {
            throw MalformedResponse("begins with '\((lines.first ?? "").shown)', and that is no HTTP/1.1")
        }
        version = String(words[0])
        self.status = status
        reason = words.count > 2 ? String(words[2]) : ""
        headers = []
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":"), colon != line.startIndex else {
                throw MalformedResponse("has the header line '\(line.shown)' without a colon")
            }
            let value = line[line.index(after: colon)...]
            headers.append(HTTPField(String(line[..<colon]), value.trimmed))
        }
    }
}

/// How a response departs from HTTP, to be read behind "the answer of …".
struct MalformedResponse: Error {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

extension Character {
    var isASCIIDigit: Bool { isASCII && isNumber }
}

extension StringProtocol {
    /// Without blanks and tabs at both ends.
    var trimmed: String {
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        return String(drop(while: isBlank).reversed().drop(while: isBlank).reversed())
    }

    /// Fit to stand in a message: on one line, not long, without control characters.
    var shown: String {
        var text = String(
            String.UnicodeScalarView(unicodeScalars.prefix(121).map { $0.properties.isPrintable ? $0 : " " }))
        if text.unicodeScalars.count > 120 { text = String(text.prefix(117)) + "..." }
        return text.trimmed
    }
}

extension Unicode.Scalar.Properties {
    /// Neither a control character nor one of those that turn the text around them.
    fileprivate var isPrintable: Bool {
        switch generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
        default: true
        }
    }
}
