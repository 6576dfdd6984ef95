// SPDX-License-Identifier: Apache-2.0

/// What goes by in a tar stream, read along: whether it is one, whether it is whole, and what is in it that no volume takes.
///
/// tar itself takes a stream for whole that ends where a member might begin, drops the slash of absolute names without
/// saying which, and says nothing of compressed ones that helps.
package struct TarStream {
    /// What comes next.
    private enum Part {
        case header
        /// The rest of a member, which does not matter here.
        case skipped(UInt64)
        /// A name or attributes for the next member, with the bytes that follow them up to the next block.
        case noted(kind: UInt8, size: Int, length: Int)
        /// More about the holes of a file, before `data` bytes of it.
        case holes(data: UInt64)
        /// The end mark was read; whatever comes then is no part of the archive.
        case end
    }

    /// What counts for the next member in place of what its header says.
    private struct Notes {
        var name: String?
        var target: String?
        var size: UInt64?
    }

    static let block = 512
    /// GNU tar would take more; attributes of one file are not larger.
    private static let noteLimit = 16 << 20

    private var part = Part.header
    private var notes = Notes()
    private var collected: [UInt8] = []
    private var hasZeroBlock = false
    /// How much has gone by.
    package private(set) var count: UInt64 = 0

    package init() {}

    /// Whether the end mark has gone by.
    package var isWhole: Bool { if case .end = part { true } else { false } }

    /// Takes note of what comes next.
    ///
    /// - Throws: ``TarProgram/Failure`` at what is no tar stream, and at what no volume takes.
    package mutating func read(_ bytes: UnsafeRawBufferPointer) throws(TarProgram.Failure) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let taken = try take(rest)
            count += UInt64(taken)
            rest = rest.dropFirst(taken)
        }
    }

    /// Says what is wrong with a stream that ends now, if anything is.
    package func finish() throws(TarProgram.Failure) {
        if count == 0 { throw .init(.notTar("it is empty")) }
        if count < UInt64(Self.block) { throw .init(.notTar(Self.kind(of: collected))) }
        guard isWhole else { throw .init(.cutOff(after: count)) }
    }

    private mutating func take(_ bytes: Slice<UnsafeRawBufferPointer>) throws(TarProgram.Failure) -> Int {
        switch part {
        case .end: return bytes.count
        case .skipped(let left):
            let taken = Int(min(left, UInt64(bytes.count)))
            part = taken == left ? .header : .skipped(left - UInt64(taken))
            return taken
        case .header:
            let taken = collect(bytes, upTo: Self.block)
            if collected.count == Self.block {
                let header = collected
                collected = []
                try readHeader(header)
            }
            return taken
        case .holes(let data):
            let taken = collect(bytes, upTo: Self.block)
            if collected.count == Self.block {
                // The last byte that is used says whether there is another.
                if collected[504] == 0 { skip(data) }
                collected = []
            }
            return taken
        case .noted(let kind, let size, let length):
            let taken = collect(bytes, upTo: length)
            if collected.count == length {
                note(kind, collected[..<size])
                collected = []
                part = .header
            }
            return taken
        }
    }

    private mutating func collect(_ bytes: Slice<UnsafeRawBufferPointer>, upTo length: Int) -> Int {
        let taken = min(length - collected.count, bytes.count)
        collected += bytes.prefix(taken)
        return taken
    }

    /// Skips so many bytes and what fills their last block.
    private mutating func skip(_ size: UInt64) {
        let filled = Self.filled(size)
        part = filled == 0 ? .header : .skipped(filled)
    }

    private static func filled(_ size: UInt64) -> UInt64 {
        (size &+ UInt64(block - 1)) / UInt64(block) * UInt64(block)
    }
}

// MARK: - Members

extension TarStream {
    private mutating func readHeader(_ header: [UInt8]) throws(TarProgram.Failure) {
        if header.allSatisfy({ $0 == 0 }) {
            if hasZeroBlock { part = .end }
            hasZeroBlock = true
            return
        }
        // At a single one tar stops, and whatever comes then would be missing.
        guard !hasZeroBlock, Self.isIntact(header), let size = Self.number(header[124..<136]) else {
            if count < UInt64(Self.block) { throw .init(.notTar(Self.kind(of: header))) }
            throw damage
        }
        let kind = header[156]
        switch kind {
        case UInt8(ascii: "L"), UInt8(ascii: "K"), UInt8(ascii: "x"), UInt8(ascii: "X"):
            guard size <= UInt64(Self.noteLimit) else { throw damage }
            guard size > 0 else { return }
            part = .noted(kind: kind, size: Int(size), length: Int(Self.filled(size)))
        // What counts for all members is no name.
        case UInt8(ascii: "g"): skip(size)
        default:
            let notes = self.notes
            self.notes = Notes()
            try check(header, kind, notes)
            let stored = notes.size ?? size
            switch kind {
            // Links, nodes, folders and pipes have nothing behind them, whatever their header says.
            case UInt8(ascii: "1")...UInt8(ascii: "6"): break
            case UInt8(ascii: "S") where header[482] != 0: part = .holes(data: stored)
            default: skip(stored)
            }
        }
    }

    /// In the block that was read last.
    private var damage: TarProgram.Failure { .init(.damaged(at: count / UInt64(Self.block) * UInt64(Self.block))) }

