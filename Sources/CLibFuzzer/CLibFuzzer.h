// SPDX-License-Identifier: Apache-2.0
// What libFuzzer offers to programs with a main of their own; it comes without a header.
#pragma once
#include <stddef.h>
#include <stdint.h>
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *data, size_t size));
