#include "auth_fixture.h"
#include "apikey/apikeys_store.h"
#include "base/text.h"

#include <string.h>

TestSuite(apikeys, .init = auth_start, .fini = auth_stop, .timeout = 60);

static struct answer make(const struct person *by, const char *body)
{
    return CALL(POST, "/apikeys", body, .token = by->access);
}

static int verify(const char *key)
{
    return CALL(GET, "/verify/apikey", .key = key).status;
}

static int validate(const char *key)
{
    return call_subject("auth.validate.apikey", format("{\"key\":\"%s\"}", key), false).status;
}

Test(apikeys, are_shown_once)
{
    struct person root = admin();
    struct answer made = make(&root, "{\"name\":\"web\",\"scopes\":[\"GENERAL\"],\"rate\":60}");
    cr_assert_eq(made.status, 201, "%s", made.text);
    const char *key = text_at(made.data, "key"), *id = text_at(made.data, "id");
    cr_expect(text_starts(key, format("ta_%s_", id)), "%s", key);
    cr_expect(text_starts(key, text_at(made.data, "prefix")));
    cr_expect_str_eq(text_at(made.data, "name"), "web");
    cr_expect_str_eq(text_at(made.data, "scopes.0"), "GENERAL");
    cr_expect(json_is_null(json_at(made.data, "expiresAt")), "%s", made.text);

    struct answer listed = CALL(GET, "/apikeys", .token = root.access);
    cr_assert_eq(listed.status, 200);
    cr_expect_str_eq(text_at(listed.data, "items.0.id"), id);
    cr_expect_null(strstr(listed.text, strrchr(key, '_') + 1));
    struct apikey *stored = apikey_store_get(&fixture.ctx, fixture.store, id);
    cr_expect_null(strstr(stored->hash, strrchr(key, '_') + 1));
}

Test(apikeys, open_the_door)
{
    struct person root = admin();
    struct answer made = make(&root, "{\"name\":\"web\",\"scopes\":[\"/media\",\"/auth/profile\"],\"rate\":60}");
    const char *key = text_at(made.data, "key");
    struct answer answer = call_subject("auth.validate.apikey", format("{\"key\":\"%s\"}", key), false);
    cr_assert_eq(answer.status, 200, "%s", answer.text);
    cr_expect_str_eq(text_at(answer.body, "id"), text_at(made.data, "id"));
    cr_expect_str_eq(text_at(answer.body, "name"), "web");
    cr_expect_str_eq(text_at(answer.body, "scopes.1"), "/auth/profile");
    cr_expect_eq(json_integer_value(json_at(answer.body, "rate")), 60);
    cr_expect_eq(CALL(GET, format("/profile/id/%s", root.id), .key = key).status, 200);
}

Test(apikeys, that_are_none_do_not)
{
    struct person root = admin();
    const char *key = text_at(make(&root, "{\"name\":\"web\",\"scopes\":[\"GENERAL\"]}").data, "key");
    char *forged = apikey_make(&fixture.ctx,
                               format("%.24s", key + 3)); /* the right form, id and checksum, another secret */
    char *unknown = apikey_make(&fixture.ctx, "000000000000000000000000");
    char *altered = arena_strdup(&fixture.ctx.arena, key);
    altered[40] = altered[40] == 'a' ? 'b' : 'a';
    const char *const wrong[] = { forged, unknown, altered, "", "x", "ta_", format("%sx", key), format("%.40s", key) };
    cr_expect_eq(verify(key), 200);
    cr_expect_eq(validate(key), 200);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_expect_eq(verify(wrong[i]), 401, "%s", wrong[i]);
        cr_expect_eq(validate(wrong[i]), *wrong[i] ? 401 : 400, "%s", wrong[i]);
        cr_expect_eq(CALL(GET, format("/profile/id/%s", root.id), .key = wrong[i]).status, 401, "%s", wrong[i]);
    }
    cr_expect_eq(verify(NULL), 401);
}

