// SPDX-License-Identifier: Apache-2.0
// Headers of the C library that Swift's Glibc module leaves out.
#pragma once
#include <sys/xattr.h>
