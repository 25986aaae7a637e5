/* The projection on a real nats-server: it follows, resumes, and is built anew when the stream or the store is another.
 */
#include "base/clock.h"
#include "base/text.h"
#include "nats/nats_fixture.h"
#include "nats/relay.h"
#include "nats/streams.h"
#include "projection/finder.h"
#include "projection/projection.h"
#include "test/folder.h"
#include "test/media_fixture.h"
#include "track/editor_http.h"
#include "search/search_http.h"
#include "track/studio_http.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static struct media_fixture fixture;
static struct nats_server server;
static struct bus *bus;
static struct relay *relay;
static struct projection *projection;
static atomic_int changed;

static void note_changed(void *self)
{
    (void)self;
    atomic_fetch_add(&changed, 1);
}

static void wake(void *self)
{
    (void)self;
    relay_wake(relay);
}

static bool is_up(void *self)
{
    return bus_up(self);
}

static struct projection *open_for(const char *store_name)
{
    struct projection_options options = { .dir = arena_printf(&fixture.ctx.arena, "%s/projection", fixture.dir),
                                          .store = fixture.store,
                                          .store_name = store_name,
                                          .bus = bus,
                                          .changed = note_changed };
    struct projection *opened = projection_open(&fixture.ctx, &options);
    cr_assert(opened, "%s", fixture.ctx.error ? fixture.ctx.error->message : "");
    return opened;
}

static bool is_ready(void *self)
{
    struct ctx ctx = { .request_id = "" };
    bool ready = projection_ready(&ctx, self);
    ctx_finish(&ctx);
    return ready;
}

static void use(struct projection *next)
{
    projection = next;
    fixture.tracks.projection = next;
    cr_assert(eventually(10000, is_ready, projection));
}

static void setup(void)
{
    static const struct stream *const streams[] = { &stream_events, NULL };
    media_fixture_begin(&fixture);
    nats_server_create(&server, NULL);
    bus = bus_open(&fixture.ctx,
                   &(struct bus_options){ .url = server.url, .name = "media", .instance = "test", .queue = 1024 });
    cr_assert(bus && streams_keep(&fixture.ctx, bus, streams));
    cr_assert(eventually(10000, is_up, bus));
    relay = relay_start(&fixture.ctx, bus, fixture.store);
    cr_assert(relay);
    use(open_for("one"));
}

static void teardown(void)
{
    if (projection)
        projection_close(projection);
    relay_stop(relay);
    bus_close(bus, 500);
    nats_server_destroy(&server);
    media_fixture_end(&fixture);
}

TestSuite(projection, .init = setup, .fini = teardown, .timeout = 120);

/* How many tracks a search finds, by its row. */
static int found(const char *words)
{
    int status;
    const char *data = media_call(&fixture, search_routes, NULL, GET,
                                  arena_printf(&fixture.ctx.arena, "/search?q=%s", words), NULL, &status);
    json_t *root = data ? json_loads(data, 0, NULL) : NULL;
    int count = root ? (int)json_array_size(json_object_get(json_object_get(root, "tracks"), "items")) : -1;
    json_decref(root);
    return count;
}

static bool finds_one(void *words)
{
    return found(words) == 1;
}

static bool finds_none(void *words)
{
    return found(words) == 0;
}

static const char *publish(const char *title)
{
    const char *id = make_published(&fixture, "ann", title, "");
    wake(NULL);
    return id;
}

static void unpublish(const char *id)
{
    int status;
    media_call(&fixture, editor_routes, "editor", PUT,
               arena_printf(&fixture.ctx.arena, "/editor/tracks/%s/unpublish", id), "{\"reason\":\"r\"}", &status);
    cr_assert_eq(status, 200);
    wake(NULL);
}

/* The number of the newest file: it grows with each build. */
static int build_number(int folder)
{
    int best = 0;
    DIR *files = opendir(arena_printf(&fixture.ctx.arena, "%s/projection/%d", fixture.dir, folder));
    for (struct dirent *entry; files && (entry = readdir(files));)
        if (text_ends(entry->d_name, ".db") && atoi(entry->d_name) > best)
            best = atoi(entry->d_name);
    if (files)
        closedir(files);
    return best;
}

