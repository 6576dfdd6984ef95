// SPDX-License-Identifier: Apache-2.0
// The limit of the machine: answers every request on a unix socket with the same text, and does nothing else.
//
//   limit PATH BODY
#define _GNU_SOURCE
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct connection {
    int socket;
    size_t size;
    char bytes[4096];
};

static char *answer;
static size_t answer_size;

// Takes the first request off; 0 where there is no whole one.
static int take_request(struct connection *connection) {
    const char *end = memmem(connection->bytes, connection->size, "\r\n\r\n", 4);
    if (end == NULL) return 0;
    size_t size = (size_t)(end - connection->bytes) + 4;
    const char *length = memmem(connection->bytes, size, "\r\nContent-Length: ", 18);
    if (length != NULL) size += strtoul(length + 18, NULL, 10);
    if (size > connection->size) return 0;
    connection->size -= size;
    memmove(connection->bytes, connection->bytes + size, connection->size);
    return 1;
}

static void serve(struct connection *connection) {
    ssize_t count = recv(
        connection->socket, connection->bytes + connection->size, sizeof connection->bytes - connection->size, 0);
    if (count <= 0) {
        close(connection->socket);
        free(connection);
        return;
    }
    connection->size += (size_t)count;
    while (take_request(connection))
        if (send(connection->socket, answer, answer_size, MSG_NOSIGNAL) != (ssize_t)answer_size) warn("send");
}

int main(int count, char **arguments) {
    if (count != 3) errx(2, "usage: limit PATH BODY");
    int size = asprintf(
        &answer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
        strlen(arguments[2]), arguments[2]);
    if (size < 0) abort();
    answer_size = (size_t)size;

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(arguments[1]) >= sizeof address.sun_path) errx(1, "'%s' is too long for a socket", arguments[1]);
    strcpy(address.sun_path, arguments[1]);
    int listening = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listening, (struct sockaddr *)&address, sizeof address) != 0 || listen(listening, 1024) != 0)
        err(1, "listen on '%s'", arguments[1]);

    int epoll = epoll_create1(0);
    epoll_ctl(epoll, EPOLL_CTL_ADD, listening, &(struct epoll_event){.events = EPOLLIN, .data.ptr = NULL});
    for (;;) {
        struct epoll_event events[64];
        int ready = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr != NULL) {
                serve(events[i].data.ptr);
                continue;
            }
            struct connection *connection = calloc(1, sizeof *connection);
            if (connection == NULL) abort();
            connection->socket = accept(listening, NULL, NULL);
            struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
            if (epoll_ctl(epoll, EPOLL_CTL_ADD, connection->socket, &event) != 0) err(1, "accept");
        }
    }
}
