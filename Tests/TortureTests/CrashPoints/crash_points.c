// SPDX-License-Identifier: Apache-2.0
// Preloaded into a daemon, this kills it at each durable step in turn: right before and right after every call that
// changes a file system, a mount or a device. A step is told from others by who called it, so that each place in the
// program is tried once, whatever the order. Steps that were tried are kept in a file over the lives of the daemon.
//
//   CRASH_STEPS   the file; without it nothing is done
//   CRASH_SHARE   try only one step in so many; which ones, CRASH_SEED says
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DEPTH = 24, LIMIT = 1 << 16 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *file;
static uint64_t tried[LIMIT];
static size_t count;
static uint64_t share = 1, seed;
// Programs that the daemon starts are no daemons; until they are replaced they share its code.
static pid_t owner;

__attribute__((constructor)) static void begin(void) {
    // What it starts is left alone.
    if (strcmp(program_invocation_short_name, "mobyfs") == 0) file = getenv("CRASH_STEPS");
    if (!file) return;
    const char *text = getenv("CRASH_SHARE");
    if (text) share = strtoull(text, NULL, 10);
    text = getenv("CRASH_SEED");
    if (text) seed = strtoull(text, NULL, 10);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t size = read(fd, tried, sizeof tried);
        count = size > 0 ? (size_t)size / sizeof *tried : 0;
        close(fd);
    }
    owner = getpid();
}

static uint64_t mix(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * 0x9e3779b97f4a7c15;
    return hash ^ (hash >> 29);
}

// Who called, wherever the program was loaded to.
static uint64_t step(const char *call, int is_done) {
    uint64_t hash = mix(is_done ? 7 : 11, 0);
    for (; *call; call++) hash = mix(hash, (unsigned char)*call);
    void *frames[DEPTH];
    int depth = backtrace(frames, DEPTH);
    for (int i = 0; i < depth; i++) {
        Dl_info info;
        if (!dladdr(frames[i], &info) || !info.dli_fname) continue;
        // Only the daemon's own code: below it is the library of threads, where the order of things is nobody's.
        if (strstr(info.dli_fname, ".so")) continue;
        hash = mix(hash, (uint64_t)((char *)frames[i] - (char *)info.dli_fbase));
    }
    return hash;
}

static void reach(const char *call, int is_done) {
    static __thread int is_inside;
    if (!file || is_inside || getpid() != owner) return;
    int error = errno;
    is_inside = 1;
    uint64_t hash = step(call, is_done);
    pthread_mutex_lock(&lock);
    int is_new = count < LIMIT && mix(hash, seed) % share == 0;
    for (size_t i = 0; is_new && i < count; i++) is_new = tried[i] != hash;
    if (is_new) {
        int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (fd >= 0 && write(fd, &hash, sizeof hash) == sizeof hash) kill(owner, SIGKILL);
        for (;;) pause();
    }
    pthread_mutex_unlock(&lock);
    is_inside = 0;
    errno = error;
}

#define STEP(name, parameters, arguments)                                        \
    int name parameters {                                                        \
        static int(*real) parameters;                                            \
        if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name);                    \
        reach(#name, 0);                                                         \
        int result = real arguments;                                             \
        if (result == 0) reach(#name, 1);                                        \
        return result;                                                           \
    }

STEP(fsync, (int fd), (fd))
STEP(fdatasync, (int fd), (fd))
STEP(syncfs, (int fd), (fd))
STEP(rename, (const char *from, const char *to), (from, to))
STEP(renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
STEP(renameat2, (int a, const char *from, int b, const char *to, unsigned flags), (a, from, b, to, flags))
STEP(link, (const char *from, const char *to), (from, to))
STEP(linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags))
STEP(unlink, (const char *path), (path))
STEP(unlinkat, (int fd, const char *path, int flags), (fd, path, flags))
STEP(rmdir, (const char *path), (path))
STEP(mkdir, (const char *path, mode_t mode), (path, mode))
STEP(mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode))
STEP(symlink, (const char *target, const char *path), (target, path))
STEP(symlinkat, (const char *target, int fd, const char *path), (target, fd, path))
STEP(truncate, (const char *path, off_t size), (path, size))
STEP(ftruncate, (int fd, off_t size), (fd, size))
STEP(fallocate, (int fd, int mode, off_t offset, off_t size), (fd, mode, offset, size))
STEP(fallocate64, (int fd, int mode, off_t offset, off_t size), (fd, mode, offset, size))
STEP(chmod, (const char *path, mode_t mode), (path, mode))
STEP(fchmod, (int fd, mode_t mode), (fd, mode))
STEP(fchmodat, (int fd, const char *path, mode_t mode, int flags), (fd, path, mode, flags))
STEP(lchown, (const char *path, uid_t user, gid_t group), (path, user, group))
STEP(fchown, (int fd, uid_t user, gid_t group), (fd, user, group))
STEP(fchownat, (int fd, const char *path, uid_t user, gid_t group, int flags), (fd, path, user, group, flags))
STEP(mount, (const char *source, const char *target, const char *type, unsigned long flags, const void *data),
     (source, target, type, flags, data))
STEP(umount2, (const char *target, int flags), (target, flags))

// Loop devices, subvolumes, attributes of files; what only asks is tried as well, and does no harm.
int ioctl(int fd, unsigned long request, ...) {
    static int (*real)(int, unsigned long, ...);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "ioctl");
    va_list list;
    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);
    reach("ioctl", 0);
    int result = real(fd, request, argument);
    if (result >= 0) reach("ioctl", 1);
    return result;
}

// Calls that the library of this system may not know: fsmount, move_mount, quotactl_fd.
long syscall(long number, ...) {
    static long (*real)(long, ...);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "syscall");
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    int is_change = number >= SYS_open_tree && number <= SYS_fspick;
    if (is_change) reach("syscall", 0);
    long result = real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (is_change && result >= 0) reach("syscall", 1);
    return result;
}
