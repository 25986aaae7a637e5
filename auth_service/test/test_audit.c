/* Who did what from where: carried by the write that does it, kept once, and without where from when its person is
 * gone. */
#include "auth_fixture.h"
#include "audit/audit_store.h"
#include "base/random.h"
#include "base/text.h"
#include "store/outbox.h"

#include <string.h>

TestSuite(audit, .init = auth_start, .fini = auth_stop, .timeout = 120);

/* Every person of a test signs up: what that leaves has a test of its own. */
static bool is_of_signup(const json_t *entry)
{
    return text_equal(text_at(entry, "action"), "session.began") && text_equal(text_at(entry, "detail"), "signup");
}

/* What the relay and the consumer do with what the writes carry; `of` NULL: every type. */
static size_t deliver(const char *of)
{
    struct ctx *ctx = &fixture.ctx;
    struct outbox_event *events;
    size_t count, deeds = 0;
    cr_assert(outbox_read(ctx, fixture.store, 1000, &events, &count));
    for (size_t i = 0; i < count; i++) {
        json_t *json = json_loads(events[i].json, 0, NULL);
        const char *data = json_dumps(json_at(json, "data"), 0);
        struct consumed event = { .type = events[i].type,
                                  .id = events[i].id,
                                  .entity = text_at(json, "subject"),
                                  .time_ms = clock_now_ms(),
                                  .data = data,
                                  .data_size = strlen(data) };
        deeds += text_equal(event.type, DEED_TYPE);
        if (!of || text_equal(event.type, of))
            cr_assert(audit_handle(ctx, &fixture.parts.audit, &event), "%s", events[i].json);
        free((char *)data);
        json_decref(json);
    }
    return deeds;
}

static json_t *whole_trail(const struct person *by, const char *query)
{
    struct answer answer = CALL(GET, format("/audit%s", query), .token = by->access);
    cr_assert_eq(answer.status, 200, "%s", answer.text);
    return json_at(answer.data, "items");
}

/* Without those of sign-ups. */
static json_t *trail(const struct person *by, const char *query)
{
    json_t *all = whole_trail(by, query);
    for (size_t i = json_array_size(all); i-- > 0;)
        if (is_of_signup(json_array_get(all, i)))
            json_array_remove(all, i);
    return all;
}

static int put(const struct person *by, const char *id, const char *what, const char *body)
{
    return CALL(PUT, format("/users/%s/%s", id, what), body, .token = by->access).status;
}

static void expect_entry(json_t *entry, const struct person *by, const char *action, const char *target,
                         const char *detail)
{
    cr_expect_str_eq(text_at(entry, "by"), by->id);
    cr_expect(text_equal(text_at(entry, "session"), by->session), "%s", text_at(entry, "session"));
    cr_expect_str_eq(text_at(entry, "action"), action);
    cr_expect(!target || text_equal(text_at(entry, "target"), target), "%s", text_at(entry, "target"));
    cr_expect(text_equal(text_at(entry, "detail"), detail), "%s", text_at(entry, "detail"));
    cr_expect_str_eq(text_at(entry, "address"), "192.0.2.7");
    cr_expect_str_eq(text_at(entry, "device"), "Tests/1.0");
}

Test(audit, tells_of_app_passwords)
{
    struct person root = admin(), ann = signup("ann");
    struct answer made = CALL(POST, "/app-passwords", "{\"name\":\"phone\"}", .token = ann.access);
    const char *id = text_at(made.data, "id");
    cr_assert_eq(CALL(DELETE, format("/app-passwords/%s", id), .token = ann.access).status, 200);
    cr_expect_eq(deliver(NULL), 2);
    json_t *about = trail(&root, format("?target=%s", id));
    cr_assert_eq(json_array_size(about), 2);
    const bool first = text_equal(text_at(about, "0.action"), "apppassword.created"); /* in one millisecond, perhaps */
    expect_entry(json_array_get(about, first ? 0 : 1), &ann, "apppassword.created", id, NULL);
    expect_entry(json_array_get(about, first ? 1 : 0), &ann, "apppassword.revoked", id, NULL);
}

