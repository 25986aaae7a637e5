#include "exchange/forward.h"

#include "process/edge.h"
#include "exchange/exchange.h"
#include "exchange/forward_rules.h"

struct writer {
    char *at;
};

/* Where it is called the size is mostly known: then it becomes a few moves. */
static inline __attribute__((always_inline)) void put(struct writer *writer, const char *text, size_t size)
{
    if (size)
        memcpy(writer->at, text, size);
    writer->at += size;
}

/* Names are literals: their lengths are known when this is compiled. */
#define PUT(writer, literal) put(writer, literal, sizeof(literal) - 1)
#define PUT_HEADER(writer, name, value, size)                                                                          \
    do {                                                                                                               \
        PUT(writer, name ": ");                                                                                        \
        put(writer, value, size);                                                                                      \
        PUT(writer, "\r\n");                                                                                           \
    } while (0)
#define PUT_TEXT(writer, name, value) PUT_HEADER(writer, name, value, strlen(value))

/* Headers that Connection names, apart from what is dropped anyhow. */
static bool is_connection(const h2o_header_t *header)
{
    return header->name == &H2O_TOKEN_CONNECTION->buf;
}

static bool names_any(const h2o_headers_t *headers)
{
    for (size_t i = 0; i < headers->size; i++)
        if (is_connection(&headers->entries[i]) &&
            connection_names(headers->entries[i].value.base, headers->entries[i].value.len))
            return true;
    return false;
}

static bool is_named(const h2o_headers_t *headers, const h2o_iovec_t *name)
{
    for (size_t i = 0; i < headers->size; i++)
        if (is_connection(&headers->entries[i]) &&
            list_names(headers->entries[i].value.base, headers->entries[i].value.len, name->base, name->len))
            return true;
    return false;
}

/* What the client sent under this name, before what the edge adds. */
static void put_earlier(struct writer *writer, const h2o_headers_t *headers, const char *name, size_t name_size)
{
    for (size_t i = 0; i < headers->size; i++) {
        const h2o_header_t *header = &headers->entries[i];
        if (header->name->len != name_size || !same_text(header->name->base, name, name_size) || !header->value.len ||
            is_named(headers, header->name))
            continue;
        put(writer, header->value.base, header->value.len);
        PUT(writer, ", ");
    }
}

#define PUT_EARLIER(writer, headers, name)                                                                             \
    do {                                                                                                               \
        PUT(writer, name ": ");                                                                                        \
        put_earlier(writer, headers, name, sizeof(name) - 1);                                                          \
    } while (0)

static void put_cookies(struct writer *writer, const h2o_headers_t *headers)
{
    bool first = true;
    for (size_t i = 0; i < headers->size; i++) {
        const h2o_header_t *header = &headers->entries[i];
        if (header->name != &H2O_TOKEN_COOKIE->buf)
            continue;
        if (first)
            PUT(writer, "cookie: ");
        else
            PUT(writer, "; ");
        put(writer, header->value.base, header->value.len);
        first = false;
    }
    if (!first)
        PUT(writer, "\r\n");
}

static void put_passing(struct writer *writer, const struct exchange *x)
{
    const h2o_headers_t *headers = &x->req->headers;
    bool any = names_any(headers), cookies = false;
    for (size_t i = 0; i < headers->size; i++) {
        const h2o_iovec_t *name = headers->entries[i].name;
        enum action action = request_action(name->base, name->len);
        if (any && is_named(headers, name))
            continue;
        cookies |= action == COOKIE;
        if (action != PASS)
            continue;
        if (x->plain_answer && name == &H2O_TOKEN_ACCEPT_ENCODING->buf)
            continue;
        put(writer, name->base, name->len);
        PUT(writer, ": ");
        put(writer, headers->entries[i].value.base, headers->entries[i].value.len);
        PUT(writer, "\r\n");
    }
    if (cookies)
        put_cookies(writer, headers);
}

static const char *port_of(h2o_iovec_t authority, bool tls, size_t *size)
{
    const char *colon = memrchr(authority.base, ':', authority.len);
    if (colon && !memchr(colon, ']', authority.len - (size_t)(colon - authority.base))) {
        *size = authority.len - (size_t)(colon + 1 - authority.base);
        if (*size)
            return colon + 1;
    }
    *size = tls ? 3 : 2;
    return tls ? "443" : "80";
}

