/* Pages and cursors, on both back ends. */
#include "store/store_fixture.h"

#include "base/text.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* Thirty songs: years 1990 to 1994, titles s00 to s29, tags "even" or "odd" and "all", times 1000 + i % 7. */
static void fill(struct fixture *fixture)
{
    struct ctx *ctx = &fixture->ctx;
    for (int i = 0; i < 30; i++) {
        struct song *song = song_new(fixture, arena_printf(&ctx->arena, "s%02d", (i * 7) % 30), NULL);
        int n = (i * 7) % 30;
        const char **tags = arena_array(&ctx->arena, const char *, 3);
        tags[0] = n % 2 ? "odd" : "even";
        tags[1] = "all";
        tags[2] = "all";
        song->tags = (struct list){ tags, 3 };
        song->year = 1990 + n % 5;
        song->at = 1000 + n % 7;
        song->status = n % 3;
        ok(ctx, store_insert(ctx, fixture->store, &songs, song, NO_EVENTS));
    }
}

/* Reads all pages of this size and joins the ids. */
static const char *pages(struct fixture *fixture, struct scan scan, size_t limit)
{
    struct ctx *ctx = &fixture->ctx;
    struct buf ids = BUF(&ctx->arena);
    scan.limit = limit;
    struct page page;
    size_t rounds = 0;
    do {
        ok(ctx, store_scan(ctx, fixture->store, &songs, &scan, &page));
        cr_assert(page.count <= limit && (page.count == limit || !page.next));
        for (size_t i = 0; i < page.count; i++)
            buf_printf(&ids, "%s%s", ids.size ? " " : "", ((struct song *)page.items)[i].doc.id);
        scan.cursor = page.next;
    } while (scan.cursor && ++rounds < 100);
    return ids.data ? ids.data : "";
}

static void expect_pages(struct fixture *fixture, struct scan scan, const char *ids)
{
    for (size_t limit = 1; limit <= 40; limit = limit * 3 + 1)
        cr_expect_str_eq(pages(fixture, scan, limit), ids, "pages of %zu", limit);
}

STORE_TEST(pages_by_id)
{
    fill(fixture);
    expect_pages(fixture, (struct scan){ .from = &KEY_TEXT("s03"), .to = &KEY_TEXT("s08") }, "s03 s04 s05 s06 s07");
    expect_pages(fixture, (struct scan){ .from = &KEY_TEXT("s26"), .descending = true }, "s29 s28 s27 s26");
    expect_pages(fixture, (struct scan){ .to = &KEY_TEXT("s04") }, "s00 s01 s02 s03");
}

STORE_TEST(pages_by_an_index)
{
    fill(fixture);
    struct scan year = { .index = "by_year", .equal = { KEY_INT(1992) }, .equals = 1 };
    expect_pages(fixture, year, "s02 s07 s12 s17 s22 s27");
    year.descending = true;
    expect_pages(fixture, year, "s27 s22 s17 s12 s07 s02");
    year.from = &KEY_TEXT("s07");
    year.to = &KEY_TEXT("s22");
    expect_pages(fixture, year, "s17 s12 s07");
    year.descending = false;
    expect_pages(fixture, year, "s07 s12 s17");
    struct scan years = { .index = "by_year", .from = &KEY_INT(1993), .to = &KEY_INT(1995) };
    expect_pages(fixture, years, "s03 s08 s13 s18 s23 s28 s04 s09 s14 s19 s24 s29");
    years.descending = true;
    expect_pages(fixture, years, "s29 s24 s19 s14 s09 s04 s28 s23 s18 s13 s08 s03");
}

STORE_TEST(pages_by_a_list_time_and_status)
{
    fill(fixture);
    struct scan odd = {
        .index = "by_tag", .equal = { KEY_TEXT("odd") }, .equals = 1, .from = &KEY_INT(1002), .to = &KEY_INT(1004)
    };
    expect_pages(fixture, odd, "s09 s23 s03 s17");
    odd.equal[0] = KEY_TEXT("all");
    expect_pages(fixture, odd, "s02 s09 s16 s23 s03 s10 s17 s24");
    odd.equal[0] = KEY_TEXT("none");
    expect_pages(fixture, odd, "");
    struct scan live = { .index = "by_status", .equal = { KEY_TEXT("LIVE"), KEY_INT(1001) }, .equals = 2 };
    expect_pages(fixture, live, "s01 s22");
    struct scan newest = {
        .index = "by_status", .equal = { KEY_TEXT("DRAFT") }, .equals = 1, .descending = true, .from = &KEY_INT(1005)
    };
    expect_pages(fixture, newest, "s27 s06 s12");
    struct song back;
    ok(&fixture->ctx, store_find(&fixture->ctx, fixture->store, &songs, "by_status", live.equal, 1, &back));
    cr_expect_str_eq(back.doc.id, "s07");
}

