// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CMobyFSShims.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x00004000U
#endif

int mobyfs_file_facts(int fd, struct mobyfs_file_facts *facts) {
    struct statx status;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) != 0) return errno;
    if (!(status.stx_mask & STATX_MNT_ID)) return ENOSYS;
    facts->mount_id = status.stx_mnt_id;
    facts->is_mount_root = (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
    facts->unique_mount_id = facts->mount_id;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID_UNIQUE, &status) == 0 && (status.stx_mask & STATX_MNT_ID_UNIQUE))
        facts->unique_mount_id = status.stx_mnt_id;
    return 0;
}

static int is_on(int fd, __fsword_t type) {
    struct statfs status;
    if (fstatfs(fd, &status) != 0) return -errno;
    return status.f_type == type;
}

int mobyfs_is_fuse(int fd) { return is_on(fd, FUSE_SUPER_MAGIC); }

int mobyfs_is_tmpfs(int fd) { return is_on(fd, TMPFS_MAGIC); }

int mobyfs_open_beneath(int dirfd, const char *name, int flags) {
    struct open_how how = {
        .flags = (uint64_t)flags | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    long fd = syscall(SYS_openat2, dirfd, name, &how, sizeof how);
    return fd < 0 ? -errno : (int)fd;
}

int mobyfs_open_real(const char *path, int flags) {
    struct open_how how = {
        .flags = (uint64_t)flags | O_CLOEXEC,
        .resolve = RESOLVE_NO_SYMLINKS,
    };
    long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
    return fd < 0 ? -errno : (int)fd;
}

// Clears what chattr(1) has set; `before` is what was set. Returns 0, or an error number: EPERM if nothing was.
static int thaw(int fd, int *before) {
    const int frozen = FS_IMMUTABLE_FL | FS_APPEND_FL;
    int flags = 0;  // an int, whatever the ioctl's number says: ioctl_iflags(2)
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0 || !(flags & frozen)) return EPERM;
    *before = flags;
    flags &= ~frozen;
    return ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0 ? 0 : errno;
}

int mobyfs_thaw_directory(int fd) {
    int before;
    return thaw(fd, &before);
}

int mobyfs_unlink_frozen(int dirfd, const char *name) {
    int before = 0;
    mobyfs_thaw_directory(dirfd);
    if (unlinkat(dirfd, name, 0) == 0) return 0;
    if (errno != EPERM) return errno;
    int is_directory;
    int fd = mobyfs_open_data_beneath(dirfd, name, &is_directory);
    if (fd < 0) return EPERM;
    int reason = is_directory ? EISDIR : thaw(fd, &before);
    if (reason == 0) {
        reason = unlinkat(dirfd, name, 0) == 0 ? 0 : errno;
        struct stat status;
        // It goes on under another name, perhaps outside of the tree, and is to be what it was.
        if (fstat(fd, &status) == 0 && status.st_nlink > 0 && ioctl(fd, FS_IOC_SETFLAGS, &before) != 0 && !reason)
            reason = errno;
    }
    close(fd);
    return reason;
}

void mobyfs_forgo_core_dumps(void) {
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    if (write(fd, "0", 1) != 1) errno = 0;  // a kernel that writes no core dumps
    close(fd);
}

// Since Linux 6.9 (include/uapi/linux/fs.h); older headers do not have it.
struct mobyfs_fsuuid2 {
    uint8_t length;
    uint8_t uuid[16];
};
#define MOBYFS_IOC_GETFSUUID _IOR(0x15, 0, struct mobyfs_fsuuid2)

int mobyfs_filesystem_uuid(int fd, uint8_t uuid[16]) {
    struct mobyfs_fsuuid2 answer = {0};
    if (ioctl(fd, MOBYFS_IOC_GETFSUUID, &answer) != 0) return -errno;
    if (answer.length > sizeof answer.uuid) return -EOVERFLOW;
    memcpy(uuid, answer.uuid, answer.length);
    return answer.length;
}

int mobyfs_stable_fsid(int fd, uint64_t *fsid) {
    struct statfs status;
    if (fstatfs(fd, &status) != 0) return errno;
    switch (status.f_type) {
    case EXT4_SUPER_MAGIC:  // ext2 and ext3 too
    case BTRFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC:
        memcpy(fsid, &status.f_fsid, sizeof *fsid);
        return 0;
    default:
        return ENOTSUP;
    }
}

int mobyfs_exchange(const char *one, const char *other) {
    return renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) == 0 ? 0 : errno;
}

int mobyfs_lock_byte(int fd, int64_t offset) {
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1};
    return fcntl(fd, F_OFD_SETLK, &range) == 0 ? 0 : errno;
}

int mobyfs_sync_filesystem(int fd) {
    return syncfs(fd) == 0 ? 0 : errno;
}
