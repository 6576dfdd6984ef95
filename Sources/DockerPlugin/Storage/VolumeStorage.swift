// SPDX-License-Identifier: Apache-2.0

public import FoundationEssentials

/// What is behind the volumes of a plugin: directories, images, shares of a server.
///
/// ``StoredVolumes`` makes a plugin of it. Calls about one volume come one after the other and those about different
/// volumes side by side, each on a thread of its own, which it may block. Who holds a volume, which options it has and
/// that a call is repeated is not the storage's business.
///
/// The plugin may end at any moment, by a power cut for example, and calls that were under way come again later. So
/// every one of them is to be content with what it finds half done or done already.
public protocol VolumeStorage: Sendable {
    /// Whether the volumes are this host's or the whole cluster's; this host's unless implemented.
    var scope: VolumeScope { get }

    /// Where a volume's data is on the host while the volume is mounted: an absolute path.
    ///
    /// Asked for at any time, and to be answered without looking at a disk.
    func mountpoint(of volume: StoredVolume) -> String

    /// Makes room for a volume's data.
    ///
    /// - Parameter volume: The volume, whose options are those that the user gave: all of them are to be known.
    /// - Throws: Anything; ``PluginError`` says it in words. There is no such volume then.
    func create(_ volume: StoredVolume) async throws

    /// Deletes a volume's data, if there is any.
    ///
    /// - Throws: Anything; the volume stays then, and its removal can be tried again.
    func remove(_ volume: StoredVolume) async throws

    /// Makes the data reachable at the ``mountpoint(of:)``; does nothing unless implemented.
    ///
    /// Called when the first container comes, and once more if the plugin has been restarted since: a volume that is
    /// mounted is to stay so.
    ///
    /// - Throws: Anything; nothing is to be left mounted.
    func mount(_ volume: StoredVolume) async throws

    /// Takes back ``mount(_:)``; does nothing unless implemented.
    ///
    /// Called when the last container has gone, and before ``remove(_:)`` where it is not certain that the volume is
    /// not mounted.
    ///
    /// - Throws: Anything, such as that the volume is busy; it counts as mounted then.
    func unmount(_ volume: StoredVolume) async throws

    /// Facts for `docker volume inspect`; none unless implemented. To be answered without looking at a disk.
    func status(of volume: StoredVolume) -> [String: JSONValue]
}

extension VolumeStorage {
    /// This host's.
    public var scope: VolumeScope { .local }

    /// Does nothing: the data is always reachable.
    public func mount(_ volume: StoredVolume) async throws {}

    /// Does nothing.
    public func unmount(_ volume: StoredVolume) async throws {}

    /// No facts.
    public func status(of volume: StoredVolume) -> [String: JSONValue] { [:] }
}

/// A volume as it was asked for.
public struct StoredVolume: Hashable, Sendable {
    /// The name, one that the plugin's ``VolumeNameRule`` allows.
    public let name: String
    /// What the user asked for (`docker volume create -o key=value`).
    public let options: [String: String]
    /// When the volume was created, in whole seconds.
    public let createdAt: Date

    /// Makes a volume, which ``StoredVolumes`` does; a test may want to.
    public init(name: String, options: [String: String] = [:], createdAt: Date) {
        self.name = name
        self.options = options
        self.createdAt = createdAt
    }
}

/// Why a plugin cannot do what it was asked, in words for the user of the engine.
public struct PluginError: Error, Hashable, CustomStringConvertible {
    /// The text the engine shows.
    public let description: String

    /// Makes an error.
    ///
    /// - Parameter description: The text the engine shows: lower case, no full stop, what to do if that is known.
    public init(_ description: String) {
        self.description = description
    }
}
