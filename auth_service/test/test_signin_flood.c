/* Auth behind its real server, with one thread that hashes: how many sign-ins wait for it is nobody else's affair. */
#include "auth_fixture.h"
#include "http/test_client.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { SIGN_INS = 40, CHECKS = 20, WORKERS = 2 };

static struct {
    struct server *server;
    struct workers *workers, *hashing;
    struct metrics *metrics;
    atomic_int answered; /* sign-ins */
} flood;

static void start(void)
{
    signal(SIGPIPE, SIG_IGN);
    fixture_options.cost = (struct password_cost){ 3, 32 << 20 }; /* some 100 ms */
    auth_start();
    flood.metrics = metrics_create();
    flood.workers = workers_create(WORKERS, 1, 256);
    flood.hashing = workers_create(1, 0, 256);
    flood.server = server_start(&fixture.ctx, &(struct server_options){ .process = "auth",
                                                                        .listen = "127.0.0.1:0",
                                                                        .loops = 2,
                                                                        .deadline_ms = 120000,
                                                                        .body_max = 65536,
                                                                        .mounts = fixture.parts.mounts,
                                                                        .authority = &fixture.parts.authority,
                                                                        .workers = flood.workers,
                                                                        .heavy = flood.hashing,
                                                                        .metrics = flood.metrics });
    cr_assert(flood.server, "%s", fixture.ctx.error ? fixture.ctx.error->message : "");
}

static void stop(void)
{
    server_stop(flood.server, 10000);
    workers_destroy(flood.hashing);
    workers_destroy(flood.workers);
    server_destroy(flood.server);
    metrics_destroy(flood.metrics);
    auth_stop();
}

TestSuite(signin_flood, .init = start, .fini = stop, .timeout = 240);

static const char *make_key(void)
{
    const char *general = "GENERAL";
    struct issued_apikey *made = apikey_create(&fixture.ctx, &fixture.parts.apikeys,
                                               &(struct new_apikey){ .name = "flood", .scopes = { &general, 1 } });
    cr_assert_not_null(made);
    return made->key;
}

static void profile(const char *key, const char *token)
{
    const char *headers = format("X-API-Key: %s\r\nAuthorization: Bearer %s\r\n", key, token);
    struct reply reply = ask(flood.server, "GET /profile/mine", headers, NULL);
    cr_assert_eq(reply.status, 200, "%s", reply.body);
    free_reply(&reply);
}

static void *take_answers(void *self)
{
    const int *connections = self;
    for (int i = 0; i < SIGN_INS; i++) {
        struct reply reply = take(connections[i], false);
        cr_assert_eq(reply.status, 200, "%s", reply.body);
        free_reply(&reply);
        atomic_fetch_add(&flood.answered, 1);
    }
    return NULL;
}

/* Who came before, and whose hash is still to be made, does not hold up who only shows a token. */
Test(signin_flood, starves_no_token_check)
{
    struct person ann = signup("ann");
    const char *key = make_key(), *body = format("{\"email\":\"%s\",\"password\":\"correct horse\"}", ann.email);
    int connections[SIGN_INS];
    profile(key, ann.access);
    for (int i = 0; i < SIGN_INS; i++) {
        connections[i] = dial(flood.server);
        put(connections[i],
            "POST /signin/basic HTTP/1.1\r\nHost: auth\r\nX-API-Key: %s\r\nContent-Length: %zu\r\n\r\n%s", key,
            strlen(body), body);
    }
    for (int64_t until = clock_ms() + 30000; workers_waiting(flood.hashing, LANE_HTTP) < SIGN_INS / 2;)
        cr_assert_lt(clock_ms(), until, "the sign-ins do not wait for a thread that hashes");
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, take_answers, connections), 0);
    for (int i = 0; i < CHECKS; i++)
        profile(key, ann.access);
    cr_expect_lt(atomic_load(&flood.answered), SIGN_INS, "all %d sign-ins came first", SIGN_INS);
    pthread_join(thread, NULL);
    for (int i = 0; i < SIGN_INS; i++)
        close(connections[i]);
}
