// SPDX-License-Identifier: Apache-2.0

/// One of the interfaces a plugin implements, such as volumes or networks.
///
/// A subsystem knows the messages of its interface and nothing of HTTP: each of its methods is given a body, and says
/// what is to be answered.
public protocol PluginSubsystem: Sendable {
    /// The name the engine knows it by, as in `Plugin.Activate`'s `Implements`: `VolumeDriver`, for example.
    var name: String { get }

    /// What answers the calls, by the names of the methods: `Mount`, for example. Asked once, when the server is made.
    var methods: [String: PluginMethod] { get }

    /// Called on each `Plugin.Activate`: an engine has started, or found the plugin.
    func activated(by caller: Caller)
}

/// Says what is to be answered to a call, from the request's body and who calls.
///
/// Called on the thread that serves the connection, so it must not block; work that may take time goes into
/// ``PluginAnswer/later(_:)``.
public typealias PluginMethod = @Sendable (_ body: [UInt8], _ caller: Caller) -> PluginAnswer

/// What is to be done about a call.
public enum PluginAnswer: Sendable {
    /// Send this.
    case now(PluginResponse)
    /// Run this, then send what it returns; nil means what ``hangUp`` does.
    case later(@Sendable () async -> PluginResponse?)
    /// Close the connection without an answer, so that the engine takes the call for failed on its way and
    /// concludes nothing from it.
    case hangUp
}

/// An HTTP response with a JSON body.
public struct PluginResponse: Sendable {
    /// The HTTP status.
    ///
    /// Errors of an operation are 200 with an `Err` in the body: the engine prefixes the text
    /// of any other status with the method's name.
    public var status: Int
    /// Exactly one JSON value.
    public var body: [UInt8]
    /// The text in the body's `Err`, of a call that failed; for those who count failures.
    public var error: String?
    /// Takes the operation back: run when the client was gone before it got the response.
    public var undo: (@Sendable () async -> Void)?

    /// Makes a response.
    public init(status: Int = 200, body: [UInt8], undo: (@Sendable () async -> Void)? = nil) {
        self.status = status
        self.body = body
        self.undo = undo
    }

    /// The answer to a call that returns nothing: an empty object, as an empty body is an error to the engine.
    public static let empty = PluginResponse(body: Array("{}".utf8))

    /// The answer to a call that failed.
    ///
    /// - Parameters:
    ///   - message: What the engine shows its user.
    ///   - status: 200 for a failed operation, 4xx for a request that makes no sense.
    /// - Returns: A response with the text as its `Err`.
    public static func failure(_ message: String, status: Int = 200) -> PluginResponse {
        // An empty text would be no error to the engine.
        let message = message.isEmpty ? "unknown error" : message
        var writer = JSONWriter()
        writer.raw("{\"Err\":")
        writer.string(message)
        writer.raw("}")
        var response = PluginResponse(status: status, body: writer.bytes)
        response.error = message
        return response
    }

    /// The answer to `Plugin.Activate`.
    ///
    /// - Parameter subsystems: The names of what the plugin implements.
    /// - Returns: A response with the names as its `Implements`.
    public static func manifest(implementing subsystems: [String]) -> PluginResponse {
        var writer = JSONWriter()
        writer.list("{\"Implements\":[", subsystems, "]}") { $0.string($1) }
        return PluginResponse(body: writer.bytes)
    }
}

/// Who sent a request.
public struct Caller: Hashable, Sendable {
    /// The process that made the connection, if it came over a unix socket from a process this one can see.
    public var processID: Int32?
    /// The user of the process that made the connection, if it came over a unix socket.
    public var userID: UInt32?

    /// Makes a caller; without arguments, one that nothing is known of.
    public init(processID: Int32? = nil, userID: UInt32? = nil) {
        self.processID = processID
        self.userID = userID
    }
}
