// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>
#include <stdint.h>

// ioctls of btrfs. Unless it says otherwise, a function returns 0 or an error number.

/// Whether a file is on btrfs.
int mobyfs_is_btrfs(int fd, int *is_btrfs);

/// What BTRFS_IOC_GET_SUBVOL_INFO (Linux 4.18) tells of the subvolume a file is in.
struct mobyfs_btrfs_subvolume {
    uint64_t id;
    /// The transaction that created it.
    uint64_t created;
    int is_read_only;
    uint8_t uuid[16];
    /// The subvolume it is a snapshot of, or zero.
    uint8_t parent_uuid[16];
    /// The subvolume of another file system it was received from, or zero.
    uint8_t received_uuid[16];
};
int mobyfs_btrfs_subvolume(int fd, struct mobyfs_btrfs_subvolume *subvolume);

/// Creates an empty subvolume in the directory `fd`.
int mobyfs_btrfs_create_subvolume(int fd, const char *name);

/// BTRFS_IOC_SNAP_CREATE_V2: makes `name` in the directory `fd` a snapshot of the subvolume `source`.
/// Returns 0, or an error number.
int mobyfs_btrfs_create_snapshot(int fd, const char *name, int source, int is_read_only);

/// Deletes a subvolume without subvolumes in it from the directory `fd`, whatever else is in it.
int mobyfs_btrfs_delete_subvolume(int fd, const char *name);

/// Takes the read-only flag off the subvolume whose root `fd` is.
int mobyfs_btrfs_make_writable(int fd);

/// Commits the current transaction, which also sets the kernel about clearing deleted subvolumes away.
int mobyfs_btrfs_commit(int fd);

/// Which items of a tree to read.
struct mobyfs_btrfs_range {
    uint64_t tree;
    uint64_t object_id;
    uint32_t type;
    uint64_t first_offset;
    uint64_t last_offset;
};
/// The head of an item; `length` bytes follow.
struct mobyfs_btrfs_item {
    uint64_t transaction;
    uint64_t object_id;
    uint64_t offset;
    uint32_t type;
    uint32_t length;
};
/// Reads as many items as fit into `buffer`, one after the other. `count` 0 says there are no more.
/// ENOENT says that there is no such tree.
int mobyfs_btrfs_search(
    int fd, const struct mobyfs_btrfs_range *range, void *buffer, size_t size, uint32_t *count);

/// Switches quotas on for the whole file system: simple ones (Linux 6.7) or those that count references.
int mobyfs_btrfs_enable_quota(int fd, int simple);
int mobyfs_btrfs_create_group(int fd, uint64_t group);
int mobyfs_btrfs_remove_group(int fd, uint64_t group);
/// Limits the bytes that a quota group may refer to; UINT64_MAX takes the limit away.
int mobyfs_btrfs_limit_group(int fd, uint64_t group, uint64_t bytes);
/// Makes a quota group a member of one of a higher level, or no longer. `needs_rescan` says that the counts
/// are not right before the next rescan.
int mobyfs_btrfs_assign_group(int fd, uint64_t member, uint64_t group, int assign, int *needs_rescan);
/// Starts to count anew what all quota groups use.
int mobyfs_btrfs_start_rescan(int fd);
/// Says whether that goes on.
int mobyfs_btrfs_is_rescanning(int fd, int *is_rescanning);

/// Writes the value of the extended attribute `btrfs.compression`, at most `size` bytes. Returns its length, or
/// a negative error number.
int mobyfs_btrfs_compression(int fd, char *value, size_t size);
int mobyfs_btrfs_set_compression(int fd, const char *value);

/// FS_IOC_GETFLAGS: whether the file has the flag NOCOW.
int mobyfs_is_nocow(int fd, int *is_nocow);
/// FS_IOC_SETFLAGS: sets that flag.
int mobyfs_set_nocow(int fd);
