/* The mongodb back end when its server is frozen, gone, or its answers are lost. */
#include "store/store_fixture.h"

#include "base/calm_clock.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define AWAY_TEST(name)                                                                                                \
    static void name(struct fixture *fixture);                                                                         \
    Test(away, name, .timeout = 120)                                                                                   \
    {                                                                                                                  \
        with_ferretdb(name);                                                                                           \
    }                                                                                                                  \
    static void name(struct fixture *fixture)

/* A read and a write, each with this long to live: both must be refused as UNAVAILABLE, and in time. */
static void expect_away(struct fixture *fixture, int64_t limit_ms)
{
    struct ctx *ctx = &fixture->ctx;
    struct song song;
    int64_t began = calm_ms();
    ctx->deadline_ms = clock_ms() + limit_ms;
    fails(ctx, ERROR_UNAVAILABLE, store_get(ctx, fixture->store, &songs, "a", &song));
    cr_expect_lt(calm_ms() - began, limit_ms + 200, "a read of %lld ms took %lld", (long long)limit_ms,
                 (long long)(calm_ms() - began));
    began = calm_ms();
    ctx->deadline_ms = clock_ms() + limit_ms;
    fails(ctx, ERROR_UNAVAILABLE, store_insert(ctx, fixture->store, &songs, song_new(fixture, "b", NULL), NO_EVENTS));
    cr_expect_lt(calm_ms() - began, limit_ms + 200, "a write of %lld ms took %lld", (long long)limit_ms,
                 (long long)(calm_ms() - began));
    ctx->deadline_ms = 0;
}

static void expect_back(struct fixture *fixture)
{
    struct ctx *ctx = &fixture->ctx;
    struct song song;
    int64_t began = clock_ms();
    bool back = false;
    while (!back && clock_ms() - began < 30000) {
        ctx->deadline_ms = clock_ms() + 1500;
        back = store_get(ctx, fixture->store, &songs, "a", &song);
        ctx->error = NULL;
        nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    }
    ctx->deadline_ms = 0;
    cr_expect(back, "it did not come back");
    cr_expect_str_eq(song.doc.id, "a");
}

AWAY_TEST(a_frozen_server_costs_no_more_than_the_deadline)
{
    struct ctx *ctx = &fixture->ctx;
    ok(ctx, store_insert(ctx, fixture->store, &songs, song_new(fixture, "a", "a"), NO_EVENTS));
    kill(fixture->server, SIGSTOP);
    waitpid(fixture->server, NULL, WUNTRACED); /* its threads stop one after the other; the last may still answer */
    expect_away(fixture, 300);
    expect_away(fixture, 1200);
    expect_away(fixture, 2000);
    /* After the first few the breaker refuses at once. */
    int64_t began = calm_ms();
    for (int i = 0; i < 20; i++) {
        struct song song;
        ctx->deadline_ms = clock_ms() + 300;
        fails(ctx, ERROR_UNAVAILABLE, store_get(ctx, fixture->store, &songs, "a", &song));
    }
    cr_expect_lt(calm_ms() - began, 1000);
    fails(ctx, ERROR_UNAVAILABLE, store_ping(ctx, fixture->store));
    kill(fixture->server, SIGCONT);
    expect_back(fixture);
    ctx->deadline_ms = 0;
    ok(ctx, store_ping(ctx, fixture->store));
}

/* A request may take longer than one call of it may wait: what is away is told, not waited for. Three calls: then the
 * breaker refuses. */
AWAY_TEST(a_call_waits_for_a_frozen_server_no_longer_than_the_patience)
{
    struct ctx *ctx = &fixture->ctx;
    struct song song;
    struct page page;
    ok(ctx, store_insert(ctx, fixture->store, &songs, song_new(fixture, "a", "a"), NO_EVENTS));
    kill(fixture->server, SIGSTOP);
    waitpid(fixture->server, NULL, WUNTRACED);
    int64_t began = calm_ms(), deadline_ms = clock_ms() + 20000;
    ctx->deadline_ms = deadline_ms;
    ctx->patience_ms = 500;
    fails(ctx, ERROR_UNAVAILABLE, store_get(ctx, fixture->store, &songs, "a", &song));
    fails(ctx, ERROR_UNAVAILABLE, store_scan(ctx, fixture->store, &songs, &(struct scan){ .limit = 5 }, &page));
    fails(ctx, ERROR_UNAVAILABLE,
          store_find(ctx, fixture->store, &songs, "by_slug", (struct key[]){ { .text = "a" } }, 1, &song));
    cr_expect_lt(calm_ms() - began, 3000, "three calls took %lld ms", (long long)(calm_ms() - began));
    cr_expect_eq(ctx->deadline_ms, deadline_ms);
    ctx->deadline_ms = ctx->patience_ms = 0;
    kill(fixture->server, SIGCONT);
    expect_back(fixture);
}

