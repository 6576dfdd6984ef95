// SPDX-License-Identifier: Apache-2.0
// Requests as an engine writes them, and answers read as they come in.
#pragma once

#include <stddef.h>

// What has come in of one answer. All zero is the beginning of one.
struct answer {
    char *bytes;
    size_t size, room;
    size_t body;       // where the body begins; 0 until the head is there
    size_t length;     // of the body, without the framing
    size_t next_chunk; // where the next chunk's head begins
    int is_chunked;
};

enum reading { WHOLE, PARTIAL, BROKEN };

// The bytes of a request, allocated. "%c" in the body becomes the connection's number, "%i" that of the cycle.
char *request_bytes(const char *method, const char *body, int connection, long cycle, size_t *size);

// Makes room for at least as many bytes after what is there.
void answer_reserve(struct answer *answer, size_t count);

// Looks at what came in. BROKEN is what is no answer of status 200; `why` says so then.
enum reading answer_read(struct answer *answer, const char **why);

// The text of an answer's "Err" where it is not empty; NULL where all is well.
const char *answer_error(const struct answer *answer);

// Makes ready for the next answer; the memory is kept.
void answer_reset(struct answer *answer);