Test(apikeys, end_when_they_are_revoked)
{
    struct person root = admin();
    struct answer made = make(&root, "{\"name\":\"web\",\"scopes\":[\"GENERAL\"]}");
    const char *key = text_at(made.data, "key"), *path = format("/apikeys/%s", text_at(made.data, "id"));
    cr_expect_eq(CALL(DELETE, path, .token = root.access).status, 200);
    cr_expect_eq(verify(key), 401);
    cr_expect_eq(validate(key), 401);
    cr_expect_eq(json_array_size(json_at(CALL(GET, "/apikeys", .token = root.access).data, "items")), 0);
    cr_expect_eq(CALL(DELETE, path, .token = root.access).status, 404);
    cr_expect_eq(CALL(DELETE, "/apikeys/nothing", .token = root.access).status, 404);
    cr_expect(feed_revoked(fixture.feed, REVOKED_APIKEY, text_at(made.data, "id"), 0));
}

Test(apikeys, expire)
{
    struct person root = admin();
    struct answer made = make(&root, format("{\"name\":\"web\",\"scopes\":[\"GENERAL\"],\"expiresAt\":\"%s\"}",
                                            clock_format(&fixture.ctx.arena, clock_now_ms() + 3600000)));
    cr_assert_eq(made.status, 201, "%s", made.text);
    const char *key = text_at(made.data, "key");
    cr_expect_not_null(text_at(made.data, "expiresAt"));
    cr_expect_eq(verify(key), 200);
    struct apikey *stored = apikey_store_get(&fixture.ctx, fixture.store, text_at(made.data, "id"));
    stored->expires_at = clock_now_ms() - 1;
    cr_assert(store_update(&fixture.ctx, fixture.store, &apikey_collection, stored,
                           (struct update){ .set = FIELDS("expiresAt") }));
    cr_expect_eq(verify(key), 401);
    cr_expect_eq(validate(key), 401);
}

static struct apikey *last_used(const char *id, int64_t ago_ms)
{
    struct apikey *stored = apikey_store_get(&fixture.ctx, fixture.store, id);
    cr_assert_not_null(stored);
    stored->used_at = clock_now_ms() - ago_ms;
    cr_assert(apikey_store_use(&fixture.ctx, fixture.store, stored));
    return stored;
}

static void check_it(void *key, size_t number)
{
    (void)number;
    cr_expect_eq(verify(key), 200);
}

/* However many ask, one of them notes it, and nobody does for a minute after that. */
Test(apikeys, tell_when_they_were_last_used)
{
    struct person root = admin();
    struct answer made = make(&root, "{\"name\":\"web\",\"scopes\":[\"GENERAL\"]}");
    const char *key = text_at(made.data, "key"), *id = text_at(made.data, "id");
    struct answer listed = CALL(GET, "/apikeys", .token = root.access);
    cr_expect(json_is_null(json_at(listed.data, "items.0.lastUsedAt")), "%s", listed.text);
    cr_expect_eq(verify("ta_x"), 401);
    at_once(20, check_it, (void *)key);
    cr_expect_eq(apikey_store_get(&fixture.ctx, fixture.store, id)->doc.version, 2, "one write of twenty");
    listed = CALL(GET, "/apikeys", .token = root.access);
    cr_expect_not_null(text_at(listed.data, "items.0.lastUsedAt"), "%s", listed.text);

    struct apikey *stored = last_used(id, 20000);
    cr_expect_eq(validate(key), 200);
    cr_expect_eq(apikey_store_get(&fixture.ctx, fixture.store, id)->doc.version, stored->doc.version);
    stored = last_used(id, USE_NOTED_MS + 1);
    cr_expect_eq(validate(key), 200);
    cr_expect_eq(apikey_store_get(&fixture.ctx, fixture.store, id)->doc.version, stored->doc.version + 1);
}

