// SPDX-License-Identifier: Apache-2.0
// One connection to a server: a unix socket, TCP, or TLS over TCP.
#pragma once

#include <openssl/ssl.h>
#include <sys/types.h>

struct transport {
    int socket;
    SSL *tls; // NULL without TLS
};

// What a step of a transport waits for.
enum { FAILED = -1, WANTS_READ = -2, WANTS_WRITE = -3 };

// The certificates of a client, from a folder as `mobyfs tls create --dir` makes it.
SSL_CTX *transport_certificates(const char *folder);

// Connects to "unix:PATH" or "tcp:ADDRESS:PORT"; ends the program where nobody listens. Not blocking from then on.
struct transport transport_connect(const char *address, SSL_CTX *certificates);

// How many bytes went out or came in, 0 at the end of the stream, or one of the above. A TLS handshake is a part of the
// first write.
ssize_t transport_write(struct transport *transport, const char *bytes, size_t count);
ssize_t transport_read(struct transport *transport, char *bytes, size_t count);

// Whether there is more that the kernel knows nothing of.
int transport_holds_more(struct transport *transport);

void transport_close(struct transport *transport);
