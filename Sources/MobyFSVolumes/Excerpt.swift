// SPDX-License-Identifier: Apache-2.0

extension String {
    /// Cuts the text to a line's length, and makes visible what would upset a terminal: for errors, which name what
    /// somebody has given, however much that is.
    ///
    /// - Parameter limit: How many characters are left at most.
    /// - Returns: What is left, and of a text that was cut how long it was.
    package func excerpt(_ limit: Int = 64) -> String {
        let shown = unicodeScalars.prefix(limit).map { scalar in
            scalar.properties.generalCategory == .control ? scalar.escaped(asASCII: true) : String(scalar)
        }.joined()
        guard !unicodeScalars.dropFirst(limit).isEmpty else { return shown }
        return "\(shown)… (\(unicodeScalars.count) characters)"
    }
}
