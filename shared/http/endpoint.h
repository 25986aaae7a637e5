#pragma once
/*
 * An endpoint is a plain function from request to response, whether the
 * request came by HTTP or by NATS. It runs on a worker thread and may block.
 * What transport it came by is the dispatcher's affair: http/server.h, nats/serve.h.
 */
#include "base/ctx.h"
#include "record/record.h"

enum method { GET = 1, HEAD, POST, PUT, PATCH, DELETE, OPTIONS };
const char *method_name(enum method method);

struct pair {
    const char *name, *value;
};

/* ctx.patience_ms of a request: a store that is away is told within 2 s, the edge's own question before included. */
enum { REQUEST_PATIENCE_MS = 1500 };

/* Who is signed in. */
struct caller {
    const char *user_id, *name, *email, *picture;
    const char *session_id;
    const char *const *roles; /* codes; NULL-terminated. For telling, not for deciding: see authority */
    int64_t user_version;
    int64_t roles_version; /* auth's own: what the codes were read from */
    int64_t expires_at;    /* unix ms */
};

/* Whose API key it is. */
struct api_key {
    const char *id, *name;
    const char *const *scopes; /* NULL-terminated */
    int64_t rate;              /* requests a minute, 0 = no limit */
    int64_t expires_at;        /* unix ms, 0 = never: no answer about it is kept longer */
};

/*
 * Who decides: auth asks itself, everybody else asks auth (nats/authority.h).
 * Each fails with UNAUTHORIZED or FORBIDDEN (an answer about the person), or
 * UNAVAILABLE (an outage, never an answer). `role`: any of these roles or permissions ("track:publish"), or ADMIN.
 */
struct authority {
    void *self;
    struct caller *(*token)(struct ctx *ctx, void *self, const char *access_token);
    bool (*role)(struct ctx *ctx, void *self, const struct caller *caller, const char *const *any_of);
    struct api_key *(*key)(struct ctx *ctx, void *self, const char *key);
};

struct route;

struct request {
    struct ctx ctx;
    enum method method;
    const char *path;           /* percent-decoded, without the query; or the NATS subject */
    const char *prefix;         /* X-Forwarded-Prefix from the edge, "" otherwise: put before addresses in answers */
    const char *host;           /* as the client wrote it */
    const char *scheme;         /* "http", "https": as the client used it */
    const struct pair *params;  /* of the path, ends with {0} */
    const struct pair *query;   /* decoded, ends with {0}; at most 64 */
    const struct pair *headers; /* names in lower case, ends with {0} */
    const char *body;
    size_t body_size;
    const char *address_fields; /* NATS: members of the body that stood in an HTTP address, by comma; NULL = none */
    int body_fd; /* route.body_to_file: an unlinked file in the spool directory (link it by /proc/self/fd), else -1.
                    Closed with the request unless the handler sets -1 */
    const char *peer;      /* the client's address, after trusted proxies */
    struct caller *caller; /* route.access SIGNED_IN or more */
    struct api_key *key;   /* where one was given and checked here; NULL when the edge did it */
    const void *service;   /* what the routes were mounted with */
    const struct route *route;
};

const char *request_param(const struct request *req, const char *name);  /* NULL: none */
const char *request_query(const struct request *req, const char *name);  /* NULL: none */
const char *request_header(const struct request *req, const char *name); /* lower case; NULL: none */

/* Fills `out` from the JSON body: see record_parse(). */
bool request_body(struct request *req, const struct field *fields, void *out);
/* ?limit= (1..100, default 20) and ?cursor=: violations otherwise. */
bool request_page(struct request *req, size_t *limit, const char **cursor);

/*
 * A body that the loop reads by itself, with back-pressure, after the handler
 * has returned: no worker is held by it. Range, If-Range, If-None-Match, 304,
 * 206 and 416 are the server's work when `etag` is given. A pipe or a socket
 * (size -1) is sent as it comes, until its end; when the client goes the
 * server closes it, and its writer gets EPIPE.
 */
struct source {
    int fd;           /* -1 = none; the server closes it */
    int64_t size;     /* of a file; -1 = a pipe */
    const char *etag; /* of a file, with its quotes; NULL = no ranges */
};

struct response {
    int status;
    const char *content_type; /* NULL = application/json */
    const char *language;     /* of the message in it, static; NULL = it has none */
    const char *body;
    size_t size;
    struct source source;
    const struct pair *headers; /* further ones, ends with {0}; NULL = none */
};

/* NULL means failed: see ctx_fail(). The dispatcher makes the envelope of the error. */
typedef struct response *handler_fn(struct request *req);

/* {"code":"10000","status":200,"message":...,"data":...}; `fields` NULL = no data (null). In req->ctx.arena. `message`
 * is English, and the key of what is told in other languages (base/catalogue.h). */
struct response *respond(struct request *req, const char *message, const struct field *fields, const void *data);
struct response *respond_created(struct request *req, const char *message, const struct field *fields,
                                 const void *data);
/* data: {"items":[...],"next":...}; items are structs of `size` bytes. */
struct response *respond_page(struct request *req, const char *message, const struct field *fields, const void *items,
                              size_t size, size_t count, const char *next);
/* data: [...] */
struct response *respond_list(struct request *req, const char *message, const struct field *fields, const void *items,
                              size_t size, size_t count);
/* `data` is JSON already. */
struct response *respond_json(struct request *req, int status, const char *message, const char *data);
/* Not in the envelope. Body is kept, not copied. */
struct response *respond_raw(struct request *req, int status, const char *content_type, const void *body, size_t size);
struct response *respond_source(struct request *req, const char *content_type, struct source source);
/* Adds a header to a response of this request. */
void response_header(struct request *req, struct response *res, const char *name, const char *value);
/* The envelope of the pending error. */
struct response *respond_error(struct request *req);
