/* The short way through a body of plain texts must say what the parser of JSON says. */
#include "record/record.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct note {
    const char *id, *title, *word;
    int64_t size;
};

static const struct field note_fields[] = {
    FIELD("id", ID, struct note, id, .required = true, .max = 8),
    FIELD("title", TEXT, struct note, title, .min = 2, .max = 6),
    FIELD("word", TEXT, struct note, word, .pattern = "^[a-z]*$"),
    FIELD("size", INTEGER, struct note, size),
    { 0 },
};

static bool by_jansson(struct ctx *ctx, const char *body, struct note *out)
{
    _cleanup_(json_decrefp) json_t *root = json_loadb(body, strlen(body), JSON_REJECT_DUPLICATES, NULL);
    if (!root)
        return ctx_fail(ctx, ERROR_INVALID, "not JSON");
    return record_from_json(ctx, root, note_fields, out);
}

static void expect_same_errors(const struct ctx *a, const struct ctx *b, const char *body)
{
    cr_assert_eq(!a->error, !b->error, "%s", body);
    const struct violation *x = a->error ? a->error->violations : NULL, *y = b->error ? b->error->violations : NULL;
    for (; x && y; x = x->next, y = y->next) {
        cr_assert_str_eq(x->field, y->field, "%s", body);
        cr_assert_str_eq(x->rule, y->rule, "%s", body);
    }
    cr_assert(!x && !y, "%s", body);
}

static void expect_same(const char *body)
{
    struct ctx ctx = { .request_id = "" }, other = { .request_id = "" };
    struct note note = { 0 }, wanted = { 0 };
    bool good = record_parse(&ctx, body, strlen(body), note_fields, &note);
    cr_assert_eq(good, by_jansson(&other, body, &wanted), "%s", body);
    expect_same_errors(&ctx, &other, body);
    if (good) {
        cr_assert(text_equal(note.id, wanted.id), "%s", body);
        cr_assert(text_equal(note.title, wanted.title), "%s", body);
        cr_assert(text_equal(note.word, wanted.word), "%s", body);
        cr_assert_eq(note.size, wanted.size, "%s", body);
    }
    ctx_finish(&ctx);
    ctx_finish(&other);
}

Test(record_plain, says_what_the_parser_says)
{
    static const char *const bodies[] = {
        "{\"id\":\"a\"}",
        "{\"id\":\"a\",\"title\":\"abc\",\"word\":\"xyz\"}",
        "{\"word\":\"xyz\",\"id\":\"a\"}",
        "{\"title\":\"abc\"}",
        "{\"id\":\"\"}",
        "{\"id\":\"a\",\"title\":\"a\"}",
        "{\"id\":\"a\",\"title\":\"abcdefg\",\"word\":\"A\"}",
        "{\"id\":\"a\",\"id\":\"b\"}",
        "{\"id\":\"a\",\"other\":\"b\"}",
        "{\"i\":\"a\"}",
        "{\"idx\":\"a\"}",
        "{\"id\":\"a\",\"size\":7}",
        "{\"id\":\"a\",\"size\":\"7\"}",
        "{\"id\":\"a\",}",
        "{\"id\":\"a\"",
        "{\"id\":\"a",
        "{\"id\":",
        "{\"id\"",
        "{\"id\":\"a\"}}",
        "{\"id\":\"a\"} ",
        "{\"id\" : \"a\"}",
        "{\"id\":\"a\\n\"}",
        "{\"id\":\"a\\\"\"}",
        "{\"id\":\"a\\\\\"}",
        "{\"id\":\"\xc3\xa9\"}",
        "{\"id\":\"\xff\"}",
        "{\"id\":\"\x01\"}",
        "{\"id\":\"\x7f\"}",
        "{\"id\":null}",
        "{\"\":\"a\"}",
        "{,\"id\":\"a\"}",
        ",\"id\":\"a\"}",
        "{}",
        "[]",
        "",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        expect_same(bodies[i]);
}

/* Bodies in which one byte is another one, or missing. */
Test(record_plain, says_what_the_parser_says_of_broken_bodies)
{
    static const char body[] = "{\"id\":\"a1\",\"title\":\"abc\",\"word\":\"xyz\"}";
    static const char others[] = "\"\\{}[]:,a \n\x01\x7f\xc3";
    for (size_t at = 0; at < sizeof body - 1; at++) {
        char broken[sizeof body];
        for (const char *other = others; *other; other++) {
            memcpy(broken, body, sizeof body);
            broken[at] = *other;
            expect_same(broken);
        }
        memcpy(broken, body, at);
        memcpy(broken + at, body + at + 1, sizeof body - at - 1);
        expect_same(broken);
    }
}

Test(record_plain, reads_no_further_than_the_size)
{
    static const char body[] = "{\"id\":\"a\"}";
    for (size_t size = 0; size < sizeof body; size++) {
        char *exact = malloc(size ? size : 1); /* no NUL after it: the sanitizer watches */
        memcpy(exact, body, size);
        struct ctx ctx = { .request_id = "" };
        struct note note = { 0 };
        cr_expect_eq(record_parse(&ctx, exact, size, note_fields, &note), size == sizeof body - 1);
        ctx_finish(&ctx);
        free(exact);
    }
}
