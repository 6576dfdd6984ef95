// SPDX-License-Identifier: Apache-2.0
// Reads the record of every volume of a pool, and does nothing with what it says.
//
//   records FOLDER      the folder that has the volumes in it
//
// Printed is how many records there were, and their bytes.
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int count, char **arguments) {
    if (count != 2) errx(2, "usage: records FOLDER");
    DIR *folder = opendir(arguments[1]);
    if (folder == NULL) err(1, "'%s'", arguments[1]);
    long records = 0, total = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        char name[512], bytes[65536];
        snprintf(name, sizeof name, "%s/record.json", entry->d_name);
        int file = openat(dirfd(folder), name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (file < 0) err(1, "'%s'", name);
        for (ssize_t size; (size = read(file, bytes, sizeof bytes)) != 0; total += size)
            if (size < 0) err(1, "'%s'", name);
        close(file);
        records++;
    }
    printf("%ld %ld\n", records, total);
}
