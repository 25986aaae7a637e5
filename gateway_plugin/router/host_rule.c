#include "router/host_rule.h"

#include "base/text.h"
#include "client/head_check.h"

#include <string.h>

/* Where the port begins, or the end. An address of IPv6 stands in brackets. */
static const char *port_of(const char *text, size_t size)
{
    const char *colon = memrchr(text, ':', size), *bracket = memrchr(text, ']', size);
    return colon && (!bracket || bracket < colon) ? colon : text + size;
}

static bool is_name(const char *text)
{
    return *text && strlen(text) < HOST_ROOM && is_authority(text, strlen(text)) && !strpbrk(text, "/@%,;=()'!$&*+");
}

bool host_rule_read(struct arena *arena, const char *text, struct host_rule *rule)
{
    int64_t port = 0;
    *rule = (struct host_rule){ .text = "" };
    char *name = text_lower(arena, text), *colon = name + (port_of(name, strlen(name)) - name);
    if (*colon && (!text_number(colon + 1, 65535, &port) || !port))
        return false;
    *colon = 0;
    *rule = (struct host_rule){ .text = name, .port = (unsigned)port };
    size_t size = strlen(name);
    if (text_starts(name, "*.")) {
        rule->kind = HOST_ENDS;
        rule->text = name + 1;
    } else if (text_ends(name, ".*")) {
        rule->kind = HOST_BEGINS;
        name[size - 1] = 0;
    }
    rule->size = strlen(rule->text);
    return is_name(rule->text) && rule->size > (rule->kind != HOST_WHOLE);
}

bool host_rule_matches(const struct host_rule *rule, const struct host_asked *asked)
{
    if (rule->port && rule->port != asked->port)
        return false;
    switch (rule->kind) {
    case HOST_WHOLE:
        return rule->size == asked->size && memcmp(rule->text, asked->text, asked->size) == 0;
    case HOST_ENDS:
        return rule->size < asked->size && memcmp(rule->text, asked->text + asked->size - rule->size, rule->size) == 0;
    default:
        return rule->size < asked->size && memcmp(rule->text, asked->text, rule->size) == 0;
    }
}

struct host_asked host_asked_read(const char *authority, size_t size, bool tls, char room[HOST_ROOM])
{
    struct host_asked asked = { .text = room, .port = tls ? 443 : 80 };
    const char *end = authority + size, *colon = port_of(authority, size);
    if (end - colon > 1)
        asked.port = 0;
    for (const char *digit = colon + 1; digit < end; digit++)
        asked.port = asked.port * 10 + (unsigned)(*digit - '0');
    asked.size = (size_t)(colon - authority);
    if (asked.size && colon[-1] == '.')
        asked.size--;
    if (asked.size >= HOST_ROOM)
        asked.size = 0;
    lower_copy(room, authority, asked.size);
    return asked;
}