Test(audit, tells_what_administrators_do)
{
    struct person root = admin(), ann = signup("ann");
    cr_assert_eq(put(&root, ann.id, "roles", "{\"roles\":[\"ARTIST\",\"EDITOR\"]}"), 200);
    cr_assert_eq(put(&root, ann.id, "status", "{\"status\":\"SUSPENDED\"}"), 200);
    struct answer made = CALL(POST, "/apikeys", "{\"name\":\"x\",\"scopes\":[\"/media\"]}", .token = root.access);
    const char *key = text_at(made.data, "id");
    cr_assert_eq(CALL(DELETE, format("/apikeys/%s", key), .token = root.access).status, 200);
    cr_assert_eq(CALL(PUT, "/roles/EDITOR", "{\"permissions\":[],\"status\":\"ACTIVE\"}", .token = root.access).status,
                 200);
    cr_expect_eq(deliver(NULL), 5);
    json_t *all = trail(&root, "");
    cr_assert_eq(json_array_size(all), 5);
    json_t *about = trail(&root, format("?target=%s", ann.id));
    cr_assert_eq(json_array_size(about), 2);
    const bool first = text_equal(text_at(about, "0.action"), "user.roles"); /* in one millisecond, perhaps */
    expect_entry(json_array_get(about, first ? 0 : 1), &root, "user.roles", ann.id, "ARTIST,EDITOR");
    expect_entry(json_array_get(about, first ? 1 : 0), &root, "user.status", ann.id, "SUSPENDED");
    json_t *keys = trail(&root, format("?target=%s&by=%s", key, root.id));
    cr_assert_eq(json_array_size(keys), 2);
    cr_expect_eq(json_array_size(trail(&root, format("?by=%s", root.id))), 5);
    cr_expect_eq(json_array_size(trail(&root, format("?by=%s", ann.id))), 0);
    cr_expect_eq(CALL(GET, "/audit", .token = signup("bob").access).status, 403);
}

/* What was refused, or was so already, was not done; who guessed is told of all the same. */
Test(audit, tells_nothing_that_was_not_done)
{
    struct person root = admin(), ann = signup("ann");
    cr_expect_eq(put(&root, ann.id, "roles", "{\"roles\":[\"KING\"]}"), 400);
    cr_expect_eq(put(&root, root.id, "status", "{\"status\":\"SUSPENDED\"}"), 409);
    cr_expect_eq(put(&root, "000000000000000000000000", "status", "{\"status\":\"SUSPENDED\"}"), 404);
    cr_expect_eq(put(&root, ann.id, "status", "{\"status\":\"ACTIVE\"}"), 200);
    cr_expect_eq(put(&ann, root.id, "roles", "{\"roles\":[]}"), 403);
    cr_expect_eq(
        CALL(PUT, "/password", "{\"current\":\"wrong horse\",\"password\":\"battery staple\"}", .token = ann.access)
            .status,
        401);
    cr_expect_eq(deliver(NULL), 0);
    json_t *all = trail(&root, "");
    cr_assert_eq(json_array_size(all), 1);
    cr_expect_str_eq(text_at(all, "0.action"), "password.refused");
    cr_expect_str_eq(text_at(all, "0.actor"), "UNKNOWN");
    cr_expect_str_eq(text_at(all, "0.target"), ann.id);
}

static const json_t *only(const struct person *root, const char *query)
{
    const json_t *found = whole_trail(root, query);
    cr_assert_eq(json_array_size(found), 1, "%s: %zu", query, json_array_size(found));
    return json_array_get(found, 0);
}

