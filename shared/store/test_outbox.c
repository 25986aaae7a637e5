/* Events: carried by writes, relayed once, kept in the log, swept. On both back ends. */
#include "store/store_fixture.h"

#include "base/clock.h"
#include "base/text.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

static struct event published(const char *type)
{
    static const struct song data = { .title = "a \"title\"" };
    static const struct field fields[] = { FIELD("title", TEXT, struct song, title), { 0 } };
    return (struct event){ .type = type, .fields = fields, .data = &data };
}

static void insert_with(struct fixture *fixture, const char *id, const char *type)
{
    struct ctx *ctx = &fixture->ctx;
    struct song *song = song_new(fixture, id, id);
    ok(ctx, store_insert(ctx, fixture->store, &songs, song, EVENTS(published(type))));
}

static size_t pending(struct fixture *fixture, struct outbox_event **events)
{
    size_t count;
    ok(&fixture->ctx, outbox_read(&fixture->ctx, fixture->store, 100, events, &count));
    return count;
}

STORE_TEST(a_write_carries_its_events)
{
    struct ctx *ctx = &fixture->ctx;
    int64_t before = clock_now_ms();
    insert_with(fixture, "a", "event.track.published");
    cr_expect_eq(fixture->written, 1);
    struct outbox_event *events;
    cr_assert_eq(pending(fixture, &events), 1);
    cr_expect_str_eq(events[0].type, "event.track.published");

    json_t *json = json_loads(events[0].json, 0, NULL);
    cr_assert(json, "%s", events[0].json);
    static const char *const members[][2] = { { "specversion", "1.0" },
                                              { "source", "tonearm/test" },
                                              { "type", "event.track.published" },
                                              { "subject", "a" },
                                              { "datacontenttype", "application/json" } };
    for (size_t i = 0; i < 5; i++)
        cr_expect_str_eq(json_string_value(json_object_get(json, members[i][0])), members[i][1]);
    cr_expect_str_eq(json_string_value(json_object_get(json, "id")), events[0].id);
    cr_expect_eq(json_integer_value(json_object_get(json, "entityversion")), 1);
    cr_expect_str_eq(json_string_value(json_object_get(json_object_get(json, "data"), "title")), "a \"title\"");
    int64_t at;
    cr_assert(clock_parse(json_string_value(json_object_get(json, "time")), &at));
    cr_expect(at >= before && at <= clock_now_ms());
    json_decref(json);

    /* A write that is refused carries nothing. */
    fails(ctx, ERROR_CONFLICT,
          store_insert(ctx, fixture->store, &songs, song_new(fixture, "a", "b"),
                       EVENTS(published("event.track.published"))));
    fails(ctx, ERROR_INTERNAL,
          store_insert(ctx, fixture->store, &songs, song_new(fixture, "c", "c"), EVENTS(published("event.*"))));
    cr_expect_eq(pending(fixture, &events), 1);
    cr_expect_eq(fixture->written, 1);
}

STORE_TEST(events_of_a_document_come_in_their_order_with_its_version)
{
    struct ctx *ctx = &fixture->ctx;
    struct song *song = song_new(fixture, "a", "a");
    ok(ctx, store_insert(ctx, fixture->store, &songs, song,
                         EVENTS(published("event.track.one"), published("event.track.two"))));
    ok(ctx, store_update(ctx, fixture->store, &songs, song,
                         (struct update){ .set = FIELDS("title"), .events = EVENTS(published("event.track.three")) }));
    ok(ctx, store_remove(ctx, fixture->store, &songs, "a", 0, EVENTS({ .type = "event.track.four", .subject = "b" })));
    static const struct {
        const char *type, *version, *subject;
    } expected[] = {
        { "event.track.one", "\"entityversion\":1}", "\"subject\":\"a\"" },
        { "event.track.two", "\"entityversion\":1}", "\"subject\":\"a\"" },
        { "event.track.three", "\"entityversion\":2}", "\"subject\":\"a\"" },
        { "event.track.four", "\"entityversion\":3}", "\"subject\":\"b\"" },
    };
    struct outbox_event *events;
    cr_assert_eq(pending(fixture, &events), 4);
    for (size_t i = 0; i < 4; i++) {
        cr_expect_str_eq(events[i].type, expected[i].type);
        cr_expect(text_ends(events[i].json, expected[i].version), "%s", events[i].json);
        cr_expect(strstr(events[i].json, expected[i].subject), "%s", events[i].json);
    }
    struct song back;
    fails(ctx, ERROR_NOT_FOUND, store_get(ctx, fixture->store, &songs, "a", &back));
    fails(ctx, ERROR_NOT_FOUND, store_find(ctx, fixture->store, &songs, "by_slug", &KEY_TEXT("a"), 1, &back));
    struct page page;
    ok(ctx, store_scan(ctx, fixture->store, &songs, &(struct scan){ .limit = 10 }, &page));
    cr_expect_eq(page.count, 0);
}

