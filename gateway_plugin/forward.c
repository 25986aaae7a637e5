#include "forward.h"

#include "answer.h"
#include "edge.h"
#include "exchange.h"

#include <ctype.h>

enum action {
    PASS,
    DROP,        /* hop-by-hop, or the edge's own to write */
    DROP_PREFIX, /* and all that begin so */
    APPEND,      /* the edge adds itself at the end */
    NAMES,       /* Connection: drops what it names */
    COOKIE,      /* HTTP/2 may send it in crumbs */
};

struct rule {
    const char *name;
    enum action action;
};

static const struct rule request_rules[] = {
    /* hop-by-hop */
    { "connection", NAMES },
    { "keep-alive", DROP },
    { "proxy-connection", DROP },
    { "proxy-authorization", DROP },
    { "te", DROP },
    { "trailer", DROP },
    { "transfer-encoding", DROP },
    { "upgrade", DROP },
    { "http2-settings", DROP },
    { "expect", DROP },
    /* written anew */
    { "host", DROP },
    { "content-length", DROP },
    { "x-request-id", DROP },
    { "traceparent", DROP },
    { "x-real-ip", DROP },
    { "x-forwarded-proto", DROP },
    { "x-forwarded-host", DROP },
    { "x-forwarded-port", DROP },
    { "x-forwarded-prefix", DROP },
    { "x-forwarded-path", DROP },
    { "x-forwarded-for", APPEND },
    { "forwarded", APPEND },
    { "via", APPEND },
    { "cookie", COOKIE },
    /* only the edge may say these */
    { "x-consumer-", DROP_PREFIX },
    { "x-credential-", DROP_PREFIX },
    { "x-anonymous-", DROP_PREFIX },
    { "x-authenticated-", DROP_PREFIX },
    { "x-tonearm-", DROP_PREFIX },
    { "tonearm-", DROP_PREFIX },
};

static const struct rule reply_rules[] = {
    { "connection", NAMES },
    { "keep-alive", DROP },
    { "proxy-connection", DROP },
    { "proxy-authenticate", DROP },
    { "te", DROP },
    { "trailer", DROP },
    { "transfer-encoding", DROP },
    { "upgrade", DROP },
    { "content-length", DROP },
    { "date", DROP },
    { "x-request-id", DROP },
    { "traceparent", DROP },
    { "x-tonearm-", DROP_PREFIX },
    { "x-reproxy-url", DROP },
    { "http2-settings", DROP },
};

static bool same(const char *a, const char *lower, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (tolower((unsigned char)a[i]) != lower[i])
            return false;
    return true;
}

static enum action action_of(const struct rule *rules, size_t count, const char *name, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        const char *rule = rules[i].name;
        if (tolower((unsigned char)name[0]) != rule[0])
            continue;
        size_t length = strlen(rule);
        if (rules[i].action == DROP_PREFIX ? size >= length && same(name, rule, length)
                                           : size == length && same(name, rule, size))
            return rules[i].action;
    }
    return PASS;
}

#define RULES(rules) (rules), sizeof(rules) / sizeof *(rules)

struct writer {
    char *at;
};

static void put(struct writer *writer, const char *text, size_t size)
{
    if (size)
        memcpy(writer->at, text, size);
    writer->at += size;
}

static void put_text(struct writer *writer, const char *text)
{
    put(writer, text, strlen(text));
}

static void put_header(struct writer *writer, const char *name, const char *value, size_t size)
{
    put_text(writer, name);
    put(writer, ": ", 2);
    put(writer, value, size);
    put(writer, "\r\n", 2);
}

static void put_header_text(struct writer *writer, const char *name, const char *value)
{
    if (value)
        put_header(writer, name, value, strlen(value));
}

static void put_number(struct writer *writer, const char *name, size_t value)
{
    char digits[32];
    put_header(writer, name, digits, (size_t)snprintf(digits, sizeof digits, "%zu", value));
}

/* Headers that Connection names, apart from what is dropped anyhow. */
static bool is_connection(const h2o_header_t *header)
{
    return header->name == &H2O_TOKEN_CONNECTION->buf;
}

static bool names_any(const h2o_headers_t *headers)
{
    for (size_t i = 0; i < headers->size; i++) {
        h2o_iovec_t value = headers->entries[i].value;
        if (is_connection(&headers->entries[i]) && !(value.len == 10 && same(value.base, "keep-alive", 10)) &&
            !(value.len == 5 && same(value.base, "close", 5)))
            return true;
    }
    return false;
}

