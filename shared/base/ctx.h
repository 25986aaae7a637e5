#pragma once
/*
 * One unit of work: a request, a message, a start-up. Every function that can
 * allocate or fail takes it first. A function that fails returns NULL or false
 * and has said why with ctx_fail(). Used by one thread at a time.
 */
#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>

#define ERROR_CODES(X)                                                                                                 \
    X(INVALID, 400)                                                                                                    \
    X(UNAUTHORIZED, 401)                                                                                               \
    X(FORBIDDEN, 403)                                                                                                  \
    X(NOT_FOUND, 404)                                                                                                  \
    X(METHOD_NOT_ALLOWED, 405)                                                                                         \
    X(TIMEOUT, 408)                                                                                                    \
    X(CONFLICT, 409)                                                                                                   \
    X(PRECONDITION, 412)                                                                                               \
    X(TOO_LARGE, 413)                                                                                                  \
    X(UNSUPPORTED, 415)                                                                                                \
    X(RANGE, 416)                                                                                                      \
    X(UNPROCESSABLE, 422)                                                                                              \
    X(LIMITED, 429)                                                                                                    \
    X(HEAD_TOO_LARGE, 431)                                                                                             \
    X(INTERNAL, 500)                                                                                                   \
    X(UNAVAILABLE, 503)                                                                                                \
    X(DISK_FULL, 507)

enum error_code {
#define X(name, status) ERROR_##name,
    ERROR_CODES(X)
#undef X
};

/* One rule that one field of the input breaks. */
struct violation {
    const char *field;   /* the name on the wire, dotted: "address.city" */
    const char *rule;    /* required, type, min, max, pattern, email, url, enum: never translated */
    const char *message; /* in words of the client's language */
    struct violation *next;
};

struct error {
    enum error_code code;
    const char *message;          /* safe to show to the client; in English, for the log and for who decides by it */
    const char *told;             /* the same in the language of ctx.locale */
    const char *where;            /* "auth.c:41 auth_signin_basic", for the log */
    struct error *cause;          /* what this one was raised on top of: for the log only */
    struct violation *violations; /* ERROR_INVALID by a table of fields: all of them, in order */
    int retry_after_s;            /* ERROR_LIMITED and ERROR_UNAVAILABLE: 0 = say 1 */
};

struct ctx {
    struct arena arena;
    struct error *error;     /* NULL: nothing has failed */
    const char *request_id;  /* "" outside a request */
    const char *traceparent; /* W3C, or NULL */
    int64_t deadline_ms;     /* on clock_ms(); 0 = none. Every blocking call takes its limit from it */
    int64_t patience_ms;     /* for one call to a store, within the deadline; 0 = until the deadline */
    const char *locale;      /* "en", "de", ...; NULL = en */
    const void *deed;        /* auth's: what is being done, for the write that does it to carry (audit/deed.h) */
};

/* Returns NULL, so that a failing function can `return ctx_fail(...)`. The format is English, and the key of what is
 * told in other languages (base/catalogue.h); of a "%s" alone it is the text. */
#define ctx_fail(ctx, code, ...) ctx_fail_at((ctx), __FILE__, __LINE__, __func__, (code), __VA_ARGS__)
void *ctx_fail_at(struct ctx *ctx, const char *file, int line, const char *func, enum error_code code,
                  const char *format, ...) __attribute__((format(printf, 6, 7)));

/* Adds a violation to the pending ERROR_INVALID, raising it first where there is none. `field`, `rule` are kept as
 * given. */
void ctx_violation(struct ctx *ctx, const char *field, const char *rule, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void ctx_vviolation(struct ctx *ctx, const char *field, const char *rule, const char *format, va_list args);

/* Drops the pending error if it is of this code: the caller has an answer for it. */
bool ctx_forgive(struct ctx *ctx, enum error_code code);

/* Milliseconds until the deadline, at most `max_ms`; 0 when it has passed. */
int64_t ctx_left_ms(const struct ctx *ctx, int64_t max_ms);

/* A part of the work has `max_ms` at most, and never longer than the whole. Returns the deadline to put back after. */
int64_t ctx_shorten(struct ctx *ctx, int64_t max_ms);

/* Frees what the unit of work allocated. */
void ctx_finish(struct ctx *ctx);

int error_http_status(enum error_code code);
/* The code of a status, INTERNAL for one that is not in the table. */
enum error_code error_of_status(int status);
