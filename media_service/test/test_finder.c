/* What is found, on libraries filled with tracks that were never in a store; and that any way of filling gives the
 * same. */
#include "base/text.h"
#include "projection/library_parts.h"
#include "projection/finder.h"
#include "projection/query.h"
#include "test/folder.h"
#include "text/fold.h"
#include "track/identity.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct ctx ctx;
static char dir[64];
static struct library *library;

#define text(...) arena_printf(&ctx.arena, __VA_ARGS__)
#define must(call) cr_assert((call), "%s: %s", #call, ctx.error ? ctx.error->message : "")

static struct library *new_library(const char *name)
{
    struct library *made = library_create(&ctx, text("%s/%s", dir, name));
    must(made);
    return made;
}

static void setup(void)
{
    folder_make(dir);
    library = new_library("1.db");
    must(library_finish(&ctx, library, (struct position){ 0 }));
}

static void teardown(void)
{
    library_unref(library);
    ctx_finish(&ctx);
    folder_remove(dir);
}

TestSuite(finder, .init = setup, .fini = teardown, .timeout = 120);

static struct list list_of(const char *first, const char *second)
{
    const char **items = arena_array(&ctx.arena, const char *, 2);
    items[0] = first;
    items[1] = second;
    return (struct list){ items, first ? second ? 2 : 1 : 0 };
}

struct given {
    const char *title, *artist, *album, *tag, *genre;
    int year, number;
};

/* A published track; its id is made of `n`. */
static struct track *track_of(int n, int version, const struct given *given)
{
    struct track *track = arena_new(&ctx.arena, struct track);
    struct version *live = arena_new(&ctx.arena, struct version);
    struct audio *audio = arena_new(&ctx.arena, struct audio);
    struct audio_facts facts = { .artists = list_of(given->artist, NULL), .album = given->album };
    identify(&ctx.arena, &facts, "Nobody", audio);
    audio->genres = list_of(given->genre, NULL);
    audio->year = given->year;
    audio->track_number = given->number;
    audio->duration = 2.5;
    audio->codec = "flac";
    *live = (struct version){ .title = given->title, .tags = list_of(given->tag, NULL), .audio = audio };
    *track = (struct track){ .doc = { text("%024d", n), version },
                             .slug = text("slug-%d", n),
                             .status = TRACK_PUBLISHED,
                             .live = live,
                             .published_at = 1000 + n };
    return track;
}

static void apply(struct library *into, const struct track *track)
{
    must(library_begin(&ctx, into));
    must(library_apply(&ctx, into, track));
    must(library_commit(&ctx, into, 1));
}

static void put(int n, struct given given)
{
    apply(library, track_of(n, 1, &given));
}

static struct search_result search(const char *words)
{
    struct search_result result;
    ctx.error = NULL;
    must(find_all(&ctx, library, &(struct search){ .text = words, .limit = 20 }, &result));
    return result;
}

static struct track_hit *hit(const struct search_result *result, size_t at)
{
    cr_assert(at < result->tracks->items.count);
    return (struct track_hit *)result->tracks->items.items + at;
}

Test(finder, finds_all_words_each_by_its_beginning)
{
    static const struct {
        const char *words;
        size_t found;
    } cases[] = {
        { "Überton", 1 },
        { "uberton", 1 },
        { "ÜBER", 1 },
        { "ub", 1 },
        { "berton", 0 },
        { "uberton strasse", 1 },
        { "STRASSE uber", 1 },
        { "uberton nothing", 0 },
        { "straße", 1 },
        { "lukasz", 1 },
        { "Łukasz", 1 },
        { "album lukasz", 1 },
        { "folk", 2 },
        { "fol uber", 1 },
        { "東京", 1 },
        { "京", 1 },
        { "東", 1 },
        { "京音", 1 },
        { "東京音", 1 },
        { "京東", 0 },
        { "東京音楽 folk", 1 },
        { "rock'n'roll", 1 },
        { "rock n", 1 },
        { "", 0 },
        { "   ", 0 },
        { "?!", 0 },
        { "zzz", 0 },
    };
    put(1, (struct given){ "Überton in der Straße", "Łukasz", "Das Album", "folk", "Folk", 1999, 1 });
    put(2, (struct given){ "東京音楽 Rock'n'Roll", "Other", NULL, "folk", NULL, 0, 0 });
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(search(cases[i].words).tracks->items.count, cases[i].found, "%s: %zu", cases[i].words,
                     search(cases[i].words).tracks->items.count);
}

