// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Lets go of the code and constants of the program and its libraries in memory; what is used is mapped again from the page
/// cache, a piece at a time.
void mobyfs_release_code(void);

/// Gives back what malloc(3) has taken from the kernel and nobody uses, if it is more than 4 MiB.
void mobyfs_release_heap(void);

/// Has malloc(3) use one heap for all threads, and the kernel's own pages for whatever is large, however often.
void mobyfs_bound_heap(void);
