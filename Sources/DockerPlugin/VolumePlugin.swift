// SPDX-License-Identifier: Apache-2.0

/// A volume plugin.
///
/// Names are those that the ``VolumeNameRule`` of the ``VolumeSubsystem`` allows. Each call may come twice, as the
/// engine repeats calls after a broken connection. What is thrown reaches the user of the engine as the error's
/// description, to the letter.
///
/// A plugin that keeps its volumes on this host, or in a service that this host reaches, has less to do as a
/// ``VolumeStorage``: locks, counts and records come with ``StoredVolumes``.
///
/// The task of a call is cancelled when the engine hangs up, as it does after two minutes of Create and Mount and
/// one of the others. A call that does not look (`Task.isCancelled`) is not cut short; a Mount that succeeds all
/// the same is taken back with ``unmount(_:id:)``.
///
/// The calls that only read are synchronous: the engine makes them before every other, so they are to be
/// answered from memory, without waiting for a disk, a server or another volume. Where volumes are the whole
/// cluster's, ``refresh(_:)`` comes before them, or wherever ``needsRefresh(_:)`` says so.
public protocol VolumePlugin: Sendable {
    /// Whether the volumes are this host's or the whole cluster's. Asked once by the engine.
    var scope: VolumeScope { get }

    /// An engine has started, or found the plugin. Does nothing unless implemented.
    func engineActivated(_ engine: Caller)

    /// Creates a volume; one that exists with the same options is left as it is.
    ///
    /// - Parameters:
    ///   - name: The volume.
    ///   - options: What the user asked for, or nil where nothing was (`docker run -v`).
    /// - Throws: Anything; nothing is to be left behind.
    func create(_ name: String, options: [String: String]?) async throws

    /// Removes a volume; one that does not exist is no error.
    func remove(_ name: String) async throws

    /// Makes a volume's data reachable at a path of the host.
    ///
    /// - Parameters:
    ///   - name: The volume.
    ///   - id: Who holds it from now on. The same ID may come again while it holds the volume, with an
    ///     ``unmount(_:id:)`` for each time (`docker cp`).
    ///   - engine: The engine that asks.
    /// - Returns: An absolute path in the engine's mount namespace. The engine checks nothing about it.
    /// - Throws: Anything; no ``unmount(_:id:)`` follows then.
    func mount(_ name: String, id: String, for engine: Caller) async throws -> String

    /// Takes back one ``mount(_:id:for:)``; an unknown volume or ID is no error.
    ///
    /// - Parameters:
    ///   - name: The volume.
    ///   - id: The mount ID.
    /// - Throws: Anything. The engine logs it and may use the ID again.
    func unmount(_ name: String, id: String) async throws

    /// Does what ``mount(_:id:for:)`` does where that takes no waiting, as of a volume that is mounted for others.
    ///
    /// Called before it, on the thread that serves the connection, as the calls are that only read.
    ///
    /// - Returns: The path; nil, as it is unless implemented, where ``mount(_:id:for:)`` is to be called.
    func mountAtOnce(_ name: String, id: String, for engine: Caller) -> String?

    /// Does what ``unmount(_:id:)`` does where that takes no waiting.
    ///
    /// - Returns: Whether it is done; false, as it is unless implemented, where ``unmount(_:id:)`` is to be called.
    func unmountAtOnce(_ name: String, id: String) -> Bool

    /// Says whether ``refresh(_:)`` comes before an answer.
    ///
    /// - Parameter name: The volume that is asked for; nil for all.
    /// - Returns: Whether it does: where ``scope`` is global, unless implemented.
    func needsRefresh(_ name: String?) -> Bool

    /// Brings what is known of volumes up to date, where others change them too.
    ///
    /// Awaited before a call that only reads, if ``needsRefresh(_:)`` says so; the engine waits as long. Does nothing
    /// unless implemented.
    ///
    /// - Parameter name: The volume that is asked for; nil for all.
    func refresh(_ name: String?) async

    /// Where a volume's data is or will be on the host. Asked by engines before 18.03 only.
    func path(_ name: String) throws -> String

    /// Describes a volume.
    ///
    /// - Throws: ``VolumeNotFound`` if it is certain that there is no such volume: the engine then forgets what
    ///   it knows of it. At any other error the connection is closed without an answer, so that it does not.
    func get(_ name: String) throws -> VolumeInfo

    /// Describes all volumes, in any order.
    func list() throws -> [VolumeInfo]

    /// Names all volumes that ``list()`` describes, with what ``version(of:)`` says of each.
    ///
    /// A list is then made of pieces of the last one, and ``list(_:)`` asked for those volumes only of which there is
    /// something else to say.
    ///
    /// - Returns: The names, in the order of the list; nil, as it is unless implemented, where ``list()`` is to be asked.
    func listedVersions() -> [(name: String, version: UInt64)]?

    /// Describes some of the volumes as ``list()`` does; one that is gone by now is left out.
    func list(_ names: [String]) throws -> [VolumeInfo]

    /// Says which answers may be given again.
    ///
    /// What ``get(_:)``, ``path(_:)`` and ``list()`` return is kept as it goes to the engine, and they are not asked again
    /// as long as this is the same. Asked before each call that only reads, on the same thread.
    ///
    /// - Parameter name: The volume that is asked for; nil for all.
    /// - Returns: A number that is another one once an answer would be, and never one that was there before; nil, as it
    ///   is unless implemented, where they are to be asked each time.
    func version(of name: String?) -> UInt64?
}

extension VolumePlugin {
    /// Does nothing.
    public func engineActivated(_ engine: Caller) {}

    /// Nil: it may take waiting.
    public func mountAtOnce(_ name: String, id: String, for engine: Caller) -> String? { nil }

    /// False: it may take waiting.
    public func unmountAtOnce(_ name: String, id: String) -> Bool { false }

    /// Whether volumes are the whole cluster's.
    public func needsRefresh(_ name: String?) -> Bool { scope == .global }

    /// Does nothing.
    public func refresh(_ name: String?) async {}

    /// Nil: nobody counts.
    public func listedVersions() -> [(name: String, version: UInt64)]? { nil }

    /// Those of all volumes.
    public func list(_ names: [String]) throws -> [VolumeInfo] {
        let names = Set(names)
        return try list().filter { names.contains($0.name) }
    }

    /// Nil: nobody counts.
    public func version(of name: String?) -> UInt64? { nil }
}

/// It is certain that there is no such volume.
public struct VolumeNotFound: Error, Hashable, CustomStringConvertible {
    /// The text the engine shows.
    public let description: String

    /// Makes the error.
    ///
    /// - Parameter description: The text the engine shows, such as `no such volume: 'data'`.
    public init(_ description: String) {
        self.description = description
    }
}