STORE_TEST(a_removed_document_comes_again_while_its_events_wait)
{
    struct ctx *ctx = &fixture->ctx;
    insert_with(fixture, "a", "event.track.one");
    ok(ctx, store_remove(ctx, fixture->store, &songs, "a", 1, EVENTS(published("event.track.two"))));
    fails(ctx, ERROR_NOT_FOUND, store_remove(ctx, fixture->store, &songs, "a", 0, NO_EVENTS));
    struct song *song = song_new(fixture, "a", "a"), back;
    song->title = "again";
    ok(ctx, store_insert(ctx, fixture->store, &songs, song, EVENTS(published("event.track.three"))));
    cr_expect_eq(song->doc.version, 1);
    ok(ctx, store_find(ctx, fixture->store, &songs, "by_slug", &KEY_TEXT("a"), 1, &back));
    cr_expect_str_eq(back.title, "again");
    cr_expect_eq(back.doc.version, 1);
    struct outbox_event *events;
    cr_assert_eq(pending(fixture, &events), 3);
    cr_expect_str_eq(events[2].type, "event.track.three");
    ok(ctx, outbox_done(ctx, fixture->store, events, 3));
    ok(ctx, store_get(ctx, fixture->store, &songs, "a", &back));
    ok(ctx, store_update(ctx, fixture->store, &songs, &back, (struct update){ .set = FIELDS("title") }));

    ok(ctx, store_adjust(ctx, fixture->store, &songs, "n", "plays", 5, NULL));
    ok(ctx, store_remove(ctx, fixture->store, &songs, "n", 0, EVENTS(published("event.track.four"))));
    int64_t after;
    ok(ctx, store_adjust(ctx, fixture->store, &songs, "n", "plays", 2, &after));
    cr_expect_eq(after, 2);
}

STORE_TEST(what_is_done_goes_to_the_log_once)
{
    struct ctx *ctx = &fixture->ctx;
    for (int i = 0; i < 7; i++)
        insert_with(fixture, arena_printf(&ctx->arena, "s%d", i), "event.track.published");
    struct outbox_event *events, *again;
    size_t count;
    ok(ctx, outbox_read(ctx, fixture->store, 4, &events, &count));
    cr_assert_eq(count, 4);
    ok(ctx, outbox_done(ctx, fixture->store, events, 4));
    ok(ctx, outbox_done(ctx, fixture->store, events, 4));
    cr_assert_eq(pending(fixture, &again), 3);
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 3; k++)
            cr_expect_str_neq(events[i].id, again[k].id);
    ok(ctx, outbox_done(ctx, fixture->store, again, 3));
    cr_expect_eq(pending(fixture, &again), 0);

    const char *cursor = NULL;
    size_t total = 0, rounds = 0;
    do {
        ok(ctx, outbox_log(ctx, fixture->store, 0, cursor, 3, &again, &count, &cursor));
        for (size_t i = 0; i < count; i++)
            cr_expect_str_eq(again[i].type, "event.track.published");
        total += count;
    } while (cursor && ++rounds < 10);
    cr_expect_eq(total, 7);
    ok(ctx, outbox_log(ctx, fixture->store, clock_now_ms() + 1000, NULL, 3, &again, &count, &cursor));
    cr_expect_eq(count, 0);
    fails(ctx, ERROR_INVALID, outbox_log(ctx, fixture->store, 0, "no cursor", 3, &again, &count, &cursor));
    /* The documents are there as before. */
    struct song back;
    ok(ctx, store_get(ctx, fixture->store, &songs, "s3", &back));
    cr_expect_eq(back.doc.version, 1);
    ok(ctx, store_update(ctx, fixture->store, &songs, &back, (struct update){ .set = FIELDS("title") }));
}

STORE_TEST(the_log_is_swept)
{
    struct ctx *ctx = &fixture->ctx;
    struct outbox_event *events;
    const char *next;
    size_t count, dropped;
    insert_with(fixture, "a", "event.track.published");
    insert_with(fixture, "b", "event.track.published");
    size_t waiting = pending(fixture, &events);
    ok(ctx, outbox_done(ctx, fixture->store, events, waiting));
    ok(ctx, outbox_sweep(ctx, fixture->store, clock_now_ms() - 60000, &dropped));
    cr_expect_eq(dropped, 0);
    ok(ctx, outbox_sweep(ctx, fixture->store, clock_now_ms() + 1000, &dropped));
    cr_expect_eq(dropped, 2);
    ok(ctx, outbox_log(ctx, fixture->store, 0, NULL, 10, &events, &count, &next));
    cr_expect_eq(count, 0);
}

STORE_TEST(one_time_codes_are_in_no_log)
{
    struct ctx *ctx = &fixture->ctx;
    struct outbox_event *events;
    const char *next;
    size_t count;
    insert_with(fixture, "a", "event.otp.issued");
    cr_assert_eq(pending(fixture, &events), 1);
    ok(ctx, outbox_done(ctx, fixture->store, events, 1));
    cr_expect_eq(pending(fixture, &events), 0);
    ok(ctx, outbox_log(ctx, fixture->store, 0, NULL, 10, &events, &count, &next));
    cr_expect_eq(count, 0);
}
