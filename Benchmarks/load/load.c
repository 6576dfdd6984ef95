// SPDX-License-Identifier: Apache-2.0
// A closed loop of calls: each connection sends its next request when it has the answer to the last one.
//
//   load [OPTION]... ADDRESS METHOD BODY [METHOD BODY]...
//
// The requests are sent in turn; once all of them is a cycle. In bodies "%c" stands for the number of the connection and
// "%i" for that of the cycle, which no two connections share. One thread serves all connections. Whatever is answered with
// another status than 200, an "Err", or another length than the first answer to the same request ends the program with 1.
//
// Printed is one line of JSON: calls, seconds, and how long answers took in microseconds (p50_us, p99_us, max_us).
#define _GNU_SOURCE
#include "http.h"
#include "transport.h"

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: load [OPTION]... ADDRESS METHOD BODY [METHOD BODY]...\n"
    "  ADDRESS          unix:PATH or tcp:ADDRESS:PORT\n"
    "  -c COUNT         connections (1)\n"
    "  -n COUNT         stop after so many cycles\n"
    "  -s SECONDS       stop after so long (1, unless -n is given)\n"
    "  -b METHOD=BODY   sent once by each connection before, and not counted\n"
    "  -e METHOD=BODY   sent once by each connection after, and not counted\n"
    "  -x TEXT          the first answer to the first request has to contain this\n"
    "  -t FOLDER        TLS, with the client's certificates in FOLDER\n"
    "  -r               a new connection for each cycle\n"
    "  -w MICROSECONDS  wait between an answer and the next request\n";

enum { LONGEST_CYCLE = 8 };

struct request {
    const char *method, *body;
    size_t length; // of the first answer to it; 0 before that
};

enum stage { BEFORE, MEASURED, AFTER, DONE };

struct connection {
    int number;
    struct transport transport;
    enum stage stage;
    int step; // which request of the cycle
    long cycle;
    char *request;
    size_t request_size, sent;
    uint64_t began;      // when the request was sent
    uint64_t wait_until; // 0 while it waits for an answer
    struct answer answer;
    int events; // what epoll waits for; 0 while the connection is not watched
};

static struct {
    const char *address, *expected;
    struct request requests[LONGEST_CYCLE], before, after;
    int request_count, connection_count, reconnects;
    long cycles;
    double seconds;
    uint64_t wait;
    SSL_CTX *certificates;
} options = {.connection_count = 1};

static int epoll;
static long next_cycle;
// When the first cycle began, and when the last one may.
static uint64_t start, deadline;
static struct {
    uint32_t *tenths; // of a microsecond, for each call
    size_t count, room;
} latencies;

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void record(uint64_t nanoseconds) {
    if (latencies.count == latencies.room) {
        latencies.room = latencies.room == 0 ? 1 << 20 : latencies.room * 2;
        latencies.tenths = realloc(latencies.tenths, latencies.room * sizeof *latencies.tenths);
        if (latencies.tenths == NULL) abort();
    }
    uint64_t tenths = nanoseconds / 100;
    latencies.tenths[latencies.count++] = tenths > UINT32_MAX ? UINT32_MAX : (uint32_t)tenths;
}

static struct request *current(struct connection *connection) {
    switch (connection->stage) {
    case BEFORE: return &options.before;
    case AFTER: return &options.after;
    default: return &options.requests[connection->step];
    }
}

static void watch(struct connection *connection, int events) {
    if (connection->events == events) return;
    struct epoll_event event = {.events = (uint32_t)events, .data.ptr = connection};
    int operation = connection->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (epoll_ctl(epoll, operation, connection->transport.socket, &event) != 0) err(1, "epoll_ctl");
    connection->events = events;
}

static void connect_anew(struct connection *connection) {
    connection->transport = transport_connect(options.address, options.certificates);
    connection->events = 0;
}

