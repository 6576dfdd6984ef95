// SPDX-License-Identifier: Apache-2.0

/// The `VolumeDriver` interface: puts a ``VolumePlugin`` behind the engine's messages.
public struct VolumeSubsystem: PluginSubsystem {
    private enum Method: String, CaseIterable {
        case create = "Create"
        case remove = "Remove"
        case mount = "Mount"
        case unmount = "Unmount"
        case path = "Path"
        case get = "Get"
        case list = "List"
        case capabilities = "Capabilities"
    }

    private let plugin: any VolumePlugin
    private let names: VolumeNameRule
    private let descriptions = KeptAnswers()
    private let paths = KeptAnswers()
    private let lists = SharedAnswer()
    private let pieces = ListPieces()

    /// Makes the interface to a plugin.
    ///
    /// - Parameters:
    ///   - plugin: The plugin.
    ///   - names: The names it is asked about. Volumes of other names cannot be made and are not there. To change
    ///     the rule is to lose the volumes that break the new one.
    public init(_ plugin: any VolumePlugin, names: VolumeNameRule = .portable) {
        self.plugin = plugin
        self.names = names
    }

    /// `VolumeDriver`.
    public var name: String { "VolumeDriver" }

    /// The eight calls of the interface; those that only read are answered at once.
    public var methods: [String: PluginMethod] {
        var methods: [String: PluginMethod] = [:]
        for method in Method.allCases { methods[method.rawValue] = { answer(method, $0, $1) } }
        return methods
    }

    /// Passes an activation on to the plugin.
    public func activated(by caller: Caller) {
        plugin.engineActivated(caller)
    }

    private func answer(_ method: Method, _ body: [UInt8], _ caller: Caller) -> PluginAnswer {
        switch method {
        case .list: listing()
        case .capabilities: .now(capabilities())
        case .get: named(body, in: method) { name, _ in reading(name, keptIn: descriptions) { get(name) } }
        case .path: named(body, in: method) { name, _ in reading(name, keptIn: paths) { path(name) } }
        case .create:
            named(body, in: method) { name, request in
                .later { await Self.void { try await plugin.create(name, options: request.options) } }
            }
        case .remove:
            named(body, in: method) { name, _ in .later { await Self.void { try await plugin.remove(name) } } }
        case .mount:
            named(body, in: method) { name, request in
                let id = request.id ?? ""
                if let path = plugin.mountAtOnce(name, id: id, for: caller) {
                    return .now(mounted(name, id: id, at: path))
                }
                return .later { await mount(name, id: id, for: caller) }
            }
        case .unmount:
            named(body, in: method) { name, request in
                let id = request.id ?? ""
                if plugin.unmountAtOnce(name, id: id) { return .now(.empty) }
                return .later { await Self.void { try await plugin.unmount(name, id: id) } }
            }
        }
    }

    /// Answers a call that only reads: at once, unless others may have changed what is to be said.
    ///
    /// - Parameters:
    ///   - name: The volume that is asked for.
    ///   - kept: Answers of the kind.
    ///   - read: Makes the answer; nil for none.
    /// - Returns: The answer.
    private func reading(
        _ name: String, keptIn kept: KeptAnswers, _ read: @escaping @Sendable () -> PluginResponse?
    ) -> PluginAnswer {
        guard plugin.needsRefresh(name) else {
            return kept.response(about: name, at: plugin.version(of: name), read).map { .now($0) } ?? .hangUp
        }
        return .later { [plugin] in
            await plugin.refresh(name)
            return kept.response(about: name, at: plugin.version(of: name), read)
        }
    }

    /// Answers with all volumes: ten thousand of them take a tenth of a second, in which others want to be served.
    private func listing() -> PluginAnswer {
        let version = { @Sendable [plugin] in plugin.version(of: nil) }
        guard plugin.needsRefresh(nil) else { return lists.answer(at: version) { list() } }
        return .later { [plugin] in
            await plugin.refresh(nil)
            return await lists.value(at: version) { list() }
        }
    }

    /// Reads the body of a call that names a volume.
    private func named(
        _ body: [UInt8], in method: Method, _ answer: (String, VolumeRequest) -> PluginAnswer
    ) -> PluginAnswer {
        // The engine's own calls carry a name. A body without anything is its retry after a connection broke:
        // the first attempt used the body up. It means nothing, and any answer but none would be acted upon.
        if body.isEmpty { return .hangUp }
        do {
            let request = try VolumeRequest(decoding: body)
            guard let name = request.name else {
                return .now(.failure("the request has no 'Name'", status: 400))
            }
            return names.allows(name) ? answer(name, request) : .now(refusal(of: name, in: method))
        } catch {
            return .now(.failure("\(error)", status: 400))
        }
    }

    /// The answer to a call about a name that no volume can have.
    private func refusal(of name: String, in method: Method) -> PluginResponse {
        switch method {
        // It is certain that there is no such volume, and the engine may forget it.
        case .get: .failure("no such volume: \(names.refusal(of: name))")
        // It is as the engine wants it: it was never there.
        case .remove, .unmount: .empty
        case .create, .mount, .path, .list, .capabilities: .failure(names.refusal(of: name))
        }
    }

    private static func void(_ operation: () async throws -> Void) async -> PluginResponse {
        do {
            try await operation()
            return .empty
        } catch {
            return .failure("\(error)")
        }
    }

    private func mount(_ name: String, id: String, for engine: Caller) async -> PluginResponse {
        do {
            return mounted(name, id: id, at: try await plugin.mount(name, id: id, for: engine))
        } catch {
            return .failure("\(error)")
        }
    }

    private func mounted(_ name: String, id: String, at path: String) -> PluginResponse {
        var response = Self.mountpoint(path)
        // The engine sends no Unmount for a Mount whose answer it did not wait for. Nobody is left to be told if that
        // fails.
        response.undo = { [plugin] in try? await plugin.unmount(name, id: id) }
        return response
    }

    private static func mountpoint(_ path: String) -> PluginResponse {
        var writer = JSONWriter()
        writer.raw("{\"Mountpoint\":")
        writer.string(path)
        writer.raw("}")
        return PluginResponse(body: writer.bytes)
    }

    private func path(_ name: String) -> PluginResponse {
        do {
            return Self.mountpoint(try plugin.path(name))
        } catch {
            return .failure("\(error)")
        }
    }

    /// Anything but a volume or silence makes the engine forget the volume.
    private func get(_ name: String) -> PluginResponse? {
        do {
            var writer = JSONWriter()
            writer.raw("{\"Volume\":")
            writer.volume(try plugin.get(name))
            writer.raw("}")
            return PluginResponse(body: writer.bytes)
        } catch let error as VolumeNotFound {
            return .failure("\(error)")
        } catch {
            return nil
        }
    }

    private func list() -> PluginResponse {
        do {
            if let versions = plugin.listedVersions() {
                return PluginResponse(body: try pieces.list(of: versions, plugin.list))
            }
            var writer = JSONWriter()
            writer.list("{\"Volumes\":[", try plugin.list(), "]}") { $0.volume($1) }
            return PluginResponse(body: writer.bytes)
        } catch {
            return .failure("\(error)")
        }
    }

    private func capabilities() -> PluginResponse {
        var writer = JSONWriter()
        writer.raw("{\"Capabilities\":{\"Scope\":")
        writer.string(plugin.scope.rawValue)
        writer.raw("}}")
        return PluginResponse(body: writer.bytes)
    }
}
