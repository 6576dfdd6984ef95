// SPDX-License-Identifier: Apache-2.0
// Starts a program as systemd does when a call comes in: it listens on a unix socket, a request waits there already, and
// the program gets the socket as descriptor 3. Measured is the time from the start to the whole answer.
//
//   launch SOCKET METHOD BODY TEXT PROGRAM [ARGUMENT]...
//
// The answer has to have status 200 and contain TEXT. With "-" for SOCKET nothing is asked, and the time is that to the
// end of the program. Printed is one line of JSON: milliseconds. The program is killed then; what it writes goes to
// standard error.
#define _GNU_SOURCE
#include "http.h"

#include <err.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_PASSED = 3, LIMIT_SECONDS = 60 };

static double seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int listen_on(const char *path, struct sockaddr_un *address) {
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address->sun_path) errx(1, "'%s' is too long for a socket", path);
    strcpy(address->sun_path, path);
    unlink(path);
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listening, (struct sockaddr *)address, sizeof *address) != 0 || listen(listening, 128) != 0)
        err(1, "listen on '%s'", path);
    return listening;
}

static pid_t start(char **command, int listening) {
    pid_t child = fork();
    if (child < 0) err(1, "fork");
    if (child > 0) return child;
    dup2(STDERR_FILENO, STDOUT_FILENO);
    if (listening >= 0) {
        char pid[16];
        snprintf(pid, sizeof pid, "%d", getpid());
        setenv("LISTEN_PID", pid, 1);
        setenv("LISTEN_FDS", "1", 1);
        // A copy has no close-on-exec flag, unless the number is the same.
        if (listening == FIRST_PASSED) listening = dup(listening);
        dup2(listening, FIRST_PASSED);
    }
    execvp(command[0], command);
    err(127, "'%s'", command[0]);
}

// Reads the answer whole, or says why not.
static const char *read_answer(int client, pid_t child, struct answer *answer) {
    static const char *why;
    double limit = seconds() + LIMIT_SECONDS;
    for (;;) {
        struct pollfd poll_for = {.fd = client, .events = POLLIN};
        if (poll(&poll_for, 1, 1000) < 1) {
            if (waitpid(child, NULL, WNOHANG) != 0) return "the program has ended";
            if (seconds() > limit) return "there is no answer";
            continue;
        }
        answer_reserve(answer, 64 << 10);
        ssize_t count = recv(client, answer->bytes + answer->size, answer->room - answer->size, 0);
        if (count <= 0) return "the program hung up";
        answer->size += (size_t)count;
        switch (answer_read(answer, &why)) {
        case WHOLE: return answer_error(answer) == NULL ? NULL : "the answer is an error";
        case BROKEN: return why;
        case PARTIAL: break;
        }
    }
}

static void end(pid_t child) {
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static double time_to_end(char **command) {
    double began = seconds();
    int status;
    waitpid(start(command, -1), &status, 0);
    if (status != 0) errx(1, "'%s' failed", command[0]);
    return seconds() - began;
}

static double time_to_answer(char **arguments) {
    struct sockaddr_un address;
    int listening = listen_on(arguments[1], &address);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(client, (struct sockaddr *)&address, sizeof address) != 0) err(1, "connect '%s'", arguments[1]);
    size_t size;
    char *request = request_bytes(arguments[2], arguments[3], 0, 0, &size);
    if (send(client, request, size, MSG_NOSIGNAL) != (ssize_t)size) err(1, "send");
    double began = seconds();
    pid_t child = start(arguments + 5, listening);
    struct answer answer = {.bytes = NULL};
    const char *why = read_answer(client, child, &answer);
    double taken = seconds() - began;
    end(child);
    unlink(arguments[1]);
    if (why == NULL && memmem(answer.bytes, answer.size, arguments[4], strlen(arguments[4])) == NULL)
        why = "the answer is another one";
    if (why != NULL) errx(1, "'%s': %s: %.*s", arguments[5], why, (int)answer.size, answer.bytes);
    return taken;
}

int main(int count, char **arguments) {
    if (count < 6) errx(2, "usage: launch SOCKET METHOD BODY TEXT PROGRAM [ARGUMENT]...");
    double taken = strcmp(arguments[1], "-") == 0 ? time_to_end(arguments + 5) : time_to_answer(arguments);
    printf("{\"milliseconds\": %.3f}\n", taken * 1000);
}
