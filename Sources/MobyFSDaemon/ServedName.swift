// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import MobyFSVolumes

/// One more name that engines know the daemon by, with options that its volumes get unless asked otherwise.
///
/// Written `NAME` or `NAME: OPTION=VALUE OPTION=VALUE`; several are separated by `;`. The colon before options is the
/// one that a space, a `;` or the end follows: those in `vieux/sshfs:latest` are the name's own. A value with spaces
/// stands in double quotes, where `\` takes the next character as it is.
package struct ServedName: Hashable, Sendable {
    /// The name of the daemon's own.
    static let main = "mobyfs"

    /// As `docker volume create -d` takes it, and no other way: engines look for a file of just this name.
    package let name: String
    package var defaults: [String: String]

    /// The name as that of a file without its suffix, and of a socket that systemd passes, neither of which can have
    /// all characters of the name: `vieux+sshfs@latest`.
    ///
    /// No name has `+` or `@`, so no two names share a file.
    package var fileName: String {
        String(name.map { $0 == "/" ? "+" : $0 == ":" ? "@" : $0 })
    }

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
        guard Self.isName(name) else {
            let remedy =
                name.contains("=") ? "; options stand behind a colon and a space: 'NAME: OPTION=VALUE'" : ""
            throw ConfigurationError("'\(name)' is no name for a plugin: \(Self.rule)\(remedy)")
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

    private static let rule =
        "words of letters, digits, '_', '.' or '-' (ASCII) that begin with a letter or a digit, with '/' between, each "
        + "with a ':' and one more such word behind it where wanted, such as 'sshfs' or 'vieux/sshfs:latest'"

    /// Whether this may be the path of a file and the name of a driver.
    private static func isName(_ text: String) -> Bool {
        text.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { part in
            let words = part.split(separator: ":", omittingEmptySubsequences: false)
            // The rule for volumes has all that matters for files, too.
            return words.count <= 2 && words.allSatisfy { (try? VolumeName(String($0))) != nil }
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