/* Where somebody came in, and went. */
Test(audit, tells_of_sign_ups_sign_ins_and_sign_outs)
{
    struct person root = admin(), ann = signup("ann"), second = signin("ann"), third = signin("ann");
    cr_assert_eq(CALL(DELETE, "/signout", .token = second.access).status, 200);
    cr_assert_eq(CALL(DELETE, format("/sessions/%s", third.session), .token = ann.access).status, 200);
    cr_assert_eq(CALL(DELETE, "/signout?all=true", .token = ann.access).status, 200);
    deliver(NULL);
    expect_entry((json_t *)only(&root, format("?action=session.began&target=%s", ann.session)), &ann, "session.began",
                 ann.session, "signup");
    expect_entry((json_t *)only(&root, format("?action=session.began&target=%s", second.session)), &second,
                 "session.began", second.session, "password");
    expect_entry((json_t *)only(&root, format("?target=%s&action=session.ended", second.session)), &second,
                 "session.ended", second.session, NULL);
    expect_entry((json_t *)only(&root, format("?target=%s&action=session.ended", third.session)), &ann, "session.ended",
                 third.session, NULL);
    expect_entry((json_t *)only(&root, format("?target=%s&action=sessions.ended&by=%s", ann.id, ann.id)), &ann,
                 "sessions.ended", ann.id, NULL);
    cr_expect_str_eq(text_at(only(&root, format("?target=%s", ann.session)), "actor"), "USER");
}

static int try_password(const char *email, const char *password)
{
    return CALL(POST, "/signin/basic", format("{\"email\":\"%s\",\"password\":\"%s\"}", email, password)).status;
}

/* An account is named by its id; what was typed where there is none is not kept. */
Test(audit, tells_of_tries_that_were_refused)
{
    struct person root = admin(), ann = signup("ann"), bob = signup("bob");
    cr_assert_eq(put(&root, bob.id, "status", "{\"status\":\"SUSPENDED\"}"), 200);
    cr_expect_eq(try_password("ann@example.com", "wrong horse"), 401);
    cr_expect_eq(try_password("bob@example.com", "correct horse"), 401);
    cr_expect_eq(try_password("nobody@example.com", "wrong horse"), 401);
    cr_expect_eq(CALL(POST, "/email/verify", "{\"code\":\"000000\"}", .token = ann.access).status, 401);
    cr_expect_eq(CALL(POST, "/password/reset",
                      "{\"email\":\"nobody@example.com\",\"code\":\"000000\",\"password\":\"battery staple\"}")
                     .status,
                 401);
    const struct {
        const char *action, *target, *detail;
    } wanted[] = {
        { "signin.refused", ann.id, "password" },
        { "signin.refused", bob.id, "suspended" },
        { "code.refused", ann.id, NULL },
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        const json_t *entry = only(&root, format("?action=%s&target=%s", wanted[i].action, wanted[i].target));
        cr_expect_str_eq(text_at(entry, "actor"), "UNKNOWN");
        cr_expect_null(text_at(entry, "by"));
        cr_expect(text_equal(text_at(entry, "detail"), wanted[i].detail), "%s", text_at(entry, "detail"));
        cr_expect_str_eq(text_at(entry, "address"), "192.0.2.7");
        cr_expect_str_eq(text_at(entry, "device"), "Tests/1.0");
    }
    struct answer all = CALL(GET, "/audit?action=signin.refused", .token = root.access);
    cr_expect_eq(json_array_size(json_at(all.data, "items")), 3);
    cr_expect_null(strstr(all.text, "nobody"), "%s", all.text);
    cr_expect_eq(json_array_size(whole_trail(&root, "?action=code.refused")), 2);
}

/* Nobody waits for the trail, and no answer hangs on it. */
Test(audit, a_try_is_refused_without_it)
{
    signup("ann");
    struct ctx ctx = { .request_id = "", .deadline_ms = 1 };
    ctx_fail(&ctx, ERROR_UNAUTHORIZED, "as before");
    audit_refused(&ctx, &fixture.parts.audit, &(struct audit_entry){ .action = "signin.refused" });
    cr_assert_not_null(ctx.error);
    cr_expect_str_eq(ctx.error->message, "as before");
    cr_expect_eq(ctx.deadline_ms, 1);
    ctx_finish(&ctx);
}

