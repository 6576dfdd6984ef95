// SPDX-License-Identifier: Apache-2.0
// What the disk alone takes for a durable Create and Remove: the five fsyncs of mobyfs, and only the changes that give
// them something to do. Seen with
//
//   strace -f -e trace=fsync,rename,mkdir,openat -p PID
//
// Create makes a folder, writes the record and syncs it, syncs the folder, renames it to the volume's name and syncs the
// folder of volumes. Remove renames it into the trash and syncs both folders. What lies in the trash is deleted when all
// is done, and not counted.
//
//   fsyncs FOLDER PAIRS THREADS
//
// FOLDER is made, and removed at the end. Printed is one line of JSON: pairs, seconds.
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char record[] =
    "{\n  \"checksum\" : \"0000000000000000\",\n  \"createdAt\" : \"2026-01-01T00:00:00Z\",\n"
    "  \"driver\" : \"directory\",\n  \"name\" : \"v000001\",\n  \"options\" : {\n\n  },\n  \"version\" : 1\n}\n";

static const char *folder;
static long pairs;
static atomic_long next_pair;

static void path(char *text, size_t size, const char *within, long number, const char *file) {
    snprintf(text, size, "%s/%s%ld%s", folder, within, number, file);
}

static void sync_folder(const char *name) {
    int descriptor = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0 || fsync(descriptor) != 0) err(1, "sync '%s'", name);
    close(descriptor);
}

static void rename_checked(const char *old, const char *new) {
    if (rename(old, new) != 0) err(1, "rename '%s' to '%s'", old, new);
}

static void create(long number) {
    char staging[4096], temporary[4096], final[4096], volume[4096], volumes[4096];
    path(staging, sizeof staging, "volumes/.new-", number, "");
    path(temporary, sizeof temporary, "volumes/.new-", number, "/.new-record");
    path(final, sizeof final, "volumes/.new-", number, "/record.json");
    path(volume, sizeof volume, "volumes/v", number, "");
    snprintf(volumes, sizeof volumes, "%s/volumes", folder);
    if (mkdir(staging, 0711) != 0) err(1, "mkdir '%s'", staging);
    int file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0 || write(file, record, sizeof record - 1) < 0 || fsync(file) != 0) err(1, "write '%s'", temporary);
    close(file);
    rename_checked(temporary, final);
    sync_folder(staging);
    rename_checked(staging, volume);
    sync_folder(volumes);
}

static void take_away(long number) {
    char volume[4096], trash[4096], other[4096];
    path(volume, sizeof volume, "volumes/v", number, "");
    path(trash, sizeof trash, "trash/v", number, "");
    rename_checked(volume, trash);
    snprintf(other, sizeof other, "%s/trash", folder);
    sync_folder(other);
    snprintf(other, sizeof other, "%s/volumes", folder);
    sync_folder(other);
}

static void *work(void *unused) {
    for (long number; (number = atomic_fetch_add(&next_pair, 1)) < pairs;) {
        create(number);
        take_away(number);
    }
    return unused;
}

static void clean_up(void) {
    char name[4096];
    for (long number = 0; number < pairs; number++) {
        path(name, sizeof name, "trash/v", number, "/record.json");
        unlink(name);
        path(name, sizeof name, "trash/v", number, "");
        rmdir(name);
    }
    for (const char **each = (const char *[]){"/volumes", "/trash", "", NULL}; *each != NULL; each++) {
        snprintf(name, sizeof name, "%s%s", folder, *each);
        if (rmdir(name) != 0) warn("rmdir '%s'", name);
    }
}

int main(int count, char **arguments) {
    if (count != 4) errx(2, "usage: fsyncs FOLDER PAIRS THREADS");
    folder = arguments[1];
    pairs = atol(arguments[2]);
    int threads = atoi(arguments[3]);
    char name[4096];
    for (const char **each = (const char *[]){"", "/volumes", "/trash", NULL}; *each != NULL; each++) {
        snprintf(name, sizeof name, "%s%s", folder, *each);
        if (mkdir(name, 0711) != 0) err(1, "mkdir '%s'", name);
    }
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    pthread_t *workers = calloc((size_t)threads, sizeof *workers);
    for (int i = 0; i < threads; i++)
        if (pthread_create(&workers[i], NULL, work, NULL) != 0) errx(1, "no thread");
    for (int i = 0; i < threads; i++) pthread_join(workers[i], NULL);
    clock_gettime(CLOCK_MONOTONIC, &end);
    clean_up();
    printf("{\"pairs\": %ld, \"seconds\": %.6f}\n", pairs,
           (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9);
}
