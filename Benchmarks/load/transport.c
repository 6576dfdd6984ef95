// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "transport.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

SSL_CTX *transport_certificates(const char *folder) {
    char certificate[4096], key[4096], authority[4096];
    snprintf(certificate, sizeof certificate, "%s/client-cert.pem", folder);
    snprintf(key, sizeof key, "%s/client-key.pem", folder);
    snprintf(authority, sizeof authority, "%s/ca.pem", folder);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_load_verify_locations(context, authority, NULL) != 1)
        errx(1, "the certificates in '%s' cannot be used", folder);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return context;
}

static int connect_unix(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) errx(1, "'%s' is too long for a socket", path);
    strcpy(address.sun_path, path);
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0) err(1, "connect '%s'", path);
    return descriptor;
}

static int connect_tcp(const char *text) {
    char host[64];
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof host) errx(1, "'%s' is no ADDRESS:PORT", text);
    snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) errx(1, "'%s' is no address", host);
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0) err(1, "connect '%s'", text);
    int yes = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return descriptor;
}

struct transport transport_connect(const char *address, SSL_CTX *certificates) {
    struct transport transport = {.tls = NULL};
    if (strncmp(address, "unix:", 5) == 0)
        transport.socket = connect_unix(address + 5);
    else if (strncmp(address, "tcp:", 4) == 0)
        transport.socket = connect_tcp(address + 4);
    else
        errx(2, "'%s' is neither unix:PATH nor tcp:ADDRESS:PORT", address);
    fcntl(transport.socket, F_SETFL, O_NONBLOCK);
    if (certificates != NULL) {
        transport.tls = SSL_new(certificates);
        SSL_set_fd(transport.tls, transport.socket);
        SSL_set_connect_state(transport.tls);
    }
    return transport;
}

static ssize_t outcome(struct transport *transport, int result) {
    if (result > 0) return result;
    switch (SSL_get_error(transport->tls, result)) {
    case SSL_ERROR_WANT_READ: return WANTS_READ;
    case SSL_ERROR_WANT_WRITE: return WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN: return 0;
    default: return FAILED;
    }
}

ssize_t transport_write(struct transport *transport, const char *bytes, size_t count) {
    if (transport->tls != NULL) return outcome(transport, SSL_write(transport->tls, bytes, (int)count));
    ssize_t result = send(transport->socket, bytes, count, MSG_NOSIGNAL);
    return result < 0 ? (errno == EAGAIN ? WANTS_WRITE : FAILED) : result;
}

ssize_t transport_read(struct transport *transport, char *bytes, size_t count) {
    if (transport->tls != NULL) return outcome(transport, SSL_read(transport->tls, bytes, (int)count));
    ssize_t result = recv(transport->socket, bytes, count, 0);
    return result < 0 ? (errno == EAGAIN ? WANTS_READ : FAILED) : result;
}

int transport_holds_more(struct transport *transport) {
    return transport->tls != NULL && SSL_has_pending(transport->tls);
}

void transport_close(struct transport *transport) {
    if (transport->tls != NULL) {
        // Said and not waited for.
        SSL_shutdown(transport->tls);
        SSL_free(transport->tls);
    }
    close(transport->socket);
}
