/* From a write in a store to whoever consumes its event. */
#include "base/calm_clock.h"
#include "base/clock.h"
#include "base/text.h"
#include "nats/consumer.h"
#include "nats/jetstream.h"
#include "nats/nats_fixture.h"
#include "nats/relay.h"
#include "nats/streams.h"
#include "store/outbox.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
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
static const struct stream *const streams[] = { &stream_revoked, &stream_events, &stream_otp, NULL };

static struct nats_server server;
static struct ctx ctx;
static struct bus *auth, *media;
static char store_dir[64];
static struct store *store;
static struct relay *relay;

static struct bus *open_bus(const char *user, const char *instance)
{
    char *url = nats_server_url(&server, user);
    struct bus_options options = { .url = url, .name = user, .instance = instance };
    struct bus *bus = bus_open(&ctx, &options);
    cr_assert_not_null(bus);
    free(url);
    return bus;
}

static void written(void *self)
{
    relay_wake(*(struct relay **)self);
}

static void open_store(void)
{
    char url[80];
    snprintf(store_dir, sizeof store_dir, "/tmp/tonearm-events-XXXXXX");
    cr_assert_not_null(mkdtemp(store_dir));
    snprintf(url, sizeof url, "embedded:%s", store_dir);
    struct store_options options = {
        .url = arena_strdup(&ctx.arena, url), .service = "media", .written = written, .self = &relay
    };
    store = store_open(&ctx, &options, collections);
    cr_assert_not_null(store, "%s", ctx.error ? ctx.error->message : "");
}

static bool is_up(void *self)
{
    return bus_up(self);
}

static void setup(void)
{
    static char conf[512];
    snprintf(conf, sizeof conf, "%s/compose/nats.conf", getenv("ROOT"));
    nats_server_create(&server, conf);
    auth = open_bus("auth", "a1");
    cr_assert(streams_keep(&ctx, auth, streams));
    media = open_bus("media", "m1");
    cr_assert(eventually(30000, is_up, media));
    open_store();
}

static void teardown(void)
{
    relay_stop(relay);
    store_close(store);
    bus_close(media, 500);
    bus_close(auth, 500);
    nats_server_destroy(&server);
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", store_dir);
    cr_assert_eq(system(command), 0);
    ctx_finish(&ctx);
}

TestSuite(events, .init = setup, .fini = teardown, .timeout = 180);

static void start_relay(void)
{
    relay = relay_start(&ctx, media, store);
    cr_assert_not_null(relay);
}

static void insert(const char *id)
{
    struct ctx mine = { 0 };
    struct track track = { .doc.id = id, .title = "first" };
    cr_assert(store_insert(&mine, store, &tracks, &track,
                           EVENTS({ .type = "event.track.created", .fields = track_fields, .data = &track })),
              "%s", mine.error ? mine.error->message : "");
    ctx_finish(&mine);
}

static void update(const char *id)
{
    struct ctx mine = { 0 };
    struct track track = { 0 };
    cr_assert(store_get(&mine, store, &tracks, id, &track));
    track.title = "next";
    cr_assert(
        store_update(&mine, store, &tracks, &track,
                     (struct update){ .set = FIELDS("title"), .events = EVENTS({ .type = "event.track.changed" }) }));
    ctx_finish(&mine);
}

/* What a consumer has seen. */
struct seen {
    pthread_mutex_t mutex;
    size_t count, refusals, losses;
    struct {
        char id[32], type[48], entity[32];
        int64_t version;
        uint64_t sequence;
    } events[2048];
    size_t refuse; /* so many are not handled at first */
};

static struct seen first, second;

static bool see(struct ctx *mine, void *self, const struct consumed *event)
{
    struct seen *seen = self;
    pthread_mutex_lock(&seen->mutex);
    bool refuse = seen->refuse > 0;
    if (refuse) {
        seen->refuse--;
        seen->refusals++;
    } else if (seen->count < 2048) {
        snprintf(seen->events[seen->count].id, 32, "%s", event->id);
        snprintf(seen->events[seen->count].type, 48, "%s", event->type);
        snprintf(seen->events[seen->count].entity, 32, "%s", event->entity);
        seen->events[seen->count].version = event->version;
        seen->events[seen->count++].sequence = event->sequence;
    }
    pthread_mutex_unlock(&seen->mutex);
    return !refuse || ctx_fail(mine, ERROR_UNAVAILABLE, "not now");
}