/* A refresh token that was used up comes from whoever holds it. */
Test(audit, tells_of_a_refresh_token_that_was_used_again)
{
    struct person root = admin(), ann = signup("ann");
    const char *second = text_at(refresh(ann.refresh).data, "refreshToken");
    cr_assert_eq(refresh(second).status, 200);
    cr_assert_eq(refresh(ann.refresh).status, 401);
    deliver(NULL);
    const json_t *entry = only(&root, format("?action=refresh.reused&target=%s", ann.session));
    cr_expect_str_eq(text_at(entry, "actor"), "UNKNOWN");
    cr_expect_str_eq(text_at(entry, "by"), ann.id);
    cr_expect_str_eq(text_at(entry, "address"), "192.0.2.7");
}

Test(audit, is_asked_for_a_time)
{
    struct person root = admin();
    const char *somebody = id_new(&fixture.ctx.arena);
    int64_t now = clock_now_ms();
    for (int i = 0; i < 4; i++) {
        struct audit_entry entry = {
            .doc.id = id_new(&fixture.ctx.arena), .at = now - i * 60000, .by = somebody, .action = format("test.%d", i)
        };
        cr_assert(audit_store_insert(&fixture.ctx, fixture.store, &entry));
    }
    const char *since = clock_format(&fixture.ctx.arena, now - 2 * 60000),
               *until = clock_format(&fixture.ctx.arena, now);
    json_t *found = whole_trail(&root, format("?by=%s&since=%s&until=%s", somebody, since, until));
    cr_assert_eq(json_array_size(found), 2);
    cr_expect_str_eq(text_at(found, "0.action"), "test.1");
    cr_expect_str_eq(text_at(found, "1.action"), "test.2");
    cr_expect_eq(json_array_size(whole_trail(&root, format("?action=test.3&until=%s", since))), 1);
    struct answer answer = CALL(GET, "/audit?since=yesterday&until=x", .token = root.access);
    cr_expect_eq(answer.status, 400);
    cr_expect(has_violation(&answer, "since", "type") && has_violation(&answer, "until", "type"), "%s", answer.text);
}

Test(audit, tells_what_people_do_to_their_own_accounts)
{
    struct person root = admin(), ann = signup("ann");
    cr_assert_eq(
        CALL(PUT, "/password", "{\"current\":\"correct horse\",\"password\":\"battery staple\"}", .token = ann.access)
            .status,
        200);
    cr_expect_eq(deliver(NULL), 1);
    json_t *mine = trail(&root, format("?by=%s", ann.id));
    cr_assert_eq(json_array_size(mine), 1);
    expect_entry(json_array_get(mine, 0), &ann, "password.changed", ann.id, NULL);
}

/* A stream delivers at least once. */
Test(audit, keeps_one_that_comes_again_once)
{
    struct person root = admin(), ann = signup("ann");
    cr_assert_eq(put(&root, ann.id, "status", "{\"status\":\"SUSPENDED\"}"), 200);
    for (int i = 0; i < 3; i++)
        cr_expect_eq(deliver(NULL), 1);
    cr_expect_eq(json_array_size(trail(&root, "")), 1);
}

/* Events are read by many and kept for days. */
Test(audit, its_events_tell_nobody_where_from)
{
    struct person root = admin(), ann = signup("ann");
    cr_assert_eq(put(&root, ann.id, "status", "{\"status\":\"SUSPENDED\"}"), 200);
    struct outbox_event *events;
    size_t count, seen = 0;
    cr_assert(outbox_read(&fixture.ctx, fixture.store, 1000, &events, &count));
    for (size_t i = 0; i < count; i++) {
        seen += text_equal(events[i].type, DEED_TYPE) && strstr(events[i].json, "user.status");
        cr_expect_null(strstr(events[i].json, "192.0.2.7"), "%s", events[i].json);
        cr_expect_null(strstr(events[i].json, "Tests/1.0"), "%s", events[i].json);
    }
    cr_expect_eq(seen, 1);
}

