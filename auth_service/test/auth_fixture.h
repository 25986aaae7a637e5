#pragma once
/*
 * The whole of auth on a store of its own, called through its tables of routes
 * and subjects as the server calls them. The store is the embedded one, or a
 * database made on TEST_STORE_URL (mongodb://HOST:PORT; STORE_FERRETDB=1 for
 * FerretDB). Without auth_join() NATS is away: the bus leads to a closed port.
 */
#include "auth_parts.h"
#include "base/clock.h"
#include "nats/bus.h"

#include <criterion/criterion.h>
#include <jansson.h>

struct auth_fixture {
    struct ctx ctx; /* for calls of functions */
    char dir[64];
    struct secret master;
    const char *store_url;
    struct store *store;
    struct bus *bus;
    struct feed *feed;
    struct auth_parts parts;
};
extern struct auth_fixture fixture;

/* What fixtures are made of, where a test wants another: before auth_start(). */
struct fixture_options {
    const char *nats_url;
    const char *signing_key_file;
    enum jwt_alg alg;
    struct password_cost cost;
    size_t tokens_remembered;
    struct trusted_settings trusted;
    const char *redis_url; /* NULL: auth counts by itself */
    int64_t redis_ms;
    struct setting_items providers; /* of struct oauth_provider_settings */
};
extern struct fixture_options fixture_options;

void auth_start(void);
void auth_stop(void);
/* Closes the parts and opens them again on the same store. */
bool auth_restart(void);
/* Another handle of the fixture's store, as another replica has; the caller closes it. */
struct store *auth_store_open(void);

struct call {
    enum method method;
    const char *path; /* with its query */
    const char *body;
    const char *token;          /* Authorization: Bearer */
    const char *key;            /* X-API-Key: checked here; NULL: the edge has done it */
    const char *header, *value; /* a further one, or in the place of one */
    const char *peer;           /* the client's address; NULL: 192.0.2.7 */
    const char *scheme;         /* NULL: http */
    bool late;                  /* its deadline has passed: the store answers nothing in time */
};

struct answer {
    int status;
    json_t *body, *data; /* NULL where it is no JSON */
    const char *message;
    const char *text;
    const struct pair *headers;
};

/* Any thread. What it returns lives until auth_stop(). */
struct answer call_route(const struct call *call);
#define CALL(...) call_route(&(struct call){ __VA_ARGS__ })
struct answer call_subject(const char *name, const char *body, bool late);

/* The text at a path: "tokens.accessToken", "items.0.id". NULL: none. */
const char *text_at(const json_t *json, const char *path);
json_t *json_at(const json_t *json, const char *path);
/* Whether errors name this field and rule. */
bool has_violation(const struct answer *answer, const char *field, const char *rule);
/* Text that lives until auth_stop(). */
const char *format(const char *text, ...) __attribute__((format(printf, 1, 2)));

struct person {
    const char *id, *email, *access, *refresh, *session;
};
/* Signs up NAME@example.com with the password "correct horse". */
struct person signup(const char *name);
struct person signin(const char *name); /* the same person again: another session */
struct person admin(void);              /* signs up with the role ADMIN as well */
struct answer refresh(const char *token);
/* What a token pair names. */
struct person person_of(const json_t *tokens);

/* Runs `each` on so many threads at once, with 0, 1, 2, ... */
void at_once(size_t threads, void (*each)(void *self, size_t number), void *self);
