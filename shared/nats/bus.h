#pragma once
/*
 * The connection to NATS. libnats blocks (with the server stopped a publish
 * blocked 12 s), so one sender thread owns every call into it, behind a bounded
 * queue; a full queue, or a connection that is not CONNECTED, is
 * ERROR_UNAVAILABLE at once and nothing is sent. Reconnects for ever, pings
 * every 2 s twice, write deadline 500 ms, explicit pending limits.
 */
#include "base/settings.h"
#include "http/endpoint.h"

struct bus;

struct bus_options {
    const char *url;                  /* nats://user:password@host:port,... ; tls:// verifies */
    const struct secret *password;    /* replaces the URL's; NULL = none */
    const char *name;                 /* the process: shown in nats-server's connz */
    const char *instance;             /* id of this replica */
    const char *creds_file, *ca_file; /* NULL = none */
    size_t queue;                     /* messages that wait for the sender: 4,096 */
    void (*connected)(void *self);    /* after each (re)connect, on the sender's thread: must not block; may be NULL */
    void *self;
};

/* Starts to connect in the background and returns; fails only for options it cannot take. */
struct bus *bus_open(struct ctx *ctx, const struct bus_options *options);
bool bus_up(const struct bus *bus);
/* Drains and flushes for up to timeout_ms, then closes. */
void bus_close(struct bus *bus, int timeout_ms);
const char *bus_instance(const struct bus *bus);

/*
 * A reply. `status` 200, or the code of a service error, 503 for no responders or an outage, 504 for a timeout,
 * 413 for what the server does not take (1 MiB with its headers).
 * Data is valid during the call; for any status but 200 it is the error's text.
 */
typedef void bus_reply_fn(void *self, int status, const char *data, size_t size);

/*
 * Asks and returns at once; any thread, never blocks. `reply` is called exactly
 * once, on a thread of the bus (so it hands on, and does not block), unless false is
 * returned: then nothing was sent. Requests carry request id, trace and deadline in headers.
 */
bool bus_ask(struct ctx *ctx, struct bus *bus, const char *subject, const char *data, size_t size, int64_t timeout_ms,
             bus_reply_fn *reply, void *self);

/* A message to be; strings are copied into it. */
struct bus_message {
    const char *subject;
    const char *data;
    size_t size;
    const struct pair *headers; /* besides request id, trace and deadline; ends with {0}; NULL = none */
};

/* An answer with its headers: names in lower case, a pair for each value, at most 64, ends with {0}. `text`: of an
 * error, "" otherwise. Dies after the call. */
struct bus_reply {
    int status; /* as in bus_reply_fn */
    const char *text;
    const char *data;
    size_t size;
    const struct pair *headers;
};
typedef void bus_full_reply_fn(void *self, const struct bus_reply *reply);

/* As bus_ask(), with headers both ways. */
bool bus_ask_with_headers(struct ctx *ctx, struct bus *bus, const struct bus_message *message, int64_t timeout_ms,
                          bus_full_reply_fn *reply, void *self);

/* Asks and waits (a worker thread, never one of the bus's), 2 s at most: fills `out` by the table. Errors of the
 * service become ctx errors of the same code; UNAVAILABLE for an outage or a timeout. */
bool bus_call(struct ctx *ctx, struct bus *bus, const char *subject, const struct field *in_fields, const void *in,
              const struct field *out_fields, void *out);

/* At most once, to whoever listens; any thread, never blocks. */
bool bus_publish(struct ctx *ctx, struct bus *bus, const char *subject, const char *data, size_t size);

/* The same, with a subject that many may answer to: one below bus_inbox(), with a bus_listen() of its own. */
bool bus_publish_to(struct ctx *ctx, struct bus *bus, const char *subject, const char *reply, const char *data,
                    size_t size);
/* Subjects of two and more tokens below it are heard by this process alone, and are free to use. */
const char *bus_inbox(const struct bus *bus);

/* Every message of a subject (wildcards allowed), on libnats' delivery thread: hand on, do not block. For the life of
 * the bus. */
typedef void bus_message_fn(void *self, const char *subject, const char *data, size_t size);
bool bus_listen(struct ctx *ctx, struct bus *bus, const char *subject, bus_message_fn *message, void *self);
