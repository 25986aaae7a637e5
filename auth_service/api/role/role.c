#include "role/role.h"

#include "base/clock.h"
#include "base/text.h"
#include "role/role_store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { FRESH_MS = 5000 };

struct roles {
    struct store *store;
    pthread_mutex_t lock; /* for all below */
    struct arena arena;   /* of items */
    struct role *items;
    size_t count;
    int64_t fresh_until;
};

struct roles *roles_create(struct store *store)
{
    struct roles *roles = calloc(1, sizeof *roles);
    if (!roles)
        abort();
    roles->store = store;
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

static bool is_fresh(struct roles *roles)
{
    pthread_mutex_lock(&roles->lock);
    bool fresh = clock_ms() < roles->fresh_until;
    pthread_mutex_unlock(&roles->lock);
    return fresh;
}

static void keep(struct roles *roles, const struct role *items, size_t count)
{
    struct arena arena = { 0 };
    struct role *kept = arena_array(&arena, struct role, count + 1);
    for (size_t i = 0; i < count; i++)
        kept[i] = (struct role){ .doc.id = arena_strdup(&arena, items[i].doc.id),
                                 .code = arena_strdup(&arena, items[i].code),
                                 .status = items[i].status };

    pthread_mutex_lock(&roles->lock);
    struct arena old = roles->arena;
    roles->arena = arena;
    roles->items = kept;
    roles->count = count;
    roles->fresh_until = clock_ms() + FRESH_MS;
    pthread_mutex_unlock(&roles->lock);
    arena_free(&old);
}

/* Locked on success. The store is asked without the lock: an outage holds nobody up who has a fresh copy. */
static bool lock_fresh(struct ctx *ctx, struct roles *roles)
{
    if (!is_fresh(roles)) {
        struct role *items;
        size_t count;
        if (!role_store_all(ctx, roles->store, &items, &count))
            return false;
        keep(roles, items, count);
    }
    pthread_mutex_lock(&roles->lock);
    return true;
}

static const struct role *find(const struct roles *roles, const char *name, bool by_code)
{
    for (size_t i = 0; i < roles->count; i++) {
        const struct role *role = &roles->items[i];
        if (role->status == ROLE_ACTIVE && strcmp(by_code ? role->code : role->doc.id, name) == 0)
            return role;
    }
    return NULL;
}

static bool refs_of(struct ctx *ctx, struct roles *roles, const struct list *list, bool by_code, struct list *out)
{
    const char *const *names = list->items;
    struct role_ref *refs = arena_array(&ctx->arena, struct role_ref, list->count + 1);
    *out = (struct list){ .items = refs };
    if (!lock_fresh(ctx, roles))
        return false;
    for (size_t i = 0; i < list->count; i++) {
        const struct role *role = find(roles, names[i], by_code);
        if (role)
            refs[out->count++] = (struct role_ref){ arena_strdup(&ctx->arena, role->doc.id),
                                                    arena_strdup(&ctx->arena, role->code) };
    }
    pthread_mutex_unlock(&roles->lock);
    return true;
}

bool roles_refs(struct ctx *ctx, struct roles *roles, const struct list *ids, struct list *out)
{
    return refs_of(ctx, roles, ids, false, out);
}

bool roles_of_codes(struct ctx *ctx, struct roles *roles, const struct list *codes, struct list *out)
{
    return refs_of(ctx, roles, codes, true, out);
}

static bool holds(const struct list *texts, const char *text)
{
    const char *const *items = texts->items;
    for (size_t i = 0; i < texts->count; i++)
        if (strcmp(items[i], text) == 0)
            return true;
    return false;
}

bool roles_ids(struct ctx *ctx, struct roles *roles, const struct list *codes, struct list *out)
{
    const char *const *names = codes->items;
    const char **ids = arena_array(&ctx->arena, const char *, codes->count + 1);
    *out = (struct list){ .items = ids };
    if (!lock_fresh(ctx, roles))
        return false;
    bool known = true;
    for (size_t i = 0; i < codes->count; i++) {
        const struct role *role = find(roles, names[i], true);
        if (!role)
            known = false;
        else if (!holds(out, role->doc.id))
            ids[out->count++] = arena_strdup(&ctx->arena, role->doc.id);
    }
    pthread_mutex_unlock(&roles->lock);
    if (!known)
        ctx_violation(ctx, "roles", "enum", "roles must name roles that exist");
    return known;
}

bool roles_reach(const struct list *refs, const char *const *any_of)
{
    const struct role_ref *items = refs->items;
    for (size_t i = 0; i < refs->count; i++) {
        if (strcmp(items[i].code, ROLE_ADMIN) == 0)
            return true;
        for (const char *const *code = any_of; *code; code++)
            if (strcmp(items[i].code, *code) == 0)
                return true;
    }
    return false;
}