// Sends what is left of the request.
static void go_on_sending(struct connection *connection) {
    while (connection->sent < connection->request_size) {
        ssize_t count = transport_write(
            &connection->transport, connection->request + connection->sent,
            connection->request_size - connection->sent);
        if (count == WANTS_WRITE) return watch(connection, EPOLLOUT);
        if (count == WANTS_READ) return watch(connection, EPOLLIN);
        if (count <= 0) errx(1, "%s: the request could not be sent", current(connection)->method);
        connection->sent += (size_t)count;
    }
    watch(connection, EPOLLIN);
}

static void send_request(struct connection *connection) {
    struct request *request = current(connection);
    free(connection->request);
    connection->request = request_bytes(
        request->method, request->body, connection->number, connection->cycle, &connection->request_size);
    connection->sent = 0;
    answer_reset(&connection->answer);
    connection->began = now();
    if (connection->transport.socket < 0) connect_anew(connection);
    go_on_sending(connection);
}

// Whether there is one more cycle to begin, which is the caller's then.
static int takes_cycle(struct connection *connection) {
    if (start == 0) {
        start = now();
        deadline = start + (uint64_t)(options.seconds * 1e9);
    }
    if (options.cycles > 0 ? next_cycle >= options.cycles : now() >= deadline) return 0;
    connection->cycle = next_cycle++;
    connection->step = 0;
    return 1;
}

// Goes on to the stage that follows; `DONE` closes the connection.
static void begin_stage(struct connection *connection, enum stage stage) {
    connection->stage = stage;
    if (stage == MEASURED && !takes_cycle(connection)) connection->stage = stage = AFTER;
    if (stage == AFTER && options.after.method == NULL) connection->stage = stage = DONE;
    if (stage != DONE)
        send_request(connection);
    else if (connection->transport.socket >= 0)
        transport_close(&connection->transport);
}

static void check(struct connection *connection) {
    struct request *request = current(connection);
    struct answer *answer = &connection->answer;
    const char *error = answer_error(answer);
    if (error != NULL)
        errx(1, "%s: the answer is an error: %.*s", request->method,
             (int)(answer->bytes + answer->size - error), error);
    if (request->length == 0) {
        request->length = answer->length;
        if (request == &options.requests[0] && options.expected != NULL &&
            memmem(answer->bytes + answer->body, answer->size - answer->body, options.expected,
                   strlen(options.expected)) == NULL)
            errx(1, "%s: the answer does not contain '%s': %.*s", request->method, options.expected,
                 (int)(answer->size - answer->body > 300 ? 300 : answer->size - answer->body),
                 answer->bytes + answer->body);
    }
    if (request->length != answer->length)
        errx(1, "%s: an answer has %zu bytes, and the first one had %zu", request->method, answer->length,
             request->length);
}

// What follows when an answer is there.
static void answered(struct connection *connection) {
    uint64_t taken = now() - connection->began;
    check(connection);
    switch (connection->stage) {
    case BEFORE: return begin_stage(connection, MEASURED);
    case AFTER: return begin_stage(connection, DONE);
    default: break;
    }
    record(taken);
    if (++connection->step < options.request_count) return send_request(connection);
    if (options.reconnects) {
        transport_close(&connection->transport);
        connection->transport.socket = -1;
    }
    if (options.wait > 0)
        connection->wait_until = now() + options.wait;
    else if (takes_cycle(connection))
        send_request(connection);
    else
        begin_stage(connection, AFTER);
}

static void go_on_reading(struct connection *connection) {
    struct answer *answer = &connection->answer;
    do {
        answer_reserve(answer, 32 << 10);
        ssize_t count =
            transport_read(&connection->transport, answer->bytes + answer->size, answer->room - answer->size);
        if (count == WANTS_READ) return;
        if (count <= 0) errx(1, "%s: the server hung up", current(connection)->method);
        answer->size += (size_t)count;
        const char *why;
        switch (answer_read(answer, &why)) {
        case WHOLE: return answered(connection);
        case BROKEN:
            errx(1, "%s: %s: %.*s", current(connection)->method, why, (int)(answer->size > 300 ? 300 : answer->size),
                 answer->bytes);
        case PARTIAL: break;
        }
    } while (transport_holds_more(&connection->transport));
}

