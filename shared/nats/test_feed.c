#include "base/calm_clock.h"
#include "base/clock.h"
#include "nats/feed.h"
#include "nats/jetstream.h"
#include "nats/nats_fixture.h"
#include "nats/streams.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct nats_server server;
static struct ctx ctx;

/* A process with the bus and the feed, as the user that it is. */
struct process {
    struct bus *bus;
    struct feed *feed;
    int changes, losses;
};

static struct process auth, media;

static const struct stream *const streams[] = { &stream_revoked, &stream_events, &stream_otp, NULL };

static void count_change(void *self, enum revoked kind, const char *id, int64_t version)
{
    (void)kind;
    (void)id;
    (void)version;
    __atomic_add_fetch(&((struct process *)self)->changes, 1, __ATOMIC_SEQ_CST);
}

static void count_loss(void *self)
{
    __atomic_add_fetch(&((struct process *)self)->losses, 1, __ATOMIC_SEQ_CST);
}

static int losses(const struct process *process)
{
    return __atomic_load_n(&process->losses, __ATOMIC_SEQ_CST);
}

static void process_bus(struct process *process, const char *user)
{
    char *url = nats_server_url(&server, user);
    struct bus_options options = { .url = url, .name = user };
    process->bus = bus_open(&ctx, &options);
    cr_assert_not_null(process->bus);
    free(url);
}

static void process_feed(struct process *process)
{
    struct feed_options options = {
        .bus = process->bus, .keep_ms = 60000, .changed = count_change, .lost = count_loss, .self = process
    };
    process->feed = feed_open(&ctx, &options);
    cr_assert_not_null(process->feed);
}

static void process_end(struct process *process)
{
    feed_close(process->feed);
    bus_close(process->bus, 500);
}

static bool whole(void *self)
{
    return feed_whole(self);
}

static bool broken(void *self)
{
    return !feed_whole(self);
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
    process_bus(&auth, "auth");
    cr_assert(streams_keep(&ctx, auth.bus, streams));
    process_bus(&media, "media");
    process_feed(&auth);
    process_feed(&media);
    cr_assert(eventually(30000, whole, auth.feed));
    cr_assert(eventually(30000, whole, media.feed));
}

static void teardown(void)
{
    process_end(&media);
    process_end(&auth);
    nats_server_destroy(&server);
    ctx_finish(&ctx);
}

TestSuite(feed, .init = setup, .fini = teardown);

struct question {
    struct feed *feed;
    enum revoked kind;
    const char *id;
    int64_t version;
};

static bool known(void *self)
{
    const struct question *question = self;
    return feed_revoked(question->feed, question->kind, question->id, question->version);
}

static bool knows(struct process *process, enum revoked kind, const char *id, int64_t version, int timeout_ms)
{
    struct question question = { process->feed, kind, id, version };
    return eventually(timeout_ms, known, &question);
}

Test(feed, a_revocation_is_known_here_at_once_and_there_within_a_second)
{
    cr_assert(feed_publish(&ctx, auth.feed, REVOKED_SESSION, "s1", 0));
    cr_expect(knows(&auth, REVOKED_SESSION, "s1", 0, 0));
    int64_t begin = calm_ms();
    cr_expect(knows(&media, REVOKED_SESSION, "s1", 0, 1000));
    cr_expect_lt(calm_ms() - begin, 200);
    cr_expect_not(knows(&media, REVOKED_APIKEY, "s1", 0, 0));
    cr_expect_not(knows(&media, REVOKED_SESSION, "s2", 0, 0));
    cr_expect_gt(__atomic_load_n(&media.changes, __ATOMIC_SEQ_CST), 0);
}

