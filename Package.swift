// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

/// The library that drives a fuzzer, under `make fuzz`.
let fuzzer = Context.environment["MOBYFS_FUZZER"]
let fuzzerSanitizer = Context.environment["MOBYFS_FUZZER_SANITIZER"] ?? "address"

let strict: [SwiftSetting] =
    [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .treatAllWarnings(as: .error),
    ]
    // Only what is mobyfs' own tells the fuzzer where it gets to.
    + (fuzzer == nil ? [] : [.unsafeFlags(["-Xfrontend", "-sanitize=\(fuzzerSanitizer),fuzzer"])])

let system: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let nioLocks: Target.Dependency = .product(name: "NIOConcurrencyHelpers", package: "swift-nio")
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioTLS: Target.Dependency = .product(name: "NIOTLS", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let unixSignals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let subprocess: Target.Dependency = .product(name: "Subprocess", package: "swift-subprocess")

let package = Package(
    name: "mobyfs",
    products: [
        .executable(name: "mobyfs", targets: ["mobyfs"]),
        .library(name: "DockerPlugin", targets: ["DockerPlugin"]),
        .library(name: "DockerPluginDiscovery", targets: ["DockerPluginDiscovery"]),
        .library(name: "DockerPluginServer", targets: ["DockerPluginServer"]),
        .library(name: "DockerPluginClient", targets: ["DockerPluginClient"]),
        .library(name: "Systemd", targets: ["Systemd"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    ],
    targets: [
        // The SDK: usable without the daemon.
        .target(name: "DockerPlugin", swiftSettings: strict),
        .target(name: "DockerPluginDiscovery", dependencies: ["CLinux", "DockerPlugin"], swiftSettings: strict),
        .target(
            name: "DockerPluginServer",
            dependencies: [
                "CLinux", "DockerPlugin", "DockerPluginDiscovery", nioCore, nioPosix, nioHTTP1, nioSSL, nioTLS,
                lifecycle, unixSignals, logging,
            ],
            swiftSettings: strict),
        .target(
            name: "DockerPluginClient",
            dependencies: ["DockerPlugin", "DockerPluginDiscovery", nioCore, nioPosix, nioTLS, nioSSL],
            swiftSettings: strict),
        .systemLibrary(name: "CLinux"),
        .target(name: "Systemd", dependencies: ["CSystemd", logging], swiftSettings: strict),
        .systemLibrary(name: "CSystemd", pkgConfig: "libsystemd", providers: [.apt(["libsystemd-dev"])]),

        // SDK examples.
        .executableTarget(
            name: "hello",
            dependencies: [
                "DockerPlugin", "DockerPluginDiscovery", "DockerPluginServer", "DockerPluginClient", "Systemd",
                argumentParser, logging,
            ],
            path: "Sources/Examples/hello", swiftSettings: strict),
        .executableTarget(
            name: "scratch",
            dependencies: ["DockerPlugin", "DockerPluginServer", "Systemd", argumentParser],
            path: "Sources/Examples/scratch", swiftSettings: strict),

        // Tools for any plugin.
        .target(
            name: "PluginConformance",
            dependencies: ["DockerPlugin", "DockerPluginDiscovery", "DockerPluginClient", "MobyFSHost", system],
            swiftSettings: strict),
        .target(
            name: "PluginCertificates",
            dependencies: [
                "MobyFSHost", system, .product(name: "X509", package: "swift-certificates"),
                .product(name: "Crypto", package: "swift-crypto"), .product(name: "SwiftASN1", package: "swift-asn1"),
            ],
            swiftSettings: strict),

        // The daemon.
        .target(name: "CMobyFSShims"),
        .target(
            name: "MobyFSHost", dependencies: ["CMobyFSShims", system, logging, nioLocks], swiftSettings: strict),
        .target(
            name: "MobyFSVolumes", dependencies: ["DockerPlugin", "MobyFSHost", system, logging], swiftSettings: strict),
        .target(
            name: "MobyFSDrivers", dependencies: ["MobyFSVolumes", "MobyFSHost", system, logging],
            swiftSettings: strict),
        .target(
            name: "MobyFSDaemon",
            dependencies: [
                "DockerPlugin", "DockerPluginDiscovery", "DockerPluginServer", "Systemd", "PluginCertificates",
                "MobyFSDrivers", "MobyFSVolumes", "MobyFSHost", lifecycle, unixSignals, logging, system,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "mobyfs",
            dependencies: [
                "MobyFSDaemon", "MobyFSHost", "MobyFSVolumes", "DockerPlugin", "DockerPluginDiscovery",
                "DockerPluginClient",
                "PluginConformance", "PluginCertificates", system, argumentParser,
            ],
            swiftSettings: strict),

        // Tests.
        .target(
            name: "MobyFSTesting", dependencies: ["MobyFSVolumes", "MobyFSHost", subprocess, system, logging],
            swiftSettings: strict),
        .target(
            name: "MobyFSFuzzing",
            dependencies: [
                "DockerPlugin", "DockerPluginDiscovery", "DockerPluginServer", "MobyFSDaemon", "MobyFSDrivers",
                "MobyFSVolumes", "MobyFSHost", logging, system,
            ],
            swiftSettings: strict),
        .target(name: "TortureSupport", path: "Tests/TortureSupport", swiftSettings: strict),
        .testTarget(
            name: "DockerPluginTests", dependencies: ["DockerPlugin", "MobyFSHost", "MobyFSTesting", system],
            swiftSettings: strict),
        .testTarget(
            name: "DocumentationTests",
            dependencies: [
                "DockerPlugin", "DockerPluginDiscovery", "DockerPluginServer", "DockerPluginClient", "Systemd",
                "MobyFSHost", "MobyFSTesting", logging, system,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "DockerPluginServerTests",
            dependencies: [
                "DockerPlugin", "DockerPluginDiscovery", "DockerPluginServer", "PluginCertificates", "MobyFSTesting",
                subprocess, logging, system,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "DockerPluginDiscoveryTests",
            dependencies: ["DockerPluginDiscovery", "DockerPlugin", "MobyFSTesting", "MobyFSHost", system],
            swiftSettings: strict),
        .testTarget(
            name: "DockerPluginClientTests",
            dependencies: [
                "DockerPluginClient", "DockerPluginDiscovery", "DockerPluginServer", "DockerPlugin", "MobyFSTesting",
                logging, system, nioCore, nioPosix, nioSSL, .product(name: "X509", package: "swift-certificates"),
                .product(name: "Crypto", package: "swift-crypto"), .product(name: "SwiftASN1", package: "swift-asn1"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "PluginConformanceTests",
            dependencies: [
                "PluginConformance", "DockerPluginClient", "DockerPluginDiscovery", "DockerPlugin", "MobyFSHost",
                "MobyFSTesting", system,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "PluginCertificatesTests",
            dependencies: [
                "PluginCertificates", "MobyFSHost", "MobyFSTesting", nioCore, nioPosix, nioSSL, subprocess, system,
            ],
            swiftSettings: strict),
        .testTarget(name: "SystemdTests", dependencies: ["Systemd", logging], swiftSettings: strict),
        .testTarget(
            name: "MobyFSHostTests", dependencies: ["MobyFSHost", "MobyFSTesting", system], swiftSettings: strict),
        .testTarget(
            name: "MobyFSVolumesTests",
            dependencies: ["MobyFSVolumes", "MobyFSHost", "MobyFSTesting", system],
            swiftSettings: strict),
        .testTarget(
            name: "MobyFSDriversTests",
            dependencies: ["MobyFSDrivers", "MobyFSVolumes", "MobyFSHost", "MobyFSTesting", system],
            swiftSettings: strict),
        .testTarget(
            name: "MobyFSDaemonTests",
            dependencies: [
                "MobyFSDaemon", "MobyFSVolumes", "MobyFSHost", "DockerPlugin", "DockerPluginDiscovery", "MobyFSTesting",
                system, logging,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "IntegrationTests",
            dependencies: [
                "mobyfs", "hello", "scratch", "DockerPlugin", "DockerPluginClient", "DockerPluginDiscovery",
                "PluginCertificates", "MobyFSDaemon", "MobyFSHost", "MobyFSTesting", subprocess, system,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "TortureTests",
            dependencies: [
                "mobyfs", "DockerPlugin", "DockerPluginClient", "DockerPluginDiscovery", "PluginCertificates",
                "MobyFSFuzzing", "MobyFSHost", "MobyFSTesting", "TortureSupport", subprocess, system,
            ],
            exclude: ["Corpus", "CrashPoints"], swiftSettings: strict),
        .testTarget(
            name: "EngineTests", dependencies: ["TortureSupport", subprocess, system], exclude: ["Compose"],
            swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)

if let fuzzer {
    package.targets += [
        .systemLibrary(name: "CLibFuzzer"),
        .executableTarget(
            name: "fuzz", dependencies: ["MobyFSFuzzing", "CLibFuzzer"], swiftSettings: strict,
            linkerSettings: [.unsafeFlags([fuzzer]), .linkedLibrary("stdc++")]),
    ]
}
