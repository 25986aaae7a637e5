#include "record/record.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

static const char *const states[] = { "DRAFT", "SUBMITTED", "PUBLISHED", NULL };

struct part {
    const char *title;
    int64_t seconds;
};

static const struct field part_fields[] = {
    FIELD("title", TEXT, struct part, title, .required = true, .min = 2, .max = 5),
    FIELD("seconds", INTEGER, struct part, seconds, .least = 1, .most = 600),
    { 0 },
};

struct thing {
    const char *id, *name, *email, *url, *extra;
    int64_t plays, at;
    double gain;
    bool loud;
    int state;
    struct list tags, numbers, parts;
    struct part *best;
};

static const struct field thing_fields[] = {
    FIELD("id", ID, struct thing, id),
    FIELD("name", TEXT, struct thing, name, .required = true, .min = 2, .max = 10, .doc = "What it is called"),
    FIELD("email", TEXT, struct thing, email, .valid = is_email, .rule = "email"),
    FIELD("url", TEXT, struct thing, url, .valid = is_http_url, .rule = "url", .always = true),
    FIELD("plays", INTEGER, struct thing, plays, .least = 1, .most = 100, .always = true),
    FIELD("gain", NUMBER, struct thing, gain),
    FIELD("loud", FLAG, struct thing, loud),
    FIELD("at", TIME, struct thing, at),
    FIELD("state", ENUM, struct thing, state, .values = states),
    FIELD("tags", LIST, struct thing, tags, .item = TEXT, .min = 1, .max = 3,
          .pattern = "^[\\p{Ll}\\p{Lo}\\d][\\p{Ll}\\p{Lo}\\d-]{0,49}$", .always = true),
    FIELD("numbers", LIST, struct thing, numbers, .item = INTEGER),
    FIELD("parts", LIST, struct thing, parts, .item = RECORD, .item_size = sizeof(struct part), .record = part_fields),
    FIELD("best", RECORD, struct thing, best, .item_size = sizeof(struct part), .record = part_fields),
    FIELD("extra", JSON, struct thing, extra, .max = 32),
    { 0 },
};

static struct ctx ctx;

static void teardown(void)
{
    ctx_finish(&ctx);
}

TestSuite(record, .fini = teardown);

static bool parse(const char *text, struct thing *thing)
{
    *thing = (struct thing){ 0 };
    ctx_finish(&ctx);
    return record_parse(&ctx, text, strlen(text), thing_fields, thing);
}

static const char *written(const struct thing *thing)
{
    struct buf out = BUF(&ctx.arena);
    record_json(&out, thing_fields, thing);
    return out.data;
}

/* "name required; email email": what the pending error lists. */
static const char *violations(void)
{
    struct buf out = BUF(&ctx.arena);
    for (const struct violation *v = ctx.error ? ctx.error->violations : NULL; v; v = v->next)
        buf_printf(&out, "%s%s %s", out.size ? "; " : "", v->field, v->rule);
    return out.size ? out.data : "";
}

static const char whole[] = "{\"id\":\"7\",\"name\":\"Zo\u00eb "
                            "\\\"q\\\"\",\"email\":\"a@b.cd\",\"url\":\"https://x.org/\",\"plays\":3,\"gain\":-0.1,"
                            "\"loud\":true,\"at\":\"2026-11-20T18:52:01.123Z\",\"state\":\"SUBMITTED\",\"tags\":[\"a\","
                            "\"b-2\"],\"numbers\":[1,-2],"
                            "\"parts\":[{\"title\":\"one\",\"seconds\":5},{\"title\":\"two\"}],\"best\":{\"title\":"
                            "\"three\"},\"extra\":{\"k\":[1,null]}}";

