// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "mobyfs_quota.h"

#include "CMobyFSShims.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COMMAND(name) QCMD(name, PRJQUOTA)

// The generic calls serve ext4 and xfs alike: the kernel translates them for xfs (fs/quota/quota.c), and
// Q_XGETQSTATV for ext4.
static int quota_call(const struct mobyfs_quota_target *target, int command, uint32_t id, void *argument) {
    long result = target->device ? syscall(SYS_quotactl, command, target->device, id, argument)
                                 : syscall(SYS_quotactl_fd, target->fd, command, id, argument);
    return result == 0 ? 0 : errno;
}

int mobyfs_get_project(int fd, uint32_t *id, int *inherits) {
    struct fsxattr attributes = {0};
    if (ioctl(fd, FS_IOC_FSGETXATTR, &attributes) != 0) return errno;
    *id = attributes.fsx_projid;
    *inherits = (attributes.fsx_xflags & FS_XFLAG_PROJINHERIT) != 0;
    return 0;
}

int mobyfs_set_project(int fd, uint32_t id, int inherits) {
    struct fsxattr attributes = {0};
    if (ioctl(fd, FS_IOC_FSGETXATTR, &attributes) != 0) return errno;
    attributes.fsx_projid = id;
    if (inherits) attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
    else attributes.fsx_xflags &= ~(uint32_t)FS_XFLAG_PROJINHERIT;
    if (ioctl(fd, FS_IOC_FSSETXATTR, &attributes) == 0) return 0;
    uint32_t frozen = attributes.fsx_xflags & (FS_XFLAG_IMMUTABLE | FS_XFLAG_APPEND);
    if (errno != EPERM || !frozen) return errno;
    // What chattr(1) has frozen keeps its project too, until it is thawed for a moment.
    struct fsxattr thawed = {0};
    if (ioctl(fd, FS_IOC_FSGETXATTR, &thawed) != 0) return errno;
    thawed.fsx_xflags &= ~frozen;
    if (ioctl(fd, FS_IOC_FSSETXATTR, &thawed) != 0) return errno;
    attributes.fsx_xflags &= ~frozen;
    int reason = ioctl(fd, FS_IOC_FSSETXATTR, &attributes) == 0 ? 0 : errno;
    struct fsxattr *final = reason == 0 ? &attributes : &thawed;
    final->fsx_xflags |= frozen;
    if (ioctl(fd, FS_IOC_FSSETXATTR, final) != 0 && reason == 0) reason = errno;
    return reason;
}

int mobyfs_open_data_beneath(int dirfd, const char *name, int *is_directory) {
    int place = mobyfs_open_beneath(dirfd, name, O_PATH | O_NOFOLLOW);
    if (place < 0) return place;
    struct stat status;
    int result = -ENODEV;
    if (fstat(place, &status) != 0) {
        result = -errno;
    } else if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) {
        char path[32];
        snprintf(path, sizeof path, "/proc/self/fd/%d", place);
        *is_directory = S_ISDIR(status.st_mode);
        result = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (result < 0) result = -errno;
    }
    close(place);
    return result;
}

int mobyfs_project_quota_state(const struct mobyfs_quota_target *target, int *counts, int *enforces) {
    struct fs_quota_statv state = {.qs_version = FS_QSTATV_VERSION1};
    *counts = *enforces = 0;
    int reason = quota_call(target, COMMAND(Q_XGETQSTATV), 0, &state);
    if (reason == ENOSYS) {
        // Also the answer where all quotas are off. This one is ESRCH then.
        int format;
        reason = quota_call(target, COMMAND(Q_GETFMT), 0, &format);
        return reason == ESRCH ? 0 : reason;
    }
    if (reason != 0) return reason;
    *counts = (state.qs_flags & FS_QUOTA_PDQ_ACCT) != 0;
    *enforces = (state.qs_flags & FS_QUOTA_PDQ_ENFD) != 0;
    return 0;
}

// Limits are in units of 1 KiB, whatever the file system's blocks are; usage is in bytes.
#define UNIT_BITS 10

int mobyfs_get_project_quota(const struct mobyfs_quota_target *target, uint32_t id, struct mobyfs_quota *quota) {
    struct if_dqblk block = {0};
    *quota = (struct mobyfs_quota){.id = id};
    int reason = quota_call(target, COMMAND(Q_GETQUOTA), id, &block);
    // xfs has no entry for a project that it has never seen.
    if (reason == ENOENT) return 0;
    if (reason != 0) return reason;
    quota->limit_bytes = block.dqb_bhardlimit << UNIT_BITS;
    quota->used_bytes = block.dqb_curspace;
    quota->used_inodes = block.dqb_curinodes;
    quota->has_other_limits = block.dqb_bsoftlimit || block.dqb_ihardlimit || block.dqb_isoftlimit;
    return 0;
}

int mobyfs_next_project_quota(const struct mobyfs_quota_target *target, uint32_t id, struct mobyfs_quota *quota) {
    struct if_nextdqblk block = {0};
    int reason = quota_call(target, COMMAND(Q_GETNEXTQUOTA), id, &block);
    if (reason != 0) return reason;
    return mobyfs_get_project_quota(target, block.dqb_id, quota);
}

int mobyfs_set_project_quota(const struct mobyfs_quota_target *target, uint32_t id, uint64_t limit_bytes) {
    struct if_dqblk block = {
        .dqb_bhardlimit = (limit_bytes >> UNIT_BITS) + ((limit_bytes & ((1 << UNIT_BITS) - 1)) != 0),
        .dqb_valid = QIF_LIMITS,
    };
    return quota_call(target, COMMAND(Q_SETQUOTA), id, &block);
}
