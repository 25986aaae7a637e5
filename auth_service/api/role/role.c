#include "role/role.h"

#include "base/clock.h"
#include "base/text.h"
#include "role/role_store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { FRESH_MS = 1000 }; /* without the feed; it tells of a change sooner */

struct roles {
    struct store *store;
    struct feed *feed;
    pthread_mutex_t lock; /* for all below */
    struct arena arena;   /* of items */
    struct role *items;
    size_t count;
    int64_t version; /* 0 = not read yet */
    int64_t fresh_until;
};

struct roles *roles_create(struct store *store, struct feed *feed)
{
    struct roles *roles = calloc(1, sizeof *roles);
    if (!roles)
        abort();
    roles->store = store;
    roles->feed = feed;
    pthread_mutex_init(&roles->lock, NULL);
    return roles;
}

void roles_destroy(struct roles *roles)
{
    if (!roles)
        return;
    pthread_mutex_destroy(&roles->lock);
    arena_free(&roles->arena);
    free(roles);
}

/* With the lock held: nobody has told of a change. */
static bool is_vouched(const struct roles *roles)
{
    return roles->version && !(roles->feed && feed_roles_newer(roles->feed, roles->version));
}

static bool is_fresh(struct roles *roles)
{
    pthread_mutex_lock(&roles->lock);
    bool fresh = clock_ms() < roles->fresh_until && is_vouched(roles);
    pthread_mutex_unlock(&roles->lock);
    return fresh;
}

/* The store does not answer. */
static bool may_bridge(struct roles *roles)
{
    pthread_mutex_lock(&roles->lock);
    bool may = is_vouched(roles) && roles->feed && feed_whole(roles->feed);
    pthread_mutex_unlock(&roles->lock);
    return may;
}

static struct list copy_texts(struct arena *arena, const struct list *list)
{
    const char *const *items = list->items;
    const char **kept = arena_array(arena, const char *, list->count + 1);
    for (size_t i = 0; i < list->count; i++)
        kept[i] = arena_strdup(arena, items[i]);
    return (struct list){ kept, list->count };
}

static int64_t version_of(const struct role *items, size_t count)
{
    int64_t version = 0;
    for (size_t i = 0; i < count; i++)
        version += items[i].doc.version;
    return version;
}

static void keep(struct roles *roles, const struct role *items, size_t count, int64_t asked_ms)
{
    struct arena arena = { 0 };
    struct role *kept = arena_array(&arena, struct role, count + 1);
    for (size_t i = 0; i < count; i++)
        kept[i] = (struct role){ .doc.id = arena_strdup(&arena, items[i].doc.id),
                                 .code = arena_strdup(&arena, items[i].code),
                                 .permissions = copy_texts(&arena, &items[i].permissions),
                                 .status = items[i].status };

    pthread_mutex_lock(&roles->lock);
    struct arena old = roles->arena;
    roles->arena = arena;
    roles->items = kept;
    roles->count = count;
    roles->version = version_of(items, count);
    roles->fresh_until = asked_ms + FRESH_MS;
    pthread_mutex_unlock(&roles->lock);
    arena_free(&old);
}

/* Locked on success. The store is asked without the lock: an outage holds nobody up who has a fresh copy. */
static bool lock_fresh(struct ctx *ctx, struct roles *roles)
{
    if (!is_fresh(roles)) {
        struct role *items;
        size_t count;
        int64_t asked_ms = clock_ms();
        if (role_store_all(ctx, roles->store, &items, &count))
            keep(roles, items, count, asked_ms);
        else if (!may_bridge(roles) || !ctx_forgive(ctx, ERROR_UNAVAILABLE))
            return false;
    }
    pthread_mutex_lock(&roles->lock);
    return true;
}

static const struct role *find_any(const struct roles *roles, const char *name, bool by_code)
{
    for (size_t i = 0; i < roles->count; i++) {
        const struct role *role = &roles->items[i];
        if (strcmp(by_code ? role->code : role->doc.id, name) == 0)
            return role;
    }
    return NULL;
}

/* NULL: none that counts. */
static const struct role *find(const struct roles *roles, const char *name, bool by_code)
{
    const struct role *role = find_any(roles, name, by_code);
    return role && role->status == ROLE_ACTIVE ? role : NULL;
}