Test(feed, a_changed_user_counts_for_older_versions_only)
{
    cr_assert(feed_publish(&ctx, auth.feed, CHANGED_USER, "u1", 7));
    cr_assert(knows(&media, CHANGED_USER, "u1", 6, 1000));
    cr_expect_not(knows(&media, CHANGED_USER, "u1", 7, 0));
    cr_assert(feed_publish(&ctx, auth.feed, CHANGED_USER, "u1", 5));
    cr_assert(feed_publish(&ctx, auth.feed, REVOKED_SESSION, "later", 0));
    cr_assert(knows(&media, REVOKED_SESSION, "later", 0, 30000));
    cr_expect(knows(&media, CHANGED_USER, "u1", 6, 0), "an older one does not undo a newer");
}

Test(feed, one_that_starts_late_learns_what_was_before)
{
    struct process late = { 0 };
    char id[16];
    for (int i = 0; i < 200; i++) {
        snprintf(id, sizeof id, "old-%d", i);
        cr_assert(feed_publish(&ctx, auth.feed, REVOKED_SESSION, id, 0));
    }
    process_bus(&late, "notify");
    process_feed(&late);
    cr_assert(eventually(30000, whole, late.feed));
    cr_expect(knows(&late, REVOKED_SESSION, "old-0", 0, 0), "whole means that all is known");
    cr_expect(knows(&late, REVOKED_SESSION, "old-199", 0, 0));
    cr_expect_eq(losses(&late), 0);
    process_end(&late);
}

static bool seen_up(void *self)
{
    (void)self;
    return bus_up(auth.bus) && bus_up(media.bus);
}

Test(feed, a_dead_server_keeps_nothing_from_anybody)
{
    nats_server_signal(&server, SIGKILL);
    cr_assert(eventually(30000, broken, media.feed));
    struct ctx mine = { 0 };
    cr_expect_not(feed_publish(&mine, auth.feed, REVOKED_SESSION, "gap", 0));
    cr_expect_eq(mine.error->code, ERROR_UNAVAILABLE);
    ctx_finish(&mine);
    nats_server_start(&server);
    cr_assert(eventually(30000, whole, media.feed));
    cr_assert(eventually(30000, is_up, auth.bus));
    cr_assert(feed_publish(&ctx, auth.feed, REVOKED_SESSION, "after", 0));
    cr_expect(knows(&media, REVOKED_SESSION, "after", 0, 1000));
    cr_expect_eq(losses(&media), 0, "the stream outlived its server");
}

Test(feed, a_gap_is_seen_and_made_up)
{
    struct process cut_off = { 0 };
    struct nats_proxy *proxy = nats_proxy_create(&server);
    char url[96], id[16];
    snprintf(url, sizeof url, "nats://notify:p_notify@127.0.0.1:%d", nats_proxy_port(proxy));
    cut_off.bus = bus_open(&ctx, &(struct bus_options){ .url = url, .name = "notify" });
    process_feed(&cut_off);
    cr_assert(eventually(30000, whole, cut_off.feed));
    for (int round = 0; round < 3; round++) {
        snprintf(id, sizeof id, "gap-%d", round);
        nats_proxy_cut(proxy, true);
        cr_assert(eventually(30000, broken, cut_off.feed));
        int64_t known_ms = feed_known_ms(cut_off.feed);
        cr_assert(feed_publish(&ctx, auth.feed, REVOKED_SESSION, id, 0));
        sleep_ms(300);
        cr_expect_not(feed_revoked(cut_off.feed, REVOKED_SESSION, id, 0));
        cr_expect_eq(feed_known_ms(cut_off.feed), known_ms, "nothing is vouched for meanwhile");
        nats_proxy_cut(proxy, false);
        cr_assert(eventually(30000, whole, cut_off.feed));
        cr_expect(feed_revoked(cut_off.feed, REVOKED_SESSION, id, 0), "whole means that the gap is made up");
    }
    cr_expect_eq(losses(&cut_off), 0);
    process_end(&cut_off);
    nats_proxy_destroy(proxy);
}

