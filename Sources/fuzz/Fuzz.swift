// SPDX-License-Identifier: Apache-2.0

import CLibFuzzer
import Glibc
import MobyFSFuzzing

/// Lets libFuzzer look for bytes that a target cannot take; `Tests/fuzz` runs it.
@main struct Fuzz {
    /// The arguments are libFuzzer's own.
    private static let target = getenv("FUZZ_TARGET").flatMap { FuzzTarget(rawValue: String(cString: $0)) }

    static func main() {
        guard target != nil else {
            let targets = FuzzTarget.allCases.map(\.rawValue).joined(separator: ", ")
            print("fuzz: FUZZ_TARGET has to be one of \(targets)")
            exit(64)
        }
        var argumentCount = CommandLine.argc
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
        exit(
            LLVMFuzzerRunDriver(&argumentCount, &arguments) { bytes, count in
                do {
                    try Fuzz.target?.check(Array(UnsafeBufferPointer(start: bytes, count: count)))
                } catch {
                    // libFuzzer keeps the bytes of whoever crashes.
                    fatalError("\(error)")
                }
                return 0
            })
    }
}
