#include "client/netmask.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <string.h>

/* Splits HOST:PORT; the host without its brackets. */
static bool split(const char *text, char host[64], int64_t *port)
{
    const char *colon = strrchr(text, ':');
    if (!colon || !text_number(colon + 1, 65535, port))
        return false;
    size_t size = (size_t)(colon - text);
    bool brackets = *text == '[' && size > 2 && colon[-1] == ']';
    if (brackets) {
        text++;
        size -= 2;
    }
    if (!size || size >= 64 || (!brackets && memchr(text, ':', size)))
        return false;
    memcpy(host, text, size);
    host[size] = 0;
    return true;
}

bool hostport_parse(const char *text, struct address *address)
{
    char host[64];
    int64_t port;
    *address = (struct address){ 0 };
    if (!split(text, host, &port))
        return false;
    struct sockaddr_in *four = (struct sockaddr_in *)&address->socket;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&address->socket;
    if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        address->size = sizeof *four;
    } else if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)port);
        address->size = sizeof *six;
    }
    return address->size;
}

static void map_four(const struct in_addr *four, struct in6_addr *out)
{
    *out = (struct in6_addr){ 0 };
    out->s6_addr[10] = out->s6_addr[11] = 0xff;
    memcpy(&out->s6_addr[12], four, 4);
}

struct in6_addr address_in6(const struct sockaddr_storage *socket)
{
    struct in6_addr six;
    if (socket->ss_family != AF_INET)
        return ((const struct sockaddr_in6 *)socket)->sin6_addr;
    map_four(&((const struct sockaddr_in *)socket)->sin_addr, &six);
    return six;
}

bool digits_parse(const char *text, struct in6_addr *out)
{
    struct in_addr four;
    if (inet_pton(AF_INET, text, &four) != 1)
        return inet_pton(AF_INET6, text, out) == 1;
    map_four(&four, out);
    return true;
}

bool net_parse(const char *text, struct net *net)
{
    char base[64];
    size_t size = strcspn(text, "/");
    if (size >= sizeof base)
        return false;
    memcpy(base, text, size);
    base[size] = 0;
    if (!digits_parse(base, &net->base))
        return false;
    int64_t width = strchr(base, ':') ? 128 : 32, bits = width;
    if (text[size] && !text_number(text + size + 1, width, &bits))
        return false;
    net->bits = (unsigned)(bits + 128 - width);
    return true;
}

bool nets_parse(const char *text, struct nets *nets)
{
    *nets = (struct nets){ 0 };
    while (*text) {
        char item[64];
        size_t size = strcspn(text, ",");
        if (size >= sizeof item || nets->count == NETS_MAX)
            return false;
        memcpy(item, text, size);
        item[size] = 0;
        if (!net_parse(item, &nets->items[nets->count++]))
            return false;
        text += size + (text[size] == ',');
    }
    return true;
}

bool net_holds(const struct net *net, const struct in6_addr *address)
{
    size_t whole = net->bits / 8, rest = net->bits % 8;
    if (memcmp(net->base.s6_addr, address->s6_addr, whole) != 0)
        return false;
    return !rest || (net->base.s6_addr[whole] ^ address->s6_addr[whole]) >> (8 - rest) == 0;
}

bool nets_hold(const struct nets *nets, const struct address *address)
{
    struct in6_addr six = address_in6(&address->socket);
    return nets_have(nets, &six);
}

bool nets_have(const struct nets *nets, const struct in6_addr *address)
{
    for (size_t i = 0; i < nets->count; i++)
        if (net_holds(&nets->items[i], address))
            return true;
    return false;
}
