#pragma once
/* A store in a temporary directory with the collection "songs", on either back end, for the tests of this folder. */
#include "store/migrate.h"
#include "store/outbox.h"

enum status { DRAFT, LIVE, GONE };

struct song {
    struct doc doc;
    const char *title;
    const char *slug;
    const char *owner;
    struct list tags;
    int64_t year;
    int64_t at;
    int status;
    int64_t plays;
};

extern const struct collection songs;
extern const struct field song_fields[];

struct fixture {
    struct ctx ctx;
    struct store *store;
    char dir[64];
    char url[128];
    bool ferretdb;
    int server;       /* its pid, 0 = none */
    char address[64]; /* of the server: ADDR:PORT */
    int written;      /* how often the relay was woken */
};

/* Set before a fixture begins: its files lie in memory, where no disk that others keep busy is waited for. */
extern bool store_fixture_in_memory;

/* Each is run once on a fresh store, in a process of its own. */
void with_embedded(void (*test)(struct fixture *fixture));
void with_ferretdb(void (*test)(struct fixture *fixture));

#define STORE_TEST(name)                                                                                               \
    static void name(struct fixture *fixture);                                                                         \
    Test(embedded, name, .timeout = 120)                                                                               \
    {                                                                                                                  \
        with_embedded(name);                                                                                           \
    }                                                                                                                  \
    Test(ferretdb, name, .timeout = 120)                                                                               \
    {                                                                                                                  \
        with_ferretdb(name);                                                                                           \
    }                                                                                                                  \
    static void name(struct fixture *fixture)

/* FerretDB: ended by SIGKILL; started again where it was, on its state. */
void fixture_server_kill(struct fixture *fixture);
void fixture_server_start(struct fixture *fixture);

/* Another handle on the same store, as another process would have it. */
struct store *fixture_open(struct ctx *ctx, struct fixture *fixture);
/* Migrations of the fixture's: writes DIR/migrations/<name>.json. */
void fixture_migration(struct fixture *fixture, const char *name, const char *json);
const char *fixture_migrations(struct fixture *fixture);

/* Checks that are said with the pending error. */
#define ok(ctx_, call) cr_assert((call), "%s: %s", #call, error_chain(ctx_))
#define fails(ctx_, code_, call)                                                                                       \
    do {                                                                                                               \
        cr_assert(!(call), "%s should fail", #call);                                                                   \
        cr_assert((ctx_)->error && (ctx_)->error->code == (code_), "%s: %s", #call,                                    \
                  (ctx_)->error ? (ctx_)->error->message : "no error");                                                \
        (ctx_)->error = NULL;                                                                                          \
    } while (0)

const char *error_chain(struct ctx *ctx);
struct song *song_new(struct fixture *fixture, const char *id, const char *slug);
