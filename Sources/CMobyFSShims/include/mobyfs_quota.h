// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

/// What a project of a file system uses and may use.
struct mobyfs_quota {
    uint32_t id;
    /// Zero: no limit.
    uint64_t limit_bytes;
    uint64_t used_bytes;
    uint64_t used_inodes;
    /// Whether anything else is limited: a soft limit, a number of files.
    int has_other_limits;
};

/// A file system whose quotas are asked for.
struct mobyfs_quota_target {
    /// Any open file of it.
    int fd;
    /// Its block device, for kernels before 5.14; NULL where there is none, or none is needed.
    const char *device;
};

/// FS_IOC_FSGETXATTR: the project that the open file `fd` belongs to, and whether its new children will belong to it.
/// Returns 0, or an error number.
int mobyfs_get_project(int fd, uint32_t *id, int *inherits);

/// FS_IOC_FSSETXATTR: makes the open file `fd` belong to a project, be it immutable. `inherits` is for directories only.
/// Returns 0, or an error number.
int mobyfs_set_project(int fd, uint32_t id, int inherits);

/// Opens a regular file or a directory in `dirfd` for reading, as mobyfs_open_beneath does; opening a device could do
/// something, so it is seen first what there is. Returns a descriptor, or a negative error number: -ENODEV for the rest.
int mobyfs_open_data_beneath(int dirfd, const char *name, int *is_directory);

/// Q_XGETQSTATV: whether the usage of projects is counted, and whether limits hold. Returns 0, or an error number:
/// ENOSYS where the kernel has no quotas or the file system cannot have them.
int mobyfs_project_quota_state(const struct mobyfs_quota_target *target, int *counts, int *enforces);

/// Q_GETQUOTA. Returns 0, or an error number.
int mobyfs_get_project_quota(const struct mobyfs_quota_target *target, uint32_t id, struct mobyfs_quota *quota);

/// Q_GETNEXTQUOTA: of the first project from `id` on that uses or may use anything. Returns 0, or an error number:
/// ENOENT or ESRCH where there is none.
int mobyfs_next_project_quota(const struct mobyfs_quota_target *target, uint32_t id, struct mobyfs_quota *quota);

/// Q_SETQUOTA: sets the hard limit of a project and takes all its other limits away. Returns 0, or an error number.
int mobyfs_set_project_quota(const struct mobyfs_quota_target *target, uint32_t id, uint64_t limit_bytes);
