// SPDX-License-Identifier: Apache-2.0

import Glibc
package import SystemPackage

/// A system call that failed: what was tried, and the kernel's reason.
package struct SystemCallError: Error, Hashable, CustomStringConvertible {
    /// The call and its path, such as `mkdir '/var/lib/mobyfs'`.
    package let call: String
    /// The kernel's reason.
    package let errno: Errno

    package init(_ call: String, _ errno: Errno) {
        self.call = call
        self.errno = errno
    }

    package var description: String { "\(call): \(errno)" }

    /// Whether this process or the host lacks what any call needs: it says nothing of what the call was about.
    package var isShortage: Bool {
        [.tooManyOpenFiles, .tooManyOpenFilesInSystem, .noMemory].contains(errno)
    }
}

/// Throws what `errno` says if the call before returned -1.
@discardableResult
package func check<Result: SignedInteger>(_ result: Result, _ call: @autoclosure () -> String) throws -> Result {
    let reason = Errno(rawValue: errno)
    guard result != -1 else { throw SystemCallError(call(), reason) }
    return result
}

/// Gives an `Errno` the call and path it is about.
package func naming<Result>(_ call: @autoclosure () -> String, _ body: () throws -> Result) throws -> Result {
    do {
        return try body()
    } catch let error as Errno {
        throw SystemCallError(call(), error)
    }
}
