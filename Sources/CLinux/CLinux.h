// SPDX-License-Identifier: Apache-2.0
// What of the C library Swift's Glibc module leaves out.
#pragma once
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

/// How many processors the calling thread may run on, as sched_getaffinity(2) tells; 0 if it does not.
static inline int linux_allowed_processors(void) {
    unsigned long set[8192 / (8 * sizeof(unsigned long))] = {0};
    if (syscall(SYS_sched_getaffinity, 0, sizeof set, set) < 0) return 0;
    int count = 0;
    for (unsigned long i = 0; i < sizeof set / sizeof set[0]; i++) count += __builtin_popcountl(set[i]);
    return count;
}
