#include "http/forwarded.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

struct network {
    struct address address;
    unsigned bits; /* of the 128 */
};

struct networks {
    size_t count;
    struct network list[];
};

static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static bool is_v4(const struct address *address)
{
    return memcmp(address->bytes, mapped, sizeof mapped) == 0;
}

bool address_of_socket(const struct sockaddr *sa, struct address *out)
{
    if (sa->sa_family == AF_INET) {
        memcpy(out->bytes, mapped, sizeof mapped);
        memcpy(out->bytes + 12, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
        return true;
    }
    if (sa->sa_family != AF_INET6)
        return false;
    memcpy(out->bytes, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
    return true;
}

static bool parse_bare(const char *text, struct address *out)
{
    if (inet_pton(AF_INET6, text, out->bytes) == 1)
        return true;
    memcpy(out->bytes, mapped, sizeof mapped);
    return inet_pton(AF_INET, text, out->bytes + 12) == 1;
}

bool address_parse(const char *text, size_t size, struct address *out)
{
    char copy[64];
    if (size == 0 || size >= sizeof copy)
        return false;
    memcpy(copy, text, size);
    copy[size] = 0;
    if (strlen(copy) != size)
        return false;
    char *bare = copy, *colon = strchr(copy, ':');
    if (*copy == '[') {
        bare = copy + 1;
        char *close = strchr(bare, ']');
        if (!close || (close[1] && close[1] != ':'))
            return false;
        *close = 0;
    } else if (colon && colon == strrchr(copy, ':')) {
        *colon = 0; /* one colon: IPv4 and a port */
    }
    return parse_bare(bare, out);
}

void address_write(const struct address *address, char out[ADDRESS_TEXT])
{
    if (is_v4(address))
        inet_ntop(AF_INET, address->bytes + 12, out, ADDRESS_TEXT);
    else
        inet_ntop(AF_INET6, address->bytes, out, ADDRESS_TEXT);
}

static bool parse_network(const char *text, size_t size, struct network *out)
{
    char copy[64];
    if (size == 0 || size >= sizeof copy)
        return false;
    memcpy(copy, text, size);
    copy[size] = 0;
    char *slash = strchr(copy, '/');
    if (slash)
        *slash++ = 0;
    if (!parse_bare(copy, &out->address))
        return false;
    int64_t width = strchr(copy, ':') ? 128 : 32, bits = width;
    if (slash && !text_number(slash, width, &bits))
        return false;
    out->bits = (unsigned)(bits + 128 - width);
    return true;
}

struct networks *networks_parse(struct ctx *ctx, const char *text)
{
    enum { NETWORKS_MAX = 64 };
    struct networks *out = arena_alloc(&ctx->arena, sizeof *out + NETWORKS_MAX * sizeof *out->list);
    for (const char *at = text ? text : ""; *(at += strspn(at, " ,"));) {
        size_t size = strcspn(at, " ,");
        if (out->count == NETWORKS_MAX || !parse_network(at, size, &out->list[out->count]))
            return ctx_fail(ctx, ERROR_INVALID, "'%.*s' is no network (10.0.0.0/8, 2001:db8::/32)", (int)size, at);
        out->count++;
        at += size;
    }
    return out;
}

static bool contains(const struct network *network, const struct address *address)
{
    size_t whole = network->bits / 8, rest = network->bits % 8;
    if (memcmp(network->address.bytes, address->bytes, whole) != 0)
        return false;
    return rest == 0 || (network->address.bytes[whole] ^ address->bytes[whole]) >> (8 - rest) == 0;
}

bool networks_have(const struct networks *networks, const struct address *address)
{
    for (size_t i = 0; i < networks->count; i++)
        if (contains(&networks->list[i], address))
            return true;
    return false;
}

bool forwarded_last(const char *header, struct address *out)
{
    if (!header)
        return false;
    const char *comma = strrchr(header, ',');
    const char *last = comma ? comma + 1 : header;
    last += strspn(last, " \t");
    return address_parse(last, strcspn(last, " \t"), out);
}