Test(feed, what_was_published_during_an_absence_is_known_when_whole_again)
{
    for (int round = 0; round < 5; round++) {
        char id[16];
        snprintf(id, sizeof id, "r%d", round);
        process_end(&media); /* gone, with its connection */
        media = (struct process){ 0 };
        cr_assert(feed_publish(&ctx, auth.feed, REVOKED_APIKEY, id, 0));
        process_bus(&media, "media");
        process_feed(&media);
        cr_assert(eventually(30000, whole, media.feed));
        cr_expect(knows(&media, REVOKED_APIKEY, id, 0, 0));
    }
}

Test(feed, a_lost_stream_is_made_again_and_told)
{
    cr_assert(feed_publish(&ctx, auth.feed, REVOKED_SESSION, "before", 0));
    cr_assert(knows(&media, REVOKED_SESSION, "before", 0, 1000));
    uint64_t generation = feed_generation(media.feed);
    nats_server_signal(&server, SIGKILL);
    nats_server_wipe(&server);
    nats_server_start(&server);
    cr_assert(eventually(30000, seen_up, NULL));
    cr_assert(eventually(30000, whole, media.feed), "a new stream is followed");
    cr_expect_eq(losses(&media), 1);
    cr_expect_gt(feed_generation(media.feed), generation);
    cr_expect(knows(&media, REVOKED_SESSION, "before", 0, 0), "what was known stays known");
    cr_assert(feed_publish(&ctx, auth.feed, REVOKED_SESSION, "anew", 0));
    cr_expect(knows(&media, REVOKED_SESSION, "anew", 0, 1000));
}

Test(feed, a_frozen_server_breaks_it_within_three_seconds)
{
    nats_server_signal(&server, SIGSTOP);
    int64_t begin = clock_ms(), known_before = feed_known_ms(media.feed);
    cr_expect(eventually(3000, broken, media.feed), "%d ms", (int)(clock_ms() - begin));
    cr_expect_geq(feed_known_ms(media.feed), known_before);
    cr_expect_leq(feed_known_ms(media.feed), begin + 500);
    nats_server_signal(&server, SIGCONT);
    cr_expect(eventually(30000, whole, media.feed));
}

struct config {
    int64_t max_bytes;
};

struct info {
    struct config *config;
};

static const struct field config_fields[] = { FIELD("max_bytes", INTEGER, struct config, max_bytes), { 0 } };
static const struct field info_fields[] = {
    FIELD("config", RECORD, struct info, config, .record = config_fields, .item_size = sizeof(struct config)), { 0 }
};

Test(feed, a_stream_declared_otherwise_is_brought_up_to_date)
{
    struct stream larger = stream_revoked;
    larger.max_bytes *= 2;
    const struct stream *const one[] = { &larger, NULL };
    struct process other = { 0 };
    struct info info = { 0 };
    cr_assert(feed_publish(&ctx, auth.feed, REVOKED_SESSION, "kept", 0));
    process_bus(&other, "auth");
    cr_assert(streams_keep(&ctx, other.bus, one));
    cr_assert(js_ask(&ctx, auth.bus, "STREAM.INFO.REVOKED", NULL, info_fields, &info));
    cr_expect_eq(info.config->max_bytes, larger.max_bytes);
    cr_expect_eq(losses(&media), 0, "with all that it holds");
    bus_close(other.bus, 100);
}

static void *publish_many(void *self)
{
    struct process *process = self;
    char id[32];
    for (int i = 0; i < 100; i++) {
        struct ctx mine = { 0 };
        snprintf(id, sizeof id, "%p-%d", (void *)&mine, i);
        cr_expect(feed_publish(&mine, process->feed, REVOKED_SESSION, id, 0));
        ctx_finish(&mine);
    }
    return NULL;
}

Test(feed, many_threads_publish_while_others_look)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, publish_many, &auth);
    for (int i = 0; i < 2000; i++)
        feed_revoked(media.feed, REVOKED_SESSION, "none", 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_assert(feed_publish(&ctx, auth.feed, REVOKED_SESSION, "last", 0));
    cr_expect(knows(&media, REVOKED_SESSION, "last", 0, 1000));
}
