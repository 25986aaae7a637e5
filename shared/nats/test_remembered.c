/* How long an answer about a person is believed, and by whom it is asked for. */
#include "base/calm_clock.h"
#include "base/clock.h"
#include "nats/nats_fixture.h"
#include "nats/remembered.h"
#include "nats/streams.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct nats_server server;
static struct ctx ctx;
static struct bus *bus;
static struct feed *feed;
static struct remembered *remembered;
static uint64_t era;

static const struct stream *const streams[] = { &stream_revoked, NULL };

/* What the asked one does. */
static struct {
    int asked, delay_ms;
    int crowd, come; /* the answer waits until so many have come to ask */
    enum error_code fails;
    bool failing;
    int64_t version;         /* of the user in the answer */
    int64_t roles_version;   /* of the roles */
    void (*meanwhile)(void); /* before the answer is back */
} other;

static void *copy_text(struct arena *to, const void *value)
{
    return arena_strdup(to, value);
}

static void *answer(struct ctx *mine, void *self, const void *question, struct grounds *grounds)
{
    (void)self;
    __atomic_add_fetch(&other.asked, 1, __ATOMIC_SEQ_CST);
    int64_t version = other.version, roles_version = other.roles_version;
    while (__atomic_load_n(&other.come, __ATOMIC_SEQ_CST) < other.crowd)
        sleep_ms(1);
    if (other.delay_ms)
        sleep_ms(other.delay_ms);
    if (other.meanwhile)
        other.meanwhile();
    if (other.failing)
        return ctx_fail(mine, other.fails, "the other fails");
    *grounds = (struct grounds){
        .session = "s1", .apikey = "k1", .user = "u1", .user_version = version, .roles_version = roles_version
    };
    return arena_strdup(&mine->arena, question);
}

static const char *get(const char *key)
{
    ctx.error = NULL;
    return remembered_get(&ctx, remembered, key, answer, NULL, key);
}

static int error_of(const char *value)
{
    return value ? 200 : error_http_status(ctx.error->code);
}

static bool whole(void *self)
{
    return feed_whole(self);
}

enum { BLIND_MS = 2500 };

static void start(int64_t fresh_ms, int64_t away_ms)
{
    static char conf[512];
    snprintf(conf, sizeof conf, "%s/compose/nats.conf", getenv("ROOT"));
    nats_server_create(&server, conf);
    char *url = nats_server_url(&server, "auth");
    bus = bus_open(&ctx, &(struct bus_options){ .url = url, .name = "auth" });
    free(url);
    cr_assert(streams_keep(&ctx, bus, streams));
    feed = feed_open(&ctx, &(struct feed_options){ .bus = bus, .keep_ms = 60000 });
    cr_assert(eventually(30000, whole, feed));
    remembered = remembered_create(&(struct remembered_options){ .feed = feed,
                                                                 .era = &era,
                                                                 .capacity = 100,
                                                                 .fresh_ms = fresh_ms,
                                                                 .blind_ms = BLIND_MS,
                                                                 .away_ms = away_ms,
                                                                 .copy = copy_text });
}

static void finish(void)
{
    remembered_destroy(remembered);
    feed_close(feed);
    bus_close(bus, 200);
    nats_server_destroy(&server);
    ctx_finish(&ctx);
}

Test(remembered, is_asked_once)
{
    start(0, 0);
    for (int i = 0; i < 5; i++)
        cr_expect_str_eq(get("a"), "a");
    cr_expect_eq(other.asked, 1);
    cr_expect_str_eq(get("b"), "b");
    cr_expect_eq(other.asked, 2);
    finish();
}

static void *get_in_thread(void *out)
{
    struct ctx mine = { 0 };
    __atomic_add_fetch(&other.come, 1, __ATOMIC_SEQ_CST);
    *(bool *)out = remembered_get(&mine, remembered, "same", answer, NULL, "same") != NULL;
    ctx_finish(&mine);
    return NULL;
}

static int ask_from_twenty(void)
{
    pthread_t threads[20];
    bool good[20];
    int sum = 0;
    for (int i = 0; i < 20; i++)
        pthread_create(&threads[i], NULL, get_in_thread, &good[i]);
    for (int i = 0; i < 20; i++) {
        pthread_join(threads[i], NULL);
        sum += good[i];
    }
    return sum;
}

Test(remembered, twenty_at_once_are_one_question)
{
    start(0, 0);
    other.delay_ms = 100;
    cr_expect_eq(ask_from_twenty(), 20);
    cr_expect_eq(other.asked, 1);
    finish();
}

Test(remembered, twenty_at_once_learn_of_an_outage_from_one_question)
{
    start(0, 0);
    other.delay_ms = 100;
    other.crowd = 20;
    other.failing = true;
    other.fails = ERROR_UNAVAILABLE;
    int64_t begin = calm_ms();
    cr_expect_eq(ask_from_twenty(), 0);
    cr_expect_leq(other.asked, 3, "%d", other.asked); /* one may come to it after the first answer */
    cr_expect_lt(calm_ms() - begin, 600);
    finish();
}

Test(remembered, a_refusal_lives_two_seconds_and_an_outage_is_not_one)
{
    start(0, 0);
    other.failing = true;
    other.fails = ERROR_UNAVAILABLE;
    cr_expect_eq(error_of(get("a")), 503);
    cr_expect_eq(error_of(get("a")), 503);
    cr_expect_eq(other.asked, 2, "an outage is not remembered");
    other.fails = ERROR_UNAUTHORIZED;
    cr_expect_eq(error_of(get("a")), 401);
    other.failing = false;
    cr_expect_eq(error_of(get("a")), 401);
    cr_expect_eq(other.asked, 3);
    sleep_ms(2100);
    cr_expect_eq(error_of(get("a")), 200);
    finish();
}