    private func check(_ header: [UInt8], _ kind: UInt8, _ notes: Notes) throws(TarProgram.Failure) {
        let name = notes.name ?? Self.name(in: header)
        guard !Self.isAbsolute(name) else { throw .init(.absolute(name)) }
        guard !Self.climbs(name) else { throw .init(.outside(name)) }
        switch kind {
        case UInt8(ascii: "1"):
            let target = notes.target ?? Self.text(header[157..<257])
            guard !Self.isAbsolute(target), !Self.climbs(target) else {
                throw .init(.linkOutside(name, target: target))
            }
        case UInt8(ascii: "3"), UInt8(ascii: "4"):
            // By 0:0 overlay file systems say that a file is deleted; it is no device.
            let isNone = Self.number(header[329..<337]) == 0 && Self.number(header[337..<345]) == 0
            guard kind == UInt8(ascii: "3"), isNone else { throw .init(.device(name)) }
        default: break
        }
    }

    // Of bytes: to a text, a slash with an accent would be another letter.

    private static func isAbsolute(_ name: String) -> Bool { name.utf8.first == UInt8(ascii: "/") }

    private static func climbs(_ name: String) -> Bool {
        name.utf8.split(separator: UInt8(ascii: "/")).contains { $0.elementsEqual("..".utf8) }
    }

    private mutating func note(_ kind: UInt8, _ bytes: ArraySlice<UInt8>) {
        switch kind {
        case UInt8(ascii: "L"): notes.name = Self.text(bytes)
        case UInt8(ascii: "K"): notes.target = Self.text(bytes)
        default:
            for (key, value) in Self.attributes(bytes) {
                switch key {
                case "path", "GNU.sparse.name": notes.name = value
                case "linkpath": notes.target = value
                case "size": notes.size = UInt64(value)
                default: break
                }
            }
        }
    }
}

// MARK: - Fields

extension TarStream {
    /// Whether the sum of a header is what it says.
    private static func isIntact(_ header: [UInt8]) -> Bool {
        let given = number(header[148..<156])
        var (sum, signed) = (8 * 32, 8 * 32)
        for (index, byte) in header.enumerated() where !(148..<156).contains(index) {
            sum += Int(byte)
            signed += Int(Int8(bitPattern: byte))  // as some old programs count
        }
        return given == UInt64(sum) || signed >= 0 && given == UInt64(signed)
    }

    /// A number in octal digits, or in binary where the first bit says so; nil for what is none.
    private static func number(_ field: ArraySlice<UInt8>) -> UInt64? {
        if let first = field.first, first & 0x80 != 0 {
            return field.dropFirst().reduce(UInt64(first & 0x3f)) { ($0 & 0x00ff_ffff_ffff_ffff) << 8 | UInt64($1) }
        }
        let text = String(decoding: field.prefix { $0 != 0 }, as: UTF8.self).filter { $0 != " " }
        return text.isEmpty ? 0 : UInt64(text, radix: 8)
    }

    private static func text(_ bytes: ArraySlice<UInt8>) -> String {
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }

    private static func name(in header: [UInt8]) -> String {
        let name = text(header[0..<100])
        // GNU tar has other things in this place, and a blank behind the word.
        guard header[257..<263].elementsEqual(Array("ustar\0".utf8)) else { return name }
        let prefix = text(header[345..<500])
        return prefix.isEmpty ? name : "\(prefix)/\(name)"
    }

    /// The attributes in a header of POSIX: `LENGTH KEY=VALUE` and a line break, each.
    private static func attributes(_ bytes: ArraySlice<UInt8>) -> [(key: String, value: String)] {
        var found: [(String, String)] = []
        var rest = bytes
        while let blank = rest.firstIndex(of: 32), let length = Int(String(decoding: rest[..<blank], as: UTF8.self)),
            length > blank - rest.startIndex, length <= rest.count
        {
            let record = rest[(blank + 1)..<(rest.startIndex + length)].dropLast()
            if let equals = record.firstIndex(of: UInt8(ascii: "=")) {
                let key = String(decoding: record[..<equals], as: UTF8.self)
                found.append((key, String(decoding: record[(equals + 1)...], as: UTF8.self)))
            }
            rest = rest.dropFirst(length)
        }
        return found
    }

    /// What a stream is that begins so, and is none of tar.
    private static func kind(of header: [UInt8]) -> String {
        let programs: [(mark: [UInt8], name: String, program: String)] = [
            ([0x1f, 0x8b], "gzip", "zcat"), ([0xfd, 0x37, 0x7a, 0x58, 0x5a], "xz", "xzcat"),
            ([0x28, 0xb5, 0x2f, 0xfd], "zstd", "zstdcat"), (Array("BZh".utf8), "bzip2", "bzcat"),
            ([0x04, 0x22, 0x4d, 0x18], "lz4", "lz4cat"), (Array("LZIP".utf8), "lzip", "lzip -dc"),
        ]
        let found = programs.first { header.starts(with: $0.mark) }
        return found.map {
            "it is compressed with \($0.name): '\($0.program) FILE | mobyfs volume import NAME' reads it"
        }
            ?? "it does not begin as one does"
    }
}
