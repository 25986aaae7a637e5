#pragma once
/* For tests: a server on a free port, and a client that speaks raw bytes. */
#include "http/server.h"

struct reply {
    int status; /* 0: the connection was closed without one */
    char *head; /* with the status line, ends with the empty line; for free_reply() */
    char *body;
    size_t size;
};

int dial(const struct server *server);
int try_dial(const struct server *server); /* -1: nobody listens */
void put(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
void put_bytes(int fd, const void *data, size_t size);
/* One answer; `bodiless` for HEAD. Waits 20 s at most for each byte. */
struct reply take(int fd, bool bodiless);
/* Whether the other side has closed within `ms`. */
bool is_closed(int fd, int ms);
/* A header's value in the answer, static; NULL: not there. */
const char *reply_header(const struct reply *reply, const char *name);
void free_reply(struct reply *reply);

/* One request on a connection of its own: "GET /path" and further header lines, each with its CRLF. */
struct reply ask(const struct server *server, const char *request, const char *headers, const char *body);

long resident_kb(void);
size_t open_descriptors(void);