// Lets those go on whose wait is over.
//
// Returns when the next one is, in nanoseconds from now; -1 where nobody waits.
static int64_t end_waits(struct connection *connections) {
    int64_t next = -1;
    for (int i = 0; i < options.connection_count; i++) {
        struct connection *connection = &connections[i];
        if (connection->wait_until == 0 || connection->stage != MEASURED) continue;
        int64_t left = (int64_t)(connection->wait_until - now());
        if (left > 0) {
            if (next < 0 || left < next) next = left;
            continue;
        }
        connection->wait_until = 0;
        if (takes_cycle(connection))
            send_request(connection);
        else
            begin_stage(connection, AFTER);
    }
    return next;
}

static int is_done(const struct connection *connections) {
    for (int i = 0; i < options.connection_count; i++)
        if (connections[i].stage != DONE) return 0;
    return 1;
}

static int compare(const void *a, const void *b) {
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static double quantile(double part) {
    size_t index = (size_t)(part * (double)latencies.count);
    return latencies.tenths[index < latencies.count ? index : latencies.count - 1] / 10.0;
}

static struct request request_of(char *text) {
    char *equals = strchr(text, '=');
    if (equals == NULL) errx(2, "'%s' is no METHOD=BODY", text);
    *equals = 0;
    return (struct request){.method = text, .body = equals + 1};
}

static void read_options(int count, char **arguments) {
    int option;
    while ((option = getopt(count, arguments, "+c:n:s:b:e:x:t:rw:")) != -1) switch (option) {
        case 'c': options.connection_count = atoi(optarg); break;
        case 'n': options.cycles = atol(optarg); break;
        case 's': options.seconds = atof(optarg); break;
        case 'b': options.before = request_of(optarg); break;
        case 'e': options.after = request_of(optarg); break;
        case 'x': options.expected = optarg; break;
        case 't': options.certificates = transport_certificates(optarg); break;
        case 'r': options.reconnects = 1; break;
        case 'w': options.wait = (uint64_t)atol(optarg) * 1000; break;
        default: fputs(usage, stderr); exit(2);
        }
    int left = count - optind;
    if (left < 3 || left % 2 == 0 || left / 2 > LONGEST_CYCLE || options.connection_count < 1) {
        fputs(usage, stderr);
        exit(2);
    }
    options.address = arguments[optind];
    for (int i = optind + 1; i < count; i += 2)
        options.requests[options.request_count++] =
            (struct request){.method = arguments[i], .body = arguments[i + 1]};
    if (options.seconds == 0) options.seconds = 1;
}

int main(int count, char **arguments) {
    read_options(count, arguments);
    signal(SIGPIPE, SIG_IGN);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    struct connection *connections = calloc((size_t)options.connection_count, sizeof *connections);
    if (connections == NULL) abort();
    for (int i = 0; i < options.connection_count; i++) {
        connections[i].number = i;
        connections[i].transport.socket = -1;
        // Not a part of what is measured, unless that is what is asked for.
        if (!options.reconnects) connect_anew(&connections[i]);
    }
    for (int i = 0; i < options.connection_count; i++)
        begin_stage(&connections[i], options.before.method != NULL ? BEFORE : MEASURED);
    for (;;) {
        int64_t wait = options.wait > 0 ? end_waits(connections) : -1;
        if (is_done(connections)) break;
        struct timespec timeout = {.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
        struct epoll_event events[64];
        int ready = epoll_pwait2(epoll, events, 64, wait < 0 ? NULL : &timeout, NULL);
        if (ready < 0 && errno != EINTR) err(1, "epoll_pwait2");
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            if (connection->sent < connection->request_size)
                go_on_sending(connection);
            else
                go_on_reading(connection);
        }
    }
    double seconds = (double)(now() - start) / 1e9;
    if (latencies.count == 0) errx(1, "not one call was made");
    qsort(latencies.tenths, latencies.count, sizeof *latencies.tenths, compare);
    printf("{\"calls\": %zu, \"seconds\": %.6f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}\n",
           latencies.count, seconds, quantile(0.5), quantile(0.99), quantile(1));
}
