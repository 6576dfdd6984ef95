// SPDX-License-Identifier: Apache-2.0

package import MobyFSHost
package import MobyFSVolumes
package import SystemPackage

/// Volumes that are files with a file system in them, on loop devices.
///
/// ```
/// volumes/NAME/image       the file
/// volumes/NAME/image.new   a smaller one that is being made of it
/// volumes/NAME/resizing    there while the size is being changed; the next Mount finishes that
/// mounts/NAME/             where the file system is mounted; lost+found is here
/// mounts/NAME/data/        what is handed out
/// ```
package struct ImageDriver: ResizableDriver {
    package init() {}

    package let info = DriverInfo(
        name: "image",
        summary: "a file of the pool with a file system in it, on a loop device",
        options: [
            OptionInfo(
                "size", .size(minimumBytes: ImageFileSystem.ext4.minimum.bytes),
                "the size of the file, and so how much the volume can hold; the file system takes some of it",
                default: Self.defaultSize.normal),
            OptionInfo(
                "fs", .oneOf(ImageFileSystem.allCases.map(\.rawValue)), "the file system in the file",
                default: ImageFileSystem.ext4.rawValue),
            OptionInfo(
                "sparse", .flag,
                "whether the file takes up only the space that is used, so that in a full pool what was not synced can be lost; "
                    + "else all of it is reserved at once",
                default: "true"),
        ],
        selectors: ["fs", "sparse"])

    /// As docker-volume-loopback has it.
    private static let defaultSize = ByteSize(bytes: 1 << 30)

    /// Takes what docker-volume-loopback takes: there `-1`, `0` and nothing mean that nothing is asked for.
    package func translate(_ given: inout [String: String]) throws(VolumeError) {
        for name in ["fs", "uid", "gid", "mode"] where given[name]?.isEmpty == true { given[name] = nil }
        for name in ["uid", "gid"] where given[name] == "-1" { given[name] = nil }
        if let mode = given["mode"], mode.allSatisfy({ $0 == "0" }) { given["mode"] = nil }
        // In the record, so that the volume keeps it when the default is another one day.
        guard given["size"] == nil else { return }
        if let list = given["o"], try MountOptionList(parsing: list)["size"] != nil { return }
        given["size"] = Self.defaultSize.normal
    }

    package func check(_ options: VolumeOptions) throws(VolumeError) {
        let fileSystem = ImageFileSystem(options)
        guard let size = options.size, size < fileSystem.minimum else { return }
        throw VolumeError(
            .invalidArgument,
            "option size='\(size.normal)' means \(size): the minimum for fs=\(fileSystem) is \(fileSystem.minimum)")
    }

    package func lacks(pool: FilePath) -> [String] {
        var lacks = LoopDevice.obstacle.map { [$0] } ?? []
        for fileSystem in ImageFileSystem.allCases {
            if !Mounts.knows(type: fileSystem.rawValue) {
                lacks.append("the kernel does not have \(fileSystem): install its module for fs=\(fileSystem)")
            }
            for program in [fileSystem.maker, fileSystem.resizer] where program.locate() == nil {
                lacks.append(
                    "the program \(program.name) is missing for fs=\(fileSystem): apt install \(program.package)")
            }
        }
        return lacks
    }

    package func sizeSupport(_ options: VolumeOptions, pool: FilePath) -> SizeSupport {
        LoopDevice.obstacle.map { .unsupported($0) } ?? .enforced
    }

    package func mountpoint(of volume: Volume, in context: DriverContext) -> FilePath {
        context.mounts.appending(ImageVolume.dataName)
    }

    package func keepsDataInside(_ volume: Volume) -> Bool { true }

    /// The loop device, which the kernel keeps for as long as anybody has it mounted.
    package func source(of volume: Volume, in context: DriverContext) throws -> MountSelection? {
        try device(of: volume, in: context)?.mounts
    }

    package func attachedDevice(of volume: Volume, in context: DriverContext) throws -> FilePath? {
        try device(of: volume, in: context)?.path
    }

    private func device(of volume: Volume, in context: DriverContext) throws -> LoopDevice? {
        let image = ImageVolume(volume, context).image
        return image.isThere ? try LoopDevice.attached(to: FileID(of: image.path)) : nil
    }

    package func create(_ volume: Volume, in context: DriverContext) async throws -> [String: String] {
        try await ImageVolume(volume, context).create()
    }

    /// Does nothing: all there is of a volume is in its own directory.
    package func remove(_ volume: Volume, in context: DriverContext) async throws {}

    package func mount(_ volume: Volume, in context: DriverContext) async throws {
        try await ImageVolume(volume, context).mount()
    }

    package func unmount(_ volume: Volume, in context: DriverContext) async throws {
        let volume = ImageVolume(volume, context)
        try await BlockingWork.run { try volume.unmount() }
    }

    package func missing(of volume: Volume, in context: DriverContext) -> FilePath? {
        let image = ImageVolume(volume, context).image
        return image.isThere ? nil : image.path
    }

    package func damage(to volume: Volume, in context: DriverContext) throws -> StorageDamage? {
        let volume = ImageVolume(volume, context)
        guard try ImageFileSystem(of: volume.image.path) != volume.fileSystem else { return nil }
        return StorageDamage(
            "there is no \(volume.fileSystem) in its image '\(volume.image.path)'",
            advice: "save a copy of the image, and run \"\(volume.repair)\"")
    }

    package func recognized(in directory: FilePath) -> RecognizedVolume? {
        let image = SparseFile(directory.appending(ImageVolume.imageName))
        // What cannot be read is no image.
        guard let fileSystem = try? ImageFileSystem(of: image.path), let bytes = try? image.bytes else { return nil }
        return RecognizedVolume(
            options: ["fs": fileSystem.rawValue, "size": ByteSize(bytes: bytes).normal],
            state: ImageVolume.state(fileSystem, isSparse: true))
    }

    package func usage(of volume: Volume, in context: DriverContext) throws -> VolumeUsage? {
        let volume = ImageVolume(volume, context)
        guard try volume.mountedDevice() == nil else { return nil }
        return VolumeUsage(usedBytes: try volume.image.allocatedBytes, source: .image)
    }

    package func resize(
        _ volume: Volume, to size: ByteSize, in context: DriverContext
    ) async throws -> [String: String] {
        try await ImageVolume(volume, context).resize(to: size)
        return volume.state
    }
}