static bool lose(struct ctx *mine, void *self, uint64_t from, uint64_t last, uint64_t *after)
{
    (void)mine;
    (void)from;
    struct seen *seen = self;
    pthread_mutex_lock(&seen->mutex);
    seen->losses++;
    *after = last;
    pthread_mutex_unlock(&seen->mutex);
    return true;
}

struct wish {
    struct seen *seen;
    size_t count;
};

static size_t count_of(struct seen *seen)
{
    pthread_mutex_lock(&seen->mutex);
    size_t out = seen->count;
    pthread_mutex_unlock(&seen->mutex);
    return out;
}

static size_t losses_of(struct seen *seen)
{
    pthread_mutex_lock(&seen->mutex);
    size_t out = seen->losses;
    pthread_mutex_unlock(&seen->mutex);
    return out;
}

static bool has_lost(void *self)
{
    const struct wish *wish = self;
    return losses_of(wish->seen) >= wish->count;
}

static bool wait_lost(struct seen *seen, size_t count)
{
    struct wish wish = { seen, count };
    return eventually(30000, has_lost, &wish);
}

static bool has_seen(void *self)
{
    const struct wish *wish = self;
    return count_of(wish->seen) >= wish->count;
}

static bool wait_seen(struct seen *seen, size_t count, int timeout_ms)
{
    struct wish wish = { seen, count };
    return eventually(timeout_ms, has_seen, &wish);
}

static struct consumer *consume(struct bus *bus, const char *durable, uint64_t after, struct seen *seen)
{
    struct consumer_options options = { .stream = "EVENTS",
                                        .filter = "event.track.>",
                                        .durable = durable,
                                        .after = after,
                                        .handle = see,
                                        .lost = lose,
                                        .self = seen };
    struct consumer *consumer = consumer_start(&ctx, bus, &options);
    cr_assert_not_null(consumer);
    return consumer;
}

Test(events, a_write_reaches_both_kinds_of_consumers_within_a_second)
{
    start_relay();
    struct consumer *durable = consume(media, "media", 0, &first), *follower = consume(media, NULL, 0, &second);
    insert("t1");
    int64_t begin = calm_ms();
    cr_expect(wait_seen(&first, 1, 1000), "durable");
    cr_expect(wait_seen(&second, 1, 1000), "follower");
    cr_expect_lt(calm_ms() - begin, 500);
    cr_expect_str_eq(first.events[0].entity, "t1");
    cr_expect_str_eq(first.events[0].type, "event.track.created");
    cr_expect_eq(first.events[0].version, 1);
    cr_expect_str_eq(first.events[0].id, second.events[0].id);
    sleep_ms(600);
    cr_expect_eq(count_of(&first), 1);
    cr_expect_eq(count_of(&second), 1);
    cr_expect_eq(consumer_lag(follower), 0);
    consumer_stop(durable);
    consumer_stop(follower);
}

static void expect_order(struct seen *seen, size_t entities, int versions)
{
    cr_assert_eq(seen->count, entities * (size_t)versions, "%zu", seen->count);
    int64_t last[64] = { 0 };
    for (size_t i = 0; i < seen->count; i++) {
        int entity = atoi(seen->events[i].entity + 1);
        cr_expect_eq(seen->events[i].version, last[entity] + 1, "%s", seen->events[i].entity);
        last[entity] = seen->events[i].version;
    }
}

Test(events, each_entity_keeps_its_order_and_nothing_comes_twice)
{
    start_relay();
    struct consumer *follower = consume(media, NULL, 0, &first);
    char id[16];
    for (int round = 0; round < 10; round++)
        for (int i = 0; i < 30; i++) {
            snprintf(id, sizeof id, "t%d", i);
            round == 0 ? insert(id) : update(id);
        }
    cr_expect(wait_seen(&first, 300, 30000), "%zu", count_of(&first));
    sleep_ms(300);
    consumer_stop(follower);
    expect_order(&first, 30, 10);
}