static bool is_named(const h2o_headers_t *headers, const h2o_iovec_t *name)
{
    char word[128];
    if (name->len >= sizeof word)
        return false;
    memcpy(word, name->base, name->len);
    word[name->len] = 0;
    for (size_t i = 0; i < headers->size; i++)
        if (is_connection(&headers->entries[i]) &&
            list_has(headers->entries[i].value.base, headers->entries[i].value.len, word))
            return true;
    return false;
}

static void put_appended(struct writer *writer, const h2o_headers_t *headers, const char *name, const char *own,
                         size_t own_size)
{
    size_t name_size = strlen(name);
    put(writer, name, name_size);
    put(writer, ": ", 2);
    for (size_t i = 0; i < headers->size; i++) {
        const h2o_header_t *header = &headers->entries[i];
        if (header->name->len != name_size || !same(header->name->base, name, name_size) || !header->value.len)
            continue;
        put(writer, header->value.base, header->value.len);
        put(writer, ", ", 2);
    }
    put(writer, own, own_size);
    put(writer, "\r\n", 2);
}

static void put_cookies(struct writer *writer, const h2o_headers_t *headers)
{
    bool first = true;
    for (size_t i = 0; i < headers->size; i++) {
        const h2o_header_t *header = &headers->entries[i];
        if (header->name != &H2O_TOKEN_COOKIE->buf)
            continue;
        put_text(writer, first ? "cookie: " : "; ");
        put(writer, header->value.base, header->value.len);
        first = false;
    }
    if (!first)
        put(writer, "\r\n", 2);
}