/* RFC 7239: an address of IPv6 stands in brackets and quotes. */
static void put_node(struct writer *writer, const struct conn *conn, h2o_iovec_t authority)
{
    bool six = memchr(conn->peer, ':', conn->peer_size);
    PUT(writer, "for=");
    put(writer, "\"[", six ? 2 : 0);
    put(writer, conn->peer, conn->peer_size);
    put(writer, "]\"", six ? 2 : 0);
    PUT(writer, ";host=\"");
    put(writer, authority.base, authority.len < 256 ? authority.len : 256);
    PUT(writer, "\";proto=");
    put(writer, "https", conn->tls ? 5 : 4);
    PUT(writer, "\r\n");
}

/* How the client asked, as far as those say that are trusted. */
static void put_asked(struct writer *writer, struct exchange *x)
{
    bool tls = client_tls(x);
    h2o_iovec_t host = client_host(x), port = client_port(x);
    if (!port.len)
        port.base = (char *)port_of(host, tls, &port.len);
    PUT_HEADER(writer, "x-forwarded-proto", "https", tls ? 5 : 4);
    PUT_HEADER(writer, "x-forwarded-host", host.base, host.len);
    PUT_HEADER(writer, "x-forwarded-port", port.base, port.len);
}

static void put_forwarded(struct writer *writer, struct exchange *x)
{
    const h2o_headers_t *headers = &x->req->headers;
    const struct conn *conn = x->conn;
    h2o_iovec_t authority = x->req->input.authority;
    PUT_EARLIER(writer, headers, "x-forwarded-for");
    put(writer, conn->peer, conn->peer_size);
    PUT(writer, "\r\n");
    PUT_EARLIER(writer, headers, "forwarded");
    put_node(writer, conn, authority);
    PUT_EARLIER(writer, headers, "via");
    if (x->req->version >= 0x200)
        PUT(writer, "2 tonearm\r\n");
    else
        PUT(writer, "1.1 tonearm\r\n");
    PUT_TEXT(writer, "x-real-ip", client_text(x));
    put_asked(writer, x);
    PUT_HEADER(writer, "x-forwarded-path", x->path.text, x->path.size);
    if (x->route->strip_path && x->prefix)
        PUT_HEADER(writer, "x-forwarded-prefix", x->path.text, x->prefix);
}

/* Hop by hop, so said anew. */
static void put_upgrade(struct writer *writer, const struct exchange *x)
{
    if (x->upgrade)
        PUT(writer, "connection: upgrade\r\nupgrade: websocket\r\n");
}

static void put_identity(struct writer *writer, const struct exchange *x, const struct member *member)
{
    const struct identity *who = &x->identity;
    PUT_TEXT(writer, "x-request-id", x->request_id);
    char parent[TRACEPARENT_SIZE];
    PUT_HEADER(writer, "traceparent", tracing_parent(x, parent), TRACEPARENT_SIZE);
    if (who->id)
        PUT_TEXT(writer, "x-consumer-id", who->id);
    if (who->name)
        PUT_TEXT(writer, "x-consumer-username", who->name);
    if (who->custom_id)
        PUT_TEXT(writer, "x-consumer-custom-id", who->custom_id);
    if (who->credential)
        PUT_TEXT(writer, "x-credential-identifier", who->credential);
    if (who->consumer_groups)
        PUT_TEXT(writer, "x-consumer-groups", who->consumer_groups);
    if (who->authenticated_groups)
        PUT_TEXT(writer, "x-authenticated-groups", who->authenticated_groups);
    if (who->anonymous)
        PUT(writer, "x-anonymous-consumer: true\r\n");
    if (!member->ours)
        return;
    if (x->loop->edge->secret)
        PUT_TEXT(writer, "x-tonearm-edge", x->loop->edge->secret);
    /* No API key was asked for on this route: what needs one must ask itself. */
    if (!who->by_key)
        PUT(writer, "x-tonearm-anonymous: 1\r\n");
}

/* What a regular expression has left of a segment must not become one that leads elsewhere. */
static size_t skip_dots(const char *rest, size_t size)
{
    size_t dots = size && rest[0] == '.' ? 1 + (size > 1 && rest[1] == '.') : 0;
    return !dots || (dots < size && rest[dots] != '/') ? 0 : dots + (dots < size);
}

