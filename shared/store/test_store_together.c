/* Many at once: clients in threads, processes, and processes that are killed. */
#include "store/store_fixture.h"

#include "base/calm_clock.h"
#include "base/clock.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { CLIENTS = 20, ROUNDS = 25 };

struct client {
    struct fixture *fixture;
    struct store *store;
    atomic_int *winners; /* by version */
    int number;
    int lost;
    pthread_t thread;
};

/* Each round all clients have read the same version; one may win it. */
static void *race(void *self)
{
    struct client *client = self;
    struct ctx ctx = { .request_id = "" };
    for (int round = 0; round < ROUNDS; round++) {
        struct song song;
        if (!store_get(&ctx, client->store, &songs, "a", &song)) {
            client->lost++;
            break;
        }
        int64_t version = song.doc.version;
        song.year = 1000 + client->number;
        if (store_update(&ctx, client->store, &songs, &song, (struct update){ .set = FIELDS("year") }))
            atomic_fetch_add(&client->winners[version], 1);
        else if (!ctx_forgive(&ctx, ERROR_CONFLICT))
            client->lost++;
        if (!store_adjust(&ctx, client->store, &songs, "n", "plays", 1, NULL))
            client->lost++;
        ctx_finish(&ctx);
    }
    return NULL;
}

static void run_clients(struct fixture *fixture, struct store *second, void *(*run)(void *), atomic_int *winners)
{
    static struct client clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){
            .fixture = fixture, .store = i % 2 ? second : fixture->store, .winners = winners, .number = i
        };
        cr_assert(pthread_create(&clients[i].thread, NULL, run, &clients[i]) == 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(clients[i].thread, NULL);
        cr_expect_eq(clients[i].lost, 0, "client %d", i);
    }
}

STORE_TEST(one_winner_for_a_version_and_no_increment_lost)
{
    struct ctx *ctx = &fixture->ctx;
    static atomic_int winners[CLIENTS * ROUNDS + 2];
    struct store *second;
    ok(ctx, second = fixture_open(ctx, fixture));
    ok(ctx, store_insert(ctx, fixture->store, &songs, song_new(fixture, "a", "a"), NO_EVENTS));
    run_clients(fixture, second, race, winners);

    struct song song;
    int64_t wins = 0;
    ok(ctx, store_get(ctx, second, &songs, "a", &song));
    for (int64_t v = 1; v < song.doc.version; v++) {
        cr_expect_eq(winners[v], 1, "version %lld: %d winners", (long long)v, winners[v]);
        wins += winners[v];
    }
    cr_expect_eq(winners[song.doc.version], 0);
    cr_expect_eq(wins, song.doc.version - 1);
    cr_expect_geq(wins, ROUNDS);
    ok(ctx, store_get(ctx, fixture->store, &songs, "n", &song));
    cr_expect_eq(song.plays, CLIENTS * ROUNDS);
    store_close(second);
}

/* All insert the same ids and the same unique keys. */
static void *collide(void *self)
{
    struct client *client = self;
    struct ctx ctx = { .request_id = "" };
    for (int round = 0; round < ROUNDS; round++) {
        bool same_id = round % 2;
        const char *key = arena_printf(&ctx.arena, "k%d", round);
        struct song song = { .doc.id = same_id ? key : arena_printf(&ctx.arena, "k%d-%d", round, client->number),
                             .slug = key };
        if (store_insert(&ctx, client->store, &songs, &song, EVENTS({ .type = "event.track.made" })))
            atomic_fetch_add(&client->winners[round], 1);
        else if (!ctx_forgive(&ctx, ERROR_CONFLICT))
            client->lost++;
        ctx_finish(&ctx);
    }
    return NULL;
}

STORE_TEST(one_winner_for_an_id_and_for_a_unique_key)
{
    struct ctx *ctx = &fixture->ctx;
    static atomic_int winners[ROUNDS];
    struct store *second;
    ok(ctx, second = fixture_open(ctx, fixture));
    run_clients(fixture, second, collide, winners);
    for (int i = 0; i < ROUNDS; i++)
        cr_expect_eq(winners[i], 1, "round %d: %d winners", i, winners[i]);
    struct outbox_event *events;
    size_t count;
    ok(ctx, outbox_read(ctx, fixture->store, 1000, &events, &count));
    cr_expect_eq(count, ROUNDS);
    store_close(second);
}

