#include "credential/credential.h"

#include "exchange/forward_rules.h"
#include "base/percent.h"
#include "client/head_check.h"

/* Headers */

static bool is_named(const h2o_header_t *header, const char *lower_name, size_t size)
{
    return header->name->len == size && same_text(header->name->base, lower_name, size);
}

size_t credential_in_header(const struct exchange *x, const char *lower_name, h2o_iovec_t *out)
{
    size_t count = 0, size = strlen(lower_name);
    const h2o_headers_t *headers = &x->req->headers;
    for (size_t i = 0; i < headers->size; i++)
        if (is_named(&headers->entries[i], lower_name, size) && headers->entries[i].value.len && ++count == 1)
            *out = headers->entries[i].value;
    return count;
}

void credential_hide_header(struct exchange *x, const char *lower_name)
{
    size_t kept = 0, size = strlen(lower_name);
    h2o_headers_t *headers = &x->req->headers;
    for (size_t i = 0; i < headers->size; i++)
        if (!is_named(&headers->entries[i], lower_name, size))
            headers->entries[kept++] = headers->entries[i];
    headers->size = kept;
}

/* The query */

/* The character at `*at`, which is moved past it. */
static char next_char(const char **at, const char *end)
{
    const char *c = (*at)++;
    int byte = percent_byte(c, (size_t)(end - c));
    if (byte < 0)
        return *c == '+' ? ' ' : *c;
    *at = c + 3;
    return (char)byte;
}

struct argument {
    const char *begin, *value, *end; /* value: NULL without a `=` */
};

/* `*at` stands on `?` or `&`. false: there are no more. */
static bool next_argument(const struct path *path, const char **at, struct argument *out)
{
    const char *end = path->text + path->total;
    if (*at >= end)
        return false;
    out->begin = *at + 1;
    const char *stop = memchr(out->begin, '&', (size_t)(end - out->begin));
    out->end = stop ? stop : end;
    const char *equals = memchr(out->begin, '=', (size_t)(out->end - out->begin));
    out->value = equals ? equals + 1 : NULL;
    *at = out->end;
    return true;
}

/* However its name is written. */
static bool argument_is(const struct argument *argument, const char *name)
{
    const char *at = argument->begin, *end = argument->value ? argument->value - 1 : argument->end;
    while (at < end)
        if (!*name || next_char(&at, end) != *name++)
            return false;
    return !*name;
}

static h2o_iovec_t decode(struct exchange *x, const char *at, const char *end)
{
    char *out = h2o_mem_alloc_pool(&x->req->pool, (size_t)(end - at) + 1);
    size_t size = 0;
    while (at < end)
        out[size++] = next_char(&at, end);
    out[size] = 0;
    return h2o_iovec_init(out, size);
}

size_t credential_in_query(struct exchange *x, const char *name, h2o_iovec_t *out)
{
    size_t count = 0;
    const char *at = x->path.text + x->path.size;
    struct argument argument;
    while (next_argument(&x->path, &at, &argument))
        if (argument.value && argument.value < argument.end && argument_is(&argument, name) && ++count == 1)
            *out = decode(x, argument.value, argument.end);
    return count;
}

void credential_hide_query(struct exchange *x, const char *name)
{
    h2o_iovec_t scratch;
    struct path *path = &x->path;
    if (!credential_in_query(x, name, &scratch))
        return;
    char *text = h2o_mem_alloc_pool(&x->req->pool, path->total);
    size_t size = path->size;
    memcpy(text, path->text, size);
    const char *at = path->text + path->size;
    struct argument argument;
    while (next_argument(path, &at, &argument)) {
        if (argument_is(&argument, name))
            continue;
        text[size] = size == path->size ? '?' : '&';
        memcpy(text + size + 1, argument.begin, (size_t)(argument.end - argument.begin));
        size += 1 + (size_t)(argument.end - argument.begin);
    }
    path->text = text;
    path->total = size;
}

/* Cookies (RFC 6265, 5.4: pairs by "; "). */

static bool next_cookie(const h2o_iovec_t *header, const char **at, struct argument *out)
{
    const char *end = header->base + header->len;
    while (*at < end && (**at == ';' || **at == ' ' || **at == '\t'))
        ++*at;
    if (*at >= end)
        return false;
    out->begin = *at;
    const char *stop = memchr(*at, ';', (size_t)(end - *at));
    *at = out->end = stop ? stop : end;
    const char *equals = memchr(out->begin, '=', (size_t)(out->end - out->begin));
    out->value = equals ? equals + 1 : NULL;
    return true;
}

/* Names of cookies tell capitals from small letters. */
static bool cookie_is(const struct argument *cookie, const char *name)
{
    size_t size = strlen(name);
    return cookie->value && (size_t)(cookie->value - cookie->begin) == size + 1 &&
           memcmp(cookie->begin, name, size) == 0;
}

static bool is_cookie(const h2o_header_t *header)
{
    return header->name == &H2O_TOKEN_COOKIE->buf;
}

size_t credential_in_cookie(const struct exchange *x, const char *name, h2o_iovec_t *out)
{
    size_t count = 0;
    const h2o_headers_t *headers = &x->req->headers;
    for (size_t i = 0; i < headers->size; i++) {
        const char *at = headers->entries[i].value.base;
        struct argument cookie;
        while (is_cookie(&headers->entries[i]) && next_cookie(&headers->entries[i].value, &at, &cookie))
            if (cookie_is(&cookie, name) && cookie.value < cookie.end && ++count == 1)
                *out = h2o_iovec_init(cookie.value, (size_t)(cookie.end - cookie.value));
    }
    return count;
}

static h2o_iovec_t without(struct exchange *x, const h2o_iovec_t *header, const char *name)
{
    char *out = h2o_mem_alloc_pool(&x->req->pool, header->len * 2 + 1); /* a `;` may become two characters */
    size_t size = 0;
    const char *at = header->base;
    struct argument cookie;
    while (next_cookie(header, &at, &cookie)) {
        if (cookie_is(&cookie, name))
            continue;
        if (size) {
            out[size++] = ';';
            out[size++] = ' ';
        }
        memcpy(out + size, cookie.begin, (size_t)(cookie.end - cookie.begin));
        size += (size_t)(cookie.end - cookie.begin);
    }
    return h2o_iovec_init(out, size);
}

void credential_hide_cookie(struct exchange *x, const char *name)
{
    size_t kept = 0;
    h2o_iovec_t scratch;
    h2o_headers_t *headers = &x->req->headers;
    if (!credential_in_cookie(x, name, &scratch))
        return;
    for (size_t i = 0; i < headers->size; i++) {
        if (is_cookie(&headers->entries[i]))
            headers->entries[i].value = without(x, &headers->entries[i].value, name);
        if (!is_cookie(&headers->entries[i]) || headers->entries[i].value.len)
            headers->entries[kept++] = headers->entries[i];
    }
    headers->size = kept;
}

bool is_realm(const char *text)
{
    return is_field_value(text, strlen(text)) && !strpbrk(text, "\"\\");
}
