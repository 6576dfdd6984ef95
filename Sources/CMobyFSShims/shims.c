// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CMobyFSShims.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

int mobyfs_file_facts(int fd, struct mobyfs_file_facts *facts) {
    struct statx status;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) != 0) return errno;
    if (!(status.stx_mask & STATX_MNT_ID)) return ENOSYS;
    facts->mount_id = status.stx_mnt_id;
    facts->is_mount_root = (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
    return 0;
}

int mobyfs_open_beneath(int dirfd, const char *name, int flags) {
    struct open_how how = {
        .flags = (uint64_t)flags | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    long fd = syscall(SYS_openat2, dirfd, name, &how, sizeof how);
    return fd < 0 ? -errno : (int)fd;
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