Test(finder, what_users_type_is_text_and_never_syntax)
{
    static const char *const words[] = {
        "\"",    "*",     "a OR b", "a AND b",          "NOT a",    "NEAR(a, b)", "title:a",    "(",   "'", "a*", "^a",
        "{a b}", "a + b", "-a",     "\xf0\x9f\x8e\xb5", "\xff\xfe", "title : a",  "a\" OR \"b", ";--", "%", "\\"
    };
    put(1, (struct given){ .title = "b", .artist = "x" });
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        cr_expect_eq(search(words[i]).tracks->items.count, 0, "%s", words[i]);
    put(2, (struct given){ .title = "a or b", .artist = "x" });
    cr_expect_eq(search("a OR b").tracks->items.count, 1);
    char *long_text = text("%0*d", QUERY_CHARACTERS + 1, 0);
    struct search_result result;
    cr_expect(!find_all(&ctx, library, &(struct search){ .text = long_text, .limit = 1 }, &result));
    cr_expect_eq(ctx.error->code, ERROR_INVALID);
}

Test(finder, marks_what_matched_as_html)
{
    put(1, (struct given){ "<b> Überton & Straße", "O'Neil", "Über\xcc\x88\x61lbum", "uber-tag", NULL, 0, 0 });
    struct search_result result = search("uber stras");
    struct highlight *marks = hit(&result, 0)->highlight;
    cr_expect_str_eq(marks->title, "&lt;b&gt; <em>Über</em>ton &amp; <em>Straß</em>e");
    cr_expect_null(marks->artist);
    cr_expect_str_eq(marks->tags, "<em>uber</em>-tag");
    result = search("neil");
    cr_expect_str_eq(hit(&result, 0)->highlight->artist, "O&#39;<em>Neil</em>");
    put(2, (struct given){ .title = "夜の東京音楽", .artist = "x" });
    result = search("東京");
    cr_expect_str_eq(hit(&result, 0)->highlight->title, "夜の<em>東京</em>音楽");
}

Test(finder, titles_come_before_tags)
{
    put(1, (struct given){ .title = "Something", .artist = "x", .tag = "moon" });
    put(2, (struct given){ .title = "Moon", .artist = "x" });
    struct search_result result = search("moon");
    cr_expect_str_eq(hit(&result, 0)->view.title, "Moon");
    cr_expect_str_eq(hit(&result, 1)->view.title, "Something");
}

Test(finder, pages_of_each_section)
{
    for (int i = 0; i < 7; i++)
        put(i, (struct given){ text("Common %d", i), text("Common artist %d", i), text("Common album %d", i), NULL,
                               NULL, 0, 0 });
    struct search_result result;
    struct search question = { .text = "common", .limit = 3 };
    must(find_all(&ctx, library, &question, &result));
    cr_expect_eq(result.tracks->items.count, 3);
    cr_expect_eq(result.albums->items.count, 3);
    cr_expect_eq(result.artists->items.count, 3);
    cr_expect_eq(result.playlists->items.count, 0);
    cr_expect_null(result.people->next);
    size_t seen = 3;
    for (question.cursor = result.tracks->next; question.cursor; question.cursor = result.tracks->next) {
        must(find_all(&ctx, library, &question, &result));
        seen += result.tracks->items.count;
        cr_expect_eq(result.albums->items.count, 0);
    }
    cr_expect_eq(seen, 7);
    must(find_all(&ctx, library, &(struct search){ .text = "common", .limit = 3 }, &result));
    struct search other = { .text = "other", .limit = 3, .cursor = result.tracks->next };
    cr_expect(!find_all(&ctx, library, &other, &result));
    cr_expect_eq(ctx.error->code, ERROR_INVALID);
    ctx.error = NULL;
    struct section section;
    cr_expect(!find_artists(&ctx, library, 3, other.cursor, &section));
    cr_expect_eq(ctx.error->code, ERROR_INVALID);
}

