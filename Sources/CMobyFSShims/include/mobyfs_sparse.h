// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

/// fallocate(2) with mode 0: gives a range of the file `fd` blocks of its own and keeps what is in it.
/// Returns 0, or an error number.
int mobyfs_allocate(int fd, int64_t offset, int64_t length);

/// lseek(2) with SEEK_DATA and SEEK_HOLE: finds the first range at or after `offset` that is no hole.
/// Returns 0, or an error number: ENXIO if there is none.
int mobyfs_next_data(int fd, int64_t offset, int64_t *start, int64_t *end);

/// copy_file_range(2) to the same place of another file. Returns how many bytes, or a negative error number.
int64_t mobyfs_copy_range(int fd, int source, int64_t offset, int64_t length);

/// FICLONE: makes the file `fd` share all blocks of another, as of one moment. Returns 0, or an error number.
int mobyfs_share_blocks(int fd, int source);

/// FS_NOCOW_FL: lets writes to the empty file `fd` go where its blocks are, on file systems that else write
/// somewhere else each time. Returns 0, or an error number.
int mobyfs_write_in_place(int fd);

/// The type of the file system that `fd` is on, as statfs(2) tells it; 0 if it does not.
uint64_t mobyfs_filesystem_magic(int fd);
