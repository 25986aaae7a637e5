/*
 * A record by its table. What is taken from JSON is written, read and written
 * again as the same, goes through BSON unchanged, and what is refused is refused
 * in words that can be shown. BSON that is none does no harm.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "contract/messages.h"
#include "fuzz.h"
#include "record/record.h"

#include <string.h>

static const char *const states[] = { "DRAFT", "SUBMITTED", "PUBLISHED", NULL };

struct part {
    const char *title;
    int64_t seconds;
    struct list parts;
};

static const struct field part_fields[] = {
    FIELD("title", TEXT, struct part, title, .required = true, .min = 2, .max = 5),
    FIELD("seconds", INTEGER, struct part, seconds, .least = 1, .most = 600),
    FIELD("parts", LIST, struct part, parts, .item = RECORD, .item_size = sizeof(struct part), .record = part_fields),
    { 0 },
};

/* A member of every kind. */
struct thing {
    const char *id, *name, *email, *url, *extra;
    int64_t plays, at;
    double gain;
    bool loud;
    int state;
    struct list tags, numbers, gains, times, flags, states, parts;
    struct part *best;
};

#define LISTS(name_, item_, ...) FIELD(#name_, LIST, struct thing, name_, .item = item_, ##__VA_ARGS__)

static const struct field thing_fields[] = {
    FIELD("id", ID, struct thing, id),
    FIELD("name", TEXT, struct thing, name, .min = 2, .max = 10, .doc = "What it is called"),
    FIELD("email", TEXT, struct thing, email, .valid = is_email, .rule = "email"),
    FIELD("url", TEXT, struct thing, url, .valid = is_http_url, .rule = "url", .always = true),
    FIELD("plays", INTEGER, struct thing, plays, .always = true),
    FIELD("gain", NUMBER, struct thing, gain),
    FIELD("loud", FLAG, struct thing, loud),
    FIELD("at", TIME, struct thing, at),
    FIELD("state", ENUM, struct thing, state, .values = states),
    LISTS(tags, TEXT, .max = 3, .pattern = "^[\\p{Ll}\\p{Lo}\\d][\\p{Ll}\\p{Lo}\\d-]{0,49}$", .always = true),
    LISTS(numbers, INTEGER),
    LISTS(gains, NUMBER),
    LISTS(times, TIME),
    LISTS(flags, FLAG),
    LISTS(states, ENUM, .values = states),
    LISTS(parts, RECORD, .item_size = sizeof(struct part), .record = part_fields),
    FIELD("best", RECORD, struct thing, best, .item_size = sizeof(struct part), .record = part_fields),
    FIELD("extra", JSON, struct thing, extra, .max = 200),
    { 0 },
};

static const struct {
    const struct field *fields;
    size_t size;
} tables[] = {
    { thing_fields, sizeof(struct thing) },
    { valid_token_fields, sizeof(struct valid_token) },
    { valid_apikey_fields, sizeof(struct valid_apikey) },
    { validate_role_fields, sizeof(struct validate_role) },
    { revocation_fields, sizeof(struct revocation) },
};

static void check_error(const struct error *error)
{
    must_hold(error && error->message && *error->message, "a refusal says why");
    must_hold(utf8_valid(error->message, strlen(error->message)), "in UTF-8");
    for (const struct violation *one = error->violations; one; one = one->next)
        must_hold(one->field && one->rule && utf8_valid(one->message, strlen(one->message)), "and so does each rule");
}

static struct buf written(struct ctx *ctx, const struct field *fields, const void *record)
{
    struct buf out = BUF(&ctx->arena);
    record_json(&out, fields, record);
    _cleanup_(json_decrefp) json_t *root = json_loadb(out.data, out.size, JSON_REJECT_DUPLICATES, NULL);
    must_hold(root != NULL, "what is written is JSON");
    return out;
}

static bool same(const struct buf *a, const struct buf *b)
{
    return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

/* A FLAG or ENUM stands in every output, so that only what was read is compared with what is read. */
static void check_json(struct ctx *ctx, const struct field *fields, size_t size, const struct buf *json)
{
    void *back = arena_alloc(&ctx->arena, size);
    must_hold(record_parse(ctx, json->data, json->size, fields, back), "what is written can be read");
    struct buf again = written(ctx, fields, back);
    must_hold(same(json, &again), "in, out and in is the same");
}

static void check_bson(struct ctx *ctx, const struct field *fields, size_t size, const void *record,
                       const struct buf *json)
{
    _cleanup_(bson_destroy) bson_t doc = BSON_INITIALIZER;
    record_to_bson(&doc, fields, record);
    size_t wrong;
    must_hold(bson_validate(&doc, BSON_VALIDATE_UTF8, &wrong), "it is BSON");
    void *back = arena_alloc(&ctx->arena, size);
    must_hold(record_from_bson(ctx, &doc, fields, back), "that can be read");
    struct buf again = written(ctx, fields, back);
    must_hold(same(json, &again), "and says the same");
}

static void from_json(struct ctx *ctx, const char *text, size_t size, const struct field *fields, size_t record_size)
{
    void *record = arena_alloc(&ctx->arena, record_size);
    if (!record_parse(ctx, text, size, fields, record)) {
        check_error(ctx->error);
        return;
    }
    must_hold(record_check(ctx, fields, record), "what was taken keeps the rules");
    struct buf json = written(ctx, fields, record);
    check_json(ctx, fields, record_size, &json);
    check_bson(ctx, fields, record_size, record, &json);
}

/* What a store gives back is not trusted to be well-formed; but a JSON field is what was put into it, and is written as
 * it is. */
static void from_bson(struct ctx *ctx, const uint8_t *data, size_t size, const struct field *fields, size_t record_size)
{
    bson_t doc;
    void *record = arena_alloc(&ctx->arena, record_size);
    if (!bson_init_static(&doc, data, size))
        return;
    if (!record_from_bson(ctx, &doc, fields, record)) {
        check_error(ctx->error);
        return;
    }
    if (fields == thing_fields)
        ((struct thing *)record)->extra = NULL;
    written(ctx, fields, record);
}

static void check_schema(struct ctx *ctx, const struct field *fields)
{
    struct buf out = BUF(&ctx->arena);
    record_schema(&out, fields);
    _cleanup_(json_decrefp) json_t *root = json_loadb(out.data, out.size, JSON_REJECT_DUPLICATES, NULL);
    must_hold(json_is_object(json_object_get(root, "properties")), "a schema is JSON");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = INPUT(data, size);
    unsigned how = input_byte(&input);
    size_t table = how / 2 % (sizeof tables / sizeof *tables), left = input_left(&input);
    const struct field *fields = tables[table].fields;
    struct ctx ctx = { .request_id = "" };
    char *text = input_copy(input.at, left);
    if (how & 1)
        from_bson(&ctx, (const uint8_t *)text, left, fields, tables[table].size);
    else
        from_json(&ctx, text, left, fields, tables[table].size);
    if (!left)
        check_schema(&ctx, fields);
    free(text);
    ctx_finish(&ctx);
    return 0;
}
