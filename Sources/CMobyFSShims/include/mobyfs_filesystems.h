// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

// What mounted file systems tell of themselves, asked with any of their directories. Returns 0, or an error number.

/// XFS_IOC_FSGEOMETRY_V1: how much of its device an xfs takes.
int mobyfs_xfs_bytes(int directory, uint64_t *bytes);

/// BTRFS_IOC_DEV_INFO: how much of its first device a btrfs takes.
int mobyfs_btrfs_bytes(int directory, uint64_t *bytes);

/// EXT4_IOC_CHECKPOINT (Linux 5.14): writes what is in the journal to its places, and empties the journal.
int mobyfs_ext4_checkpoint(int directory);
