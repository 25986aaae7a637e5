/* Kong's acl: who is in none of the allowed groups, or in a denied one, is refused. */
#include "plugins/plugins.h"

#include "exchange/exchange.h"

struct acl {
    struct texts allow, deny;
    bool hide_groups_header, always_use_authenticated_groups;
};

static const struct option options[] = {
    OPTION("allow", OPTION_TEXTS, struct acl, allow),
    OPTION("deny", OPTION_TEXTS, struct acl, deny),
    /* Their names before Kong 2.1. */
    OPTION("whitelist", OPTION_TEXTS, struct acl, allow),
    OPTION("blacklist", OPTION_TEXTS, struct acl, deny),
    OPTION("hide_groups_header", OPTION_FLAG, struct acl, hide_groups_header),
    OPTION("always_use_authenticated_groups", OPTION_FLAG, struct acl, always_use_authenticated_groups),
    { .name = "include_consumer_groups", .kind = OPTION_FIXED, .only = "false", .instead = "give the consumers acls" },
    { 0 },
};

static void check(struct faults *faults, const char *path, const struct node *node, const void *config)
{
    const struct acl *acl = config;
    if (!acl->allow.count == !acl->deny.count)
        fault(faults, node->line, field_path(faults, path, "allow"),
              "one of allow and deny must name groups, not both");
}

static bool share(const struct texts *a, const struct texts *b)
{
    for (size_t i = 0; i < a->count; i++)
        for (size_t j = 0; j < b->count; j++)
            if (strcmp(a->items[i], b->items[j]) == 0)
                return true;
    return false;
}

static const char *join(struct exchange *x, const struct texts *groups)
{
    size_t size = 1;
    for (size_t i = 0; i < groups->count; i++)
        size += strlen(groups->items[i]) + 2;
    char *out = h2o_mem_alloc_pool(&x->req->pool, size), *at = out;
    *at = 0;
    for (size_t i = 0; i < groups->count; i++)
        at += sprintf(at, "%s%s", i ? ", " : "", groups->items[i]);
    return out;
}

/* Those that whoever checked the credential vouches for come first only where there is no known consumer, or when told
 * so. */
static bool is_vouched_for(const struct identity *who, const struct acl *acl)
{
    return !who->consumer || (who->groups.count && (!who->credential || acl->always_use_authenticated_groups));
}

static enum verdict refuse(struct exchange *x)
{
    bool known = x->identity.credential;
    exchange_refuse(x, known ? 403 : 401, known ? "You cannot consume this service" : "Unauthorized");
    return VERDICT_ANSWERED;
}

static enum verdict access_groups(struct exchange *x, const void *config)
{
    const struct acl *acl = config;
    struct identity *who = &x->identity;
    bool vouched = is_vouched_for(who, acl);
    const struct texts *groups = vouched ? &who->groups : &who->consumer->groups;
    /* A consumer without groups is in none that is denied; nobody is nobody. */
    if (!groups->count && (vouched || acl->allow.count))
        return refuse(x);
    if (acl->allow.count ? !share(&acl->allow, groups) : share(&acl->deny, groups)) {
        exchange_refuse(x, 403, "You cannot consume this service");
        return VERDICT_ANSWERED;
    }
    if (!acl->hide_groups_header && groups->count)
        *(vouched ? &who->authenticated_groups : &who->consumer_groups) = join(x, groups);
    return VERDICT_NEXT;
}

const struct plugin acl_plugin = {
    .name = "acl",
    .no_consumer = true,
    .config_size = sizeof(struct acl),
    .options = options,
    .check = check,
    .access = access_groups,
};
