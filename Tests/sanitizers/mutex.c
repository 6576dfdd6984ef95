// SPDX-License-Identifier: Apache-2.0
// Tells the thread sanitizer of the locks of Swift's Mutex. Who finds one taken, or leaves one that others wait for, goes
// through the Swift runtime, which is not built with the sanitizer: what is kept by a Mutex would look like a race.
// Loaded with LD_PRELOAD, before the runtime.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))
// Synchronization._MutexHandle._lockSlow(UInt32) and ._unlockSlow(), as SwiftStdlib 6.0 and later export them.
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

static SWIFT void (*lock)(uint32_t thread, SELF void *mutex);
static SWIFT void (*unlock)(SELF void *mutex);
static void (*acquire)(void *), (*release)(void *);

__attribute__((constructor)) static void find(void) {
    lock = dlsym(RTLD_NEXT, LOCK);
    unlock = dlsym(RTLD_NEXT, UNLOCK);
    // Programs that are started by a test have no sanitizer.
    acquire = dlsym(RTLD_DEFAULT, "__tsan_acquire");
    release = dlsym(RTLD_DEFAULT, "__tsan_release");
}

SWIFT void lock_noted(uint32_t thread, SELF void *mutex) __asm__(LOCK);
SWIFT void lock_noted(uint32_t thread, SELF void *mutex) {
    lock(thread, mutex);
    if (acquire) acquire(mutex);
}

SWIFT void unlock_noted(SELF void *mutex) __asm__(UNLOCK);
SWIFT void unlock_noted(SELF void *mutex) {
    if (release) release(mutex);
    unlock(mutex);
}
