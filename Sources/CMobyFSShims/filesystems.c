// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "mobyfs_filesystems.h"

#include <errno.h>
#include <linux/btrfs.h>
#include <sys/ioctl.h>

// fs/xfs/libxfs/xfs_fs.h, which only the development files of xfsprogs install.
struct xfs_geometry_v1 {
    uint32_t block_size;
    uint32_t others[7];
    uint64_t data_blocks;
    uint8_t more[72];
};
#define MOBYFS_XFS_IOC_FSGEOMETRY_V1 _IOR('X', 100, struct xfs_geometry_v1)

int mobyfs_xfs_bytes(int directory, uint64_t *bytes) {
    struct xfs_geometry_v1 geometry = {0};
    if (ioctl(directory, MOBYFS_XFS_IOC_FSGEOMETRY_V1, &geometry) != 0) return errno;
    *bytes = geometry.data_blocks * geometry.block_size;
    return 0;
}

int mobyfs_btrfs_bytes(int directory, uint64_t *bytes) {
    struct btrfs_ioctl_dev_info_args info = {.devid = 1};
    if (ioctl(directory, BTRFS_IOC_DEV_INFO, &info) != 0) return errno;
    *bytes = info.total_bytes;
    return 0;
}

// fs/ext4/ext4.h, as older headers do not have it.
#define MOBYFS_EXT4_IOC_CHECKPOINT _IOW('f', 43, uint32_t)

int mobyfs_ext4_checkpoint(int directory) {
    uint32_t flags = 0;
    return ioctl(directory, MOBYFS_EXT4_IOC_CHECKPOINT, &flags) == 0 ? 0 : errno;
}
