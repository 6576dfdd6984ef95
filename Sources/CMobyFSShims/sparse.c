// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "mobyfs_sparse.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <unistd.h>

int mobyfs_allocate(int fd, int64_t offset, int64_t length) {
    return fallocate(fd, 0, offset, length) == 0 ? 0 : errno;
}

int mobyfs_next_data(int fd, int64_t offset, int64_t *start, int64_t *end) {
    *start = lseek(fd, offset, SEEK_DATA);
    if (*start < 0) return errno;
    *end = lseek(fd, *start, SEEK_HOLE);
    return *end < 0 ? errno : 0;
}

int64_t mobyfs_copy_range(int fd, int source, int64_t offset, int64_t length) {
    loff_t from = offset;
    loff_t to = offset;
    ssize_t count = copy_file_range(source, &from, fd, &to, (size_t)length, 0);
    return count < 0 ? -errno : count;
}

int mobyfs_share_blocks(int fd, int source) { return ioctl(fd, FICLONE, source) == 0 ? 0 : errno; }

int mobyfs_write_in_place(int fd) {
    int flags;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return errno;
    flags |= FS_NOCOW_FL;
    return ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0 ? 0 : errno;
}

uint64_t mobyfs_filesystem_magic(int fd) {
    struct statfs status;
    return fstatfs(fd, &status) == 0 ? (uint64_t)status.f_type : 0;
}
