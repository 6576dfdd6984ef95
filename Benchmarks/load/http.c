// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *request_bytes(const char *method, const char *body, int connection, long cycle, size_t *size) {
    char text[4096];
    size_t length = 0;
    for (const char *c = body; *c != 0 && length < sizeof text - 32; c++) {
        if (c[0] == '%' && c[1] == 'c') {
            length += (size_t)sprintf(text + length, "%d", connection);
            c++;
        } else if (c[0] == '%' && c[1] == 'i') {
            length += (size_t)sprintf(text + length, "%06ld", cycle);
            c++;
        } else {
            text[length++] = *c;
        }
    }
    char *bytes;
    int written = asprintf(
        &bytes,
        "POST /%s HTTP/1.1\r\nHost: plugin.moby.localhost\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: %zu\r\n"
        "Accept: application/vnd.docker.plugins.v1.2+json\r\n\r\n%.*s",
        method, length, (int)length, text);
    if (written < 0) abort();
    *size = (size_t)written;
    return bytes;
}

void answer_reserve(struct answer *answer, size_t count) {
    if (answer->room - answer->size >= count) return;
    while (answer->room - answer->size < count) answer->room = answer->room == 0 ? 64 << 10 : answer->room * 2;
    answer->bytes = realloc(answer->bytes, answer->room);
    if (answer->bytes == NULL) abort();
}

static enum reading read_head(struct answer *answer, const char **why) {
    const char *end = memmem(answer->bytes, answer->size, "\r\n\r\n", 4);
    if (end == NULL) return PARTIAL;
    answer->body = (size_t)(end - answer->bytes) + 4;
    if (strncmp(answer->bytes, "HTTP/1.1 200 ", 13) != 0) {
        *why = "the status is not 200";
        return BROKEN;
    }
    const char *line = answer->bytes;
    while (line < end) {
        line = (const char *)memchr(line, '\n', answer->body) + 1;
        if (strncasecmp(line, "content-length:", 15) == 0) {
            answer->length = strtoul(line + 15, NULL, 10);
            return WHOLE;
        }
        if (strncasecmp(line, "transfer-encoding: chunked", 26) == 0) {
            answer->is_chunked = 1;
            answer->next_chunk = answer->body;
            return WHOLE;
        }
    }
    *why = "the answer does not say how long it is";
    return BROKEN;
}

static enum reading read_chunks(struct answer *answer) {
    while (answer->next_chunk < answer->size) {
        const char *head = answer->bytes + answer->next_chunk;
        const char *end = memmem(head, answer->size - answer->next_chunk, "\r\n", 2);
        if (end == NULL) return PARTIAL;
        size_t count = strtoul(head, NULL, 16);
        size_t after = (size_t)(end - answer->bytes) + 2 + count + 2;
        if (after > answer->size) return PARTIAL;
        if (count == 0) return WHOLE;
        answer->length += count;
        answer->next_chunk = after;
    }
    return PARTIAL;
}

enum reading answer_read(struct answer *answer, const char **why) {
    if (answer->body == 0) {
        enum reading head = read_head(answer, why);
        if (head != WHOLE) return head;
    }
    if (answer->is_chunked) return read_chunks(answer);
    size_t there = answer->size - answer->body;
    if (there > answer->length) {
        *why = "more came than the answer is long";
        return BROKEN;
    }
    return there == answer->length ? WHOLE : PARTIAL;
}

const char *answer_error(const struct answer *answer) {
    // No error is as long as this, and looking through what is would slow the next request down.
    if (answer->length > 64 << 10) return NULL;
    static const char key[] = "\"Err\":\"";
    const char *end = answer->bytes + answer->size;
    const char *text = memmem(answer->bytes + answer->body, answer->size - answer->body, key, sizeof key - 1);
    if (text == NULL) return NULL;
    text += sizeof key - 1;
    return text < end && *text != '"' ? text : NULL;
}

void answer_reset(struct answer *answer) {
    *answer = (struct answer){.bytes = answer->bytes, .room = answer->room};
}
