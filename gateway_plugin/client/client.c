#include "client/client.h"

#include "process/edge.h"
#include "exchange/exchange.h"
#include "exchange/forward_rules.h"

#include <string.h>

/* "1.2.3.4", "2001:db8::1", and both with a port: "1.2.3.4:80", "[2001:db8::1]:80". */
static bool parse(const char *text, size_t size, struct in6_addr *out)
{
    char copy[64], *bare = copy;
    if (!size || size >= sizeof copy || memchr(text, 0, size))
        return false;
    memcpy(copy, text, size);
    copy[size] = 0;
    char *colon = strchr(copy, ':');
    if (*copy == '[') {
        char *close = strchr(++bare, ']');
        if (!close)
            return false;
        *close = 0;
    } else if (colon && !strchr(colon + 1, ':')) {
        *colon = 0;
    }
    return digits_parse(bare, out);
}

/* From the last item of the list to the first. true: a client was found, or the list is of no use. */
static bool read_list(struct client *client, const struct nets *trusted, h2o_iovec_t list)
{
    size_t end = list.len;
    for (;;) {
        const char *comma = memrchr(list.base, ',', end);
        size_t from = comma ? (size_t)(comma + 1 - list.base) : 0, to = end;
        while (from < to && (list.base[from] == ' ' || list.base[from] == '\t'))
            from++;
        while (to > from && (list.base[to - 1] == ' ' || list.base[to - 1] == '\t'))
            to--;
        struct in6_addr address;
        if (!parse(list.base + from, to - from, &address))
            return true;
        client->address = address;
        if (!nets_have(trusted, &address))
            return true;
        if (!comma)
            return false;
        end = (size_t)(comma - list.base);
    }
}

static bool is_list(const h2o_header_t *header)
{
    return header->name->len == 15 && same_text(header->name->base, "x-forwarded-for", 15);
}

static void look_behind(struct client *client, const struct exchange *x, const struct nets *trusted)
{
    const h2o_headers_t *headers = &x->req->headers;
    for (size_t i = headers->size; i-- > 0;)
        if (is_list(&headers->entries[i]) && read_list(client, trusted, headers->entries[i].value))
            return;
}

static void write_text(struct client *client)
{
    const struct in6_addr *address = &client->address;
    if (IN6_IS_ADDR_V4MAPPED(address))
        inet_ntop(AF_INET, &address->s6_addr[12], client->text, sizeof client->text);
    else
        inet_ntop(AF_INET6, address, client->text, sizeof client->text);
}

const struct client *client_of(struct exchange *x)
{
    struct client *client = &x->client;
    const struct nets *trusted = &x->loop->edge->trusted;
    if (client->looked)
        return client->known ? client : NULL;
    const struct in6_addr *peer = &x->conn->peer_address;
    client->looked = true;
    client->address = *peer;
    client->known = !IN6_IS_ADDR_UNSPECIFIED(peer);
    if (!client->known)
        return NULL;
    client->behind = trusted->count && nets_have(trusted, peer);
    if (client->behind)
        look_behind(client, x, trusted);
    if (IN6_ARE_ADDR_EQUAL(&client->address, peer))
        memcpy(client->text, x->conn->peer, x->conn->peer_size + 1);
    else
        write_text(client);
    return client;
}

void client_look(struct exchange *x)
{
    if (x->loop->edge->trusted.count)
        client_of(x);
}

const char *client_text(const struct exchange *x)
{
    return x->client.known ? x->client.text : x->conn->peer;
}

/* What the proxy says, once. Empty: nothing, or nobody is trusted. */
static h2o_iovec_t said(const struct exchange *x, const char *name)
{
    size_t count;
    const h2o_iovec_t *value = x->client.behind ? exchange_request_header(x, name, &count) : NULL;
    return value && count == 1 ? *value : h2o_iovec_init(NULL, 0);
}

bool client_tls(const struct exchange *x)
{
    h2o_iovec_t scheme = said(x, "x-forwarded-proto");
    if (scheme.len == 5 && same_text(scheme.base, "https", 5))
        return true;
    return x->conn->tls && !(scheme.len == 4 && same_text(scheme.base, "http", 4));
}

h2o_iovec_t client_host(const struct exchange *x)
{
    h2o_iovec_t host = said(x, "x-forwarded-host");
    return host.len && is_authority(host.base, host.len) ? host : x->req->input.authority;
}

h2o_iovec_t client_port(const struct exchange *x)
{
    h2o_iovec_t port = said(x, "x-forwarded-port");
    bool good = port.len && port.len <= 5 && port.base[0] != '0';
    for (size_t i = 0; i < port.len; i++)
        good = good && port.base[i] >= '0' && port.base[i] <= '9';
    return good ? port : h2o_iovec_init(NULL, 0);
}