Test(record, reads_and_writes_every_kind)
{
    struct thing thing;
    cr_assert(parse(whole, &thing), "%s", violations());
    cr_expect_str_eq(thing.name, "Zo\u00eb \"q\"");
    cr_expect_eq(thing.at, INT64_C(1795200721123));
    cr_expect_eq(thing.state, 1);
    cr_assert_eq(thing.parts.count, 2);
    cr_expect_str_eq(((struct part *)thing.parts.items)[1].title, "two");
    cr_expect_eq(((int64_t *)thing.numbers.items)[1], -2);
    cr_expect_str_eq(written(&thing), whole);
}

Test(record, goes_through_bson_unchanged)
{
    struct thing thing, back = { 0 };
    cr_assert(parse(whole, &thing));
    _cleanup_(bson_destroy) bson_t doc = BSON_INITIALIZER;
    record_to_bson(&doc, thing_fields, &thing);
    cr_expect(bson_has_field(&doc, "parts.1.title"));
    cr_expect_not(bson_has_field(&doc, "parts.1.seconds"), "absent fields are not written");
    cr_assert(record_from_bson(&ctx, &doc, thing_fields, &back));
    cr_expect_str_eq(written(&back), whole);
}

Test(record, leaves_out_what_is_absent)
{
    struct thing thing = { 0 };
    cr_expect_str_eq(written(&thing), "{\"url\":null,\"plays\":0,\"loud\":false,\"state\":\"DRAFT\",\"tags\":[]}");
    static const struct field none[] = { { 0 } };
    struct buf out = BUF(&ctx.arena);
    record_json(&out, none, &thing);
    cr_expect_str_eq(out.data, "{}");
}