/* What a deleted person did stays, where from does not; also when their deed is told of after their end. */
Test(audit, forgets_where_a_deleted_person_was)
{
    struct person root = admin(), ann = signup("ann");
    cr_assert_eq(
        CALL(PUT, "/password", "{\"current\":\"correct horse\",\"password\":\"battery staple\"}", .token = ann.access)
            .status,
        200);
    cr_expect_eq(deliver(DEED_TYPE), 1);
    cr_expect_not_null(text_at(trail(&root, format("?by=%s", ann.id)), "0.address"));
    cr_expect_eq(try_password("ann@example.com", "wrong horse"), 401);
    cr_expect_not_null(text_at(only(&root, "?action=signin.refused"), "address"));
    cr_assert_eq(CALL(POST, "/profile/mine/delete", "{\"password\":\"battery staple\"}", .token = ann.access).status,
                 200);
    cr_expect_eq(deliver("event.user.deleted"), 2);
    cr_expect_null(text_at(trail(&root, format("?by=%s", ann.id)), "0.address"));
    cr_expect_null(text_at(only(&root, "?action=signin.refused"), "address"), "what was tried at their account");
    cr_expect_eq(deliver(NULL), 2);
    json_t *mine = trail(&root, format("?by=%s", ann.id));
    cr_assert_eq(json_array_size(mine), 2);
    for (size_t i = 0; i < 2; i++) {
        cr_expect_not_null(text_at(mine, format("%zu.action", i)));
        cr_expect_null(text_at(mine, format("%zu.address", i)));
        cr_expect_null(text_at(mine, format("%zu.device", i)));
    }
}

Test(audit, is_read_by_pages_newest_first_and_swept_when_it_is_old)
{
    struct person root = admin();
    const char *somebody = id_new(&fixture.ctx.arena);
    int64_t now = clock_now_ms(), day = 24LL * 3600 * 1000;
    for (int i = 0; i < 5; i++) {
        struct audit_entry entry = { .doc.id = id_new(&fixture.ctx.arena),
                                     .at = now - i * day / 2 - 1000,
                                     .by = somebody,
                                     .action = format("test.%d", i) };
        cr_assert(audit_store_insert(&fixture.ctx, fixture.store, &entry));
    }
    const char *cursor = NULL;
    size_t seen = 0;
    do {
        struct answer answer = CALL(
            GET, format("/audit?limit=2&by=%s%s%s", somebody, cursor ? "&cursor=" : "", cursor ? cursor : ""),
            .token = root.access);
        cr_assert_eq(answer.status, 200, "%s", answer.text);
        json_t *items = json_at(answer.data, "items");
        for (size_t i = 0; i < json_array_size(items); i++, seen++)
            cr_expect_str_eq(text_at(items, format("%zu.action", i)), format("test.%zu", seen));
        cursor = text_at(answer.data, "next");
    } while (cursor && seen < 100);
    cr_expect_eq(seen, 5);
    cr_assert(audit_sweep(&fixture.ctx, &fixture.parts.audit));
    cr_expect_eq(json_array_size(trail(&root, "")), 2, "of the last day");
}

/* Everybody signs in, and anybody can be refused: of those there are more, and they go sooner. */
Test(audit, of_sign_ins_is_kept_for_a_shorter_time)
{
    struct person root = admin();
    static const char *const actions[] = {
        "session.began", "session.ended", "sessions.ended", "refresh.reused",   "signin.refused",
        "code.refused",  "user.roles",    "password.reset", "password.refused", NULL
    };
    const int64_t hour = 3600 * 1000, ages[] = { 11 * hour, 13 * hour };
    for (size_t i = 0; actions[i]; i++)
        for (size_t k = 0; k < 2; k++) {
            struct audit_entry entry = { .doc.id = id_new(&fixture.ctx.arena),
                                         .at = clock_now_ms() - ages[k],
                                         .target = root.id,
                                         .action = actions[i] };
            cr_assert(audit_store_insert(&fixture.ctx, fixture.store, &entry));
        }
    cr_assert(audit_sweep(&fixture.ctx, &fixture.parts.audit));
    for (size_t i = 0; actions[i]; i++)
        cr_expect_eq(json_array_size(whole_trail(&root, format("?action=%s&target=%s", actions[i], root.id))),
                     text_equal(actions[i], "user.roles") || text_equal(actions[i], "password.reset") ? 2 : 1, "%s",
                     actions[i]);
}
