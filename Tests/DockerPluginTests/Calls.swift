// SPDX-License-Identifier: Apache-2.0

import DockerPlugin

extension PluginSubsystem {
    /// The answer to a call; of a method that there is not, none.
    func answer(_ method: String, body: [UInt8], from caller: Caller) -> PluginAnswer {
        methods[method]?(body, caller) ?? .hangUp
    }
}
