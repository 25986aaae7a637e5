/* What the relay must not do: call done what no stream took, go on when the lease is another one's. */
#include "base/clock.h"
#include "nats/bus_parts.h"
#include "nats/nats_fixture.h"
#include "nats/relay.h"
#include "store/outbox.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct track {
    struct doc doc;
    const char *title;
};

static const struct field track_fields[] = { FIELD("title", TEXT, struct track, title), { 0 } };
static const struct collection tracks = { .name = "tracks", .fields = track_fields, .size = sizeof(struct track) };
static const struct collection *const collections[] = { &tracks, &lease_collection, NULL };

/* A subject that media may publish to, where somebody listens and nobody answers: each publish waits in vain. */
static const char silent[] = "auth.validate.silence";

static struct nats_server server;
static struct ctx ctx;
static struct bus *auth, *media;
static char store_dir[64];
static struct store *store;
static struct relay *relay;
static atomic_int heard;
static atomic_bool heard_last; /* of the four windows that insert_windows() fills */

static bool is_up(void *self)
{
    return bus_up(self);
}

static struct bus *open_bus(const char *user)
{
    char *url = nats_server_url(&server, user);
    struct bus *bus = bus_open(&ctx, &(struct bus_options){ .url = url, .name = user, .instance = user });
    cr_assert(bus && eventually(30000, is_up, bus));
    free(url);
    return bus;
}

static void hear(void *self, const char *subject, const char *data, size_t size)
{
    (void)subject;
    atomic_fetch_add((atomic_int *)self, 1);
    if (memmem(data, size, "\"t255\"", 6))
        atomic_store(&heard_last, true);
}

static void setup(void)
{
    static char conf[512];
    snprintf(conf, sizeof conf, "%s/compose/nats.conf", getenv("ROOT"));
    nats_server_create(&server, conf);
    auth = open_bus("auth");
    media = open_bus("media");
    cr_assert(bus_listen(&ctx, auth, silent, hear, &heard));
    snprintf(store_dir, sizeof store_dir, "/tmp/tonearm-relay-XXXXXX");
    cr_assert_not_null(mkdtemp(store_dir));
    struct store_options options = { .url = arena_printf(&ctx.arena, "embedded:%s", store_dir), .service = "media" };
    store = store_open(&ctx, &options, collections);
    cr_assert_not_null(store, "%s", ctx.error ? ctx.error->message : "");
    sleep_ms(200); /* the server has the subscription */
}

static void teardown(void)
{
    relay_stop(relay);
    store_close(store);
    bus_close(media, 500);
    bus_close(auth, 500);
    nats_server_destroy(&server);
    cr_assert_eq(system(arena_printf(&ctx.arena, "rm -rf '%s'", store_dir)), 0);
    ctx_finish(&ctx);
}

TestSuite(relay, .init = setup, .fini = teardown, .timeout = 180);

static void insert(const char *id)
{
    struct track track = { .doc.id = id };
    cr_assert(store_insert(&ctx, store, &tracks, &track, EVENTS({ .type = silent })));
}

static void insert_windows(void)
{
    for (int i = 0; i < 4 * GATHER_MAX; i++)
        insert(arena_printf(&ctx.arena, "t%d", i));
}

static size_t waiting(void)
{
    struct outbox_event *events;
    size_t count;
    cr_assert(outbox_read(&ctx, store, 1000, &events, &count));
    return count;
}

static bool has_heard(void *count)
{
    return atomic_load(&heard) >= *(int *)count;
}

Test(relay, what_no_stream_acknowledged_waits_and_is_sent_again)
{
    insert("a");
    relay = relay_start(&ctx, media, store);
    int twice = 2;
    cr_expect(eventually(30000, has_heard, &twice), "it is not sent again");
    cr_expect_eq(waiting(), 1, "it is called done");
}

/* As another replica takes it when this one has not renewed it in time. */
static void take_lease_away(void)
{
    struct lease other = { .store = store, .name = "relay", .holder = "other", .ttl_ms = 60000 }, held = other;
    for (int tries = 0; !held.fencing && tries < 200; tries++) {
        ctx.error = NULL;
        other.fencing++; /* the number of whoever holds it now: that makes it ours to renew and give up */
        other.until_ms = clock_ms();
        lease_release(&ctx, &other);
        lease_hold(&ctx, &held);
    }
    cr_assert(held.fencing > 1, "the lease was not there to be taken");
}

/* Each of its windows waits two seconds here. The one under way when the lease goes is the last. */
Test(relay, one_that_has_lost_its_lease_sends_nothing_more)
{
    insert_windows();
    relay = relay_start(&ctx, media, store);
    int window = GATHER_MAX;
    cr_assert(eventually(30000, has_heard, &window));
    take_lease_away();
    int sent = atomic_load(&heard);
    sleep_ms(6500); /* for the others */
    cr_expect_leq(atomic_load(&heard), sent + window, "%d more were sent", atomic_load(&heard) - sent);
    cr_expect_eq(waiting(), 4 * (size_t)window);
}

static bool is_last_heard(void *self)
{
    (void)self;
    return atomic_load(&heard_last);
}

/* However slow it is: each step has its time, and the last window its turn. */
Test(relay, a_round_of_many_slow_steps_comes_to_its_end)
{
    insert_windows();
    relay = relay_start(&ctx, media, store);
    cr_expect(eventually(90000, is_last_heard, NULL), "the last window was never sent");
}
