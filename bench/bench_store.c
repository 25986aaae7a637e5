/*
 * bench_store DIR MIGRATIONS SECONDS [ROUNDS]: the embedded store and, beside it, SQLite used by hand in the same way
 * (WAL, synchronous=FULL, one prepared statement a connection). Look-ups by a unique index among 1,000, 10,000 and
 * 100,000 documents, durable inserts, one at a time and by 8 threads, and look-ups among 1,000,000. DIR must be empty.
 * Ends by itself.
 */
#include "bench_clock.h"

#include "base/log.h"
#include "store/migrate.h"
#include "store/store.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST = 1000000, BATCH = 500, WRITERS = 8, BUSY_MS = 30000 };

struct person {
    struct doc doc;
    const char *email, *name;
    int64_t age, since;
};

static const struct field person_fields[] = {
    FIELD("email", TEXT, struct person, email),
    FIELD("name", TEXT, struct person, name),
    FIELD("age", INTEGER, struct person, age),
    FIELD("since", TIME, struct person, since),
    { 0 },
};

static const struct index person_indexes[] = {
    { "by_email", { "email" }, .unique = true },
    { "by_age", { "age", "since" } },
    { 0 },
};

static const struct collection people = { "people", person_fields, sizeof(struct person), person_indexes };

struct bench {
    struct tally *tally;
    const char *dir;
    struct store *store;
    int64_t lasts_us, until_us;
    int rounds;
    int stored;      /* people 0 to stored - 1 are there */
    atomic_int next; /* of the people to insert */
    bool insert;
};

static void die(const struct ctx *ctx, const char *what)
{
    fprintf(stderr, "bench_store: %s: %s\n", what, ctx && ctx->error ? ctx->error->message : "failed");
    exit(1);
}

static struct person make_person(struct arena *arena, int number)
{
    return (struct person){
        .doc.id = arena_printf(arena, "%024x", (unsigned)number * 2654435761u),
        .email = arena_printf(arena, "person%d@example.com", number),
        .name = "A Person of the Bench",
        .age = number % 90,
        .since = 1700000000000 + number,
    };
}

/* The next number to look up: a linear congruence, so that no two look-ups in a row are neighbours. */
static int pick(unsigned *seed, int among)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (int)(*seed >> 8) % among;
}

static void fill(struct bench *bench, int until)
{
    while (bench->stored < until) {
        struct ctx ctx = { .request_id = "bench" };
        struct person *persons = arena_array(&ctx.arena, struct person, BATCH);
        struct write *writes = arena_array(&ctx.arena, struct write, BATCH);
        for (int i = 0; i < BATCH; i++) {
            persons[i] = make_person(&ctx.arena, bench->stored + i);
            writes[i] = (struct write){ .kind = WRITE_INSERT, .of = &people, .record = &persons[i] };
        }
        if (!store_write_many(&ctx, bench->store, writes, BATCH) || writes[BATCH - 1].error)
            die(&ctx, "filling");
        bench->stored += BATCH;
        ctx_finish(&ctx);
    }
}

static void *store_thread(void *self)
{
    struct bench *bench = self;
    unsigned seed = (unsigned)clock_us();
    for (int64_t began = clock_us(); began < bench->until_us; began = clock_us()) {
        struct ctx ctx = { .request_id = "bench", .deadline_ms = clock_ms() + 5000 };
        struct person person;
        bool good;
        if (bench->insert) {
            person = make_person(&ctx.arena, atomic_fetch_add(&bench->next, 1));
            good = store_insert(&ctx, bench->store, &people, &person, NO_EVENTS);
        } else {
            int number = pick(&seed, bench->stored);
            char *email = arena_printf(&ctx.arena, "person%d@example.com", number);
            good = store_find(&ctx, bench->store, &people, "by_email", &KEY_TEXT(email), 1, &person) &&
                   person.age == number % 90;
        }
        tally_add(bench->tally, began, good);
        ctx_finish(&ctx);
    }
    return NULL;
}

static sqlite3 *open_sqlite(const struct bench *bench)
{
    sqlite3 *db = NULL;
    char path[4096];
    snprintf(path, sizeof path, "%s/plain.sqlite", bench->dir);
    if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_busy_timeout(db, BUSY_MS) != SQLITE_OK ||
        sqlite3_exec(db,
                     "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                     "CREATE TABLE IF NOT EXISTS people(id TEXT PRIMARY KEY, email TEXT UNIQUE, age INTEGER, since "
                     "INTEGER, body BLOB);"
                     "CREATE INDEX IF NOT EXISTS by_age ON people(age, since);",
                     NULL, NULL, NULL) != SQLITE_OK)
        die(NULL, sqlite3_errmsg(db));
    return db;
}

