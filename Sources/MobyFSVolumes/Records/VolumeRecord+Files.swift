// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import SystemPackage

extension VolumeRecord {
    static let fileName = "record.json"
    /// The same once more, for ``VolumeDoctor``.
    static let copyName = "record.json.copy"
    /// What comes after a volume's name.
    private static let pathBelow = "/" + fileName

    /// Writes a volume's record into its directory: after this it survives a power cut.
    ///
    /// - Parameters:
    ///   - volume: The volume.
    ///   - directory: Where; either both, the record and its copy, are there then, or what was there before.
    ///   - isNew: Whether there is no record yet.
    /// - Throws: ``SystemCallError``; the record is as it was.
    static func write(_ volume: Volume, in directory: FilePath, isNew: Bool = false) throws {
        let (record, copy) = (directory.appending(fileName), directory.appending(copyName))
        let bytes = encode(volume)
        // Without a record there is nothing to go back to.
        let oldRecord = isNew ? nil : try? DurableFile.read(record)
        let oldCopy = isNew ? nil : try? DurableFile.read(copy)
        // First, so that it never says less than what was acknowledged. Of a new volume it can come to the disk when it
        // wants: what is not there, or half, is no copy.
        try DurableFile.write(bytes, to: copy, isDurable: !isNew)
        do {
            try DurableFile.write(bytes, to: record)
        } catch {
            // Beside a record that cannot be read, the copy is all that there is.
            let isNeeded = !isNew && oldRecord.flatMap { try? decode($0) } == nil
            do {
                guard let old = isNeeded ? oldCopy : oldRecord else { throw error }
                try DurableFile.write(old, to: copy)
            } catch {
                if !isNeeded { try Files.unlink(copy) }
            }
            throw error
        }
    }

    /// Writes a volume's record in the place of one that is damaged or gone.
    ///
    /// The record comes first: the copy, which it may be from, stays as it was until the record is on the disk. A folder in
    /// the place of either is kept as `record.json.damaged` or `record.json.copy.damaged`.
    ///
    /// - Throws: ``SystemCallError``; the record or the copy says what it is to say, if one of them did.
    static func mend(_ volume: Volume, in directory: FilePath) throws {
        for name in [fileName, copyName] where Directories.isRealDirectory(directory.appending(name)) {
            try DurableFile.rename(directory.appending(name), to: directory.appending("\(name).damaged"))
        }
        let bytes = encode(volume)
        for name in [fileName, copyName] { try DurableFile.write(bytes, to: directory.appending(name)) }
    }

    /// Reads the record in a volume's directory.
    ///
    /// - Parameters:
    ///   - directory: Where.
    ///   - name: What the directory says that the volume is called; nil for the name in the record.
    /// - Returns: The volume.
    /// - Throws: ``Problem``, ``SystemCallError`` with `noSuchFileOrDirectory` if there is none.
    static func read(in directory: FilePath, name: VolumeName? = nil) throws -> Volume {
        let volume = try read(fileName, in: directory)
        guard let name else { return volume }
        return try renamed(volume, name, in: directory)
    }

    /// Reads the record of one of many volumes.
    ///
    /// - Parameters:
    ///   - name: What the volume's directory is called.
    ///   - folder: Where that is.
    /// - Returns: The volume.
    /// - Throws: As ``read(in:name:)``.
    static func read(of name: VolumeName, in folder: OpenDirectory) throws -> Volume {
        let directory = { folder.path.appending(name.description) }
        let volume = try read(fileName, in: directory()) { try folder.read(name.description + pathBelow) }
        return try renamed(volume, name, in: directory())
    }

    /// The volume whose directory has a name, which may be another one than its record's.
    private static func renamed(
        _ volume: Volume, _ name: VolumeName, in directory: @autoclosure () -> FilePath
    ) throws -> Volume {
        guard volume.name != name else { return volume }
        let directory = directory()
        // A change of the name that was cut off leaves the new one in both.
        if (try? readCopy(in: directory))?.name == name {
            throw Problem.damaged(
                "'\(directory.appending(fileName))' is the record of another volume, '\(volume.name)'")
        }
        return volume.named(name)
    }

    /// Reads the copy of the record in a volume's directory.
    ///
    /// - Throws: As ``read(in:name:)``.
    static func readCopy(in directory: FilePath) throws -> Volume {
        try read(copyName, in: directory)
    }

    private static func read(_ file: String, in directory: FilePath) throws -> Volume {
        try read(file, in: directory) { try DurableFile.read(directory.appending(file)) }
    }

    private static func read(
        _ file: String, in directory: @autoclosure () -> FilePath, _ bytes: () throws -> [UInt8]
    ) throws -> Volume {
        do {
            let volume = try decode(bytes())
            return volume.pendingRestore == nil ? volume : volume.settled(in: directory())
        } catch let error as SystemCallError {
            let path = directory().appending(file)
            switch error.errno {
            // What the flag against links says of one, and a reader of a folder.
            case .tooManySymbolicLinkLevels:
                throw Problem.damaged("'\(path)' is a symbolic link, which is not followed")
            case .isDirectory: throw Problem.damaged("'\(path)' is a folder")
            case .noSuchAddressOrDevice: throw Problem.damaged("'\(path)' is a socket")
            case .fileTooLarge: throw Problem.damaged("'\(path)' is too large to be one")
            default: throw error
            }
        }
    }
}
