/* Two edges with two processes each, and one auth: what Kong's users report of keys that hold on one node and not on
 * another. */
#include "base/clock.h"
#include "base/random.h"
#include "contract/messages.h"
#include "crypto/apikey.h"
#include "edge_auth.h"
#include "edge_backend.h"
#include "edge_fixture.h"
#include "edge_workers.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EDGES = 2, KEYS = 20, ASKERS = 4 };

static struct edge_auth auth;
static struct edge_process edges[EDGES];
static struct backend *one;
static struct ctx ctx;
static char *ids[KEYS], *keys[KEYS], *headers[KEYS];

static struct response *validate(struct request *req)
{
    static const char *const general[] = { "GENERAL" };
    struct validate_apikey in = { 0 };
    if (!request_body(req, validate_apikey_fields, &in))
        return NULL;
    for (int i = 0; i < KEYS; i++) {
        struct valid_apikey out = { .id = ids[i], .name = "somebody", .scopes = { (void *)general, 1 } };
        if (strcmp(in.key, keys[i]) == 0)
            return reply(req, valid_apikey_fields, &out);
    }
    return ctx_fail(&req->ctx, ERROR_UNAUTHORIZED, "no such key");
}

static const struct subject subjects[] = { { .name = "auth.validate.apikey", .handler = validate }, { 0 } };

static void setup(void)
{
    pid_t workers[PIDS_MAX];
    one = backend_start("one");
    for (int i = 0; i < KEYS; i++) {
        ids[i] = id_new(&ctx.arena);
        keys[i] = apikey_make(&ctx, ids[i]);
        headers[i] = arena_printf(&ctx.arena, "Connection: close\r\nX-API-Key: %s\r\n", keys[i]);
    }
    edge_auth_start(&auth, &ctx, subjects);
    const char *const environment[] = { edge_auth_url(&auth), "EDGE_PROCESSES=2", NULL };
    for (int i = 0; i < EDGES; i++) {
        edge_process_start(&edges[i], environment,
                           "_format_version: '3.0'\n"
                           "services: [{name: a, url: 'http://127.0.0.1:%d', routes: [{paths: [/a], plugins: "
                           "[{name: key-auth, config: {key_names: [x-api-key]}}]}]}]\n",
                           backend_port(one));
        cr_assert(edge_workers_wait(&edges[i], 2, 0, workers), "%s", edge_process_log(&edges[i]));
    }
}

static void teardown(void)
{
    for (int i = 0; i < EDGES; i++)
        edge_process_stop(&edges[i]);
    edge_auth_stop(&auth);
    backend_stop(one);
    ctx_finish(&ctx);
}

/* What fails in a fixture's end counts too: see EDGE_TEST. */
TestSuite(edge_replicas, .timeout = 120);

/* Of each edge so many requests, on a connection each, so that all of its processes have some; how many had `status`.
 */
static int answered(int status, int key, int requests)
{
    int count = 0;
    for (int i = 0; i < EDGES * requests; i++)
        count += try_get(edges[i % EDGES].port, "/a/", headers[key]) == status;
    return count;
}

static bool is_refused_by_all(void *self)
{
    (void)self;
    return answered(401, 0, 16) == EDGES * 16;
}

EDGE_TEST(edge_replicas, a_revoked_key_is_refused_within_a_second_on_every_replica)
{
    cr_assert_eq(answered(200, 0, 16), EDGES * 16);
    cr_assert(feed_publish(&ctx, auth.feed, REVOKED_APIKEY, ids[0], 1));
    cr_expect(eventually(1000, is_refused_by_all, NULL));
    /* The auth of this test goes on calling it good, as one that has not heard of it yet would. */
    usleep(2100000);
    cr_expect_eq(answered(401, 0, 16), EDGES * 16);
    cr_expect_eq(answered(200, 1, 16), EDGES * 16, "another key is as good as before");
}

struct asker {
    pthread_t thread;
    atomic_bool *ended;
    int first, refused, last;
    atomic_int asked;
};

static int asked_of(const struct asker *asker)
{
    return asker->asked;
}

static void *ask_all(void *self)
{
    struct asker *asker = self;
    for (int i = asker->first; !*asker->ended; i++) {
        int status = try_get(edges[i % EDGES].port, "/a/", headers[i % KEYS]);
        asker->asked++;
        if (status != 200) {
            asker->refused++;
            asker->last = status;
        }
    }
    return NULL;
}

static void revoke_others(int count)
{
    for (int i = 0; i < count; i++)
        feed_publish(&ctx, auth.feed, REVOKED_APIKEY, id_new(&ctx.arena), 1);
}

/* Whatever happens to others, to auth and to NATS. */
EDGE_TEST(edge_replicas, valid_keys_are_never_refused_on_one)
{
    atomic_bool ended = false;
    struct asker askers[ASKERS] = { 0 };
    for (int key = 0; key < KEYS; key++)
        cr_assert_eq(answered(200, key, 1), EDGES);
    for (int i = 0; i < ASKERS; i++) {
        askers[i] = (struct asker){ .ended = &ended, .first = i * 7 };
        pthread_create(&askers[i].thread, NULL, ask_all, &askers[i]);
    }
    revoke_others(500);
    nats_server_signal(&auth.server, SIGKILL);
    usleep(1500000);
    nats_server_start(&auth.server);
    for (int i = 0; i < 3000 && !bus_up(auth.bus); i++)
        usleep(10000);
    revoke_others(500);
    usleep(500000);
    for (int i = 0; i < ASKERS; i++)
        for (int tries = 0; tries < 3000 && asked_of(&askers[i]) <= 50; tries++)
            usleep(10000);
    ended = true;
    for (int i = 0; i < ASKERS; i++) {
        pthread_join(askers[i].thread, NULL);
        cr_expect_gt(asked_of(&askers[i]), 50);
        cr_expect_eq(askers[i].refused, 0, "%d of %d, the last %d: %s", askers[i].refused, asked_of(&askers[i]),
                     askers[i].last, edge_process_log(&edges[0]));
    }
}