Test(events, what_was_written_during_an_outage_comes_after_it_once)
{
    start_relay();
    struct consumer *durable = consume(media, "media", 0, &first), *follower = consume(media, NULL, 0, &second);
    insert("t0");
    cr_assert(wait_seen(&first, 1, 30000));
    nats_server_signal(&server, SIGKILL);
    for (int i = 0; i < 5; i++)
        update("t0");
    sleep_ms(300);
    nats_server_start(&server);
    cr_expect(wait_seen(&first, 6, 30000), "%zu", count_of(&first));
    cr_expect(wait_seen(&second, 6, 30000), "%zu", count_of(&second));
    sleep_ms(300);
    consumer_stop(durable);
    consumer_stop(follower);
    expect_order(&first, 1, 6);
    expect_order(&second, 1, 6);
    cr_expect_eq(losses_of(&second), 0);
}

Test(events, two_relays_do_not_send_an_event_twice)
{
    start_relay();
    struct bus *other = open_bus("media", "m2");
    struct relay *rival = relay_start(&ctx, other, store);
    struct consumer *follower = consume(media, NULL, 0, &first);
    char id[16];
    for (int i = 0; i < 50; i++) {
        snprintf(id, sizeof id, "t%d", i);
        insert(id);
    }
    cr_expect(wait_seen(&first, 50, 30000));
    relay_stop(relay); /* the other one takes over */
    relay = NULL;
    for (int i = 50; i < 60; i++) {
        snprintf(id, sizeof id, "t%d", i);
        insert(id);
    }
    cr_expect(wait_seen(&first, 60, 30000), "%zu", count_of(&first));
    sleep_ms(300);
    consumer_stop(follower);
    expect_order(&first, 60, 1);
    relay_stop(rival);
    bus_close(other, 100);
}

static size_t both_counts(void)
{
    return count_of(&first) + count_of(&second);
}

static bool all_seen(void *self)
{
    return both_counts() >= *(size_t *)self;
}

Test(events, replicas_share_a_durable_consumer)
{
    start_relay();
    struct bus *other = open_bus("media", "m2");
    struct consumer *one = consume(media, "media", 0, &first), *two = consume(other, "media", 0, &second);
    char id[16];
    size_t made = 0;
    /* Until both have had some: the first may be quicker than the second is connected. */
    while (made < 60 || (made < 2000 && !(count_of(&first) && count_of(&second)))) {
        snprintf(id, sizeof id, "t%zu", made++);
        insert(id);
    }
    cr_expect(eventually(30000, all_seen, &made));
    sleep_ms(200);
    cr_expect_eq(both_counts(), made, "each went to one of them: %zu", both_counts());
    cr_expect(count_of(&first) && count_of(&second));
    consumer_stop(one);
    /* What one had asked for and not begun goes to the other. */
    insert("more");
    made++;
    cr_expect(eventually(30000, all_seen, &made));
    consumer_stop(two);
    bus_close(other, 100);
}

Test(events, what_is_not_handled_comes_again)
{
    start_relay();
    first.refuse = second.refuse = 2;
    struct consumer *durable = consume(media, "media", 0, &first), *follower = consume(media, NULL, 0, &second);
    insert("t1");
    cr_expect(wait_seen(&second, 1, 30000), "follower");
    cr_expect(wait_seen(&first, 1, 30000), "durable");
    cr_expect_eq(first.refusals, 2);
    cr_expect_eq(second.refusals, 2);
    consumer_stop(durable);
    consumer_stop(follower);
    cr_expect_eq(first.count, 1);
}

Test(events, a_follower_is_told_what_is_lost)
{
    start_relay();
    struct consumer *follower = consume(media, NULL, 500, &first);
    insert("t1");
    insert("t2");
    cr_expect(wait_lost(&first, 1), "the stream has no 500");
    insert("t3");
    cr_expect(wait_seen(&first, 1, 30000));

    nats_server_signal(&server, SIGKILL);
    nats_server_wipe(&server);
    nats_server_start(&server);
    cr_expect(wait_lost(&first, 2), "another stream");
    size_t before = count_of(&first);
    insert("t4");
    cr_expect(wait_seen(&first, before + 1, 30000));
    consumer_stop(follower);
}

Test(events, the_stream_tells_its_state)
{
    uint64_t last = 99;
    int64_t created = 0;
    cr_assert(stream_state(&ctx, media, "EVENTS", &last, &created));
    cr_expect_eq(last, 0);
    cr_expect(created > clock_now_ms() - 60000 && created <= clock_now_ms());
    cr_expect_not(stream_state(&ctx, auth, "NONE", &last, &created));
    cr_expect_eq(ctx.error->code, ERROR_NOT_FOUND);
}
