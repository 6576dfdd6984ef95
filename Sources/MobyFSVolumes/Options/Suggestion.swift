// SPDX-License-Identifier: Apache-2.0

/// Finds the word that somebody meant.
package enum Suggestion {
    /// How long a word can be that somebody has mistyped: the work grows with its length.
    private static let limit = 64

    /// The known word nearest to one that was mistyped, or nil if none is near.
    package static func nearest(to word: String, in known: some Sequence<String>) -> String? {
        guard word.unicodeScalars.dropFirst(limit).isEmpty else { return nil }
        return known.map { (word: $0, distance: distance(Array(word.lowercased()), Array($0.lowercased()))) }
            .filter { $0.distance <= max(1, min(3, $0.word.count / 2)) }
            .min { ($0.distance, $0.word) < ($1.distance, $1.word) }?.word
    }

    /// `'sise' is unknown; did you mean 'size'? known: gid, mode, size`.
    package static func complaint(_ kind: String, _ word: String, known: some Sequence<String>) -> String {
        let hint = nearest(to: word, in: known).map { "; did you mean '\($0)'?" } ?? ";"
        let all = known.sorted()
        let list = all.isEmpty ? "there is none" : "known: \(all.joined(separator: ", "))"
        return "unknown \(kind) '\(word.excerpt())'\(hint) \(list)"
    }

    /// The same for an option that another driver's may be nearer to: `did you mean 'compression' of driver 'btrfs'?`.
    static func complaint(_ kind: String, _ word: String, known: [String], others: [DriverInfo]) -> String {
        let plain = complaint(kind, word, known: known)
        guard nearest(to: word, in: known) == nil else { return plain }
        guard let option = nearest(to: word, in: others.flatMap(\.options).map(\.name)),
            let owner = others.owner(ofOption: option)
        else { return plain }
        return "\(plain); or did you mean '\(option)' of driver '\(owner.name)'?"
    }

    /// How many letters to add, drop or change (Levenshtein).
    private static func distance(_ one: [Character], _ two: [Character]) -> Int {
        var row = Array(0...two.count)
        for (i, letter) in one.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, other) in two.enumerated() {
                let cost = min(row[j] + 1, row[j + 1] + 1, diagonal + (letter == other ? 0 : 1))
                diagonal = row[j + 1]
                row[j + 1] = cost
            }
        }
        return row[two.count]
    }
}