Test(record, names_every_broken_rule_once)
{
    static const struct {
        const char *text, *broken;
    } cases[] = {
        { "{}", "name required" },
        { "{\"name\":null}", "name required" },
        { "{\"name\":7}", "name type" },
        { "{\"name\":\"a\",\"email\":\"nobody\",\"url\":\"javascript:alert(1)\",\"plays\":0}",
          "name min; email email; url url; plays min" },
        { "{\"name\":\"01234567890\",\"plays\":101}", "name max; plays max" },
        { "{\"name\":\"0123456789\"}", "" },
        { "{\"name\":\"\u00eb\u00eb\u00eb\u00eb\u00eb\u00eb\u00eb\u00eb\u00eb\u00eb\"}", "" },
        { "{\"name\":\"e\\u0301\"}", "name min" }, /* composed it is one character */
        { "{\"name\":\"a\\u0007b\"}", "name pattern" },
        { "{\"name\":\"a\\u0085b\"}", "name pattern" },
        { "{\"name\":\"a\\r\\nb\"}", "name pattern" },
        { "{\"name\":\"a\\n\\tb\"}", "" },
        { "{\"name\":\"ab\",\"loud\":1,\"gain\":\"1\",\"at\":\"yesterday\",\"plays\":1.5}",
          "plays type; gain type; loud type; at type" },
        { "{\"name\":\"ab\",\"plays\":2.0,\"gain\":3}", "" },
        { "{\"name\":\"ab\",\"state\":\"draft\"}", "state enum" },
        { "{\"name\":\"ab\",\"state\":0}", "state type" },
        { "{\"name\":\"ab\",\"tags\":[]}", "tags min" },
        { "{\"name\":\"ab\",\"tags\":{}}", "tags type" },
        { "{\"name\":\"ab\",\"tags\":[\"A\",\"B\",3]}", "tags pattern; tags type" },
        { "{\"name\":\"ab\",\"tags\":[\"A\",\"B\",\"C\",\"D\"]}", "tags max" },
        { "{\"name\":\"ab\",\"tags\":[\"\u97f3\u697d\",\"na\\u0308-1\"]}", "" },
        { "{\"name\":\"ab\",\"tags\":[\"a\\n\"]}", "tags pattern" },
        { "{\"name\":\"ab\",\"parts\":[{\"title\":\"ab\"},{\"seconds\":0},4]}",
          "parts.1.title required; parts.1.seconds min; parts.2 type" },
        { "{\"name\":\"ab\",\"best\":{\"title\":\"x\"}}", "best.title min" },
        { "{\"name\":\"ab\",\"best\":[]}", "best type" },
        { "{\"name\":\"ab\",\"extra\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]}", "extra max" },
        { "{\"name\":\"ab\",\"other\":{\"x\":[]}}", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct thing thing;
        cr_expect_eq(parse(cases[i].text, &thing), !*cases[i].broken, "%s", cases[i].text);
        cr_expect_str_eq(violations(), cases[i].broken, "%s: %s", cases[i].text, violations());
        cr_expect(!*cases[i].broken || (ctx.error && ctx.error->code == ERROR_INVALID));
    }
}

Test(record, says_which_item_and_why)
{
    struct thing thing;
    cr_expect_not(parse("{\"name\":\"ab\",\"parts\":[{\"title\":\"toolong\"}]}", &thing));
    cr_assert_not_null(ctx.error);
    cr_expect_str_eq(ctx.error->violations->message, "parts.0.title must have at most 5 characters");
    cr_expect_not(parse("{\"name\":\"ab\",\"state\":\"GONE\"}", &thing));
    cr_expect_str_eq(ctx.error->violations->message, "state must be one of DRAFT, SUBMITTED, PUBLISHED");
}

Test(record, lists_no_more_than_64_violations)
{
    struct buf text = BUF(&ctx.arena);
    buf_text(&text, "{\"parts\":[{}");
    for (int i = 0; i < 2000; i++)
        buf_text(&text, ",{}");
    buf_text(&text, "]}");
    struct thing thing = { 0 };
    cr_expect_not(record_parse(&ctx, text.data, text.size, thing_fields, &thing));
    size_t count = 0;
    for (const struct violation *v = ctx.error->violations; v; v = v->next)
        count++;
    cr_expect_eq(count, 64);
}

Test(record, refuses_what_is_not_json_of_a_sane_size)
{
    static const char *const texts[] = {
        "",
        " ",
        "[]",
        "null",
        "\"x\"",
        "{",
        "{\"name\":}",
        "{\"name\":\"ab\"} x",
        "{\"name\":\"ab\",\"name\":\"cd\"}",
        "{\"name\":\"a\\u0000b\"}",
        "{\"na\\u0000me\":\"ab\"}",
        "{\"name\":\"\\ud800\"}",
        "{\"name\":\"\xff\xfe\"}",
        "{\"name\":\"\xc0\xaf\"}",
        "{\"name\":\"a\x01\"}",
        "{\"name\":'ab'}",
        "{\"name\":\"ab\",}",
        "{\"plays\":99999999999999999999}",
        "{\"gain\":1e999}",
        "{\"gain\":NaN}",
        "\xef\xbb\xbf{\"name\":\"ab\"}",
        "{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}",
    };
    struct thing thing;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        cr_expect_not(parse(texts[i], &thing), "%s", texts[i]);
        cr_assert_not_null(ctx.error, "%s", texts[i]);
        cr_expect_eq(ctx.error->code, ERROR_INVALID, "%s", texts[i]);
    }
    cr_expect(parse("{\"name\":\"ab\",\"a\":[[[[[[[[[[[[[[[\"[[[[\\\"[[\"]]]]]]]]]]]]]]]}", &thing), "16 levels");
    cr_expect_not(record_parse(&ctx, "{\"name\":\"a\0b\"}", 14, thing_fields, &thing), "a NUL in the text");
}

Test(record, bounds_size_and_values)
{
    size_t size = 1 << 20;
    char *text = arena_alloc(&ctx.arena, size + 2);
    memset(text, ' ', size + 1);
    memcpy(text, "{\"name\":\"ab\"}", 13);
    struct thing thing = { 0 };
    cr_expect(record_parse(&ctx, text, size, thing_fields, &thing));
    cr_expect_not(record_parse(&ctx, text, size + 1, thing_fields, &thing));
    cr_expect_eq(ctx.error->code, ERROR_TOO_LARGE);
    ctx.error = NULL;
    memcpy(text, "{\"a\":[", 6);
    for (size_t i = 6; i < 300006; i += 3)
        memcpy(text + i, "[],", 3);
    memcpy(text + 300006, "1]}", 3);
    cr_expect_not(record_parse(&ctx, text, size, thing_fields, &thing));
    cr_expect_str_eq(ctx.error->message, "the JSON has too many values");
}

