/*
 * Kong's ip-restriction: who is on `deny` is refused, and where there is an
 * `allow`, who is not on it. The client is the one of client.h.
 */
#include "plugins/plugins.h"

#include "exchange/answer.h"
#include "client/client.h"
#include "exchange/exchange.h"
#include "client/netmask.h"

struct restriction {
    struct texts allow, deny;
    int64_t status;
    const char *message; /* NULL: one with the address */
    struct net *allowed, *denied;
};

static bool is_net(const char *text)
{
    struct net net;
    return net_parse(text, &net);
}

#define NET_RULE .valid = is_net, .rule = "is no address and no CIDR (10.0.0.1, 10.0.0.0/8, 2001:db8::/32)"

static const struct option options[] = {
    OPTION("allow", OPTION_TEXTS, struct restriction, allow, NET_RULE),
    OPTION("deny", OPTION_TEXTS, struct restriction, deny, NET_RULE),
    /* as Kong called them before 3.0 */
    OPTION("whitelist", OPTION_TEXTS, struct restriction, allow, NET_RULE),
    OPTION("blacklist", OPTION_TEXTS, struct restriction, deny, NET_RULE),
    OPTION("status", OPTION_INTEGER, struct restriction, status, .min = 200, .max = 599),
    OPTION("message", OPTION_TEXT, struct restriction, message),
    { 0 },
};

static void defaults(void *config)
{
    *(struct restriction *)config = (struct restriction){ .status = 403 };
}

static void refuse_both(struct faults *faults, const char *path, const struct node *node, const char *old,
                        const char *name)
{
    const struct node *given = node_get(node, old);
    if (given && node_get(node, name))
        fault(faults, given->line, field_path(faults, path, old), "is the old name of %s, which is given too", name);
}

static bool names_any(const struct node *node, const char *name)
{
    const struct node *list = node_get(node, name);
    return list && list->first;
}

static void check(struct faults *faults, const char *path, const struct node *node, const void *config)
{
    (void)config;
    refuse_both(faults, path, node, "whitelist", "allow");
    refuse_both(faults, path, node, "blacklist", "deny");
    if (!names_any(node, "allow") && !names_any(node, "deny") && !names_any(node, "whitelist") &&
        !names_any(node, "blacklist"))
        fault(faults, node->line, field_path(faults, path, "allow"), "or deny must name an address at least");
}

static struct net *make_nets(struct arena *arena, const struct texts *texts)
{
    struct net *nets = arena_array(arena, struct net, texts->count + 1);
    for (size_t i = 0; i < texts->count; i++)
        net_parse(texts->items[i], &nets[i]);
    return nets;
}

static void prepare(struct arena *arena, const struct kong_plugin *row, void *config)
{
    struct restriction *restriction = config;
    (void)row;
    restriction->allowed = make_nets(arena, &restriction->allow);
    restriction->denied = make_nets(arena, &restriction->deny);
}

static bool holds(const struct net *nets, size_t count, const struct in6_addr *address)
{
    for (size_t i = 0; i < count; i++)
        if (net_holds(&nets[i], address))
            return true;
    return false;
}

static enum verdict access_address(struct exchange *x, const void *config)
{
    const struct restriction *restriction = config;
    const struct client *client = client_of(x);
    if (client && !holds(restriction->denied, restriction->deny.count, &client->address) &&
        (!restriction->allow.count || holds(restriction->allowed, restriction->allow.count, &client->address)))
        return VERDICT_NEXT;
    const char *message = restriction->message;
    exchange_refuse(x, (int)restriction->status,
                    message ? message : exchange_say(x, "IP address not allowed: %s", client_text(x)));
    return VERDICT_ANSWERED;
}

const struct plugin ip_restriction_plugin = {
    .name = "ip-restriction",
    .config_size = sizeof(struct restriction),
    .options = options,
    .defaults = defaults,
    .check = check,
    .prepare = prepare,
    .access = access_address,
};
