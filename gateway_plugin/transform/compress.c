#include "transform/compress.h"

#include "exchange/exchange.h"
#include "transform/header_edit.h"
#include "exchange/forward_rules.h"

#include <string.h>

enum {
    LEAST = 1024,       /* bytes: less fits a packet or two anyhow */
    ACCEPTS_MAX = 4,    /* headers of one name that are looked at */
    AT_A_TIME = 32,     /* in a loop: each holds up to a megabyte and a quarter */
    QUALITY_ONE = 1000, /* q=1 */
};

const char *const compress_names[] = { "off", "gzip", "br", "br,gzip", NULL };

/* What the client takes */

static h2o_iovec_t trimmed(const char *from, const char *to)
{
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
        to--;
    return h2o_iovec_init(from, (size_t)(to - from));
}

/* In thousandths; what is malformed is 0. */
static int quality(h2o_iovec_t parameter)
{
    int value = 0, unit = QUALITY_ONE;
    if (parameter.len < 3 || (parameter.base[0] | 32) != 'q' || parameter.base[1] != '=')
        return 0;
    for (size_t i = 2; i < parameter.len && unit; i++) {
        char c = parameter.base[i];
        if (i == 3 && c == '.')
            continue;
        if (c < '0' || c > '9' || i == 3)
            return 0;
        value += (c - '0') * unit;
        unit /= 10;
    }
    return value > QUALITY_ONE ? QUALITY_ONE : value;
}

struct tastes {
    int gzip, brotli, any; /* -1: not named */
};

static bool is_word(h2o_iovec_t text, const char *word)
{
    return text.len == strlen(word) && same_text(text.base, word, text.len);
}

static void take_item(struct tastes *tastes, const char *from, const char *to)
{
    const char *semicolon = memchr(from, ';', (size_t)(to - from));
    h2o_iovec_t name = trimmed(from, semicolon ? semicolon : to);
    int q = semicolon ? quality(trimmed(semicolon + 1, to)) : QUALITY_ONE;
    if (is_word(name, "gzip") || is_word(name, "x-gzip"))
        tastes->gzip = q;
    else if (is_word(name, "br"))
        tastes->brotli = q;
    else if (is_word(name, "*"))
        tastes->any = q;
}

static struct tastes read_tastes(const h2o_iovec_t *accept, size_t count)
{
    struct tastes tastes = { -1, -1, 0 };
    for (size_t i = 0; i < count; i++) {
        const char *at = accept[i].base, *end = at + accept[i].len;
        while (at < end) {
            const char *comma = memchr(at, ',', (size_t)(end - at)), *stop = comma ? comma : end;
            take_item(&tastes, at, stop);
            at = stop + 1;
        }
    }
    tastes.gzip = tastes.gzip < 0 ? tastes.any : tastes.gzip;
    tastes.brotli = tastes.brotli < 0 ? tastes.any : tastes.brotli;
    return tastes;
}

enum coding compress_choose(enum compress allowed, const h2o_iovec_t *accept, size_t count)
{
    struct tastes tastes = read_tastes(accept, count);
    int gzip = allowed & COMPRESS_GZIP ? tastes.gzip : 0, brotli = allowed & COMPRESS_BROTLI ? tastes.brotli : 0;
    if (brotli > 0 && brotli >= gzip)
        return CODING_BROTLI;
    return gzip > 0 ? CODING_GZIP : CODING_NONE;
}

/* What gains from it */

static bool ends_with(h2o_iovec_t text, const char *end)
{
    size_t size = strlen(end);
    return text.len >= size && same_text(text.base + text.len - size, end, size);
}

static bool is_text(h2o_iovec_t type)
{
    static const char *const types[] = { "application/json",        "application/javascript",        "application/xml",
                                         "application/x-ndjson",    "application/vnd.apple.mpegurl", "application/wasm",
                                         "application/x-javascript" };
    const char *semicolon = memchr(type.base, ';', type.len);
    type = trimmed(type.base, semicolon ? semicolon : type.base + type.len);
    if (type.len > 5 && same_text(type.base, "text/", 5))
        return !is_word(type, "text/event-stream");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (is_word(type, types[i]))
            return true;
    return ends_with(type, "+json") || ends_with(type, "+xml");
}

static bool gains(const h2o_headers_t *headers)
{
    bool text = false;
    for (size_t i = 0; i < headers->size; i++) {
        const h2o_header_t *header = &headers->entries[i];
        h2o_iovec_t name = *header->name, value = header->value;
        if (is_word(name, "content-type"))
            text = is_text(value);
        else if (is_word(name, "content-encoding") || is_word(name, "content-range"))
            return false;
        else if (is_word(name, "cache-control") && list_has(value.base, value.len, "no-transform"))
            return false;
    }
    return text;
}

/* What its head says then */

/* The same in other bytes: no longer equal to the last one. */
static void weaken_tag(struct exchange *x)
{
    h2o_headers_t *headers = &x->req->res.headers;
    for (size_t i = 0; i < headers->size; i++) {
        h2o_iovec_t *value = &headers->entries[i].value;
        if (!is_word(*headers->entries[i].name, "etag") || !value->len || value->base[0] != '"')
            continue;
        const char *weak = exchange_printf(x, "W/%.*s", (int)value->len, value->base);
        *value = h2o_iovec_init(weak, value->len + 2);
    }
}

static bool varies(const h2o_headers_t *headers)
{
    for (size_t i = 0; i < headers->size; i++)
        if (is_word(*headers->entries[i].name, "vary") &&
            (list_has(headers->entries[i].value.base, headers->entries[i].value.len, "accept-encoding") ||
             list_has(headers->entries[i].value.base, headers->entries[i].value.len, "*")))
            return true;
    return false;
}

static void encode(struct exchange *x, enum coding coding)
{
    struct header_edit edit = { &x->req->pool, &x->req->res.headers };
    struct body_filter *filter = coding == CODING_BROTLI ? compress_brotli() : compress_gzip();
    if (!filter)
        return;
    exchange_header(x, "content-encoding", coding == CODING_BROTLI ? "br" : "gzip");
    header_edit_remove(&edit, "accept-ranges");
    header_edit_remove(&edit, "content-md5");
    weaken_tag(x);
    exchange_filter(x, filter);
    x->compressing = true;
    x->loop->compressing++;
}

static size_t accepts(const struct exchange *x, h2o_iovec_t values[ACCEPTS_MAX])
{
    size_t count = 0;
    const h2o_headers_t *headers = &x->req->headers;
    for (size_t i = 0; i < headers->size && count < ACCEPTS_MAX; i++)
        if (headers->entries[i].name == &H2O_TOKEN_ACCEPT_ENCODING->buf)
            values[count++] = headers->entries[i].value;
    return count;
}

void compress_answer(struct exchange *x, enum compress allowed)
{
    const h2o_res_t *res = &x->req->res;
    h2o_iovec_t values[ACCEPTS_MAX];
    if (res->content_length < LEAST || x->events || x->malformed || res->status < 200 || res->status == 204 ||
        res->status == 206 || res->status == 304)
        return;
    size_t count = accepts(x, values);
    if (!count || !gains(&res->headers))
        return;
    if (!varies(&res->headers))
        exchange_header(x, "vary", "accept-encoding");
    enum coding coding = compress_choose(allowed, values, count);
    if (coding && x->loop->compressing < AT_A_TIME)
        encode(x, coding);
}