static void put_passing(struct writer *writer, const struct exchange *x)
{
    const h2o_headers_t *headers = &x->req->headers;
    bool any = names_any(headers), cookies = false;
    for (size_t i = 0; i < headers->size; i++) {
        const h2o_iovec_t *name = headers->entries[i].name;
        enum action action = action_of(RULES(request_rules), name->base, name->len);
        cookies |= action == COOKIE;
        if (action != PASS || (any && is_named(headers, name)))
            continue;
        if (x->hide_key && name->len == strlen(x->key_header) && same(name->base, x->key_header, name->len))
            continue;
        put(writer, name->base, name->len);
        put(writer, ": ", 2);
        put(writer, headers->entries[i].value.base, headers->entries[i].value.len);
        put(writer, "\r\n", 2);
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

static void put_forwarded(struct writer *writer, const struct exchange *x)
{
    const h2o_headers_t *headers = &x->req->headers;
    const struct conn *conn = x->conn;
    h2o_iovec_t authority = x->req->input.authority;
    const char *proto = conn->tls ? "https" : "http";
    bool six = memchr(conn->peer, ':', conn->peer_size);
    char own[512];
    int size = snprintf(own, sizeof own, "for=%s%s%s;host=\"%.*s\";proto=%s", six ? "\"[" : "", conn->peer,
                        six ? "]\"" : "", (int)(authority.len < 256 ? authority.len : 256), authority.base, proto);
    put_appended(writer, headers, "x-forwarded-for", conn->peer, conn->peer_size);
    put_appended(writer, headers, "forwarded", own, (size_t)size);
    put_appended(writer, headers, "via", x->req->version >= 0x200 ? "2 tonearm" : "1.1 tonearm",
                 x->req->version >= 0x200 ? 9 : 11);
    put_header_text(writer, "x-forwarded-proto", proto);
    put_header(writer, "x-forwarded-host", authority.base, authority.len);
    size_t port_size;
    const char *port = port_of(authority, conn->tls, &port_size);
    put_header(writer, "x-forwarded-port", port, port_size);
    if (x->route->strip_path && x->prefix)
        put_header(writer, "x-forwarded-prefix", x->path.text, x->prefix);
}

/* Hop by hop, so said anew. */
static void put_upgrade(struct writer *writer, const struct exchange *x)
{
    if (x->upgrade)
        put_text(writer, "connection: upgrade\r\nupgrade: websocket\r\n");
}

static void put_identity(struct writer *writer, const struct exchange *x, const struct member *member)
{
    put_header_text(writer, "x-request-id", x->request_id);
    put_header_text(writer, "traceparent", x->traceparent);
    put_header_text(writer, "x-consumer-id", x->identity.id);
    put_header_text(writer, "x-consumer-username", x->identity.name);
    put_header_text(writer, "x-credential-identifier", x->identity.credential);
    if (!member->ours)
        return;
    if (x->loop->edge->secret)
        put_header_text(writer, "x-tonearm-edge", x->loop->edge->secret);
    /* No key was asked for on this route: what needs one must ask itself. */
    if (!x->identity.credential)
        put_header(writer, "x-tonearm-anonymous", "1", 1);
}

static void put_target(struct writer *writer, const struct exchange *x)
{
    const char *base = x->route->service->path;
    size_t base_size = base ? strlen(base) : 0;
    if (base_size && base[base_size - 1] == '/')
        base_size--;
    put(writer, base, base_size);
    size_t from = x->route->strip_path ? x->prefix : 0;
    /* "/auth" stripped of "/auth" is "/", or the service's own path. */
    if (from == x->path.size && !base_size)
        put(writer, "/", 1);
    put(writer, x->path.text + from, x->path.total - from);
}

static void put_head(struct writer *writer, const struct exchange *x, const struct member *member)
{
    const h2o_req_t *req = x->req;
    const struct kong_upstream *upstream = x->route->service->upstream;
    put(writer, req->input.method.base, req->input.method.len);
    put(writer, " ", 1);
    put_target(writer, x);
    put_text(writer, " HTTP/1.1\r\n");
    if (x->route->preserve_host)
        put_header(writer, "host", req->input.authority.base, req->input.authority.len);
    else
        put_header_text(writer, "host", upstream->host_header ? upstream->host_header : member->name);
    put_passing(writer, x);
    put_forwarded(writer, x);
    put_identity(writer, x, member);
    put_upgrade(writer, x);
    if (req->entity.base || x->method & (METHOD_POST | METHOD_PUT | METHOD_PATCH))
        put_number(writer, "content-length", req->entity.len);
    put(writer, "\r\n", 2);
}

/* More than put_head() can write. */
static size_t room_for(const struct exchange *x, const struct member *member)
{
    enum { FIXED = 2048 };
    const h2o_req_t *req = x->req;
    const char *base = x->route->service->path, *host = x->route->service->upstream->host_header;
    size_t size = FIXED + req->input.method.len + x->path.total + 4 * req->input.authority.len + strlen(member->name) +
                  (base ? strlen(base) : 0) + (host ? strlen(host) : 0) + 4 * x->conn->peer_size;
    for (size_t i = 0; i < req->headers.size; i++)
        size += req->headers.entries[i].name->len + req->headers.entries[i].value.len + 4;
    const char *texts[] = { x->identity.id, x->identity.name, x->identity.credential, x->loop->edge->secret };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        size += texts[i] ? strlen(texts[i]) : 0;
    return size;
}

h2o_iovec_t forward_request(struct exchange *x, const struct member *member)
{
    char *data = h2o_mem_alloc_pool(&x->req->pool, room_for(x, member));
    struct writer writer = { .at = data };
    put_head(&writer, x, member);
    return h2o_iovec_init(data, (size_t)(writer.at - data));
}

/* What the answer's Connection names. */
static bool reply_names(const struct reply_head *head, const struct reply_field *field)
{
    char word[128];
    if (field->name_size >= sizeof word)
        return false;
    memcpy(word, field->name, field->name_size);
    word[field->name_size] = 0;
    for (size_t i = 0; i < head->count; i++)
        if (head->fields[i].name_size == 10 && same(head->fields[i].name, "connection", 10) &&
            list_has(head->fields[i].value, head->fields[i].value_size, word))
            return true;
    return false;
}

static void add_reply_header(h2o_req_t *req, const struct reply_field *field)
{
    if (req->version < 0x200) {
        h2o_add_header_by_str(&req->pool, &req->res.headers, field->name, field->name_size, 0, NULL, field->value,
                              field->value_size);
        return;
    }
    char *name = h2o_mem_alloc_pool(&req->pool, field->name_size);
    for (size_t i = 0; i < field->name_size; i++)
        name[i] = (char)tolower((unsigned char)field->name[i]);
    h2o_add_header_by_str(&req->pool, &req->res.headers, name, field->name_size, 1, NULL, field->value,
                          field->value_size);
}

void forward_reply(struct exchange *x, const struct reply_head *head)
{
    h2o_req_t *req = x->req;
    req->res.status = head->status;
    req->res.reason = reason_phrase(head->status);
    req->res.content_length = head->length == UINT64_MAX || head->status == 204 ? SIZE_MAX : head->length;
    for (size_t i = 0; i < head->count; i++) {
        const struct reply_field *field = &head->fields[i];
        if (action_of(RULES(reply_rules), field->name, field->name_size) == PASS && !reply_names(head, field))
            add_reply_header(req, field);
    }
}