static bool refs_of(struct ctx *ctx, struct roles *roles, const struct list *list, bool by_code,
                    enum role_status status, struct list *out, int64_t *version)
{
    const char *const *names = list->items;
    struct role_ref *refs = arena_array(&ctx->arena, struct role_ref, list->count + 1);
    *out = (struct list){ .items = refs };
    if (!lock_fresh(ctx, roles))
        return false;
    if (version)
        *version = roles->version;
    for (size_t i = 0; i < list->count; i++) {
        const struct role *role = find_any(roles, names[i], by_code);
        if (role && role->status == (int)status)
            refs[out->count++] = (struct role_ref){ arena_strdup(&ctx->arena, role->doc.id),
                                                    arena_strdup(&ctx->arena, role->code) };
    }
    pthread_mutex_unlock(&roles->lock);
    return true;
}

bool roles_refs(struct ctx *ctx, struct roles *roles, const struct list *ids, struct list *out, int64_t *version)
{
    return refs_of(ctx, roles, ids, false, ROLE_ACTIVE, out, version);
}

bool roles_refs_disabled(struct ctx *ctx, struct roles *roles, const struct list *ids, struct list *out)
{
    return refs_of(ctx, roles, ids, false, ROLE_DISABLED, out, NULL);
}

bool roles_of_codes(struct ctx *ctx, struct roles *roles, const struct list *codes, struct list *out)
{
    return refs_of(ctx, roles, codes, true, ROLE_ACTIVE, out, NULL);
}

static bool holds(const struct list *texts, const char *text)
{
    const char *const *items = texts->items;
    for (size_t i = 0; i < texts->count; i++)
        if (strcmp(items[i], text) == 0)
            return true;
    return false;
}

bool roles_ids(struct ctx *ctx, struct roles *roles, const struct list *codes, const struct list *held,
               struct list *out)
{
    const char *const *names = codes->items;
    const char **ids = arena_array(&ctx->arena, const char *, codes->count + 1);
    *out = (struct list){ .items = ids };
    if (!lock_fresh(ctx, roles))
        return false;
    bool known = true, enabled = true;
    for (size_t i = 0; i < codes->count; i++) {
        const struct role *role = find_any(roles, names[i], true);
        if (!role)
            known = false;
        else if (role->status != ROLE_ACTIVE && !(held && holds(held, role->doc.id)))
            enabled = false;
        else if (!holds(out, role->doc.id))
            ids[out->count++] = arena_strdup(&ctx->arena, role->doc.id);
    }
    pthread_mutex_unlock(&roles->lock);
    if (!known)
        ctx_violation(ctx, "roles", "enum", "roles must name roles that exist");
    if (!enabled)
        ctx_violation(ctx, "roles", "disabled", "roles must not name a disabled role that the user does not have");
    return known && enabled;
}

static bool is_among(const char *text, const char *const *texts)
{
    for (; *texts; texts++)
        if (strcmp(*texts, text) == 0)
            return true;
    return false;
}

static bool are_permissions(const char *const *any_of)
{
    for (; *any_of; any_of++)
        if (strchr(*any_of, ':'))
            return true;
    return false;
}

/* With the lock held. */
static bool may(const struct roles *roles, const char *const *codes, const char *const *any_of)
{
    for (; *codes; codes++) {
        const struct role *role = find(roles, *codes, true);
        for (const char *const *name = any_of; role && *name; name++)
            if (holds(&role->permissions, *name))
                return true;
    }
    return false;
}

enum reach roles_reach(struct ctx *ctx, struct roles *roles, const char *const *codes, const char *const *any_of)
{
    if (is_among(ROLE_ADMIN, codes))
        return REACH_YES;
    for (const char *const *name = any_of; *name; name++)
        if (is_among(*name, codes))
            return REACH_YES;
    if (!are_permissions(any_of))
        return REACH_NO;
    if (!lock_fresh(ctx, roles))
        return REACH_UNKNOWN;
    bool reaches = may(roles, codes, any_of);
    pthread_mutex_unlock(&roles->lock);
    return reaches ? REACH_YES : REACH_NO;
}