static bool sqlite_insert(sqlite3_stmt *insert, int number)
{
    struct arena arena = { 0 };
    struct person person = make_person(&arena, number);
    bson_t body = BSON_INITIALIZER;
    record_to_bson(&body, person_fields, &person);
    sqlite3_bind_text(insert, 1, person.doc.id, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(insert, 2, person.email, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(insert, 3, person.age);
    sqlite3_bind_int64(insert, 4, person.since);
    sqlite3_bind_blob(insert, 5, bson_get_data(&body), (int)body.len, SQLITE_TRANSIENT);
    bool good = sqlite3_step(insert) == SQLITE_DONE;
    sqlite3_reset(insert);
    bson_destroy(&body);
    arena_free(&arena);
    return good;
}

/* As the store does: the row, and from its document a record. */
static bool sqlite_find(sqlite3_stmt *find, int number)
{
    struct ctx ctx = { .request_id = "bench" };
    struct person person = { 0 };
    bson_t body;
    char *email = arena_printf(&ctx.arena, "person%d@example.com", number);
    sqlite3_bind_text(find, 1, email, -1, SQLITE_STATIC);
    bool good = sqlite3_step(find) == SQLITE_ROW &&
                bson_init_static(&body, sqlite3_column_blob(find, 0), (size_t)sqlite3_column_bytes(find, 0)) &&
                record_from_bson(&ctx, &body, person_fields, &person) && person.age == number % 90;
    sqlite3_reset(find);
    ctx_finish(&ctx);
    return good;
}

static const char insert_sql[] = "INSERT INTO people VALUES(?,?,?,?,?)";
static const char find_sql[] = "SELECT body FROM people WHERE email=?";

static void *sqlite_thread(void *self)
{
    struct bench *bench = self;
    unsigned seed = (unsigned)clock_us();
    sqlite3 *db = open_sqlite(bench);
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, bench->insert ? insert_sql : find_sql, -1, &statement, NULL) != SQLITE_OK)
        die(NULL, sqlite3_errmsg(db));
    for (int64_t began = clock_us(); began < bench->until_us; began = clock_us()) {
        bool good = bench->insert ? sqlite_insert(statement, atomic_fetch_add(&bench->next, 1))
                                  : sqlite_find(statement, pick(&seed, bench->stored));
        tally_add(bench->tally, began, good);
    }
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return NULL;
}

static void sqlite_fill(struct bench *bench, int from, int until)
{
    sqlite3 *db = open_sqlite(bench);
    sqlite3_stmt *insert = NULL;
    if (sqlite3_prepare_v2(db, insert_sql, -1, &insert, NULL) != SQLITE_OK)
        die(NULL, sqlite3_errmsg(db));
    sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
    for (int i = from; i < until; i++)
        if (!sqlite_insert(insert, i))
            die(NULL, sqlite3_errmsg(db));
    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    sqlite3_finalize(insert);
    sqlite3_close(db);
}

static void measure(struct bench *bench, const char *row, const char *side, void *(*thread)(void *), size_t threads)
{
    pthread_t ids[WRITERS];
    memset(bench->tally, 0, sizeof *bench->tally);
    int64_t began = clock_us(), used = cpu_us();
    bench->until_us = began + bench->lasts_us;
    for (size_t i = 0; i < threads; i++)
        if (pthread_create(&ids[i], NULL, thread, bench) != 0)
            abort();
    for (size_t i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    tally_print(bench->tally, row, side, clock_us() - began, cpu_us() - used);
}

static void both(struct bench *bench, const char *row, size_t threads)
{
    for (int round = 0; round < bench->rounds; round++) {
        atomic_store(&bench->next, LARGEST + 10000000 * (round + 1) + (threads > 1 ? 5000000 : 0));
        measure(bench, row, "ours", store_thread, threads);
        atomic_store(&bench->next, LARGEST + 10000000 * (round + 1) + (threads > 1 ? 5000000 : 0));
        measure(bench, row, "peer", sqlite_thread, threads);
    }
}

static void find_among(struct bench *bench, int size, const char *row)
{
    sqlite_fill(bench, bench->stored, size);
    fill(bench, size);
    both(bench, row, 1);
}

static void run(struct bench *bench)
{
    find_among(bench, 1000, "store-find-1000");
    find_among(bench, 10000, "store-find-10000");
    find_among(bench, 100000, "store-find-100000");
    bench->insert = true;
    both(bench, "store-insert-1", 1);
    both(bench, "store-insert-8", WRITERS);
    bench->insert = false;
    find_among(bench, LARGEST, "store-find-1000000");
}

int main(int argc, char **argv)
{
    static struct tally tally;
    struct ctx ctx = { .request_id = "bench" };
    struct bench bench = { .tally = &tally };
    bench.rounds = argc == 5 ? atoi(argv[4]) : 3;
    if (argc < 4 || argc > 5 || (bench.lasts_us = atoll(argv[3]) * 1000000) <= 0) {
        fprintf(stderr, "usage: bench_store DIR MIGRATIONS SECONDS [ROUNDS]\n");
        return 64;
    }
    log_start("bench", LOG_ERROR);
    bench.dir = argv[1];
    struct store_options options = { .url = arena_printf(&ctx.arena, "embedded:%s", argv[1]), .service = "bench" };
    bench.store = store_open(&ctx, &options, (const struct collection *const[]){ &people, NULL });
    if (!bench.store || !migrate(&ctx, bench.store, argv[2], NULL, NULL))
        die(&ctx, "the store does not open");
    run(&bench);
    store_close(bench.store);
    ctx_finish(&ctx);
    return 0;
}
