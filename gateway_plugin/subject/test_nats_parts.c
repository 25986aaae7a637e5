/* Subjects of NATS routes, and what stands in an address as fields of a message. */
#include "subject/nats_fields.h"

#include <criterion/criterion.h>
#include <string.h>

static struct arena arena;

static void teardown(void)
{
    arena_free(&arena);
}

TestSuite(nats_parts, .fini = teardown);

static const char *why(const char *text)
{
    const char *out;
    cr_expect_null(nats_subject_parse(&arena, text, &out), "%s", text);
    return out ? out : "";
}

Test(nats_parts, what_is_no_subject_is_refused)
{
    cr_expect(strstr(why("media.*"), "wildcard"));
    cr_expect(strstr(why("media.>"), "wildcard"));
    cr_expect(strstr(why(""), "1 to 255"));
    cr_expect(strstr(why("a..b"), "empty"));
    cr_expect(strstr(why(".a"), "empty"));
    cr_expect(strstr(why("a."), "empty"));
    cr_expect(strstr(why("a b"), "letters"));
    cr_expect(strstr(why("a/b"), "letters"));
    cr_expect(strstr(why("a.{x"), "no }"));
    cr_expect(strstr(why("a.{}"), "{NAME}"));
    cr_expect(strstr(why("a.{1x}"), "{NAME}"));
    cr_expect(strstr(why("a.{100}"), "{NAME}"));
    cr_expect(strstr(why("a.{x-y}"), "{NAME}"));
    cr_expect(strstr(why("a.x}"), "letters"));
    cr_expect(strstr(why("{x}.a"), "begin with a name"));
    cr_expect(strstr(why("$JS.API.INFO"), "own"));
    cr_expect(strstr(why("_INBOX.x"), "own"));
}

static const char *written(const char *text, struct params params)
{
    const char *fault;
    struct buf out = BUF(&arena);
    const struct nats_subject *subject = nats_subject_parse(&arena, text, &fault);
    cr_assert_not_null(subject, "%s: %s", text, fault);
    return nats_subject_write(subject, &params, &out) ? out.data : NULL;
}

static struct params one(const char *name, const char *value)
{
    return (struct params){ .items = { { name, value, strlen(value) } }, .count = 1 };
}

Test(nats_parts, a_path_fills_a_subject)
{
    cr_expect_str_eq(written("media.track", (struct params){ 0 }), "media.track");
    cr_expect_str_eq(written("a.{id}.b", one("id", "x")), "a.x.b");
    cr_expect_str_eq(written("a.pre-{id}-post", one("id", "7")), "a.pre-7-post");
    cr_expect_str_eq(written("a.{id}", one("id", "caf%C3%A9")), "a.caf\xc3\xa9");
    cr_expect_null(written("a.{id}", one("other", "x")));
}

Test(nats_parts, what_a_client_sends_stays_in_its_token)
{
    static const char *const values[] = { "",       "a.b", "*",        ">",   "a b", "a%20b",
                                          "%2e%2E", "%2A", "a%0d%0ab", "%ff", "%",   "a%2" };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        cr_expect_null(written("a.{id}", one("id", values[i])), "%s", values[i]);
    char large[SUBJECT_SIZE_MAX + 1] = "";
    memset(large, 'x', SUBJECT_SIZE_MAX);
    cr_expect_null(written("a.{id}", one("id", large)));
}

static const char *merged(const char *subject_text, struct params params, const char *query, const char *body,
                          enum merge wanted)
{
    const char *fault;
    struct address_fields fields;
    struct buf out = BUF(&arena);
    const struct nats_subject *subject = nats_subject_parse(&arena, subject_text, &fault);
    cr_assert(address_fields_read(&fields, &arena, subject, &params, query, strlen(query)), "%s", query);
    cr_expect_eq(address_fields_merge(&fields, body, strlen(body), &out), wanted, "%s", body);
    return out.data ? out.data : "";
}

Test(nats_parts, the_path_comes_before_the_query_and_the_query_before_the_body)
{
    struct params id = one("id", "7");
    cr_expect_str_eq(merged("s", id, "", "", MERGED), "{\"id\":\"7\"}");
    cr_expect_str_eq(merged("s", id, "id=8&q=x", "{\"id\":9,\"q\":{},\"z\":[1,{\"id\":2}]}", MERGED),
                     "{\"id\":\"7\",\"q\":\"x\",\"z\":[1,{\"id\":2}]}");
    cr_expect_str_eq(merged("s.{id}", id, "q=%22", " { } ", MERGED), "{\"q\":\"\\\"\"}", "the subject has it already");
    cr_expect_str_eq(merged("s", id, "a=1&a=2&b&&c=", "{\"d\" : \"},\\\"\" , \"e\":null}", MERGED),
                     "{\"id\":\"7\",\"a\":[\"1\",\"2\"],\"b\":\"\",\"c\":\"\",\"d\" : \"},\\\"\",\"e\":null}");
    cr_expect_str_eq(merged("s", (struct params){ 0 }, "a%3Db=1&x+y=2&ok=3", "", MERGED), "{\"ok\":\"3\"}",
                     "other names are left out");
}

Test(nats_parts, a_body_that_says_a_name_in_disguise_is_refused)
{
    static const char *const bad[] = { "{\"\\u0069d\":9}", "{\"a\":1", "{\"a\"}",     "{\"a\":}",   "{a:1}",
                                       "{\"a\":1,}",       "{,}",      "{\"a\":1} x", "{\"a\":\"1}" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        merged("s", one("id", "7"), "", bad[i], MERGE_BAD);
    merged("s", one("id", "7"), "", "[1]", MERGE_KEPT);
    merged("s", one("id", "7"), "", "id=9", MERGE_KEPT);
}

Test(nats_parts, too_many_fields_and_bad_escapes_are_refused)
{
    struct address_fields fields;
    struct params none = { 0 };
    const char *fault;
    const struct nats_subject *subject = nats_subject_parse(&arena, "s", &fault);
    static const char *const bad[] = { "a=%", "a=%4", "a=%zz", "%00=1", "a=%ff", "a=%0a" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(address_fields_read(&fields, &arena, subject, &none, bad[i], strlen(bad[i])), "%s", bad[i]);
    char many[4 * (FIELDS_MAX + 1) + 1] = "";
    for (int i = 0; i <= FIELDS_MAX; i++)
        memcpy(many + 4 * i, "a=1&", 5);
    cr_expect_not(address_fields_read(&fields, &arena, subject, &none, many, strlen(many)));
    cr_expect(address_fields_read(&fields, &arena, subject, &none, many + 4, strlen(many + 4)));
    cr_expect_eq(fields.count, FIELDS_MAX);
}