AWAY_TEST(a_server_that_is_gone_costs_no_more_than_the_deadline)
{
    struct ctx *ctx = &fixture->ctx;
    ok(ctx, store_insert(ctx, fixture->store, &songs, song_new(fixture, "a", "a"), NO_EVENTS));
    fixture_server_kill(fixture);
    expect_away(fixture, 300);
    expect_away(fixture, 1200);
    expect_away(fixture, 2000);
    fixture_server_start(fixture);
    expect_back(fixture);
    ok(ctx, store_insert(ctx, fixture->store, &songs, song_new(fixture, "c", "c"), NO_EVENTS));
}

AWAY_TEST(a_start_without_a_server_fails_in_time)
{
    struct ctx ctx = { .request_id = "", .deadline_ms = clock_ms() + 3000 };
    fixture_server_kill(fixture);
    int64_t began = calm_ms();
    fails(&ctx, ERROR_UNAVAILABLE, fixture_open(&ctx, fixture));
    cr_expect_lt(calm_ms() - began, 3000);
    fixture_server_start(fixture);
    ctx_finish(&ctx);
}

AWAY_TEST(ferretdb_is_refused_unless_it_was_asked_for)
{
    struct ctx *ctx = &fixture->ctx;
    cr_expect_str_eq(store_kind(fixture->store), "ferretdb");
    fixture->ferretdb = false;
    fails(ctx, ERROR_INVALID, fixture_open(ctx, fixture));
    snprintf(fixture->url, sizeof fixture->url, "mongodb://%%zz/");
    fails(ctx, ERROR_INVALID, fixture_open(ctx, fixture));
}

/* A proxy that lets requests through and loses the answers to some writes. */
struct proxy {
    int listener, port, server_port;
    atomic_int lose;   /* so many answers to writes */
    atomic_int refuse; /* so many writes are not even sent on */
    atomic_int lax;    /* writes that did not ask for a majority and its journal */
    atomic_int late;   /* so many answers to reads of the catalog come after LATE_MS */
    pthread_t thread;
};

enum { LATE_MS = 1300 }; /* longer than what was read of it holds */

struct pipe_ends {
    struct proxy *proxy;
    int client;
};

