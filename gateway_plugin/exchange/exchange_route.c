/* Which route a request takes. */
#include "exchange/exchange.h"

#include <ctype.h>

/* h2o keeps `Upgrade` apart. */
static bool any_header(const void *self, const char *name,
                       bool (*test)(const void *arg, const char *value, size_t size), const void *arg)
{
    const h2o_req_t *req = ((const struct exchange *)self)->req;
    size_t size = strlen(name);
    for (size_t i = 0; i < req->headers.size; i++) {
        const h2o_header_t *header = &req->headers.entries[i];
        if (header->name->len == size && memcmp(header->name->base, name, size) == 0 &&
            test(arg, header->value.base, header->value.len))
            return true;
    }
    return req->upgrade.base && strcmp(name, "upgrade") == 0 && test(arg, req->upgrade.base, req->upgrade.len);
}

static void take_match(struct exchange *x, const struct match *match)
{
    x->route = match->route;
    x->chain = match->route->chain;
    x->prefix = match->prefix;
    x->pattern = match->pattern;
    if (!match->pattern)
        return;
    x->captures = h2o_mem_alloc_pool(&x->req->pool, sizeof *x->captures);
    *x->captures = match->captures;
}

/* As Kong answers who asks without TLS for what is open to TLS only. */
static void refuse_plain(struct exchange *x, const struct kong_route *route)
{
    int status = atoi(redirect_statuses[route->redirect]);
    if (status == 426 && x->req->version < 0x200)
        exchange_header(x, "upgrade", "TLS/1.2, HTTP/1.1");
    if (status != 426) {
        char room[HOST_ROOM];
        h2o_iovec_t authority = client_host(x);
        struct host_asked host = host_asked_read(authority.base, authority.len, false, room);
        exchange_header(
            x, "location",
            exchange_printf(x, "https://%.*s%.*s", (int)host.size, host.text, (int)x->path.total, x->path.text));
    }
    exchange_refuse(x, status, "this is served over HTTPS only");
}

static struct asked asked_of(struct exchange *x)
{
    const h2o_req_t *req = x->req;
    return (struct asked){ .method = x->method,
                           .method_name = req->input.method.base,
                           .method_size = req->input.method.len,
                           .tls = client_tls(x),
                           .path = x->path.text,
                           .size = x->path.size,
                           .authority = req->input.authority.base,
                           .authority_size = req->input.authority.len,
                           .server_name = x->conn->server_name,
                           .by_proxy = !x->conn->tls,
                           .any_header = any_header,
                           .self = x };
}

uint64_t exchange_body_most(struct conn *conn, h2o_req_t *req)
{
    struct exchange x = { .req = req, .loop = conn->loop, .conn = conn, .config = conn->loop->config };
    struct match match;
    client_look(&x);
    x.method = method_bit(req->input.method.base, req->input.method.len);
    if (!exchange_normalise(&x))
        return UINT64_MAX;
    struct asked asked = asked_of(&x);
    return router_match(x.config->router, &asked, &match) == ROUTE_FOUND ? config_body_most(x.config, match.route)
                                                                         : UINT64_MAX;
}

bool exchange_find_route(struct exchange *x)
{
    struct match match;
    struct asked asked = asked_of(x);
    switch (router_match(x->config->router, &asked, &match)) {
    case ROUTE_FOUND:
        take_match(x, &match);
        return true;
    case ROUTE_WANTS_TLS:
        refuse_plain(x, match.route);
        return false;
    case ROUTE_UNDECIDED:
        exchange_refuse(x, 400, "the request is too hard to tell a route for");
        return false;
    default:
        exchange_refuse(x, 404, "nothing is served at this path");
        return false;
    }
}

bool exchange_capture(const struct exchange *x, const char *name, h2o_iovec_t *value)
{
    size_t group = !x->captures                    ? 0
                   : isdigit((unsigned char)*name) ? strtoul(name, NULL, 10)
                                                   : pattern_group(x->pattern, name);
    if (!group || group >= x->captures->count)
        return false;
    const struct capture *capture = &x->captures->items[group];
    *value = h2o_iovec_init(x->path.text + capture->start, capture->end - capture->start);
    return true;
}