/* A process that inserts until it is killed and says each id when it was acknowledged. */
static int start_writer(struct fixture *fixture, const char *name, int *out)
{
    int ends[2];
    cr_assert(pipe(ends) == 0);
    int pid = fork();
    if (pid != 0) {
        close(ends[1]);
        *out = ends[0];
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct ctx ctx = { .request_id = "" };
    struct store *store = fixture_open(&ctx, fixture);
    for (int i = 0; store; i++) {
        char id[32];
        snprintf(id, sizeof id, "%s%06d", name, i);
        struct song song = { .doc.id = id, .slug = id, .year = 1 };
        if (!store_insert(&ctx, store, &songs, &song, EVENTS({ .type = "event.track.made" })) ||
            write(ends[1], id, 8) != 8)
            break;
        ctx_finish(&ctx);
    }
    _exit(1);
}

/* Counts what was acknowledged and is there, with its index entry. */
static size_t check_acknowledged(struct fixture *fixture, int out)
{
    struct ctx *ctx = &fixture->ctx;
    char id[9] = "";
    size_t count = 0;
    for (ssize_t n; (n = read(out, id, 8)) == 8; count++) {
        struct song song;
        ok(ctx, store_get(ctx, fixture->store, &songs, id, &song));
        if (fixture->ferretdb && count % 10) /* no index of its is ever used */
            continue;
        ok(ctx, store_find(ctx, fixture->store, &songs, "by_slug", &KEY_TEXT(id), 1, &song));
        cr_assert_str_eq(song.doc.id, id);
    }
    close(out);
    return count;
}

/* The documents of writers. */
static size_t count_written(struct fixture *fixture)
{
    struct ctx *ctx = &fixture->ctx;
    struct scan scan = { .limit = 1000 };
    struct page page;
    size_t count = 0;
    do {
        ok(ctx, store_scan(ctx, fixture->store, &songs, &scan, &page));
        for (size_t i = 0; i < page.count; i++)
            count += ((struct song *)page.items)[i].year == 1;
        scan.cursor = page.next;
    } while (page.next);
    return count;
}

static size_t relay_all(struct fixture *fixture)
{
    struct ctx *ctx = &fixture->ctx;
    struct outbox_event *events;
    size_t all = 0, count;
    do {
        ok(ctx, outbox_read(ctx, fixture->store, 100, &events, &count));
        ok(ctx, outbox_done(ctx, fixture->store, events, count));
        all += count;
    } while (count);
    return all;
}

STORE_TEST(a_killed_writer_loses_nothing_acknowledged_and_holds_up_nobody)
{
    struct ctx *ctx = &fixture->ctx;
    int rounds = fixture->ferretdb ? 2 : 5;
    for (int round = 0; round < rounds; round++) {
        int outs[2], pids[2];
        for (int i = 0; i < 2; i++)
            pids[i] = start_writer(fixture, (const char[]){ (char)('a' + round * 2 + i), 'w', 0 }, &outs[i]);
        for (int i = 0; i < 2; i++) /* both are writing */
            cr_assert(poll(&(struct pollfd){ .fd = outs[i], .events = POLLIN }, 1, 20000) == 1);
        nanosleep(&(struct timespec){ .tv_nsec = (100 + round * 13) * 1000000 }, NULL);
        kill(pids[0], SIGKILL);
        waitpid(pids[0], NULL, 0);
        /* The other one goes on, and so do we. */
        int64_t began = calm_ms();
        char *id = arena_printf(&ctx->arena, "ours%d", round);
        ok(ctx, store_insert(ctx, fixture->store, &songs, song_new(fixture, id, id), NO_EVENTS));
        cr_expect_lt(calm_ms() - began, 2000);
        kill(pids[1], SIGKILL);
        waitpid(pids[1], NULL, 0);
        for (int i = 0; i < 2; i++)
            cr_expect_gt(check_acknowledged(fixture, outs[i]), 0);
    }
    /* A document and its event were written together; what a killed client had sent, its server may do after its death.
     */
    size_t documents = 0, relayed = 0;
    int64_t until = clock_ms() + 20000;
    do {
        documents = count_written(fixture);
        relayed += relay_all(fixture);
    } while (documents != relayed && clock_ms() < until);
    cr_expect_eq(documents, relayed, "%zu documents, %zu events", documents, relayed);
}

/* Writes for a while and says how long its slowest write took. */
static int start_busy(struct fixture *fixture, int number, int *out)
{
    int ends[2];
    cr_assert(pipe(ends) == 0);
    int pid = fork();
    if (pid != 0) {
        close(ends[1]);
        *out = ends[0];
        return pid;
    }
    struct ctx ctx = { .request_id = "" };
    struct store *store = fixture_open(&ctx, fixture);
    int64_t result[2] = { 0, 0 };
    for (int64_t end = calm_ms() + 1500; store && calm_ms() < end; result[0]++) {
        int64_t began = calm_ms();
        char id[32];
        snprintf(id, sizeof id, "busy%d", number);
        if (!store_adjust(&ctx, store, &songs, id, "plays", 1, NULL))
            break;
        int64_t took = calm_ms() - began;
        result[1] = took > result[1] ? took : result[1];
        ctx_finish(&ctx);
    }
    _exit(write(ends[1], result, sizeof result) != sizeof result);
}

/* A turn is ours to give; how long a disk takes for it is not. */
static void processes_take_turns(struct fixture *fixture)
{
    struct ctx *ctx = &fixture->ctx;
    int outs[3], pids[3];
    calm_ms(); /* the children's too: under TSan they can start no thread */
    for (int i = 0; i < 3; i++)
        pids[i] = start_busy(fixture, i, &outs[i]);
    for (int i = 0; i < 3; i++) {
        int64_t result[2] = { 0 };
        cr_assert(read(outs[i], result, sizeof result) == sizeof result);
        waitpid(pids[i], NULL, 0);
        struct song song;
        ok(ctx, store_get(ctx, fixture->store, &songs, arena_printf(&ctx->arena, "busy%d", i), &song));
        cr_expect_eq(song.plays, result[0]);
        cr_expect_gt(result[0], 20);
        cr_expect_lt(result[1], 500, "process %d waited %lld ms", i, (long long)result[1]);
    }
}

Test(embedded, processes_take_turns, .timeout = 120)
{
    store_fixture_in_memory = true;
    with_embedded(processes_take_turns);
}

Test(ferretdb, processes_take_turns, .timeout = 120)
{
    store_fixture_in_memory = true;
    with_ferretdb(processes_take_turns);
}