Test(finder, artists_albums_and_genres_by_name)
{
    put(1, (struct given){ "B", "Zoë", "Second", NULL, "Folk", 2001, 2 });
    put(2, (struct given){ "A", "Zoë", "Second", NULL, "Folk", 2000, 1 });
    put(3, (struct given){ "C", "ZOE", "First", NULL, "folk", 1990, 1 });
    put(4, (struct given){ "D", "Ärzte", NULL, NULL, "Punk", 0, 0 });
    struct section section;
    must(find_artists(&ctx, library, 1, NULL, &section));
    struct artist_view *artist = section.items.items;
    cr_expect_str_eq(artist->name, "Ärzte");
    must(find_artists(&ctx, library, 1, section.next, &section));
    artist = section.items.items;
    cr_expect_str_eq(artist->name, "Zoë");
    cr_expect_eq(artist->tracks, 3);
    cr_expect_eq(artist->albums, 2);
    cr_expect_null(section.next);
    struct artist_page page;
    must(find_artist(&ctx, library, artist->id, &page));
    cr_assert_eq(page.album_list.count, 2);
    struct album_view *albums = page.album_list.items;
    cr_expect_str_eq(albums[0].name, "First");
    cr_expect_eq(albums[1].year, 2000);
    cr_expect_eq(albums[1].tracks, 2);
    cr_expect_float_eq(albums[1].duration, 5, 0.001);
    struct album_page album;
    must(find_album(&ctx, library, albums[1].id, &album));
    struct track_view *tracks = album.track_list.items;
    cr_expect_str_eq(tracks[0].title, "A");
    cr_expect_str_eq(tracks[1].title, "B");
    cr_expect_str_eq(((struct artist_ref *)album.album.artists.items)->name, "Zoë");
    must(find_albums(&ctx, library, 10, NULL, &section));
    cr_expect_eq(section.items.count, 2);
    must(find_genres(&ctx, library, 1, NULL, &section));
    struct genre_view *genre = section.items.items;
    cr_expect_str_eq(genre->name, "Folk");
    cr_expect_eq(genre->tracks, 3);
    must(find_genres(&ctx, library, 1, section.next, &section));
    cr_expect_str_eq(((struct genre_view *)section.items.items)->name, "Punk");
    cr_expect_null(section.next);
    cr_expect(!find_artist(&ctx, library, "000000000000000000000000", &page));
    cr_expect_eq(ctx.error->code, ERROR_NOT_FOUND);
}

Test(finder, similar_is_what_shares_most)
{
    put(1, (struct given){ "Mine", "Ann", "Album", "folk", "Folk", 0, 0 });
    put(2, (struct given){ .title = "Tag", .artist = "X", .tag = "folk" });
    put(3, (struct given){ "Artist", "Ann", "Other", NULL, NULL, 0, 0 });
    put(4, (struct given){ "Nothing", "Y", NULL, "rock", "Rock", 0, 0 });
    put(5, (struct given){ "All", "Ann", "Album", "folk", "Folk", 0, 0 });
    struct list found;
    must(find_similar(&ctx, library, text("%024d", 1), 10, &found));
    cr_assert_eq(found.count, 3);
    struct track_view *tracks = found.items;
    cr_expect_str_eq(tracks[0].title, "All");
    cr_expect_str_eq(tracks[1].title, "Artist");
    cr_expect_str_eq(tracks[2].title, "Tag");
    must(find_similar(&ctx, library, text("%024d", 1), 1, &found));
    cr_expect_eq(found.count, 1);
}

Test(finder, what_goes_is_gone_and_older_versions_change_nothing)
{
    struct given given = { "Here", "Ann", "Album", "tag", "Folk", 0, 0 };
    struct track *track = track_of(1, 5, &given);
    apply(library, track);
    given.title = "Older";
    apply(library, track_of(1, 4, &given));
    cr_expect_eq(search("older").tracks->items.count, 0);
    cr_expect_eq(search("here").tracks->items.count, 1);
    track->doc.version = 6;
    track->live = NULL;
    apply(library, track);
    struct search_result result = search("here");
    cr_expect_eq(result.tracks->items.count, 0);
    result = search("ann album");
    cr_expect_eq(result.artists->items.count + result.albums->items.count, 0);
    struct section section;
    must(find_genres(&ctx, library, 10, NULL, &section));
    cr_expect_eq(section.items.count, 0);
}

Test(finder, a_question_past_its_deadline_stops)
{
    must(library_begin(&ctx, library));
    for (int i = 0; i < 3000; i++)
        must(library_apply(&ctx, library, track_of(i, 1, &(struct given){ .title = "a word of many", .artist = "x" })));
    must(library_commit(&ctx, library, 1));
    struct ctx late = { .request_id = "", .deadline_ms = 1 };
    struct search_result result;
    cr_expect(!find_all(&late, library, &(struct search){ .text = "a", .limit = 100 }, &result));
    cr_expect_eq(late.error->code, ERROR_UNAVAILABLE);
    ctx_finish(&late);
    cr_expect_eq(search("word").tracks->items.count, 20);
}