Test(remembered, a_revocation_ends_it_at_once)
{
    start(0, 0);
    cr_expect_eq(error_of(get("a")), 200);
    feed_note(feed, REVOKED_SESSION, "s1", 0);
    cr_expect_eq(error_of(get("a")), 401);
    finish();
}

Test(remembered, a_changed_user_is_asked_for_again)
{
    start(0, 0);
    other.version = 1;
    cr_expect_eq(error_of(get("a")), 200);
    other.version = 2;
    feed_note(feed, CHANGED_USER, "u1", 2);
    cr_expect_eq(error_of(get("a")), 200);
    cr_expect_eq(other.asked, 2);
    cr_expect_eq(error_of(get("a")), 200);
    cr_expect_eq(other.asked, 2);
    finish();
}

static void revoke_meanwhile(void)
{
    feed_note(feed, REVOKED_SESSION, "s1", 0);
}

Test(remembered, a_revocation_that_overtakes_the_answer_is_honoured)
{
    start(0, 0);
    other.meanwhile = revoke_meanwhile;
    cr_expect_eq(error_of(get("a")), 401);
    other.meanwhile = NULL;
    cr_expect_eq(error_of(get("a")), 401, "and nothing was remembered");
    finish();
}

static void change_meanwhile(void)
{
    other.version = 2;
    feed_note(feed, CHANGED_USER, "u1", 2);
}

Test(remembered, a_change_that_overtakes_the_answer_makes_it_asked_again)
{
    start(0, 0);
    other.version = 1;
    other.meanwhile = change_meanwhile;
    cr_expect_eq(error_of(get("a")), 200);
    cr_expect_eq(other.asked, 2);
    finish();
}

/* What a role may was changed: all answers of before are asked for again, once. */
Test(remembered, newer_roles_make_it_asked_again)
{
    start(0, 0);
    other.roles_version = 4;
    cr_expect_eq(error_of(get("a")), 200);
    feed_note(feed, CHANGED_USER, FEED_ROLES, 4);
    cr_expect_eq(error_of(get("a")), 200);
    cr_expect_eq(other.asked, 1, "it was read from these");
    other.roles_version = 5;
    feed_note(feed, CHANGED_USER, FEED_ROLES, 5);
    feed_note(feed, CHANGED_USER, FEED_ROLES, 3);
    cr_expect_eq(error_of(get("a")), 200);
    cr_expect_eq(error_of(get("a")), 200);
    cr_expect_eq(other.asked, 2);
    other.roles_version = 0;
    cr_expect_eq(error_of(get("b")), 200, "an older auth tells none");
    finish();
}

static void change_roles_meanwhile(void)
{
    other.roles_version = 2;
    feed_note(feed, CHANGED_USER, FEED_ROLES, 2);
}

Test(remembered, roles_that_overtake_the_answer_make_it_asked_again)
{
    start(0, 0);
    other.roles_version = 1;
    other.meanwhile = change_roles_meanwhile;
    cr_expect_eq(error_of(get("a")), 200);
    cr_expect_eq(other.asked, 2);
    finish();
}

Test(remembered, another_era_asks_anew)
{
    start(0, 0);
    get("a");
    __atomic_add_fetch(&era, 1, __ATOMIC_SEQ_CST);
    get("a");
    cr_expect_eq(other.asked, 2);
    finish();
}

static bool is_doubted(void *none)
{
    (void)none;
    return error_of(get("a")) == 503;
}

static bool is_cut_off(void *none)
{
    (void)none;
    return !feed_whole(feed);
}

Test(remembered, without_the_feed_it_holds_for_a_while_and_then_no_more)
{
    start(0, 0);
    cr_expect_eq(error_of(get("a")), 200);
    int64_t begin = clock_ms();
    nats_server_signal(&server, SIGKILL);
    other.failing = true;
    other.fails = ERROR_UNAVAILABLE;
    cr_assert(eventually(30000, is_cut_off, NULL));
    cr_expect_eq(error_of(get("a")), 200, "still vouched for");
    cr_expect_eq(error_of(get("new")), 503);
    cr_expect(eventually(BLIND_MS + 1000, is_doubted, NULL)); /* and the half second between two looks of the feed */
    cr_expect_geq(clock_ms() - begin, BLIND_MS - 600);
    nats_server_start(&server);
    cr_assert(eventually(30000, whole, feed));
    cr_expect_eq(error_of(get("a")), 200, "the gap was made up, and there was nothing in it");
    finish();
}

Test(remembered, an_old_answer_is_better_than_none_where_that_is_wanted)
{
    start(100, 20000);
    cr_expect_eq(error_of(get("a")), 200);
    sleep_ms(150);
    cr_expect_eq(error_of(get("a")), 200);
    cr_expect_eq(other.asked, 2, "older than fresh_ms");
    sleep_ms(150);
    other.failing = true;
    other.fails = ERROR_UNAVAILABLE;
    cr_expect_eq(error_of(get("a")), 200, "auth does not answer");
    cr_expect_eq(other.asked, 3);
    feed_note(feed, REVOKED_APIKEY, "k1", 0);
    cr_expect_eq(error_of(get("a")), 401, "but never a revoked one");
    finish();
}

Test(remembered, is_bounded)
{
    start(0, 0);
    char key[16];
    for (int i = 0; i < 300; i++) {
        snprintf(key, sizeof key, "k%d", i);
        cr_expect_str_eq(get(key), key);
    }
    cr_expect_eq(other.asked, 300);
    get("k299");
    cr_expect_eq(other.asked, 300);
    get("k0");
    cr_expect_eq(other.asked, 301, "pushed out");
    finish();
}
