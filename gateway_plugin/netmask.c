#include "netmask.h"

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

static bool parse_net(char *text, struct net *net)
{
    char *slash = strchr(text, '/');
    struct in_addr four;
    int64_t bits;
    if (slash)
        *slash++ = 0;
    bool is_four = inet_pton(AF_INET, text, &four) == 1;
    if (is_four)
        map_four(&four, &net->base);
    else if (inet_pton(AF_INET6, text, &net->base) != 1)
        return false;
    bits = is_four ? 32 : 128;
    if (slash && !text_number(slash, bits, &bits))
        return false;
    net->bits = (unsigned)bits + (is_four ? 96 : 0);
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
        if (!parse_net(item, &nets->items[nets->count++]))
            return false;
        text += size + (text[size] == ',');
    }
    return true;
}

static bool holds(const struct net *net, const struct in6_addr *address)
{
    for (unsigned i = 0; i < net->bits; i++)
        if ((net->base.s6_addr[i / 8] ^ address->s6_addr[i / 8]) >> (7 - i % 8) & 1)
            return false;
    return true;
}

bool nets_hold(const struct nets *nets, const struct address *address)
{
    struct in6_addr six;
    if (address->socket.ss_family == AF_INET)
        map_four(&((const struct sockaddr_in *)&address->socket)->sin_addr, &six);
    else
        six = ((const struct sockaddr_in6 *)&address->socket)->sin6_addr;
    for (size_t i = 0; i < nets->count; i++)
        if (holds(&nets->items[i], &six))
            return true;
    return false;
}