static int dial(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool read_all(int fd, char *out, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, out + done, size - done);
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

/* A whole message of the wire protocol, to be freed; its length comes first. */
static char *read_message(int fd, size_t *size)
{
    uint32_t length;
    if (!read_all(fd, (char *)&length, 4) || length < 16 || length > 48000000)
        return NULL;
    char *message = malloc(length + 64);
    memcpy(message, &length, 4);
    memset(message + length, 0, 64);
    *size = length;
    if (read_all(fd, message + 4, length - 4))
        return message;
    free(message);
    return NULL;
}

/* The first member of an OP_MSG's document is its command. */
static bool is_write(const char *message)
{
    const char *command = message + 16 + 4 + 1 + 4 + 1;
    return strcmp(command, "insert") == 0 || strcmp(command, "update") == 0 || strcmp(command, "delete") == 0 ||
           strcmp(command, "findAndModify") == 0;
}

/* {writeConcern: {w: "majority", j: true}}, as BSON has it. */
static bool is_careful(const char *message, size_t size)
{
    static const char majority[] = "\x02w\0\x09\0\0\0majority", journal[] = "\x08j\0\x01";
    return memmem(message, size, "writeConcern", sizeof "writeConcern") &&
           memmem(message, size, majority, sizeof majority) && memmem(message, size, journal, sizeof journal - 1);
}

static bool is_catalog_read(const char *message)
{
    static const char find[] = "find\0\x0e\0\0\0store_catalog"; /* its length with its NUL */
    return memcmp(message + 16 + 4 + 1 + 4 + 1, find, sizeof find) == 0;
}

static void wait_ms(long ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

static bool take_one(atomic_int *count)
{
    return atomic_load(count) > 0 && atomic_fetch_sub(count, 1) > 0;
}

static bool pass_on(struct proxy *proxy, int client, int server)
{
    size_t size;
    char *request = read_message(client, &size);
    if (!request)
        return false;
    bool writes = is_write(request);
    if (writes && !is_careful(request, size))
        atomic_fetch_add(&proxy->lax, 1);
    if (is_catalog_read(request) && take_one(&proxy->late))
        wait_ms(LATE_MS);
    bool good = !(writes && take_one(&proxy->refuse)) && write(server, request, size) == (ssize_t)size;
    free(request);
    char *reply = good ? read_message(server, &size) : NULL;
    good = reply && !(writes && take_one(&proxy->lose)) && write(client, reply, size) == (ssize_t)size;
    free(reply);
    return good;
}

static void *serve_one(void *self)
{
    struct pipe_ends ends = *(struct pipe_ends *)self;
    free(self);
    int server = dial(ends.proxy->server_port);
    while (server >= 0 && pass_on(ends.proxy, ends.client, server))
        continue;
    close(ends.client);
    if (server >= 0)
        close(server);
    return NULL;
}

static void *serve(void *self)
{
    struct proxy *proxy = self;
    for (;;) {
        struct pipe_ends *ends = malloc(sizeof *ends);
        *ends = (struct pipe_ends){ proxy, accept(proxy->listener, NULL, NULL) };
        pthread_t thread;
        if (ends->client < 0 || pthread_create(&thread, NULL, serve_one, ends) != 0) {
            free(ends);
            return NULL;
        }
        pthread_detach(thread);
    }
}

static struct proxy *proxy_start(struct fixture *fixture)
{
    static struct proxy proxy; /* its threads end with the process */
    signal(SIGPIPE, SIG_IGN);
    proxy.server_port = atoi(strrchr(fixture->address, ':') + 1);
    proxy.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof at;
    cr_assert(bind(proxy.listener, (struct sockaddr *)&at, size) == 0 && listen(proxy.listener, 64) == 0 &&
              getsockname(proxy.listener, (struct sockaddr *)&at, &size) == 0);
    proxy.port = ntohs(at.sin_port);
    cr_assert(pthread_create(&proxy.thread, NULL, serve, &proxy) == 0);
    return &proxy;
}

/* Two ways to fail: the write was done and the answer lost, or it never came there. Both must end as one write. */
static void arm(struct proxy *proxy, int how)
{
    atomic_store(how ? &proxy->refuse : &proxy->lose, 1);
}

static void write_through(struct fixture *fixture, struct store *store, struct proxy *proxy, int how)
{
    struct ctx *ctx = &fixture->ctx;
    char *id = arena_printf(&ctx->arena, "doc%d", how);
    struct song *song = song_new(fixture, id, id), back;
    struct event event = { .type = "event.track.made" };
    arm(proxy, how);
    ok(ctx, store_insert(ctx, store, &songs, song, EVENTS(event)));
    song->title = "new";
    arm(proxy, how);
    ok(ctx, store_update(ctx, store, &songs, song, (struct update){ .set = FIELDS("title"), .events = EVENTS(event) }));
    cr_expect_eq(song->doc.version, 2);
    song->year = 2000; /* an index with the title: the old document is needed */
    arm(proxy, how);
    ok(ctx, store_update(ctx, store, &songs, song, (struct update){ .set = FIELDS("year") }));
    ok(ctx, store_get(ctx, store, &songs, id, &back));
    cr_expect_eq(back.doc.version, 3);
    cr_expect_str_eq(back.title, "new");
    struct song *stale = song_new(fixture, id, id);
    stale->doc.version = 2;
    arm(proxy, how);
    fails(ctx, ERROR_CONFLICT, store_update(ctx, store, &songs, stale, (struct update){ .set = FIELDS("plays") }));
    arm(proxy, how);
    fails(ctx, ERROR_CONFLICT, store_insert(ctx, store, &songs, stale, NO_EVENTS));
    arm(proxy, how);
    ok(ctx, store_remove(ctx, store, &songs, id, 3, EVENTS(event)));
    fails(ctx, ERROR_NOT_FOUND, store_get(ctx, store, &songs, id, &back));
    struct outbox_event *events;
    size_t count;
    ok(ctx, outbox_read(ctx, store, 100, &events, &count));
    cr_expect_eq(count, 3, "%zu events", count);
    ok(ctx, outbox_done(ctx, store, events, count));
}

/* And none is asked for carelessly. */
AWAY_TEST(a_lost_answer_makes_neither_two_writes_nor_none)
{
    struct ctx *ctx = &fixture->ctx;
    struct store *store;
    struct proxy *proxy = proxy_start(fixture);
    snprintf(fixture->url, sizeof fixture->url, "mongodb://127.0.0.1:%d/test", proxy->port);
    ok(ctx, store = fixture_open(ctx, fixture));
    for (int how = 0; how < 2; how++)
        write_through(fixture, store, proxy, how);

    /* A count is done once or not at all, and it is said which. */
    int64_t after;
    ok(ctx, store_adjust(ctx, store, &songs, "n", "plays", 5, &after));
    arm(proxy, 0);
    ok(ctx, store_adjust(ctx, store, &songs, "n", "plays", 5, &after));
    cr_expect_eq(after, 10);
    arm(proxy, 1);
    fails(ctx, ERROR_UNAVAILABLE, store_adjust(ctx, store, &songs, "n", "plays", 5, &after));
    ok(ctx, store_adjust(ctx, store, &songs, "n", "plays", 0, &after));
    cr_expect_eq(after, 10);

    static const char *const plays[] = { "plays", NULL };
    /* Many at once: what the lost answer left open is found out. */
    struct write writes[40] = { 0 };
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 40; i++) {
            struct song *song = song_new(fixture, arena_printf(&ctx->arena, "many%d-%d", round, i), NULL);
            writes[i] = (struct write){ .kind = WRITE_INSERT, .of = &songs, .record = song };
        }
        arm(proxy, round);
        ok(ctx, store_write_many(ctx, store, writes, 40));
        for (int i = 0; i < 40; i++) {
            cr_expect_null(writes[i].error, "insert %d: %s", i, writes[i].error ? writes[i].error->message : "");
            writes[i].kind = WRITE_UPDATE;
            writes[i].update.set = plays;
            ((struct song *)writes[i].record)->plays = i;
        }
        ((struct song *)writes[7].record)->doc.version = 9;
        arm(proxy, round);
        ok(ctx, store_write_many(ctx, store, writes, 40));
        for (int i = 0; i < 40; i++)
            cr_expect_eq(writes[i].error ? (int)writes[i].error->code : -1, i == 7 ? ERROR_CONFLICT : -1, "update %d",
                         i);
    }
    cr_expect_eq(atomic_load(&proxy->lax), 0, "%d writes would be acknowledged before they are durable",
                 atomic_load(&proxy->lax));
    store_close(store);
}