Test(record, composes_text)
{
    struct thing thing;
    cr_assert(parse("{\"name\":\"Zoe\\u0308 \\u212b\"}", &thing)); /* e + diaeresis, the angstrom sign */
    cr_expect_str_eq(thing.name, "Zo\u00eb \u00c5");
}

Test(record, checks_a_struct_without_json)
{
    const char *tags[] = { "ok", "NOT" };
    struct part parts[] = { { "ab", 0 }, { NULL, 601 } };
    struct thing thing = {
        .name = "a", .email = "x", .plays = 101, .state = 9, .tags = { tags, 2 }, .parts = { parts, 2 }
    };
    cr_expect_not(record_check(&ctx, thing_fields, &thing));
    cr_expect_str_eq(
        violations(),
        "name min; email email; plays max; state enum; tags pattern; parts.1.title required; parts.1.seconds max");
    ctx_finish(&ctx);
    thing = (struct thing){ .name = "ab" };
    cr_expect(record_check(&ctx, thing_fields, &thing), "%s", violations());
    thing.name = "a\xff";
    cr_expect_not(record_check(&ctx, thing_fields, &thing));
    cr_expect_str_eq(violations(), "name type");
}

Test(record, holds_a_required_zero_to_its_bounds)
{
    static const struct field fields[] = {
        FIELD("n", INTEGER, struct part, seconds, .required = true, .least = 1, .most = 9), { 0 }
    };
    static const struct field free_fields[] = { FIELD("n", INTEGER, struct part, seconds, .required = true), { 0 } };
    struct part part = { 0 };
    cr_expect_not(record_check(&ctx, fields, &part));
    ctx_finish(&ctx);
    cr_expect(record_check(&ctx, free_fields, &part));
}

Test(record, fails_on_a_stored_field_of_another_kind)
{
    static const struct {
        const char *json;
        bool fine;
    } docs[] = {
        { "{\"name\":{\"$numberLong\":\"1\"}}", false },
        { "{\"plays\":\"1\"}", false },
        { "{\"plays\":1.5}", false },
        { "{\"plays\":7.0,\"gain\":2,\"later\":{\"x\":1},\"url\":null}", true },
        { "{\"loud\":1}", false },
        { "{\"at\":1}", false },
        { "{\"state\":\"GONE\"}", false },
        { "{\"tags\":\"a\"}", false },
        { "{\"tags\":[\"a\",1]}", false },
        { "{\"parts\":[1]}", false },
        { "{\"best\":[]}", false },
        { "{\"best\":{\"title\":4}}", false },
    };
    for (size_t i = 0; i < sizeof docs / sizeof *docs; i++) {
        bson_error_t error;
        bson_t *doc = bson_new_from_json((const uint8_t *)docs[i].json, -1, &error);
        struct thing thing = { 0 };
        cr_assert_not_null(doc);
        cr_expect_eq(record_from_bson(&ctx, doc, thing_fields, &thing), docs[i].fine, "%s", docs[i].json);
        cr_expect(docs[i].fine || (ctx.error && ctx.error->code == ERROR_INTERNAL), "%s", docs[i].json);
        bson_destroy(doc);
        ctx_finish(&ctx);
    }
}

