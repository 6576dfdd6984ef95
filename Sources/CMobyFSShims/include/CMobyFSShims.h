// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "mobyfs_loop.h"
#include "mobyfs_memory.h"
#include "mobyfs_btrfs.h"
#include "mobyfs_filesystems.h"
#include "mobyfs_mounts.h"
#include "mobyfs_processes.h"
#include "mobyfs_sparse.h"
#include "mobyfs_quota.h"

/// What statx(2) tells of an open file that stat(2) does not.
struct mobyfs_file_facts {
    /// Number of the mount the file is on, as in /proc/PID/mountinfo.
    uint64_t mount_id;
    /// The same by a number that no later mount gets, where the kernel has one (Linux 6.8); else the same number.
    uint64_t unique_mount_id;
    /// Whether the file is the root of that mount.
    int is_mount_root;
};

/// Fills `facts` for the open file `fd`. Returns 0, or an error number.
int mobyfs_file_facts(int fd, struct mobyfs_file_facts *facts);

/// Whether the open file `fd` is on a FUSE file system; negative is an error number. Asks its server.
int mobyfs_is_fuse(int fd);

/// Whether the open file `fd` is on a tmpfs; negative is an error number.
int mobyfs_is_tmpfs(int fd);

/// openat2(2) with RESOLVE_NO_XDEV and RESOLVE_NO_SYMLINKS: opens a child of the directory `dirfd` without
/// leaving its mount. Returns a descriptor, or a negative error number.
int mobyfs_open_beneath(int dirfd, const char *name, int flags);

/// openat2(2) with RESOLVE_NO_SYMLINKS: opens a path that has none, not even before its end. Returns a descriptor, or a
/// negative error number.
int mobyfs_open_real(const char *path, int flags);

/// Takes from an open directory that it is immutable or can only be added to. Returns 0, or an error number: EPERM if it
/// is neither.
int mobyfs_thaw_directory(int fd);

/// unlinkat(2) of a file that is immutable, or can only be added to, or is in such a directory; EISDIR for a directory. A
/// file that has other names is as before. Returns 0, or an error number.
int mobyfs_unlink_frozen(int dirfd, const char *name);

/// Sees to it that no core dump of this process, and of those that it starts, has any of their memory in it: neither one
/// that the kernel writes to a file (RLIMIT_CORE) nor one that it hands to a program, whatever the limit is
/// (/proc/PID/coredump_filter).
void mobyfs_forgo_core_dumps(void);

/// FS_IOC_GETFSUUID: writes the UUID of the file system that `fd` is on, at most 16 bytes.
/// Returns its length, or a negative error number.
int mobyfs_filesystem_uuid(int fd, uint8_t uuid[16]);

/// Writes the statfs(2) identifier of the file system that `fd` is on, if it is of a type that makes it of its
/// UUID, so that it survives a reboot. Returns 0, or an error number.
int mobyfs_stable_fsid(int fd, uint64_t *fsid);

/// renameat2(2) with RENAME_EXCHANGE: two names change places in one step. Returns 0, or an error number.
int mobyfs_exchange(const char *one, const char *other);

/// F_OFD_SETLK of fcntl(2): locks one byte of a file for the open file alone. Returns 0, or an error number: EAGAIN if
/// somebody has it.
int mobyfs_lock_byte(int fd, int64_t offset);

/// syncfs(2): waits until all that was written to the file system of `fd` is on its disk. Returns 0, or an error number.
int mobyfs_sync_filesystem(int fd);
