// SPDX-License-Identifier: Apache-2.0

extension SpecFile {
    /// Every file that engines might find under this name, in their order: where they look, and in this file's folder.
    ///
    /// - Returns: The files, and which of them counts.
    /// - Throws: ``PluginDiscoveryError`` if that cannot be the name of a plugin.
    public func lookUp() throws(PluginDiscoveryError) -> PluginLookup {
        var directories = PluginDirectories()
        if !directories.specs.contains(directory) { directories.specs.insert(directory, at: 0) }
        return try PluginDiscovery(directories: directories).lookUp(name)
    }

    /// Why engines will not do what was meant, though the file is written.
    ///
    /// - Parameter form: The form that was written.
    /// - Returns: Sentences for people: that another file of the name counts before it, or that engines read this one
    ///   in another way. Empty if all is well.
    public func concerns(_ form: Form) -> [String] {
        // A name that is none was refused when the file was written.
        guard let taken = try? lookUp().taken else { return [] }
        guard taken.path == path(form) else {
            return ["engines take '\(taken.path)' before '\(path(form))': remove it if that is not meant"]
        }
        return [taken.problem].compactMap { $0 } + taken.remarks
    }
}