/* Everything in the library as text, without the row numbers. */
static const char *dump(struct library *of)
{
    static const char *const questions[] = {
        "SELECT id, version, published, disc, number, year, duration, cover, hex(view), hex(album) FROM tracks ORDER "
        "BY id",
        "SELECT id, facets.kind, value, name FROM facets JOIN tracks ON n = track ORDER BY id, kind, value",
        "SELECT * FROM spellings ORDER BY 1, 2, 3",
        "SELECT * FROM on_albums ORDER BY 1, 2, 3",
        "SELECT id, sort, name, tracks, albums FROM artists ORDER BY id",
        "SELECT id, sort, name, hex(artists), year, cover, tracks, duration FROM albums ORDER BY id",
        "SELECT id, name, tracks, albums FROM genres ORDER BY id",
        "SELECT id, title, artist, track_words.album, tags FROM track_words JOIN tracks ON n = track_words.rowid ORDER "
        "BY id",
        "SELECT id, album_words.name, artist FROM album_words JOIN albums ON n = album_words.rowid ORDER BY id",
        "SELECT id, artist_words.name FROM artist_words JOIN artists ON n = artist_words.rowid ORDER BY id",
    };
    struct buf out = BUF(&ctx.arena);
    struct connection *reader = library_reader(&ctx, of);
    must(reader);
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        sqlite3_stmt *rows = statement_of(&ctx, reader, questions[i]);
        must(rows);
        int code;
        while ((code = statement_step(&ctx, reader, rows)) == SQLITE_ROW)
            for (int column = 0; column < sqlite3_column_count(rows); column++)
                buf_printf(&out, "%s|", column_text(&ctx, rows, column));
        cr_assert_eq(code, SQLITE_DONE);
        sqlite3_reset(rows);
    }
    library_reader_done(of, reader);
    return out.data;
}

/* Random publishing, editing and unpublishing, event by event, gives what a scan of the end state gives. */
Test(finder, any_order_of_events_gives_what_a_new_build_gives)
{
    enum { TRACKS = 40, ROUNDS = 600 };
    struct track *now[TRACKS] = { 0 };
    static const char *const names[] = { "Ann", "ANN", "Zoë", "Bob", "Zoe" }, *const albums[] = { NULL, "One", "one",
                                                                                                  "Two" };
    unsigned seed = 4711;
    for (int round = 0; round < ROUNDS; round++) {
        int n = rand_r(&seed) % TRACKS;
        struct given given = { text("Title %d", rand_r(&seed) % 9),
                               names[rand_r(&seed) % 5],
                               albums[rand_r(&seed) % 4],
                               rand_r(&seed) % 2 ? "tag" : NULL,
                               rand_r(&seed) % 2 ? "Folk" : "folk",
                               rand_r(&seed) % 3 + 1999,
                               rand_r(&seed) % 4 };
        struct track *track = track_of(n, round + 1, &given);
        if (rand_r(&seed) % 4 == 0)
            track->live = NULL;
        now[n] = track;
        apply(library, track);
    }
    struct library *built = new_library("2.db");
    must(library_begin(&ctx, built));
    for (int n = 0; n < TRACKS; n++)
        if (now[n])
            must(library_apply(&ctx, built, now[n]));
    must(library_commit(&ctx, built, 1));
    must(library_finish(&ctx, built, (struct position){ 7, 8, 9 }));
    const char *a = dump(library), *b = dump(built);
    size_t at = 0;
    while (a[at] && a[at] == b[at])
        at++;
    cr_expect(!a[at] && !b[at], "from byte %zu: %.120s, not %.120s", at, a + at, b + at);
    cr_expect_gt(strlen(dump(built)), 1000);
    library_unref(built);
}

Test(finder, a_finished_library_opens_again_and_a_half_built_one_does_not)
{
    put(1, (struct given){ .title = "Kept", .artist = "x" });
    struct library *half = new_library("2.db");
    library_unref(half);
    cr_expect_null(library_open(&ctx, text("%s/2.db", dir)));
    cr_expect_eq(ctx.error->code, ERROR_NOT_FOUND);
    ctx.error = NULL;
    cr_expect_null(library_open(&ctx, text("%s/none.db", dir)));
    ctx.error = NULL;
    FILE *garbage = fopen(text("%s/3.db", dir), "w");
    fputs("this is no database, and not a short text either, so that it is looked at", garbage);
    fclose(garbage);
    cr_expect_null(library_open(&ctx, text("%s/3.db", dir)));
    ctx.error = NULL;
    library_unref(library);
    library = library_open(&ctx, text("%s/1.db", dir));
    must(library);
    struct position position;
    must(library_position(&ctx, library, &position));
    cr_expect_eq(position.sequence, 1);
    cr_expect_eq(search("kept").tracks->items.count, 1);
}
