// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "mobyfs_btrfs.h"

#include <errno.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

// Since Linux 6.7; older headers do not have it.
#define MOBYFS_QUOTA_CTL_ENABLE_SIMPLE_QUOTA 4

static int result(int outcome) { return outcome < 0 ? errno : 0; }

int mobyfs_is_btrfs(int fd, int *is_btrfs) {
    struct statfs status;
    if (fstatfs(fd, &status) != 0) return errno;
    *is_btrfs = status.f_type == BTRFS_SUPER_MAGIC;
    return 0;
}

int mobyfs_btrfs_subvolume(int fd, struct mobyfs_btrfs_subvolume *subvolume) {
    struct btrfs_ioctl_get_subvol_info_args info = {0};
    if (ioctl(fd, BTRFS_IOC_GET_SUBVOL_INFO, &info) < 0) return errno;
    subvolume->id = info.treeid;
    subvolume->created = info.otransid;
    subvolume->is_read_only = (info.flags & BTRFS_ROOT_SUBVOL_RDONLY) != 0;
    memcpy(subvolume->uuid, info.uuid, sizeof subvolume->uuid);
    memcpy(subvolume->parent_uuid, info.parent_uuid, sizeof subvolume->parent_uuid);
    memcpy(subvolume->received_uuid, info.received_uuid, sizeof subvolume->received_uuid);
    return 0;
}

static int name_call(int fd, unsigned long request, const char *name) {
    struct btrfs_ioctl_vol_args arguments = {0};
    size_t length = strlen(name);
    if (length >= sizeof arguments.name) return ENAMETOOLONG;
    memcpy(arguments.name, name, length);
    return result(ioctl(fd, request, &arguments));
}

int mobyfs_btrfs_create_subvolume(int fd, const char *name) {
    return name_call(fd, BTRFS_IOC_SUBVOL_CREATE, name);
}

int mobyfs_btrfs_create_snapshot(int fd, const char *name, int source, int is_read_only) {
    struct btrfs_ioctl_vol_args_v2 arguments = {.fd = source};
    if (is_read_only) arguments.flags |= BTRFS_SUBVOL_RDONLY;
    size_t length = strlen(name);
    if (length >= sizeof arguments.name) return ENAMETOOLONG;
    memcpy(arguments.name, name, length);
    return result(ioctl(fd, BTRFS_IOC_SNAP_CREATE_V2, &arguments));
}

int mobyfs_btrfs_delete_subvolume(int fd, const char *name) {
    return name_call(fd, BTRFS_IOC_SNAP_DESTROY, name);
}

int mobyfs_btrfs_make_writable(int fd) {
    uint64_t flags = 0;
    if (ioctl(fd, BTRFS_IOC_SUBVOL_GETFLAGS, &flags) < 0) return errno;
    flags &= ~BTRFS_SUBVOL_RDONLY;
    return result(ioctl(fd, BTRFS_IOC_SUBVOL_SETFLAGS, &flags));
}

int mobyfs_btrfs_commit(int fd) { return result(ioctl(fd, BTRFS_IOC_SYNC)); }

_Static_assert(
    sizeof(struct mobyfs_btrfs_item) == sizeof(struct btrfs_ioctl_search_header), "an item's head is the kernel's");

int mobyfs_btrfs_search(
    int fd, const struct mobyfs_btrfs_range *range, void *buffer, size_t size, uint32_t *count) {
    // The kernel writes behind its arguments, so these are at the start of the buffer meanwhile.
    struct btrfs_ioctl_search_args_v2 *arguments = buffer;
    if (size <= sizeof *arguments) return EOVERFLOW;
    memset(arguments, 0, sizeof *arguments);
    arguments->key = (struct btrfs_ioctl_search_key){
        .tree_id = range->tree,
        .min_objectid = range->object_id,
        .max_objectid = range->object_id,
        .min_offset = range->first_offset,
        .max_offset = range->last_offset,
        .max_transid = UINT64_MAX,
        .min_type = range->type,
        .max_type = range->type,
        .nr_items = UINT32_MAX,
    };
    arguments->buf_size = size - sizeof *arguments;
    if (ioctl(fd, BTRFS_IOC_TREE_SEARCH_V2, arguments) < 0) return errno;
    *count = arguments->key.nr_items;
    memmove(buffer, arguments->buf, size - sizeof *arguments);
    return 0;
}

int mobyfs_btrfs_enable_quota(int fd, int simple) {
    struct btrfs_ioctl_quota_ctl_args arguments = {
        .cmd = simple ? MOBYFS_QUOTA_CTL_ENABLE_SIMPLE_QUOTA : BTRFS_QUOTA_CTL_ENABLE};
    return result(ioctl(fd, BTRFS_IOC_QUOTA_CTL, &arguments));
}

static int change_group(int fd, uint64_t group, int create) {
    struct btrfs_ioctl_qgroup_create_args arguments = {.create = (uint64_t)create, .qgroupid = group};
    return result(ioctl(fd, BTRFS_IOC_QGROUP_CREATE, &arguments));
}

int mobyfs_btrfs_create_group(int fd, uint64_t group) { return change_group(fd, group, 1); }

int mobyfs_btrfs_remove_group(int fd, uint64_t group) { return change_group(fd, group, 0); }

int mobyfs_btrfs_limit_group(int fd, uint64_t group, uint64_t bytes) {
    struct btrfs_ioctl_qgroup_limit_args arguments = {
        .qgroupid = group, .lim = {.flags = BTRFS_QGROUP_LIMIT_MAX_RFER, .max_rfer = bytes}};
    return result(ioctl(fd, BTRFS_IOC_QGROUP_LIMIT, &arguments));
}

int mobyfs_btrfs_assign_group(int fd, uint64_t member, uint64_t group, int assign, int *needs_rescan) {
    struct btrfs_ioctl_qgroup_assign_args arguments = {.assign = (uint64_t)assign, .src = member, .dst = group};
    int outcome = ioctl(fd, BTRFS_IOC_QGROUP_ASSIGN, &arguments);
    if (outcome < 0) return errno;
    *needs_rescan = outcome > 0;
    return 0;
}

int mobyfs_btrfs_start_rescan(int fd) {
    struct btrfs_ioctl_quota_rescan_args arguments = {0};
    return result(ioctl(fd, BTRFS_IOC_QUOTA_RESCAN, &arguments));
}

int mobyfs_btrfs_is_rescanning(int fd, int *is_rescanning) {
    struct btrfs_ioctl_quota_rescan_args arguments = {0};
    if (ioctl(fd, BTRFS_IOC_QUOTA_RESCAN_STATUS, &arguments) < 0) return errno;
    *is_rescanning = arguments.flags != 0;
    return 0;
}

#define MOBYFS_COMPRESSION "btrfs.compression"

int mobyfs_btrfs_compression(int fd, char *value, size_t size) {
    ssize_t length = fgetxattr(fd, MOBYFS_COMPRESSION, value, size);
    return length < 0 ? -errno : (int)length;
}

int mobyfs_btrfs_set_compression(int fd, const char *value) {
    return result(fsetxattr(fd, MOBYFS_COMPRESSION, value, strlen(value), 0));
}

int mobyfs_is_nocow(int fd, int *is_nocow) {
    int flags = 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0) return errno;
    *is_nocow = (flags & FS_NOCOW_FL) != 0;
    return 0;
}

int mobyfs_set_nocow(int fd) {
    int flags = 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0) return errno;
    flags |= FS_NOCOW_FL;
    return result(ioctl(fd, FS_IOC_SETFLAGS, &flags));
}
