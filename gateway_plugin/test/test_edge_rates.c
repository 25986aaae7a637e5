/* What all processes of the edge know of an API key: its rate, and that it is good. A nats-server, an auth that the
 * test plays. */
#include "contract/messages.h"
#include "crypto/apikey.h"
#include "base/random.h"
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

enum { PER_MINUTE = 60, REQUESTS = 200 };

static struct edge_auth auth;
static struct edge_process edge;
static struct backend *one;
static struct ctx ctx;
static char *id, *header;
static pid_t workers[PIDS_MAX];

static struct response *validate(struct request *req)
{
    static const char *const general[] = { "GENERAL" };
    struct validate_apikey in = { 0 };
    if (!request_body(req, validate_apikey_fields, &in))
        return NULL;
    struct valid_apikey out = { .id = id, .name = "somebody", .rate = PER_MINUTE, .scopes = { (void *)general, 1 } };
    return reply(req, valid_apikey_fields, &out);
}

static const struct subject subjects[] = { { .name = "auth.validate.apikey", .handler = validate }, { 0 } };

static void setup(void)
{
    one = backend_start("one");
    id = id_new(&ctx.arena);
    header = arena_printf(&ctx.arena, "Connection: close\r\nX-API-Key: %s\r\n", apikey_make(&ctx, id));
    edge_auth_start(&auth, &ctx, subjects);
    const char *const environment[] = { edge_auth_url(&auth), "EDGE_PROCESSES=2", NULL };
    edge_process_start(&edge, environment,
                       "_format_version: '3.0'\n"
                       "services: [{name: a, url: 'http://127.0.0.1:%d', routes: [{paths: [/a], plugins: "
                       "[{name: key-auth, config: {key_names: [x-api-key]}}]}]}]\n",
                       backend_port(one));
    cr_assert(edge_workers_wait(&edge, 2, 0, workers), "%s", edge_process_log(&edge));
}

static void teardown(void)
{
    edge_process_stop(&edge);
    edge_auth_stop(&auth);
    backend_stop(one);
    ctx_finish(&ctx);
}

/* What fails in a fixture's end counts too: see EDGE_TEST. */
TestSuite(edge_rates, .timeout = 120);

static int passes(int requests)
{
    int count = 0;
    for (int i = 0; i < requests; i++) {
        int status = try_get(edge.port, "/a/", header);
        cr_expect(status == 200 || status == 429, "%d", status);
        count += status == 200;
    }
    return count;
}

struct asker {
    pthread_t thread;
    int passed, refused;
};

static void *ask_many(void *self)
{
    struct asker *asker = self;
    for (int i = 0; i < REQUESTS / 4; i++) {
        int status = try_get(edge.port, "/a/", header);
        asker->passed += status == 200;
        asker->refused += status == 429;
    }
    return NULL;
}

EDGE_TEST(edge_rates, are_exact_over_both)
{
    struct asker askers[4] = { 0 };
    int passed = 0, refused = 0;
    for (int i = 0; i < 4; i++)
        pthread_create(&askers[i].thread, NULL, ask_many, &askers[i]);
    for (int i = 0; i < 4; i++) {
        pthread_join(askers[i].thread, NULL);
        passed += askers[i].passed;
        refused += askers[i].refused;
    }
    cr_expect_eq(passed, PER_MINUTE);
    cr_expect_eq(refused, REQUESTS - PER_MINUTE);
}

EDGE_TEST(edge_rates, outlive_one_of_them)
{
    pid_t now[PIDS_MAX];
    cr_expect_eq(passes(30), 30);
    kill(workers[0], SIGKILL);
    cr_assert(edge_workers_wait(&edge, 2, workers[0], now));
    cr_expect_eq(passes(REQUESTS - 30), PER_MINUTE - 30);
    kill(workers[1], SIGKILL);
    cr_assert(edge_workers_wait(&edge, 2, workers[1], now));
    cr_expect_eq(passes(10), 0, "nobody is left of those who counted, but the count is");
}

/* Nobody can be asked any more: it is enough that one of them was told. */
EDGE_TEST(edge_rates, who_was_told_of_a_key_tells_the_others)
{
    pid_t now[PIDS_MAX];
    cr_expect_eq(passes(1), 1);
    nats_server_signal(&auth.server, SIGKILL);
    cr_expect_eq(passes(20), 20, "%s", edge_process_log(&edge));
    kill(workers[0], SIGKILL);
    cr_assert(edge_workers_wait(&edge, 2, workers[0], now));
    cr_expect_eq(passes(20), 20, "who has just begun knows it too");
    nats_server_start(&auth.server);
}
