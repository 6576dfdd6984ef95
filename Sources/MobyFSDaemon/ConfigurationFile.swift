// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSVolumes
package import SystemPackage

/// The file of settings.
///
/// It has `NAME=VALUE` lines as systemd's `EnvironmentFile=` has, with `#` or `;` comments and quotes around
/// values where wanted. A line that is none of these is an error.
package enum ConfigurationFile {
    /// Reads a file.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - isOptional: Whether a file that is not there says nothing.
    /// - Returns: What the file says.
    /// - Throws: ``ConfigurationError`` naming the line.
    package static func read(_ path: FilePath, isOptional: Bool) throws -> [Setting: String] {
        let bytes: [UInt8]
        do {
            bytes = try DurableFile.read(path)
        } catch let error as SystemCallError where isOptional && error.errno == .noSuchFileOrDirectory {
            return [:]
        } catch {
            throw ConfigurationError("the configuration cannot be read: \(error)")
        }
        return try parse(String(decoding: bytes, as: UTF8.self), from: path.string)
    }

    /// What a file says of one setting, whatever else it says; nil if nothing.
    static func value(of setting: Setting, in path: FilePath) -> String? {
        guard let bytes = try? DurableFile.read(path) else { return nil }
        return bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
            (try? parse(String(decoding: line, as: UTF8.self), from: path.string))?[setting]
        }.last
    }

    static func parse(_ text: String, from source: String) throws -> [Setting: String] {
        var values: [Setting: String] = [:]
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = trim(line)
            if line.isEmpty || line.hasPrefix("#") || line.hasPrefix(";") { continue }
            let place = "\(source), line \(index + 1)"
            guard let equals = line.firstIndex(of: "=") else {
                throw ConfigurationError("\(place): '\(line)' is not NAME=VALUE")
            }
            let name = trim(line[..<equals])
            guard let setting = Setting(rawValue: String(name)) else {
                throw ConfigurationError(
                    "\(place): "
                        + Suggestion.complaint("setting", String(name), known: Setting.allCases.map(\.rawValue)))
            }
            values[setting] = try unquote(trim(line[line.index(after: equals)...]), at: place)
        }
        return values
    }

    private static func trim(_ text: Substring) -> Substring {
        var text = text
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }

    private static func unquote(_ text: Substring, at place: String) throws -> String {
        guard let quote = text.first, quote == "\"" || quote == "'" else { return String(text) }
        guard text.count > 1, text.last == quote else {
            throw ConfigurationError("\(place): the quote before '\(text.dropFirst())' has no end")
        }
        return String(text.dropFirst().dropLast())
    }
}

/// A configuration that makes no sense; nothing was started or changed.
package struct ConfigurationError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}
