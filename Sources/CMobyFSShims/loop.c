// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "mobyfs_loop.h"

#include <errno.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

int mobyfs_loop_free_number(int control) {
    int number = ioctl(control, LOOP_CTL_GET_FREE);
    return number < 0 ? -errno : number;
}

int mobyfs_loop_configure(int device, int file, int is_direct, int is_autoclear) {
    struct loop_config config = {.fd = (uint32_t)file};
    config.info.lo_flags = (is_autoclear ? LO_FLAGS_AUTOCLEAR : 0) | (is_direct ? LO_FLAGS_DIRECT_IO : 0);
    return ioctl(device, LOOP_CONFIGURE, &config) == 0 ? 0 : errno;
}

int mobyfs_loop_clear(int device) { return ioctl(device, LOOP_CLR_FD, 0) == 0 ? 0 : errno; }

int mobyfs_loop_status(int device, struct mobyfs_loop_status *status) {
    struct loop_info64 info;
    if (ioctl(device, LOOP_GET_STATUS64, &info) != 0) return errno;
    // The kernel packs the number as new_encode_dev() in include/linux/kdev_t.h does; stat(2) of the C library does not.
    unsigned int major = (info.lo_device & 0xfff00) >> 8;
    unsigned int minor = (info.lo_device & 0xff) | ((info.lo_device >> 12) & 0xfff00);
    status->file_device = makedev(major, minor);
    status->file_inode = info.lo_inode;
    status->offset = info.lo_offset;
    status->size_limit = info.lo_sizelimit;
    status->is_read_only = (info.lo_flags & LO_FLAGS_READ_ONLY) != 0;
    status->is_autoclear = (info.lo_flags & LO_FLAGS_AUTOCLEAR) != 0;
    status->is_direct = (info.lo_flags & LO_FLAGS_DIRECT_IO) != 0;
    return 0;
}

int mobyfs_loop_set_autoclear(int device) {
    struct loop_info64 info;
    if (ioctl(device, LOOP_GET_STATUS64, &info) != 0) return errno;
    info.lo_flags |= LO_FLAGS_AUTOCLEAR;
    return ioctl(device, LOOP_SET_STATUS64, &info) == 0 ? 0 : errno;
}

int mobyfs_loop_refresh_size(int device) {
    return ioctl(device, LOOP_SET_CAPACITY, 0) == 0 ? 0 : errno;
}

int mobyfs_make_block_node(const char *path, unsigned int major, unsigned int minor) {
    return mknod(path, S_IFBLK | 0600, makedev(major, minor)) == 0 ? 0 : errno;
}
