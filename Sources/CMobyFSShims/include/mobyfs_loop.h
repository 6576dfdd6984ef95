// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

/// What LOOP_GET_STATUS64 tells of a loop device that has a file.
struct mobyfs_loop_status {
    /// The file, as stat(2) tells it.
    uint64_t file_device;
    uint64_t file_inode;
    uint64_t offset;
    uint64_t size_limit;
    int is_read_only;
    int is_autoclear;
    int is_direct;
};

/// LOOP_CTL_GET_FREE on /dev/loop-control. Returns a number, or a negative error number.
int mobyfs_loop_free_number(int control);

/// LOOP_CONFIGURE (Linux 5.8). Returns 0, or an error number: EBUSY if somebody was quicker.
int mobyfs_loop_configure(int device, int file, int is_direct, int is_autoclear);

/// LOOP_CLR_FD. Returns 0, or an error number: ENXIO if the device has no file.
int mobyfs_loop_clear(int device);

/// LOOP_GET_STATUS64. Returns 0, or an error number: ENXIO if the device has no file.
int mobyfs_loop_status(int device, struct mobyfs_loop_status *status);

/// Makes a device that has a file let go of it when it is closed for the last time. Returns 0, or an error number.
int mobyfs_loop_set_autoclear(int device);

/// LOOP_SET_CAPACITY: takes over the size that the file has now. Returns 0, or an error number.
int mobyfs_loop_refresh_size(int device);

/// Makes the node of a block device. Returns 0, or an error number.
int mobyfs_make_block_node(const char *path, unsigned int major, unsigned int minor);
