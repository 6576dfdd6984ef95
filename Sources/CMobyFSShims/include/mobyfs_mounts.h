// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

// The mount calls of Linux 5.2, which older C libraries do not have. Each returns a descriptor or 0, or a negative
// error number.

/// fsopen(2): the beginning of a mount of a file system of this type.
int mobyfs_fsopen(const char *type);

/// fsconfig(2) with FSCONFIG_SET_STRING, or with FSCONFIG_SET_FLAG where `value` is NULL.
int mobyfs_fsconfig_set(int fd, const char *key, const char *value);

/// fsconfig(2) with FSCONFIG_CMD_CREATE: finds or makes the superblock.
int mobyfs_fsconfig_create(int fd);

/// fsmount(2): a mount, at no path yet. `attributes` are MOUNT_ATTR_*.
int mobyfs_fsmount(int fd, uint32_t attributes);

/// move_mount(2): puts the mount at a path; a symbolic link at its end is not followed.
int mobyfs_move_mount(int fd, const char *path);

/// fspick(2): the beginning of a change to the file system that is mounted at a path; a symbolic link at its end is
/// not followed.
int mobyfs_fspick(const char *path);

/// fsconfig(2) with FSCONFIG_CMD_RECONFIGURE: changes the file system's own options, and not this mount's.
int mobyfs_fsconfig_reconfigure(int fd);

/// open_tree(2) and mount_setattr(2): a second mount of a directory, without what is mounted below, at no path, in which
/// no symbolic link is followed and no device, program or set-user-ID bit counts. `attributes` are more MOUNT_ATTR_*.
int mobyfs_open_sealed(const char *path, uint32_t attributes);

/// Whether fsopen(2) takes this type; it may load the kernel module for it. Returns 0, or an error number.
int mobyfs_knows_filesystem(const char *type);

/// Sets or clears the immutable flag of an open file or directory. Returns 0, or an error number.
int mobyfs_set_immutable(int fd, int immutable);

/// memfd_create(2) for output: `size` bytes that a writer cannot exceed. Returns a descriptor, or a negative error number.
int mobyfs_bounded_memory(const char *name, uint64_t size);

/// The name of an error number, such as "EINVAL"; NULL if it has none.
const char *mobyfs_errno_name(int error);

/// MOUNT_ATTR_* as numbers, for linux/mount.h cannot be included with sys/mount.h everywhere.
enum mobyfs_mount_attribute {
    MOBYFS_MOUNT_RDONLY = 0x1,
    MOBYFS_MOUNT_NOSUID = 0x2,
    MOBYFS_MOUNT_NODEV = 0x4,
    MOBYFS_MOUNT_NOEXEC = 0x8,
    MOBYFS_MOUNT_NOATIME = 0x10,
    MOBYFS_MOUNT_STRICTATIME = 0x20,
    MOBYFS_MOUNT_NODIRATIME = 0x80,
    MOBYFS_MOUNT_NOSYMFOLLOW = 0x200000,
};
