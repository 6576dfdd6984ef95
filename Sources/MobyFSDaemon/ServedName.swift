// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import MobyFSVolumes

/// One more name that engines know the daemon by, with options that its volumes get unless asked otherwise.
///
/// Written `NAME` or `NAME: OPTION=VALUE OPTION=VALUE`; several are separated by `;`. A value with spaces stands in
/// double quotes, where `\` takes the next character as it is.
package struct ServedName: Hashable, Sendable {
    /// The name of the daemon's own.
    static let main = "mobyfs"

    package let name: String
    package var defaults: [String: String]

    /// Reads a list of names.
    ///
    /// - Throws: ``ConfigurationError`` naming what is wrong.
    static func parse(_ text: String) throws(ConfigurationError) -> [ServedName] {
        var names: [ServedName] = []
        for words in try Words.split(text) where !words.isEmpty {
            let name = try ServedName(words)
            guard !names.contains(where: { $0.name == name.name }) else {
                throw ConfigurationError("the name '\(name.name)' is given twice")
            }
            names.append(name)
        }
        return names
    }

    private init(_ words: [String]) throws(ConfigurationError) {
        let first = words.first ?? ""
        let hasOptions = first.last == ":"
        name = hasOptions ? String(first.dropLast()) : first
        do {
            // The rule of volumes is also what the name of a file and of a driver may be.
            _ = try VolumeName(name)
        } catch {
            throw ConfigurationError("'\(name)' is no name for a plugin: \(VolumeName.rule)")
        }
        guard words.count == 1 || hasOptions else {
            throw ConfigurationError("'\(words[1])' after the name '\(name)': write '\(name): OPTION=VALUE'")
        }
        defaults = [:]
        for word in words.dropFirst() {
            guard let equals = word.firstIndex(of: "="), equals != word.startIndex else {
                throw ConfigurationError("'\(word)' after the name '\(name)' is not OPTION=VALUE")
            }
            defaults[String(word[..<equals])] = String(word[word.index(after: equals)...])
        }
    }
}

/// Splits text into words, as a shell does with spaces and double quotes, and into groups of words at each `;`.
private struct Words {
    private var groups: [[String]] = [[]]
    private var word: String?

    static func split(_ text: String) throws(ConfigurationError) -> [[String]] {
        var words = Words()
        var isQuoted = false
        var rest = text[...]
        while let character = rest.popFirst() {
            switch character {
            case "\"":
                isQuoted.toggle()
                words.word = words.word ?? ""
            case "\\" where isQuoted: words.add(rest.popFirst() ?? "\\")
            case ";" where !isQuoted: words.endGroup()
            case _ where character.isWhitespace && !isQuoted: words.endWord()
            default: words.add(character)
            }
        }
        guard !isQuoted else { throw ConfigurationError("a quote in '\(text)' has no end") }
        words.endGroup()
        return words.groups
    }

    private mutating func add(_ character: Character) {
        word = (word ?? "") + String(character)
    }

    private mutating func endWord() {
        if let word { groups[groups.count - 1].append(word) }
        word = nil
    }

    private mutating func endGroup() {
        endWord()
        groups.append([])
    }
}