Test(projection, what_is_published_is_found_within_a_second_and_what_is_not_any_more_is_not)
{
    for (int i = 0; i < 3; i++) {
        const char *word = arena_printf(&fixture.ctx.arena, "wort%d", i);
        const char *id = publish(word);
        cr_assert(eventually(1000, finds_one, (void *)word), "%s", word);
        unpublish(id);
        cr_assert(eventually(1000, finds_none, (void *)word), "%s", word);
    }
    cr_expect_gt(atomic_load(&changed), 0);
}

Test(projection, lists_and_one_artist_by_their_rows)
{
    int status;
    publish("eins");
    cr_assert(eventually(1000, finds_one, (void *)"eins"));
    const char *data = media_call(&fixture, search_routes, NULL, GET, "/artists", NULL, &status);
    cr_expect_str_eq(json_member(&fixture, data, "items.0.name"), "Some Band");
    const char *id = json_member(&fixture, data, "items.0.id");
    data = media_call(&fixture, search_routes, NULL, GET, arena_printf(&fixture.ctx.arena, "/artists/%s", id), NULL,
                      &status);
    cr_expect_str_eq(json_member(&fixture, data, "trackCount"), "1");
    media_call(&fixture, search_routes, NULL, GET, "/artists/x", NULL, &status);
    cr_expect_eq(status, 404);
    media_call(&fixture, search_routes, NULL, GET, "/albums/000000000000000000000000", NULL, &status);
    cr_expect_eq(status, 404);
    media_call(&fixture, search_routes, NULL, GET, "/genres", NULL, &status);
    cr_expect_eq(status, 200);
    const char *other = publish("zwei");
    cr_assert(eventually(1000, finds_one, (void *)"zwei"));
    data = media_call(&fixture, search_routes, NULL, GET, arena_printf(&fixture.ctx.arena, "/tracks/similar/%s", other),
                      NULL, &status);
    cr_expect_str_eq(json_member(&fixture, data, "items.0.title"), "eins");
    media_call(&fixture, search_routes, NULL, GET, "/tracks/similar/000000000000000000000000", NULL, &status);
    cr_expect_eq(status, 404);
}

Test(projection, after_a_restart_it_goes_on_where_it_was)
{
    publish("vorher");
    cr_assert(eventually(1000, finds_one, (void *)"vorher"));
    int before = build_number(0);
    projection_close(projection);
    publish("dazwischen");
    use(open_for("one"));
    cr_assert(eventually(1000, finds_one, (void *)"dazwischen"));
    cr_expect_eq(found("vorher"), 1);
    cr_expect_eq(build_number(0), before);
}

Test(projection, the_file_of_another_store_is_not_answered_from)
{
    publish("da");
    cr_assert(eventually(1000, finds_one, (void *)"da"));
    int before = build_number(0);
    projection_close(projection);
    use(open_for("two"));
    cr_expect_gt(build_number(0), before);
    cr_expect_eq(found("da"), 1);
}

Test(projection, a_second_process_takes_a_folder_of_its_own)
{
    publish("beide");
    cr_assert(eventually(1000, finds_one, (void *)"beide"));
    struct projection *first = projection;
    use(open_for("one"));
    cr_expect_eq(found("beide"), 1);
    cr_expect_gt(build_number(1), 0);
    projection_close(first);
}

Test(projection, a_stream_that_was_lost_makes_it_new)
{
    publish("alt");
    cr_assert(eventually(1000, finds_one, (void *)"alt"));
    int before = build_number(0);
    nats_server_signal(&server, SIGKILL);
    nats_server_wipe(&server);
    const char *id = make_published(&fixture, "ann", "neu", "");
    nats_server_start(&server);
    wake(NULL);
    cr_assert(eventually(20000, finds_one, (void *)"neu"));
    cr_expect_gt(build_number(0), before);
    cr_expect_eq(found("alt"), 1);
    cr_assert(eventually(10000, is_ready, projection));
    unpublish(id);
    /* What the relay sent into the gap times out first. */
    cr_assert(eventually(10000, finds_none, (void *)"neu"));
}

Test(projection, while_nats_is_away_it_answers_and_catches_up_after)
{
    publish("alt");
    cr_assert(eventually(1000, finds_one, (void *)"alt"));
    nats_server_signal(&server, SIGTERM);
    cr_assert(!eventually(100, finds_none, (void *)"alt"));
    publish("offen");
    cr_expect_eq(found("alt"), 1);
    nats_server_start(&server);
    cr_assert(eventually(15000, finds_one, (void *)"offen"));
}
