#pragma once
/*
 * Asks an address that the operator has set (or that the issuer there has told) over HTTP: of an OpenID Connect
 * provider its discovery document, its keys, tokens for a code. One request, no redirects, certificates verified,
 * TLS 1.2 and newer, an answer of 256 KiB at most. Any thread; blocks until ctx->deadline_ms at the most.
 */
#include "http/endpoint.h"

enum { FETCH_BODY_MAX = 256 * 1024, FETCH_MS = 3000 };

struct fetch {
    const char *whom;            /* what errors call the other side; they name nothing else */
    const char *url;             /* see fetch_may() */
    const char *ca_file;         /* PEM of who is believed; NULL or "" = whom the system believes */
    const struct pair *form;     /* POST application/x-www-form-urlencoded; ends with {0}; NULL = GET */
    const char *user, *password; /* HTTP Basic as RFC 6749, 2.3.1 has it; NULL = none */
    const char *bearer;          /* an access token; NULL = none */
    int64_t limit_ms;            /* 0 = FETCH_MS */
};

/* Whatever the status is. In ctx->arena. */
struct fetched {
    int status;
    const char *body; /* ended by a NUL that is not counted */
    size_t size;
};

/* ERROR_UNAVAILABLE where no whole answer came in time; why is in its cause, for the log. */
bool fetch(struct ctx *ctx, const struct fetch *what, struct fetched *out);

/* https, or http to this machine (127.0.0.0/8, ::1, localhost); no user in it and no fragment. */
bool fetch_may(const char *url);
