/* What request-transformer does with a request. Templates see it as the client sent it. */
#include "plugins/request_transformer.h"

#include "base/catalogue.h"
#include "exchange/exchange.h"
#include "base/percent.h"
#include "client/head_check.h"
#include "exchange/forward_rules.h"
#include "transform/multipart.h"
#include "transform/template.h"

#include <ctype.h>
#include <string.h>

enum { BODY_MAX = 4 << 20 }; /* a larger one is refused rather than forwarded as it is */

/* What a request is changed with. */
struct work {
    struct exchange *x;
    const struct request_transformer *config;
    struct arena arena;
    struct template_env env;
    h2o_headers_t headers; /* as the client sent them */
    struct path path;
    bool json;                            /* values become JSON */
    bool in_path;                         /* they stand in a path: what does not belong there is escaped */
    bool bad;                             /* a value cannot stand where it is to */
    char delimiter[2 + BOUNDARY_MAX + 1]; /* of the parts that values become; "": they become none */
};

/* Templates */

static const char *header_value(struct work *work, const char *name)
{
    for (size_t i = 0; i < work->headers.size; i++) {
        const h2o_header_t *header = &work->headers.entries[i];
        size_t at = 0;
        while (at < header->name->len && name[at] &&
               (name[at] == '_' ? '-' : tolower((unsigned char)name[at])) == header->name->base[at])
            at++;
        if (at == header->name->len && !name[at])
            return arena_memdup(&work->arena, header->value.base, header->value.len);
    }
    return NULL;
}

static void read_query(struct work *work, struct pairs *pairs)
{
    size_t skip = work->path.total > work->path.size ? 1 : 0;
    pairs_read_form(pairs, &work->arena, work->path.text + work->path.size + skip,
                    work->path.total - work->path.size - skip);
}

static const char *query_value(struct work *work, const char *name)
{
    struct pairs pairs;
    read_query(work, &pairs);
    const struct pair *pair = pairs_find(&pairs, name);
    return pair ? arena_memdup(&work->arena, pair->value, pair->size) : NULL;
}

static const char *escape(struct work *work, const char *text)
{
    struct buf out = BUF(&work->arena);
    percent_encode(&out, text, strlen(text), "/!$&'()*+,;=:@");
    return out.data ? out.data : "";
}

static const char *capture_value(struct work *work, const char *name)
{
    h2o_iovec_t value;
    return exchange_capture(work->x, name, &value) ? arena_memdup(&work->arena, value.base, value.len) : NULL;
}

static const char *template_value(void *self, enum template_source source, const char *name)
{
    struct work *work = self;
    /* A piece of the path is as it stands there. */
    if (source == TEMPLATE_CAPTURES)
        return capture_value(work, name);
    const char *text = source == TEMPLATE_HEADERS ? header_value(work, name) : query_value(work, name);
    return text && work->in_path ? escape(work, text) : text;
}

static const char *pool_text(const struct work *work, const char *text)
{
    return h2o_strdup(&work->x->req->pool, text, SIZE_MAX).base;
}

static const char *value_of(void *self, const char *value, size_t index)
{
    struct work *work = self;
    (void)index;
    const char *text = template_render(&work->env, value);
    /* What a client sends must not end the part that it becomes. */
    work->bad |= *work->delimiter && strstr(text, work->delimiter);
    if (!work->json)
        return text;
    struct buf out = BUF(&work->arena);
    buf_json(&out, text);
    return out.data;
}

static const char *header_of(void *self, const char *value, size_t index)
{
    struct work *work = self;
    const char *text = value_of(self, value, index);
    /* What was escaped in the query comes decoded. */
    if (!is_field_value(text, strlen(text)))
        work->bad = true;
    return text == value ? value : pool_text(work, text);
}

/* The parts */

static h2o_iovec_t content_type(const struct work *work)
{
    size_t count;
    const h2o_iovec_t *value = exchange_request_header(work->x, "content-type", &count);
    return value ? *value : (h2o_iovec_t){ 0 };
}

static bool is_type(h2o_iovec_t value, const char *type)
{
    return value.len >= strlen(type) && same_text(value.base, type, strlen(type));
}

