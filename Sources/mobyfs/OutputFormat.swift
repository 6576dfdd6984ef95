// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// How a command prints what it found: for people, or for programs.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable { case table, json }
