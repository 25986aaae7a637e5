#include "store/cursor.h"

#include "base/text.h"
#include "store/keys.h"

#include <openssl/evp.h>
#include <string.h>

enum { HASH_SIZE = 8, CURSOR_MAX = HASH_SIZE + INDEX_FIELDS * (KEY_MAX + 3) + ID_MAX + 3 };

static void put_key(struct buf *out, const struct key *key)
{
    if (!key->text) {
        unsigned char bytes[9] = { 'i' };
        for (int i = 0; i < 8; i++)
            bytes[1 + i] = (unsigned char)((uint64_t)key->integer >> (56 - 8 * i));
        buf_add(out, bytes, sizeof bytes);
        return;
    }
    size_t size = strlen(key->text);
    unsigned char head[3] = { 't', (unsigned char)(size >> 8), (unsigned char)size };
    buf_add(out, head, sizeof head);
    buf_add(out, key->text, size);
}

static void put_text(struct buf *out, const char *text)
{
    put_key(out, &KEY_TEXT(text ? text : ""));
}

static void put_bound(struct buf *out, const struct key *key)
{
    buf_char(out, key ? 'b' : '-');
    if (key)
        put_key(out, key);
}

/* All that makes a query this one; the size of its pages does not. */
static void query_hash(struct ctx *ctx, const struct query *query, unsigned char out[HASH_SIZE])
{
    struct buf text = BUF(&ctx->arena);
    put_text(&text, query->table->of->name);
    put_text(&text, query->index ? query->index->name : NULL);
    for (size_t i = 0; i < query->fields; i++)
        put_text(&text, query->index->on[i]);
    for (size_t i = 0; i < query->equals; i++)
        put_bound(&text, &query->equal[i]);
    buf_char(&text, query->descending ? '>' : '<');
    put_bound(&text, query->from);
    put_bound(&text, query->to);

    unsigned char digest[EVP_MAX_MD_SIZE];
    if (!EVP_Digest(text.data, text.size, digest, NULL, EVP_sha256(), NULL))
        abort();
    memcpy(out, digest, HASH_SIZE);
}

static char *to_base64url(struct arena *arena, const struct buf *bytes)
{
    char *out = arena_alloc(arena, (bytes->size + 2) / 3 * 4 + 1);
    EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)bytes->data, (int)bytes->size);
    out[strcspn(out, "=")] = 0;
    for (char *c = out; *c; c++)
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    return out;
}

static int digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static unsigned char *from_base64url(struct arena *arena, const char *text, size_t *size)
{
    size_t length = strnlen(text, CURSOR_MAX * 4 / 3 + 4);
    if (length > CURSOR_MAX * 4 / 3 + 3 || length % 4 == 1)
        return NULL;
    unsigned char *out = arena_alloc(arena, length * 3 / 4 + 1);
    uint32_t bits = 0;
    *size = 0;
    for (size_t i = 0; i < length; i++) {
        int value = digit(text[i]);
        if (value < 0)
            return NULL;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4)
            out[(*size)++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
    }
    return out;
}

char *cursor_make(struct ctx *ctx, const struct query *query, const struct row *row)
{
    struct buf bytes = BUF(&ctx->arena);
    unsigned char hash[HASH_SIZE];
    query_hash(ctx, query, hash);
    buf_add(&bytes, hash, sizeof hash);
    for (size_t i = query->equals; i < query->fields; i++) {
        struct key key;
        if (!key_of(row->fields, query->index->on[i], &key))
            return ctx_fail(ctx, ERROR_INTERNAL, "%s: %s stands in %s without its keys", query->table->of->name,
                            row->id, query->index->name);
        put_key(&bytes, &key);
    }
    put_text(&bytes, row->id);
    return to_base64url(&ctx->arena, &bytes);
}

struct bytes {
    const unsigned char *at, *end;
};

static bool take_key(struct ctx *ctx, struct bytes *in, struct key *out)
{
    size_t left = (size_t)(in->end - in->at);
    if (left >= 9 && in->at[0] == 'i') {
        uint64_t value = 0;
        for (int i = 1; i <= 8; i++)
            value = value << 8 | in->at[i];
        *out = KEY_INT((int64_t)value);
        in->at += 9;
        return true;
    }
    if (left < 3 || in->at[0] != 't')
        return false;
    size_t size = (size_t)in->at[1] << 8 | in->at[2];
    if (left < 3 + size || size > KEY_MAX || memchr(in->at + 3, 0, size) || !utf8_valid((const char *)in->at + 3, size))
        return false;
    *out = KEY_TEXT(arena_memdup(&ctx->arena, in->at + 3, size));
    in->at += 3 + size;
    return true;
}

static bool is_within(const struct query *query, const struct key *first)
{
    return (!query->from || key_compare(first, query->from) >= 0) && (!query->to || key_compare(first, query->to) < 0);
}

static bool position_read(struct ctx *ctx, struct bytes *in, struct query *query)
{
    struct key *after = arena_array(&ctx->arena, struct key, INDEX_FIELDS);
    size_t count = query->fields - query->equals;
    for (size_t i = 0; i < count; i++)
        if (!take_key(ctx, in, &after[i]))
            return false;
    struct key id;
    if (!take_key(ctx, in, &id) || !id.text || in->at != in->end)
        return false;
    if (!is_within(query, count ? &after[0] : &id))
        return false;
    query->after = after;
    query->after_id = id.text;
    return true;
}

bool cursor_read(struct ctx *ctx, const char *cursor, struct query *query)
{
    unsigned char hash[HASH_SIZE];
    query_hash(ctx, query, hash);
    size_t size = 0;
    unsigned char *bytes = from_base64url(&ctx->arena, cursor, &size);
    if (!bytes || size < HASH_SIZE || memcmp(bytes, hash, HASH_SIZE) != 0)
        return ctx_fail(ctx, ERROR_INVALID, "the cursor is not of this list");
    struct bytes in = { bytes + HASH_SIZE, bytes + size };
    if (!position_read(ctx, &in, query))
        return ctx_fail(ctx, ERROR_INVALID, "the cursor is not of this list");
    return true;
}
