// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "mobyfs_processes.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <unistd.h>

static int prepare(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, const int descriptors[3],
                   int owns_session) {
    int error = 0;
    for (int number = 0; number < 3 && error == 0; number++)
        error = posix_spawn_file_actions_adddup2(actions, descriptors[number], number);
    if (error == 0) error = posix_spawn_file_actions_addclosefrom_np(actions, 3);
    if (error == 0) error = posix_spawn_file_actions_addchdir_np(actions, "/");
    if (error != 0) return error;

    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (owns_session ? POSIX_SPAWN_SETSID : 0);
    return posix_spawnattr_setflags(attributes, (short)flags);
}

int mobyfs_spawn(const char *path, char *const arguments[], char *const environment[], const int descriptors[3],
                 int owns_session, int *process) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    int error = prepare(&actions, &attributes, descriptors, owns_session);
    if (error == 0) error = posix_spawn(process, path, &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

int mobyfs_process_descriptor(int process) {
    long fd = syscall(SYS_pidfd_open, process, 0);
    return fd < 0 ? -errno : (int)fd;
}
