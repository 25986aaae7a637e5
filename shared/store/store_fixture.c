#include "store/store_fixture.h"

#include "base/clock.h"
#include "base/text.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char *const statuses[] = { "DRAFT", "LIVE", "GONE", NULL };

const struct field song_fields[] = { FIELD("title", TEXT, struct song, title),
                                     FIELD("slug", TEXT, struct song, slug),
                                     FIELD("owner", TEXT, struct song, owner),
                                     FIELD("tags", LIST, struct song, tags, .item = TEXT),
                                     FIELD("year", INTEGER, struct song, year),
                                     FIELD("at", TIME, struct song, at),
                                     FIELD("status", ENUM, struct song, status, .values = statuses),
                                     FIELD("plays", INTEGER, struct song, plays),
                                     { 0 } };

static const struct index song_indexes[] = { { "by_slug", { "slug" }, true },
                                             { "by_owner", { "owner", "title" }, true },
                                             { "by_year", { "year", "title" }, false },
                                             { "by_tag", { "tags", "at" }, false },
                                             { "by_status", { "status", "at" }, false },
                                             { 0 } };

const struct collection songs = { "songs", song_fields, sizeof(struct song), song_indexes };

static const char declaration[] = "{\"collections\":[{\"name\":\"songs\",\"indexes\":["
                                  "{\"name\":\"by_slug\",\"on\":[\"slug\"],\"unique\":true},"
                                  "{\"name\":\"by_owner\",\"on\":[\"owner\",\"title\"],\"unique\":true},"
                                  "{\"name\":\"by_year\",\"on\":[\"year\",\"title\"]},"
                                  "{\"name\":\"by_tag\",\"on\":[\"tags\",\"at\"]},"
                                  "{\"name\":\"by_status\",\"on\":[\"status\",\"at\"]}]}]}";

const char *fixture_migrations(struct fixture *fixture)
{
    return arena_printf(&fixture->ctx.arena, "%s/migrations", fixture->dir);
}

void fixture_migration(struct fixture *fixture, const char *name, const char *json)
{
    const char *dir = fixture_migrations(fixture);
    mkdir(dir, 0700);
    FILE *file = fopen(arena_printf(&fixture->ctx.arena, "%s/%s.json", dir, name), "w");
    cr_assert(file);
    fputs(json, file);
    fclose(file);
}

static void note_written(void *self)
{
    struct fixture *fixture = self;
    __atomic_fetch_add(&fixture->written, 1, __ATOMIC_RELAXED);
}

struct store *fixture_open(struct ctx *ctx, struct fixture *fixture)
{
    static const struct collection *const collections[] = { &songs, NULL };
    struct store_options options = {
        .url = fixture->url, .service = "test", .ferretdb = fixture->ferretdb, .written = note_written, .self = fixture
    };
    return store_open(ctx, &options, collections);
}

struct song *song_new(struct fixture *fixture, const char *id, const char *slug)
{
    struct song *song = arena_new(&fixture->ctx.arena, struct song);
    song->doc.id = id;
    song->slug = slug;
    song->title = id;
    song->year = 1970;
    song->at = 1000;
    return song;
}

const char *error_chain(struct ctx *ctx)
{
    struct buf text = BUF(&ctx->arena);
    for (const struct error *error = ctx->error; error; error = error->cause)
        buf_printf(&text, "%s%s", text.size ? " <- " : "", error->message);
    return text.size ? text.data : "no error";
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *ftw)
{
    (void)about;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static void run(struct fixture *fixture, void (*test)(struct fixture *fixture))
{
    struct ctx *ctx = &fixture->ctx;
    ctx->request_id = "";
    fixture_migration(fixture, "0001_songs", declaration);
    /* Its server is there, but on a busy machine not within the second that is waited for one. */
    int64_t until = clock_ms() + 30000;
    while (!(fixture->store = fixture_open(ctx, fixture)) && clock_ms() < until)
        cr_assert(ctx_forgive(ctx, ERROR_UNAVAILABLE), "%s", error_chain(ctx));
    ok(ctx, fixture->store);
    ok(ctx, migrate(ctx, fixture->store, fixture_migrations(fixture), NULL, NULL));
    test(fixture);
    store_close(fixture->store);
}

bool store_fixture_in_memory;

static void begin(struct fixture *fixture)
{
    bool in_memory = store_fixture_in_memory && access("/dev/shm", W_OK) == 0;
    strcpy(fixture->dir, in_memory ? "/dev/shm/tonearm-store-XXXXXX" : "/tmp/tonearm-store-XXXXXX");
    cr_assert(mkdtemp(fixture->dir));
}

static void end(struct fixture *fixture)
{
    ctx_finish(&fixture->ctx);
    nftw(fixture->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void with_embedded(void (*test)(struct fixture *fixture))
{
    struct fixture fixture = { 0 };
    begin(&fixture);
    snprintf(fixture.url, sizeof fixture.url, "embedded:%s/data", fixture.dir);
    run(&fixture, test);
    end(&fixture);
}

static const char *server_binary(struct fixture *fixture)
{
    const char *root = getenv("ROOT"), *bin = getenv("TEST_BIN"); /* of the mutants, whose ROOT has no programs */
    if (bin)
        return arena_printf(&fixture->ctx.arena, "%s/ferretdb", bin);
    return arena_printf(&fixture->ctx.arena, "%s/run/bin/ferretdb", root ? root : ".");
}

/* On a free port the first time; waits for its line "ready on ADDR". */
void fixture_server_start(struct fixture *fixture)
{
    int out[2];
    const char *binary = server_binary(fixture), *state = arena_printf(&fixture->ctx.arena, "%s/server", fixture->dir);
    const char *listen = *fixture->address ? fixture->address : "127.0.0.1:0";
    cr_assert(pipe2(out, O_CLOEXEC) == 0);
    fixture->server = fork();
    if (fixture->server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(out[1], 1);
        execl(binary, binary, "-listen", listen, "-state", state, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    char line[128] = "";
    FILE *lines = fdopen(out[0], "r");
    cr_assert(lines && fgets(line, sizeof line, lines) && text_starts(line, "ready on "), "%s did not start", binary);
    line[strcspn(line, "\n")] = 0;
    snprintf(fixture->address, sizeof fixture->address, "%.60s", line + strlen("ready on "));
    snprintf(fixture->url, sizeof fixture->url, "mongodb://%s/test", fixture->address);
    fclose(lines);
}

void fixture_server_kill(struct fixture *fixture)
{
    kill(fixture->server, SIGKILL);
    waitpid(fixture->server, NULL, 0);
}

void with_ferretdb(void (*test)(struct fixture *fixture))
{
    struct fixture fixture = { .ferretdb = true };
    const char *binary = server_binary(&fixture);
    if (access(binary, X_OK) != 0) {
        cr_assert(!text_equal(getenv("CI"), "true"), "%s is not there", binary);
        cr_skip_test("%s is not there", binary);
    }
    begin(&fixture);
    fixture_server_start(&fixture);
    run(&fixture, test);
    fixture_server_kill(&fixture);
    end(&fixture);
}
