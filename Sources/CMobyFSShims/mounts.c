// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "mobyfs_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// Numbers of include/uapi/linux/mount.h; the same on all architectures, as are those of the calls (but alpha's).
#ifndef SYS_move_mount
#define SYS_open_tree 428
#define SYS_move_mount 429
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
#define SYS_fspick 433
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
enum { OPEN_CLOEXEC = 1, MOUNT_CLOEXEC = 1, SET_FLAG = 0, SET_STRING = 1, CMD_CREATE = 6, FROM_EMPTY_PATH = 4 };
enum { TREE_CLONE = 1 };
enum { PICK_CLOEXEC = 1, PICK_NO_FOLLOW = 2, PICK_NO_AUTOMOUNT = 4, CMD_RECONFIGURE = 7 };

static int answer(long result) { return result < 0 ? -errno : (int)result; }

int mobyfs_fsopen(const char *type) { return answer(syscall(SYS_fsopen, type, OPEN_CLOEXEC)); }

int mobyfs_fsconfig_set(int fd, const char *key, const char *value) {
    return answer(syscall(SYS_fsconfig, fd, value ? SET_STRING : SET_FLAG, key, value, 0));
}

int mobyfs_fsconfig_create(int fd) { return answer(syscall(SYS_fsconfig, fd, CMD_CREATE, NULL, NULL, 0)); }

int mobyfs_fsmount(int fd, uint32_t attributes) { return answer(syscall(SYS_fsmount, fd, MOUNT_CLOEXEC, attributes)); }

int mobyfs_move_mount(int fd, const char *path) {
    return answer(syscall(SYS_move_mount, fd, "", AT_FDCWD, path, FROM_EMPTY_PATH));
}

int mobyfs_fspick(const char *path) {
    return answer(syscall(SYS_fspick, AT_FDCWD, path, PICK_CLOEXEC | PICK_NO_FOLLOW | PICK_NO_AUTOMOUNT));
}

int mobyfs_fsconfig_reconfigure(int fd) {
    return answer(syscall(SYS_fsconfig, fd, CMD_RECONFIGURE, NULL, NULL, 0));
}

int mobyfs_open_sealed(const char *path, uint32_t attributes) {
    // struct mount_attr of include/uapi/linux/mount.h.
    const uint64_t wanted[4] = {
        attributes | MOBYFS_MOUNT_NOSUID | MOBYFS_MOUNT_NODEV | MOBYFS_MOUNT_NOEXEC | MOBYFS_MOUNT_NOSYMFOLLOW,
    };
    int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return -errno;
    // Without AT_RECURSIVE, nothing that is mounted below comes along.
    int fd = answer(syscall(SYS_open_tree, directory, "", TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH));
    close(directory);
    if (fd < 0) return fd;
    if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, wanted, sizeof wanted) == 0) return fd;
    int reason = -errno;
    close(fd);
    return reason;
}

int mobyfs_knows_filesystem(const char *type) {
    int fd = mobyfs_fsopen(type);
    if (fd < 0) return -fd;
    close(fd);
    return 0;
}

int mobyfs_set_immutable(int fd, int immutable) {
    int flags = 0;  // an int, whatever the ioctl's number says: ioctl_iflags(2)
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return errno;
    int wanted = immutable ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
    if (wanted == flags) return 0;
    return ioctl(fd, FS_IOC_SETFLAGS, &wanted) == 0 ? 0 : errno;
}

int mobyfs_bounded_memory(const char *name, uint64_t size) {
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -errno;
    // No page is used before something is written to it.
    if (ftruncate(fd, (off_t)size) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0)
        return fd;
    int reason = errno;
    close(fd);
    return -reason;
}

const char *mobyfs_errno_name(int error) { return strerrorname_np(error); }