STORE_TEST(a_document_without_a_field_is_not_in_the_index)
{
    struct ctx *ctx = &fixture->ctx;
    struct song *a = song_new(fixture, "a", NULL), *b = song_new(fixture, "b", NULL), *c = song_new(fixture, "c", NULL);
    a->owner = b->owner = c->owner = "ann";
    a->title = b->title = NULL; /* by_owner is unique on owner and title */
    ok(ctx, store_insert(ctx, fixture->store, &songs, a, NO_EVENTS));
    ok(ctx, store_insert(ctx, fixture->store, &songs, b, NO_EVENTS));
    ok(ctx, store_insert(ctx, fixture->store, &songs, c, NO_EVENTS));
    struct scan owner = { .index = "by_owner", .equal = { KEY_TEXT("ann") }, .equals = 1 };
    expect_pages(fixture, owner, "c");
    b->title = "c";
    fails(ctx, ERROR_CONFLICT, store_update(ctx, fixture->store, &songs, b, (struct update){ .set = FIELDS("title") }));
    b->title = "b";
    ok(ctx, store_update(ctx, fixture->store, &songs, b, (struct update){ .set = FIELDS("title") }));
    expect_pages(fixture, owner, "b c");
    expect_pages(fixture, (struct scan){ .index = "by_tag", .equal = { KEY_TEXT("x") }, .equals = 1 }, "");
}

STORE_TEST(entries_follow_the_document)
{
    struct ctx *ctx = &fixture->ctx;
    struct song *song = song_new(fixture, "a", NULL);
    const char *first[] = { "one", "two" }, *second[] = { "two", "three" };
    song->tags = (struct list){ first, 2 };
    ok(ctx, store_insert(ctx, fixture->store, &songs, song, NO_EVENTS));
    struct scan scan = { .index = "by_tag", .equal = { KEY_TEXT("one") }, .equals = 1 };
    expect_pages(fixture, scan, "a");
    song->tags = (struct list){ second, 2 };
    ok(ctx, store_update(ctx, fixture->store, &songs, song, (struct update){ .set = FIELDS("tags") }));
    expect_pages(fixture, scan, "");
    scan.equal[0] = KEY_TEXT("three");
    expect_pages(fixture, scan, "a");
    /* The other field of the index alone: its list is read from the store, not from the record. */
    song->tags = (struct list){ 0 };
    song->at = 77;
    ok(ctx, store_update(ctx, fixture->store, &songs, song, (struct update){ .set = FIELDS("at") }));
    scan.from = &KEY_INT(77);
    expect_pages(fixture, scan, "a");
    ok(ctx, store_remove(ctx, fixture->store, &songs, "a", 0, NO_EVENTS));
    expect_pages(fixture, scan, "");
}

STORE_TEST(a_cursor_is_bound_to_its_query)
{
    struct ctx *ctx = &fixture->ctx;
    fill(fixture);
    struct scan scan = { .index = "by_year", .equal = { KEY_INT(1992) }, .equals = 1, .limit = 2 };
    struct page page;
    ok(ctx, store_scan(ctx, fixture->store, &songs, &scan, &page));
    cr_assert(page.next);
    scan.cursor = page.next;

    struct scan others[] = { scan, scan, scan, scan, scan };
    others[0].equal[0] = KEY_INT(1993);
    others[1].descending = true;
    others[2].from = &KEY_TEXT("s01");
    others[3].index = "by_status";
    others[3].equal[0] = KEY_TEXT("LIVE");
    others[4].index = NULL;
    others[4].equals = 0;
    for (size_t i = 0; i < 5; i++)
        fails(ctx, ERROR_INVALID, store_scan(ctx, fixture->store, &songs, &others[i], &page));

    /* Every byte changed, every length: refused, or at least harmless, never a crash. */
    char *cursor = arena_strdup(&ctx->arena, scan.cursor);
    size_t size = strlen(cursor);
    for (size_t i = 0; i < size; i++) {
        struct scan bent = scan;
        char *copy = arena_strdup(&ctx->arena, cursor);
        copy[i] = copy[i] == 'A' ? 'B' : 'A';
        bent.cursor = copy;
        if (store_scan(ctx, fixture->store, &songs, &bent, &page))
            for (size_t n = 0; n < page.count; n++)
                cr_expect_eq(((struct song *)page.items)[n].year, 1992);
        ctx->error = NULL;
        copy = arena_memdup(&ctx->arena, cursor, i);
        bent.cursor = copy;
        fails(ctx, ERROR_INVALID, store_scan(ctx, fixture->store, &songs, &bent, &page));
    }
    scan.cursor = "%%%";
    fails(ctx, ERROR_INVALID, store_scan(ctx, fixture->store, &songs, &scan, &page));
}

STORE_TEST(refuses_queries_that_no_index_answers)
{
    struct ctx *ctx = &fixture->ctx;
    struct page page;
    struct song back;
    fails(ctx, ERROR_INTERNAL, store_find(ctx, fixture->store, &songs, "by_year", &KEY_TEXT("1970"), 1, &back));
    fails(ctx, ERROR_INTERNAL, store_find(ctx, fixture->store, &songs, "by_moon", &KEY_TEXT("x"), 1, &back));
    fails(ctx, ERROR_INTERNAL,
          store_scan(ctx, fixture->store, &songs, &(struct scan){ .index = "by_tag", .limit = 10 }, &page));
    fails(ctx, ERROR_INVALID, store_scan(ctx, fixture->store, &songs, &(struct scan){ .limit = 0 }, &page));
    fails(ctx, ERROR_INVALID, store_scan(ctx, fixture->store, &songs, &(struct scan){ .limit = 1001 }, &page));
    static const struct collection others = { "others", song_fields, sizeof(struct song), NULL };
    fails(ctx, ERROR_INTERNAL, store_get(ctx, fixture->store, &others, "x", &back));
}