Test(apikeys, are_refused_when_they_make_no_sense)
{
    struct person root = admin();
    const struct {
        const char *body, *field, *rule;
    } cases[] = {
        { "{\"scopes\":[\"GENERAL\"]}", "name", "required" },
        { "{\"name\":\"x\"}", "scopes", "required" },
        { "{\"name\":\"x\",\"scopes\":[]}", "scopes", "min" },
        { "{\"name\":\"x\",\"scopes\":[\"media\"]}", "scopes", "pattern" },
        { "{\"name\":\"x\",\"scopes\":[\"GENERAL\",\"/media/\"]}", "scopes", "pattern" },
        { "{\"name\":\"x\",\"scopes\":[\"GENERAL\"],\"rate\":-1}", "rate", "min" },
        { "{\"name\":\"x\",\"scopes\":[\"GENERAL\"],\"expiresAt\":\"2001-01-01T00:00:00Z\"}", "expiresAt", "min" },
        { "{\"name\":\"x\",\"scopes\":[\"GENERAL\"],\"expiresAt\":\"soon\"}", "expiresAt", "type" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer answer = make(&root, cases[i].body);
        cr_expect_eq(answer.status, 400, "%s", cases[i].body);
        cr_expect(has_violation(&answer, cases[i].field, cases[i].rule), "%s", answer.text);
    }
}

Test(apikeys, reach_what_their_scopes_reach)
{
    struct person root = admin();
    const char *media = text_at(make(&root, "{\"name\":\"m\",\"scopes\":[\"/media/tracks\"]}").data, "key");
    const char *general = text_at(make(&root, "{\"name\":\"g\",\"scopes\":[\"GENERAL\"]}").data, "key");
    const struct {
        const char *path;
        int status;
    } cases[] = {
        { "/media/tracks", 200 },
        { "/media/tracks/latest", 200 },
        { "/media/tracks?limit=1", 200 },
        { "/media/tracks?q=a%20b//", 200 },
        { "/media/tracksx", 403 },
        { "/media", 403 },
        { "/auth/users", 403 },
        { "/media/tracks/../../auth", 403 },
        { "/media/tracks/%2e%2e/x", 403 },
        { "/media/tracks//x", 403 },
        { "", 403 },
        { "media/tracks", 403 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer answer = CALL(GET, "/verify/apikey", .key = media, .header = "x-original-uri",
                                    .value = cases[i].path);
        cr_expect_eq(answer.status, cases[i].status, "%s", cases[i].path);
        answer = CALL(GET, "/verify/apikey", .key = media, .header = "x-forwarded-uri", .value = cases[i].path);
        cr_expect_eq(answer.status, cases[i].status, "%s", cases[i].path);
        answer = CALL(GET, "/verify/apikey", .key = general, .header = "x-original-uri", .value = cases[i].path);
        cr_expect_eq(answer.status, 200, "%s", cases[i].path);
    }
    cr_expect_eq(verify(media), 403, "who does not say what for may mean everything");
    cr_expect_eq(verify(general), 200);
}

Test(apikeys, an_outage_is_no_answer_about_one)
{
    struct person root = admin();
    const char *key = text_at(make(&root, "{\"name\":\"g\",\"scopes\":[\"GENERAL\"]}").data, "key");
    cr_expect_eq(CALL(GET, "/verify/apikey", .key = key, .late = true).status, 503);
    cr_expect_eq(call_subject("auth.validate.apikey", format("{\"key\":\"%s\"}", key), true).status, 503);
    cr_expect_eq(CALL(GET, "/verify/apikey", .key = "garbage", .late = true).status, 401, "garbage asks nobody");
}

Test(apikeys, are_named_in_the_tokens_they_lead_to)
{
    struct person root = admin();
    struct answer made = make(&root, "{\"name\":\"g\",\"scopes\":[\"GENERAL\"]}");
    struct answer answer = CALL(POST, "/signin/basic",
                                "{\"email\":\"admin@example.com\",\"password\":\"correct horse\"}",
                                .key = text_at(made.data, "key"));
    struct jwt_claims claims;
    cr_assert(
        token_check(&fixture.ctx, &fixture.parts.tokens, text_at(answer.data, "tokens.accessToken"), false, &claims));
    cr_expect_str_eq(claims.client, text_at(made.data, "id"));
    answer = CALL(POST, "/signin/basic", "{\"email\":\"admin@example.com\",\"password\":\"correct horse\"}",
                  .header = "x-credential-identifier", .value = "by the edge");
    cr_assert(
        token_check(&fixture.ctx, &fixture.parts.tokens, text_at(answer.data, "tokens.accessToken"), false, &claims));
    cr_expect_str_eq(claims.client, "by the edge");
}