static bool is_form(const struct work *work)
{
    return is_type(content_type(work), "application/x-www-form-urlencoded");
}

static void set_query(struct work *work, const struct pairs *pairs)
{
    struct exchange *x = work->x;
    struct buf out = BUF(&work->arena);
    buf_add(&out, x->path.text, x->path.size);
    if (pairs->count)
        buf_char(&out, '?');
    pairs_write(pairs, &out);
    x->path.text = h2o_strdup(&x->req->pool, out.data, out.size).base;
    x->path.total = out.size;
}

/* What a form holds goes with the query where there is no body any more. */
static void move_form(struct work *work)
{
    h2o_iovec_t body = work->x->req->entity;
    struct pairs query, form;
    if (!body.len || body.len > BODY_MAX || !is_form(work))
        return;
    read_query(work, &query);
    if (!pairs_read_form(&form, &work->arena, body.base, body.len))
        return;
    for (size_t i = 0; i < form.count; i++)
        *pairs_put(&query) = form.items[i];
    set_query(work, &query);
}

static void change_method(struct work *work)
{
    struct exchange *x = work->x;
    if (work->config->method < 0)
        return;
    const char *method = request_methods[work->config->method];
    x->new_method = h2o_iovec_init(method, strlen(method));
    x->method = method_bit(method, strlen(method));
    x->idempotent = x->method & (METHOD_GET | METHOD_HEAD | METHOD_PUT | METHOD_DELETE | METHOD_OPTIONS);
    if (x->method & (METHOD_GET | METHOD_HEAD))
        move_form(work);
}

/* "." and ".." would lead out of where the configuration points. */
static bool has_dots(const char *path)
{
    for (const char *at = path; (at = strstr(at, "/.")); at++) {
        size_t dots = strspn(at + 1, ".");
        if (dots <= 2 && (!at[1 + dots] || at[1 + dots] == '/'))
            return true;
    }
    return false;
}

static bool change_uri(struct work *work)
{
    struct path path;
    if (!work->config->uri)
        return true;
    work->in_path = true;
    const char *uri = template_render(&work->env, work->config->uri);
    work->in_path = false;
    size_t size = strlen(uri);
    char *out = h2o_mem_alloc_pool(&work->x->req->pool, size * 3 + 2);
    if (has_dots(uri) || !path_rewrite(uri, size, out, &path))
        return false;
    work->x->new_path = h2o_iovec_init(path.text, path.total);
    return true;
}

/* Host stands in no list of headers. */
static void change_host(struct work *work)
{
    const struct texts *list = &work->config->changes[CHANGE_REPLACE].headers;
    for (size_t i = 0; i < list->count; i++) {
        if (strncasecmp(list->items[i], "host:", 5) != 0)
            continue;
        const char *host = header_of(work, list->items[i] + 5, i);
        work->bad |= !is_authority(host, strlen(host));
        work->x->new_host = h2o_iovec_init(host, strlen(host));
    }
}

static void change_all_headers(struct work *work)
{
    struct header_edit edit = { &work->x->req->pool, &work->x->req->headers };
    for (int change = 0; change < CHANGES; change++)
        change_headers(&edit, (enum change)change, &work->config->changes[change].headers, header_of, work);
    change_host(work);
}

static void change_all_pairs(struct work *work, struct pairs *pairs, size_t list)
{
    work->json = pairs->kind == PAIRS_JSON;
    for (int change = 0; change < CHANGES; change++) {
        const struct request_changes *changes = &work->config->changes[change];
        change_pairs(pairs, (enum change)change, (const struct texts *)((const char *)changes + list), value_of, work);
    }
    work->json = false;
}

static bool wants(const struct request_transformer *config, size_t list)
{
    for (int change = 0; change < CHANGES; change++)
        if (((const struct texts *)((const char *)&config->changes[change] + list))->count)
            return true;
    return false;
}

static void change_query(struct work *work)
{
    struct pairs pairs;
    if (!wants(work->config, offsetof(struct request_changes, querystring)))
        return;
    /* What a form has moved there is changed as well. */
    work->path = work->x->path;
    read_query(work, &pairs);
    change_all_pairs(work, &pairs, offsetof(struct request_changes, querystring));
    if (pairs.changed)
        set_query(work, &pairs);
}

