#include "http/endpoint.h"

#include "base/catalogue.h"
#include "base/text.h"

#include <string.h>

static const char *const method_names[] = {
    [GET] = "GET",     [HEAD] = "HEAD",     [POST] = "POST",       [PUT] = "PUT",
    [PATCH] = "PATCH", [DELETE] = "DELETE", [OPTIONS] = "OPTIONS",
};

const char *method_name(enum method method)
{
    return method >= GET && method <= OPTIONS ? method_names[method] : "OTHER";
}

static const char *pair_value(const struct pair *pairs, const char *name)
{
    for (const struct pair *pair = pairs; pair && pair->name; pair++)
        if (strcmp(pair->name, name) == 0)
            return pair->value;
    return NULL;
}

const char *request_param(const struct request *req, const char *name)
{
    return pair_value(req->params, name);
}

const char *request_query(const struct request *req, const char *name)
{
    return pair_value(req->query, name);
}

const char *request_header(const struct request *req, const char *name)
{
    return pair_value(req->headers, name);
}

bool request_body(struct request *req, const struct field *fields, void *out)
{
    if (!req->body || req->body_size == 0)
        return ctx_fail(&req->ctx, ERROR_INVALID, "the body must be a JSON object");
    if (req->address_fields)
        return record_parse_address(&req->ctx, req->body, req->body_size, fields, req->address_fields, out);
    return record_parse(&req->ctx, req->body, req->body_size, fields, out);
}

bool request_page(struct request *req, size_t *limit, const char **cursor)
{
    enum { LIMIT_DEFAULT = 20, LIMIT_MAX = 100 };
    *limit = LIMIT_DEFAULT;
    const char *asked = request_query(req, "cursor");
    *cursor = asked && *asked ? asked : NULL;
    const char *text = request_query(req, "limit");
    if (!text)
        return true;
    int64_t number = 0;
    if (!text_number(text, INT64_MAX, &number))
        ctx_violation(&req->ctx, "limit", "type", "limit must be a whole number");
    else if (number < 1)
        ctx_violation(&req->ctx, "limit", "min", "limit must be at least 1");
    else if (number > LIMIT_MAX)
        ctx_violation(&req->ctx, "limit", "max", "limit must be at most %d", LIMIT_MAX);
    if (req->ctx.error)
        return false;
    *limit = (size_t)number;
    return true;
}

/* An answer that is being written, and the language of its message. */
struct envelope {
    struct buf out;
    int status;
    const char *language;
};

/* `told` is `english` in the client's language, or `english` itself. */
static struct envelope envelope_of(struct request *req, int status, const char *english, const char *told)
{
    struct envelope made = { BUF(&req->ctx.arena), status, told != english ? req->ctx.locale : "en" };
    buf_printf(&made.out, "{\"code\":\"%s\",\"status\":%d,\"message\":", status < 400 ? "10000" : "10001", status);
    buf_json(&made.out, told);
    return made;
}

static struct envelope envelope(struct request *req, int status, const char *message)
{
    return envelope_of(req, status, message, catalogue_find(req->ctx.locale, message));
}

static struct response *enveloped(struct request *req, const struct envelope *made)
{
    struct response *res = arena_new(&req->ctx.arena, struct response);
    *res = (struct response){ .status = made->status,
                              .language = made->language,
                              .body = made->out.data,
                              .size = made->out.size,
                              .source = { .fd = -1 } };
    return res;
}

static struct response *respond_record(struct request *req, int status, const char *message, const struct field *fields,
                                       const void *data)
{
    struct envelope made = envelope(req, status, message);
    buf_text(&made.out, ",\"data\":");
    if (fields && data)
        record_json(&made.out, fields, data);
    else
        buf_text(&made.out, "null");
    buf_char(&made.out, '}');
    return enveloped(req, &made);
}

struct response *respond(struct request *req, const char *message, const struct field *fields, const void *data)
{
    return respond_record(req, 200, message, fields, data);
}

struct response *respond_created(struct request *req, const char *message, const struct field *fields, const void *data)
{
    return respond_record(req, 201, message, fields, data);
}