Test(record, writes_numbers_that_read_back_the_same)
{
    static const double numbers[] = { 0.1,   1.0 / 3,       1e-300, 1.7976931348623157e308,
                                      -2.5,  123456789.125, 1e15,   9007199254740993.0,
                                      5e-324 };
    static const struct field fields[] = { FIELD("n", NUMBER, struct thing, gain, .always = true),
                                           FIELD("i", INTEGER, struct thing, plays),
                                           { 0 } };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct thing thing = { .gain = numbers[i], .plays = i ? INT64_MIN : INT64_MAX }, back = { 0 };
        struct buf out = BUF(&ctx.arena);
        record_json(&out, fields, &thing);
        cr_assert(record_parse(&ctx, out.data, out.size, fields, &back), "%s", out.data);
        cr_expect(back.gain == thing.gain && back.plays == thing.plays, "%s", out.data);
    }
    struct thing thing = { .gain = NAN };
    struct buf out = BUF(&ctx.arena);
    record_json(&out, fields, &thing);
    cr_expect_str_eq(out.data, "{\"n\":null}");
}

Test(record, gives_up_on_a_pattern_that_explodes)
{
    static const struct field fields[] = { FIELD("name", TEXT, struct thing, name, .pattern = "^(a+)+$"), { 0 } };
    char text[128];
    snprintf(text, sizeof text, "{\"name\":\"%s!\"}", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    struct thing thing = { 0 };
    cr_expect_not(record_parse(&ctx, text, strlen(text), fields, &thing));
    cr_expect_str_eq(violations(), "name pattern");
}

Test(record, says_that_a_table_has_a_bad_pattern)
{
    static const struct field fields[] = { FIELD("name", TEXT, struct thing, name, .pattern = "("), { 0 } };
    struct thing thing = { 0 };
    cr_expect_not(record_parse(&ctx, "{\"name\":\"a\"}", 12, fields, &thing));
    const struct error *root = ctx.error;
    while (root && root->cause)
        root = root->cause;
    cr_assert_not_null(root);
    cr_expect_eq(root->code, ERROR_INTERNAL);
}

static void *match_many(void *unused)
{
    (void)unused;
    struct ctx own = { 0 };
    for (int i = 0; i < 1200; i++) { /* more patterns than are kept */
        char pattern[32], text[64];
        snprintf(pattern, sizeof pattern, "^x%dy?$", i);
        snprintf(text, sizeof text, "{\"name\":\"x%d\"}", i);
        const struct field fields[] = { FIELD("name", TEXT, struct thing, name, .pattern = pattern), { 0 } };
        struct thing thing = { 0 };
        bool matched = record_parse(&own, text, strlen(text), fields, &thing);
        snprintf(text, sizeof text, "{\"name\":\"x%dz\"}", i);
        bool other = record_parse(&own, text, strlen(text), fields, &thing);
        ctx_finish(&own);
        if (!matched || other)
            return "wrong";
    }
    return NULL;
}

Test(record, keeps_patterns_for_all_threads)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, match_many, NULL);
    for (int i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        cr_expect_null(wrong);
    }
}

Test(record, describes_itself)
{
    struct buf out = BUF(&ctx.arena);
    record_schema(&out, thing_fields);
    json_t *schema = json_loadb(out.data, out.size, JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(schema, "%s", out.data);
    json_t *members = json_object_get(schema, "properties");
    cr_expect_eq(json_object_size(members), 14);
    cr_expect_str_eq(json_string_value(json_array_get(json_object_get(schema, "required"), 0)), "name");
    char *name = json_dumps(json_object_get(members, "name"), JSON_COMPACT);
    cr_expect_str_eq(name,
                     "{\"type\":\"string\",\"minLength\":2,\"maxLength\":10,\"description\":\"What it is called\"}");
    char *tags = json_dumps(json_object_get(members, "tags"), JSON_COMPACT);
    cr_expect_str_eq(tags, "{\"type\":\"array\",\"minItems\":1,\"maxItems\":3,\"items\":{\"type\":\"string\","
                           "\"pattern\":\"^[\\\\p{Ll}\\\\p{Lo}\\\\d][\\\\p{Ll}\\\\p{Lo}\\\\d-]{0,49}$\"}}");
    free(name);
    free(tags);
    json_decref(schema);
}
