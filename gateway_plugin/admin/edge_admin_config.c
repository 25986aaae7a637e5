/* POST /config: the file itself, {"config": "..."}, or a form with it, as Kong's clients send it. */
#include "admin/edge_admin_parts.h"

#include "base/cleanup.h"

enum { SETTLE_MS = 1000 };

static const char *header_value(const h2o_req_t *req, const h2o_token_t *token)
{
    ssize_t at = h2o_find_header(&req->headers, token, -1);
    return at < 0 ? ""
                  : h2o_strdup((h2o_mem_pool_t *)&req->pool, req->headers.entries[at].value.base,
                               req->headers.entries[at].value.len)
                        .base;
}

static h2o_iovec_t from_form(h2o_iovec_t body)
{
    /* --boundary CRLF headers CRLF CRLF content CRLF --boundary */
    const char *end = body.base + body.len, *line = memchr(body.base, '\r', body.len);
    size_t boundary = line ? (size_t)(line - body.base) : 0;
    const char *start = boundary > 2 ? memmem(line, (size_t)(end - line), "\r\n\r\n", 4) : NULL;
    if (!start)
        return h2o_iovec_init(NULL, 0);
    start += 4;
    for (const char *at = start; (at = memmem(at, (size_t)(end - at), "\r\n", 2)); at += 2)
        if ((size_t)(end - at) >= boundary + 2 && memcmp(at + 2, body.base, boundary) == 0)
            return h2o_iovec_init(start, (size_t)(at - start));
    return h2o_iovec_init(NULL, 0);
}

static h2o_iovec_t posted_text(struct admin *admin)
{
    const char *type = header_value(admin->req, H2O_TOKEN_CONTENT_TYPE);
    h2o_iovec_t body = admin->req->entity;
    if (strncasecmp(type, "multipart/form-data", 19) == 0)
        return from_form(body);
    if (strncasecmp(type, "application/json", 16) != 0)
        return body;
    _cleanup_(json_decrefp) json_t *json = json_loadb(body.base, body.len, 0, NULL);
    const char *text = json_string_value(json_object_get(json, "config"));
    /* A declarative file written as JSON is one too. */
    return text ? h2o_strdup(&admin->req->pool, text, strlen(text)) : body;
}

static void put_faults(struct admin *admin, const struct faults *faults)
{
    json_t *errors = json_array();
    for (const struct fault *one = faults->first; one; one = one->next)
        json_array_append_new(
            errors, json_pack("{s:i,s:s,s:s}", "line", one->line, "field", one->field, "message", one->reason));
    admin->status = 400;
    admin->json = json_pack("{s:s,s:i,s:s,s:o}", "code", "10001", "status", 400, "message",
                            "the configuration has faults: the one before it stays", "errors", errors);
}

void admin_post_config(struct admin *admin)
{
    if (admin_from_page(admin))
        return;
    struct faults faults = FAULTS(&admin->arena, "POST /config");
    h2o_iovec_t text = posted_text(admin);
    struct config *config = config_read(&faults, text.base ? text.base : "", text.len);
    if (!config) {
        put_faults(admin, &faults);
        return;
    }
    edge_shared_put(admin->edge->shared, config, false);
    config_unref(config);
    edge_shared_settle(admin->edge->shared, SETTLE_MS);
    admin->status = 201;
    admin->json = json_pack("{s:s}", "message", "the configuration is in use");
}
