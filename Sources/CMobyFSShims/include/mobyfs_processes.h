// SPDX-License-Identifier: Apache-2.0
#pragma once

/// posix_spawn(3): starts a program in `/`, with three descriptors and no others, and with the signals as they are by
/// default; in a session of its own if `owns_session`. Writes its number. Returns 0, or an error number.
int mobyfs_spawn(const char *path, char *const arguments[], char *const environment[], const int descriptors[3],
                 int owns_session, int *process);

/// pidfd_open(2): a descriptor that can be read from once the process has ended. Returns it, or a negative error number.
int mobyfs_process_descriptor(int process);
