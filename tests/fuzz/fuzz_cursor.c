/*
 * Cursors of the store and of the projection. One that is taken is the one that
 * would be written for the place it names; of another query it is refused.
 */
#include "base/cleanup.h"
#include "crypto/digest.h"
#include "fuzz.h"
#include "projection/bookmark.h"
#include "store/cursor.h"

#include <string.h>

struct thing {
    struct doc doc;
    const char *name, *owner;
    int64_t at;
};

static const struct field fields[] = {
    FIELD("name", TEXT, struct thing, name),
    FIELD("owner", ID, struct thing, owner),
    FIELD("at", TIME, struct thing, at),
    { 0 },
};

static const struct index indexes[] = {
    { "by_name", { "name" }, false },
    { "by_at", { "at" }, false },
    { "by_owner", { "owner", "at" }, false },
    { "by_all", { "owner", "name", "at" }, false },
    { 0 },
};

static const struct collection things = { "things", fields, sizeof(struct thing), indexes };
static const struct table table = { .of = &things };

/* A query made of a few bytes, and the bounds that it points to. */
struct asked {
    struct query query;
    struct key equal[INDEX_FIELDS], from, to;
    char *texts[4];
};

static bool is_text(const struct index *index, size_t field)
{
    return strcmp(index->on[field], "at") != 0;
}

static struct key read_key(struct input *input, bool text, char **owned)
{
    if (text)
        return KEY_TEXT(*owned = input_text(input));
    int64_t value = 0;
    for (int i = 0; i < 2; i++)
        value = value << 8 | input_byte(input);
    return KEY_INT(value);
}

static void read_query(struct input *input, struct asked *out)
{
    unsigned how = input_byte(input), bounds = input_byte(input);
    struct query *query = &out->query;
    *query = (struct query){ .table = &table, .descending = how & 16, .equal = out->equal, .limit = 10 };
    if (how & 8)
        query->index = &indexes[query->number = how % 4];
    while (query->index && query->fields < INDEX_FIELDS && query->index->on[query->fields])
        query->fields++;
    query->equals = query->fields ? (how >> 5) % (query->fields + 1) : 0;
    size_t texts = 0;
    for (size_t i = 0; i < query->equals && texts < 2; i++)
        out->equal[i] = read_key(input, is_text(query->index, i), &out->texts[texts++]);
    for (size_t i = 2; i < query->equals; i++)
        out->equal[i] = KEY_INT(7);
    bool text = query->equals == query->fields || is_text(query->index, query->equals);
    if (bounds & 1)
        out->from = read_key(input, text, &out->texts[2]);
    if (bounds & 2)
        out->to = read_key(input, text, &out->texts[3]);
    query->from = bounds & 1 ? &out->from : NULL;
    query->to = bounds & 2 ? &out->to : NULL;
}

static void put_key(bson_t *doc, const char *name, const struct key *key)
{
    if (key->text)
        bson_append_utf8(doc, name, -1, key->text, -1);
    else
        bson_append_int64(doc, name, -1, key->integer);
}

/* The cursor of a row that stands where `query` goes on. */
static const char *cursor_again(struct ctx *ctx, const struct query *query)
{
    _cleanup_(bson_destroy) bson_t doc = BSON_INITIALIZER;
    for (size_t i = query->equals; i < query->fields; i++)
        put_key(&doc, query->index->on[i], &query->after[i - query->equals]);
    struct row row = { query->after_id, 1, &doc };
    return cursor_make(ctx, query, &row);
}

static void check_cursor(struct ctx *ctx, const struct query *asked, const char *cursor)
{
    struct query query = *asked;
    if (!cursor_read(ctx, cursor, &query)) {
        must_hold(ctx->error && ctx->error->code == ERROR_INVALID, "what is no cursor is the asker's fault");
        ctx->error = NULL;
        return;
    }
    const char *again = cursor_again(ctx, &query);
    must_hold(again && strcmp(again, cursor) == 0, "a cursor that is taken is the one that is written");
    struct query other = *asked;
    other.descending = !asked->descending;
    must_hold(!cursor_read(ctx, cursor, &other), "of another query it is refused");
    ctx->error = NULL;
}

/* The rest of the input as a position, behind the hash of the query: what somebody who knows the form could send. */
static const char *cursor_of(struct ctx *ctx, const struct query *query, const struct input *input)
{
    _cleanup_(bson_destroy) bson_t doc = BSON_INITIALIZER;
    struct row row = { "", 1, &doc };
    for (size_t i = query->equals; i < query->fields; i++)
        put_key(&doc, query->index->on[i], is_text(query->index, i) ? &KEY_TEXT("") : &KEY_INT(1));
    size_t size = 0;
    const char *made = cursor_make(ctx, query, &row);
    const unsigned char *bytes = made ? base64url_decode(&ctx->arena, made, &size) : NULL;
    must_hold(bytes && size >= 8, "a cursor can be made");
    struct buf out = BUF(&ctx->arena);
    buf_add(&out, bytes, 8);
    buf_add(&out, input->at, input_left(input));
    return base64url(&ctx->arena, out.data, out.size);
}

static void check_bookmark(struct ctx *ctx, struct input *input)
{
    char *question = input_text(input), *cursor = input_text(input);
    const char *place = bookmark_read(ctx, "list", question, cursor);
    const char *made = bookmark_write(ctx, "list", question, cursor);
    if (place)
        must_hold(strcmp(bookmark_write(ctx, "list", question, place), cursor) == 0, "a bookmark is the one written");
    ctx->error = NULL;
    if (strlen(made) <= 2048) {
        const char *back = bookmark_read(ctx, "list", question, made);
        must_hold(back && strcmp(back, cursor) == 0, "and goes back to its place");
        must_hold(!bookmark_read(ctx, "other", question, made), "of another list it is refused");
    }
    free(question);
    free(cursor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = INPUT(data, size);
    struct ctx ctx = { .request_id = "" };
    struct asked asked = { 0 };
    unsigned how = input_byte(&input);
    if (how % 3 == 2) {
        check_bookmark(&ctx, &input);
    } else {
        read_query(&input, &asked);
        char *text = how % 3 ? NULL : input_text(&input);
        check_cursor(&ctx, &asked.query, text ? text : cursor_of(&ctx, &asked.query, &input));
        free(text);
    }
    for (size_t i = 0; i < sizeof asked.texts / sizeof *asked.texts; i++)
        free(asked.texts[i]);
    ctx_finish(&ctx);
    return 0;
}
