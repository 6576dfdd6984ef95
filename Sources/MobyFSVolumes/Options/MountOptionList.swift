// SPDX-License-Identifier: Apache-2.0

/// Mount options as in `o=` and fstab(5): `rw,vers=4.2,context="a,b"`.
///
/// Commas separate, except within double quotes and after a backslash. The order is kept.
package struct MountOptionList: Hashable, Sendable {
    package struct Item: Hashable, Sendable {
        package var key: String
        /// Nil for a key that stands alone.
        package var value: String?

        package init(_ key: String, _ value: String? = nil) {
            self.key = key
            self.value = value
        }
    }

    package var items: [Item]

    package init(_ items: [Item] = []) {
        self.items = items
    }

    /// Reads a list; empty places between commas are passed over.
    ///
    /// - Throws: ``VolumeError`` with code `invalidArgument` for a quote without an end, a backslash at the end or before a
    ///   comma or quote of a value, or a value without a key. It quotes no value: one may be a password.
    package init(parsing text: String) throws(VolumeError) {
        items = []
        // Of scalars: in a text, a comma with an accent is another letter, and to mount(8) it is a comma.
        var item = String.UnicodeScalarView()
        var isQuoted = false
        var rest = text.unicodeScalars[...]
        while let scalar = rest.popFirst() {
            switch scalar {
            case "\"": isQuoted.toggle()
            case "\\" where rest.first == "," || rest.first == "\"": item.append(rest.removeFirst())
            case "," where !isQuoted:
                try append(item)
                item = String.UnicodeScalarView()
            default: item.append(scalar)
            }
        }
        guard !isQuoted else { throw VolumeError(.invalidArgument, "a quote in option 'o' has no end") }
        // It would take the quote or the comma that comes to stand behind it.
        guard item.last != "\\" else { throw VolumeError(.invalidArgument, "option 'o' ends with a backslash") }
        try append(item)
    }

    private mutating func append(_ item: String.UnicodeScalarView) throws(VolumeError) {
        // "rw, noatime": no key begins with a space.
        let text = item.drop { $0 == " " }
        guard !text.isEmpty else { return }
        let key = text.prefix { $0 != "=" }
        // A program could take it for several.
        guard !key.contains(where: { $0 == "," || $0 == "\"" }) else {
            throw VolumeError(.invalidArgument, "'\(String(key).excerpt())' is not the name of an option")
        }
        guard let equals = text.firstIndex(of: "=") else { return items.append(Item(String(text))) }
        guard equals != text.startIndex else {
            throw VolumeError(.invalidArgument, "a value in option 'o' has no key before its '='")
        }
        // There is no way to write it that mount(8) would not read as the comma or the quote alone.
        guard !zip(text, text.dropFirst()).contains(where: { $0 == "\\" && ($1 == "," || $1 == "\"") }) else {
            throw VolumeError(
                .invalidArgument,
                "in option 'o', the value of '\(String(key).excerpt())' has a backslash before a comma or a quote, which mount(8) cannot "
                    + "be given: leave it out, or give what is a password in a file, with credentials=FILE")
        }
        items.append(Item(String(text[..<equals]), String(text[text.index(after: equals)...])))
    }

    /// The value of a key, empty for one that stands alone; the last counts, as for mount(8).
    package subscript(key: String) -> String? {
        items.last { $0.key == key }.map { $0.value ?? "" }
    }

    /// Takes all items with a key out.
    ///
    /// - Returns: The value of the last of them, empty if it stands alone; nil if there is none.
    package mutating func remove(_ key: String) -> String? {
        defer { items.removeAll { $0.key == key } }
        return self[key]
    }

    /// The list as it is read, with quotes where they are needed.
    package var text: String {
        items.map { item in
            guard let value = item.value else { return item.key }
            let escaped = value.unicodeScalars.split(separator: "\"", omittingEmptySubsequences: false).map {
                String($0)
            }
            .joined(separator: "\\\"")
            return "\(item.key)=" + (value.unicodeScalars.contains(",") ? "\"\(escaped)\"" : escaped)
        }.joined(separator: ",")
    }
}
