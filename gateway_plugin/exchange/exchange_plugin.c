/* What plugins look at, say and answer. */
#include "base/catalogue.h"
#include "client/unread.h"
#include "exchange/answer.h"
#include "exchange/exchange.h"
#include "exchange/forward_rules.h"
#include "exchange/told.h"

#include <stdarg.h>

const h2o_iovec_t *exchange_request_header(const struct exchange *x, const char *name, size_t *count)
{
    const h2o_iovec_t *value = NULL;
    size_t size = strlen(name);
    *count = 0;
    for (size_t i = 0; i < x->req->headers.size; i++) {
        const h2o_header_t *header = &x->req->headers.entries[i];
        if (header->name->len == size && memcmp(header->name->base, name, size) == 0 && ++*count == 1)
            value = &header->value;
    }
    return value;
}

bool exchange_length_told(const struct exchange *x)
{
    return x->told || (x->req->version >= 0x200 ? unread_length_told(x) : x->conn->head.length >= 0);
}

bool exchange_expects(const struct exchange *x)
{
    size_t count;
    if (x->req->version < 0x200)
        return x->conn->head.expect;
    const h2o_iovec_t *expect = exchange_request_header(x, "expect", &count);
    return expect && h2o_lcstris(expect->base, expect->len, H2O_STRLIT("100-continue"));
}

static char *print(struct exchange *x, const char *format, va_list args)
{
    if (!format) /* never; but where a sanitizer looks, gcc believes it */
        abort();
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    char *out = h2o_mem_alloc_pool(&x->req->pool, (size_t)size + 1);
    vsnprintf(out, (size_t)size + 1, format, again);
    va_end(again);
    return out;
}

char *exchange_printf(struct exchange *x, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *out = print(x, format, args);
    va_end(args);
    return out;
}

char *exchange_say(struct exchange *x, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *out = print(x, told(x, format), args);
    va_end(args);
    x->said = out;
    return out;
}

char *exchange_text(struct exchange *x, h2o_iovec_t text)
{
    return h2o_strdup(&x->req->pool, text.base, text.len).base;
}

h2o_iovec_t exchange_digits(struct exchange *x, uint64_t number)
{
    enum { ROOM = 20 };
    char *end = (char *)h2o_mem_alloc_pool(&x->req->pool, ROOM + 1) + ROOM, *at = end;
    *end = 0;
    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    return h2o_iovec_init(at, (size_t)(end - at));
}

void exchange_header(struct exchange *x, const char *name, const char *value)
{
    h2o_req_t *req = x->req;
    h2o_add_header_by_str(&req->pool, &req->res.headers, name, strlen(name), 1, NULL, value, strlen(value));
}

void exchange_drop_header(struct exchange *x, const char *name)
{
    h2o_headers_t *headers = &x->req->res.headers;
    size_t size = strlen(name), kept = 0;
    for (size_t i = 0; i < headers->size; i++) {
        const h2o_iovec_t *other = headers->entries[i].name;
        if (other->len != size || !same_text(other->base, name, size))
            headers->entries[kept++] = headers->entries[i];
    }
    headers->size = kept;
}

void exchange_set_header(struct exchange *x, const char *name, const char *value)
{
    exchange_drop_header(x, name);
    exchange_header(x, name, value);
}

/* A text that is in no catalogue is the operator's own, in a language that nobody told us. */
static const char *in_language(struct exchange *x, const char *message)
{
    const char *language = told_language(x), *words = catalogue_find(language, message);
    if (words != message || message == x->said || strcmp(language, "en") == 0)
        exchange_header(x, "content-language", language);
    exchange_header(x, "vary", "accept-language");
    return words;
}

void exchange_refuse(struct exchange *x, int status, const char *message)
{
    struct arena arena = { 0 };
    struct buf body = BUF(&arena);
    x->req->res.status = status;
    x->req->res.reason = reason_phrase(status);
    exchange_header(x, "content-type", "application/json");
    if (status == 503)
        exchange_header(x, "retry-after", "1");
    answer_body(&body, status, in_language(x, message), x->request_id);
    char *kept = h2o_mem_alloc_pool(&x->req->pool, body.size + 1);
    memcpy(kept, body.data, body.size);
    exchange_give(x, kept, body.size);
    arena_free(&arena);
}