enum body { BODY_OTHER, BODY_JSON, BODY_FORM, BODY_MULTIPART };

static enum body kind_of_body(const struct work *work)
{
    h2o_iovec_t type = content_type(work);
    return is_form(work)                          ? BODY_FORM
           : is_type(type, "application/json")    ? BODY_JSON
           : is_type(type, "multipart/form-data") ? BODY_MULTIPART
                                                  : BODY_OTHER;
}

static bool read_parts(struct work *work, struct pairs *pairs)
{
    h2o_iovec_t type = content_type(work), body = work->x->req->entity;
    char *boundary = work->delimiter + 2;
    memcpy(work->delimiter, "--", 2);
    return multipart_boundary(type.base, type.len, boundary) &&
           pairs_read_multipart(pairs, &work->arena, boundary, body.base, body.len);
}

static bool read_body(struct work *work, enum body kind, struct pairs *pairs)
{
    h2o_iovec_t body = work->x->req->entity;
    if (kind == BODY_MULTIPART)
        return read_parts(work, pairs);
    if (kind == BODY_FORM)
        return pairs_read_form(pairs, &work->arena, body.base, body.len);
    return body.len ? pairs_read_json(pairs, &work->arena, body.base, body.len)
                    : pairs_read_json(pairs, &work->arena, "{}", 2);
}

static const char too_large[] = MESSAGE("the body is too large to be changed on its way");

/* JSON that is no object and what is neither JSON nor a form are forwarded as they are. NULL: done. */
static const char *change_body(struct work *work, int *status)
{
    struct exchange *x = work->x;
    struct pairs pairs = { 0 };
    size_t count;
    enum body kind = kind_of_body(work);
    if (kind == BODY_OTHER || !wants(work->config, offsetof(struct request_changes, body)) ||
        exchange_request_header(x, "content-encoding", &count))
        return NULL;
    *status = 413;
    if (x->req->entity.len > BODY_MAX)
        return too_large;
    if (!read_body(work, kind, &pairs)) {
        if (pairs.count == PAIRS_MAX)
            return too_large;
        *status = 400;
        return kind == BODY_MULTIPART ? MESSAGE("the parts of the body can be read in more than one way, or in none")
                                      : NULL;
    }
    change_all_pairs(work, &pairs, offsetof(struct request_changes, body));
    *work->delimiter = 0;
    *status = 400;
    if (work->bad)
        return MESSAGE("what the request brings cannot stand in a part of its body");
    if (!pairs.changed)
        return NULL;
    struct buf out = BUF(&work->arena);
    pairs_write(&pairs, &out);
    x->req->entity = h2o_strdup(&x->req->pool, out.data ? out.data : "", out.size);
    return NULL;
}

/* NULL: done. */
static const char *transform(struct work *work, int *status)
{
    struct exchange *x = work->x;
    *status = 400;
    if (!change_uri(work))
        return MESSAGE("what the request brings makes no path");
    change_method(work);
    change_all_headers(work);
    if (work->bad)
        return MESSAGE("what the request brings cannot stand in a header");
    const char *fault = change_body(work, status);
    if (fault)
        return fault;
    /* Where the method has none. */
    if (x->new_method.base && !(x->method & (METHOD_POST | METHOD_PUT | METHOD_PATCH | METHOD_DELETE)))
        x->req->entity = (h2o_iovec_t){ 0 };
    change_query(work);
    return NULL;
}

enum verdict request_transform(struct exchange *x, const void *config)
{
    struct work work = { .x = x, .config = config, .path = x->path };
    int status;
    work.env = (struct template_env){ &work.arena, template_value, &work };
    h2o_vector_reserve(&x->req->pool, &work.headers, x->req->headers.size + 1);
    memcpy(work.headers.entries, x->req->headers.entries, x->req->headers.size * sizeof *work.headers.entries);
    work.headers.size = x->req->headers.size;
    const char *fault = transform(&work, &status);
    arena_free(&work.arena);
    if (!fault)
        return VERDICT_NEXT;
    exchange_refuse(x, status, fault);
    return VERDICT_ANSWERED;
}
