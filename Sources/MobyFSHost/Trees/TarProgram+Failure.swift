// SPDX-License-Identifier: Apache-2.0

extension TarProgram {
    /// Why a stream was not written or read whole.
    package struct Failure: Error, Hashable, CustomStringConvertible {
        /// What it was.
        package enum Reason: Hashable, Sendable {
            /// It is no tar stream, for this reason.
            case notTar(String)
            /// It ends after so many bytes, without an end mark.
            case cutOff(after: UInt64)
            case damaged(at: UInt64)
            case absolute(String)
            case outside(String)
            case linkOutside(String, target: String)
            case device(String)
            /// Nothing more can be written, with what tar says of it.
            case full(String)
            /// Files changed while they were read, with what tar says of it.
            case changed(String)
            /// Whoever read the stream does not any more.
            case closedPipe
            case other(String)
        }

        package let reason: Reason

        init(_ reason: Reason) { self.reason = reason }

        /// Reads what tar has said.
        init(said: String, ending: String) {
            // The last lines only say that there were others.
            let lines = said.split(separator: "\n").map(String.init).filter { line in
                !["due to previous errors", "exiting now"].contains { line.hasSuffix($0) }
            }.map { line in
                line.firstRange(of: "tar: ").map { String(line[$0.upperBound...]) } ?? line
            }
            func line(with words: String...) -> String? {
                lines.first { line in words.contains { line.contains($0) } }
            }
            reason =
                if line(with: "Broken pipe") != nil {
                    .closedPipe
                } else if let line = line(with: "No space left on device", "Disk quota exceeded", "Wrote only") {
                    .full(line)
                } else if let line = line(with: "changed as we read it", "File removed before we read it") {
                    .changed(line)
                } else {
                    .other(lines.last ?? ending)
                }
        }

        package var description: String {
            switch reason {
            case .notTar(let why): "this is no tar stream: \(why)"
            case .cutOff(let count):
                "the tar stream ends after \(count) bytes, without the mark of its end: part of it is missing, get it again"
            case .damaged(let place): "the tar stream is damaged at byte \(place): get it again"
            case .absolute(let name):
                "the tar stream has the absolute name '\(name)', and a volume has no place for it: make it with relative "
                    + "names, as 'tar -C FOLDER -c .' does"
            case .outside(let name):
                "the tar stream has the name '\(name)', which leads out of the volume: make it without '..'"
            case .linkOutside(let name, let target):
                "in the tar stream '\(name)' is a hard link to '\(target)', outside of the volume: make it without"
            case .device(let name):
                "the tar stream has the device node '\(name)', which volumes do not take: make it without, as "
                    + "'tar --exclude' can"
            case .full(let line): "there is no room left (tar: \(line))"
            case .changed(let line): "files changed while they were read (tar: \(line))"
            case .closedPipe: "nobody reads the stream any more"
            case .other(let line): "tar: \(line)"
            }
        }
    }
}