/* Only what is declared puts a document into its indexes: while the store is too slow to tell, none is written. */
AWAY_TEST(a_slow_store_loses_no_index_of_a_document)
{
    struct ctx *ctx = &fixture->ctx;
    struct store *store;
    struct song song;
    struct key slug = KEY_TEXT("slow");
    struct proxy *proxy = proxy_start(fixture);
    snprintf(fixture->url, sizeof fixture->url, "mongodb://127.0.0.1:%d/test", proxy->port);
    ok(ctx, store = fixture_open(ctx, fixture));
    wait_ms(LATE_MS); /* what was read when it was opened is too old by now */
    atomic_store(&proxy->late, 1);
    ok(ctx, store_insert(ctx, store, &songs, song_new(fixture, "a", "slow"), NO_EVENTS));
    cr_expect_eq(atomic_load(&proxy->late), 0, "the catalog was not asked for");
    ok(ctx, store_find(ctx, store, &songs, "by_slug", &slug, 1, &song));
    cr_expect_str_eq(song.doc.id, "a");

    wait_ms(LATE_MS);
    atomic_store(&proxy->late, 100);
    fails(ctx, ERROR_UNAVAILABLE, store_insert(ctx, store, &songs, song_new(fixture, "b", "never"), NO_EVENTS));
    atomic_store(&proxy->late, 0);
    fails(ctx, ERROR_NOT_FOUND, store_get(ctx, store, &songs, "b", &song));
    store_close(store);
}