/* Kong's path_handling v0. */
static void put_path(struct writer *writer, const char *base, const char *path, size_t size, size_t from)
{
    size_t base_size = base ? strlen(base) : 0;
    /* The root adds nothing to the path of the service. */
    if (size == 1 && base_size) {
        put(writer, base, base_size);
        return;
    }
    if (base_size && base[base_size - 1] == '/')
        base_size--;
    put(writer, base, base_size);
    /* "/auth" stripped of "/auth" is "/", or the service's own path. */
    if (from == size) {
        put(writer, "/", base_size ? 0 : 1);
        return;
    }
    if (path[from] != '/') {
        PUT(writer, "/");
        from += skip_dots(path + from, size - from);
    }
    put(writer, path + from, size - from);
}

static void put_target(struct writer *writer, const struct exchange *x)
{
    const struct path *path = &x->path;
    if (x->new_path.base)
        put(writer, x->new_path.base, x->new_path.len);
    else
        put_path(writer, x->route->service->path, path->text, path->size, x->route->strip_path ? x->prefix : 0);
    put(writer, path->text + path->size, path->total - path->size);
}

size_t forward_target(const struct exchange *x, char *room, size_t size)
{
    const char *base = x->route->service->path;
    struct writer writer = { .at = room };
    if ((base ? strlen(base) : 0) + x->path.total + x->new_path.len + 2 > size)
        return 0;
    put_target(&writer, x);
    return (size_t)(writer.at - room);
}

static void put_host(struct writer *writer, const struct exchange *x, const struct member *member)
{
    const struct kong_upstream *upstream = x->route->service->upstream;
    if (x->new_host.base)
        PUT_HEADER(writer, "host", x->new_host.base, x->new_host.len);
    else if (x->route->preserve_host)
        PUT_HEADER(writer, "host", x->req->input.authority.base, x->req->input.authority.len);
    else
        PUT_TEXT(writer, "host", upstream->host_header ? upstream->host_header : member->name);
}

static void put_length(struct writer *writer, size_t length)
{
    char digits[24];
    PUT_HEADER(writer, "content-length", digits, (size_t)snprintf(digits, sizeof digits, "%zu", length));
}

static void put_head(struct writer *writer, struct exchange *x, const struct member *member)
{
    const h2o_req_t *req = x->req;
    h2o_iovec_t method = x->new_method.base ? x->new_method : req->input.method;
    put(writer, method.base, method.len);
    PUT(writer, " ");
    put_target(writer, x);
    PUT(writer, " HTTP/1.1\r\n");
    put_host(writer, x, member);
    put_passing(writer, x);
    put_forwarded(writer, x);
    put_identity(writer, x, member);
    put_upgrade(writer, x);
    if (req->entity.base || x->method & (METHOD_POST | METHOD_PUT | METHOD_PATCH))
        put_length(writer, req->entity.len);
    PUT(writer, "\r\n");
}

/* More than put_head() can write. */
static size_t room_for(const struct exchange *x, const struct member *member)
{
    enum { FIXED = 2048 };
    const h2o_req_t *req = x->req;
    const char *base = x->route->service->path, *host = x->route->service->upstream->host_header;
    size_t size = FIXED + req->input.method.len + x->new_path.len + x->new_host.len + 2 * x->path.total +
                  4 * req->input.authority.len + strlen(member->name) + (base ? strlen(base) : 0) +
                  (host ? strlen(host) : 0) + 4 * x->conn->peer_size;
    for (size_t i = 0; i < req->headers.size; i++)
        size += req->headers.entries[i].name->len + req->headers.entries[i].value.len + 4;
    const struct identity *who = &x->identity;
    const char *texts[] = { who->id,
                            who->name,
                            who->custom_id,
                            who->credential,
                            who->consumer_groups,
                            who->authenticated_groups,
                            x->loop->edge->secret };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        size += texts[i] ? strlen(texts[i]) : 0;
    return size;
}

h2o_iovec_t forward_request(struct exchange *x, const struct member *member, char *room, size_t size)
{
    client_look(x);
    size_t most = room_for(x, member);
    char *data = most <= size ? room : h2o_mem_alloc_pool(&x->req->pool, most);
    struct writer writer = { .at = data };
    put_head(&writer, x, member);
    return h2o_iovec_init(data, (size_t)(writer.at - data));
}