static void add_items(struct buf *out, const struct field *fields, const void *items, size_t size, size_t count)
{
    buf_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_char(out, ',');
        record_json(out, fields, (const char *)items + i * size);
    }
    buf_char(out, ']');
}

struct response *respond_page(struct request *req, const char *message, const struct field *fields, const void *items,
                              size_t size, size_t count, const char *next)
{
    struct envelope made = envelope(req, 200, message);
    buf_text(&made.out, ",\"data\":{\"items\":");
    add_items(&made.out, fields, items, size, count);
    buf_text(&made.out, ",\"next\":");
    buf_json(&made.out, next);
    buf_text(&made.out, "}}");
    return enveloped(req, &made);
}

struct response *respond_list(struct request *req, const char *message, const struct field *fields, const void *items,
                              size_t size, size_t count)
{
    struct envelope made = envelope(req, 200, message);
    buf_text(&made.out, ",\"data\":");
    add_items(&made.out, fields, items, size, count);
    buf_char(&made.out, '}');
    return enveloped(req, &made);
}

struct response *respond_json(struct request *req, int status, const char *message, const char *data)
{
    struct envelope made = envelope(req, status, message);
    if (status >= 400) {
        buf_text(&made.out, ",\"requestId\":");
        buf_json(&made.out, req->ctx.request_id ? req->ctx.request_id : "");
    }
    buf_text(&made.out, ",\"data\":");
    buf_text(&made.out, data ? data : "null");
    buf_char(&made.out, '}');
    return enveloped(req, &made);
}

struct response *respond_raw(struct request *req, int status, const char *content_type, const void *body, size_t size)
{
    struct response *res = arena_new(&req->ctx.arena, struct response);
    *res = (struct response){
        .status = status, .content_type = content_type, .body = body, .size = size, .source = { .fd = -1 }
    };
    return res;
}

struct response *respond_source(struct request *req, const char *content_type, struct source source)
{
    struct response *res = arena_new(&req->ctx.arena, struct response);
    *res = (struct response){ .status = 200, .content_type = content_type, .source = source };
    return res;
}

void response_header(struct request *req, struct response *res, const char *name, const char *value)
{
    size_t count = 0;
    while (res->headers && res->headers[count].name)
        count++;
    struct pair *headers = arena_array(&req->ctx.arena, struct pair, count + 2);
    if (count)
        memcpy(headers, res->headers, count * sizeof *headers);
    headers[count] = (struct pair){ name, value };
    res->headers = headers;
}

static void add_violations(struct buf *out, const struct violation *violations)
{
    buf_text(out, ",\"errors\":[");
    for (const struct violation *violation = violations; violation; violation = violation->next) {
        buf_text(out, violation == violations ? "{\"field\":" : ",{\"field\":");
        buf_json(out, violation->field);
        buf_text(out, ",\"rule\":");
        buf_json(out, violation->rule);
        buf_text(out, ",\"message\":");
        buf_json(out, violation->message);
        buf_char(out, '}');
    }
    buf_char(out, ']');
}

/* What RFC 9110 wants beside some statuses. */
static void add_error_headers(struct request *req, struct response *res, const struct error *error)
{
    if (res->status == 429 || res->status == 503)
        response_header(req, res, "Retry-After",
                        arena_printf(&req->ctx.arena, "%d", error->retry_after_s > 0 ? error->retry_after_s : 1));
    if (res->status == 401)
        response_header(req, res, "WWW-Authenticate", "Bearer realm=\"tonearm\"");
}

struct response *respond_error(struct request *req)
{
    if (!req->ctx.error)
        ctx_fail(&req->ctx, ERROR_INTERNAL, "something went wrong");
    const struct error *error = req->ctx.error;
    struct envelope made = error->code == ERROR_INTERNAL
                               ? envelope(req, 500, MESSAGE("something went wrong"))
                               : envelope_of(req, error_http_status(error->code), error->message, error->told);
    buf_text(&made.out, ",\"requestId\":");
    buf_json(&made.out, req->ctx.request_id ? req->ctx.request_id : "");
    if (error->violations)
        add_violations(&made.out, error->violations);
    buf_char(&made.out, '}');
    struct response *res = enveloped(req, &made);
    add_error_headers(req, res, error);
    return res;
}
