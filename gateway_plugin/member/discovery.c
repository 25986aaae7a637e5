#include "member/discovery.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "member/announced.h"
#include "member/balancer.h"
#include "member/resolver.h"
#include "must.h"

#include <pthread.h>
#include <string.h>

enum { MEMBERS_MAX = 512 }; /* of one upstream */

static const char by_nats[] = "nats:";

/* Upstreams go from one configuration to the next; what they have learned does. */
struct entry {
    struct entry *next;
    struct upstream *upstream;
    char *signature; /* of the set that it has */
    bool ours;       /* members of its name that are not are another's: no reload may show them the edge's secret */
    char name[];
};

struct discovery {
    size_t loops;
    struct vitals_table *vitals;
    struct resolver *resolver;
    struct announced *announced;
    pthread_mutex_t lock; /* of all below, and of what the sets are made from: taken before theirs */
    struct entry *entries;
    struct config *config;
    bool stopping;
};

/* What stands behind `nats:`; NULL: the target is no such one. */
static const char *announced_name(const struct kong_target *target)
{
    return text_starts(target->target, by_nats) ? target->target + strlen(by_nats) : NULL;
}

/* The sets */

struct draft {
    struct weighted members[MEMBERS_MAX];
    size_t count;
    struct arena arena;
    struct buf signature;
};

/* In digits: of the signature, and of its place among all. */
static const char *address_text(struct arena *arena, const struct address *address)
{
    return hex_encode(arena, &address->socket, address->size);
}

static void add(struct discovery *discovery, struct draft *draft, const struct kong_upstream *upstream,
                const struct kong_target *target, int64_t weight, struct member_spec spec)
{
    if (draft->count == MEMBERS_MAX)
        return;
    const char *text = arena_printf(&draft->arena, "%s %s %s", spec.name, spec.id ? spec.id : "",
                                    address_text(&draft->arena, spec.address));
    buf_printf(&draft->signature, "%s %d %lld\n", text, spec.ours, (long long)weight);
    spec.target = target->target;
    spec.checks = &upstream->checks;
    spec.vitals = vitals_get(discovery->vitals, arena_printf(&draft->arena, "%s %s", upstream->name, text), clock_ms());
    draft->members[draft->count++] = (struct weighted){ member_create(&spec), weight };
}

struct drafting {
    struct discovery *discovery;
    struct draft *draft;
    const struct kong_upstream *upstream;
    const struct kong_target *target;
};

static void add_announced(void *self, const struct replica *one)
{
    const struct drafting *drafting = self;
    add(drafting->discovery, drafting->draft, drafting->upstream, drafting->target, drafting->target->weight,
        (struct member_spec){ .name = one->http, .id = one->id, .address = &one->address, .ours = true });
}

static void add_target(struct discovery *discovery, struct draft *draft, const struct kong_upstream *upstream,
                       const struct kong_target *target)
{
    const char *name = announced_name(target);
    if (name) {
        struct drafting drafting = { discovery, draft, upstream, target };
        announced_each(discovery->announced, name, add_announced, &drafting);
        return;
    }
    struct addresses addresses = resolver_get(discovery->resolver, target->target);
    for (size_t i = 0; i < addresses.count; i++)
        /* What is to have nothing gets nothing, whatever its SRV says. */
        add(discovery, draft, upstream, target,
            target->weight && addresses.weights[i] ? addresses.weights[i] : target->weight,
            (struct member_spec){ .name = target->target, .address = &addresses.items[i], .ours = upstream->tonearm });
}

static struct entry *entry_of(struct discovery *discovery, const char *name, bool ours)
{
    for (struct entry *entry = discovery->entries; entry; entry = entry->next)
        if (entry->ours == ours && strcmp(entry->name, name) == 0)
            return entry;
    struct entry *entry = must(calloc(1, sizeof *entry + strlen(name) + 1));
    strcpy(entry->name, name);
    entry->ours = ours;
    entry->upstream = upstream_create(name, discovery->loops);
    entry->next = discovery->entries;
    return discovery->entries = entry;
}

/* How they are shared and judged: without pointers, so bytes say it. */
static void sign(struct draft *draft, const struct kong_upstream *upstream)
{
    buf_text(&draft->signature, hex_encode(&draft->arena, &upstream->checks, sizeof upstream->checks));
    buf_printf(&draft->signature, " %d %lld %lld %lld\n", upstream->balance.algorithm,
               (long long)upstream->balance.slots, (long long)upstream->balance.slow_start_ms,
               (long long)upstream->balance.threshold);
}

static void renew(struct discovery *discovery, struct kong_upstream *upstream)
{
    struct entry *entry = entry_of(discovery, upstream->name, upstream->tonearm);
    struct draft *draft = must(calloc(1, sizeof *draft));
    draft->signature = BUF(&draft->arena);
    sign(draft, upstream);
    for (const struct kong_target *target = upstream->targets; target; target = target->next)
        add_target(discovery, draft, upstream, target);
    /* The first time nobody else has the configuration; later it is the same one, and loops read it. */
    if (!upstream->live)
        upstream->live = upstream_ref(entry->upstream);
    if (text_equal(entry->signature, draft->signature.data)) {
        for (size_t i = 0; i < draft->count; i++)
            member_unref(draft->members[i].member);
    } else {
        upstream_set(entry->upstream, &upstream->balance, draft->members, draft->count);
        free(entry->signature);
        entry->signature = must(strdup(draft->signature.data));
    }
    arena_free(&draft->arena);
    free(draft);
}

/* With the lock held. */
static void renew_all(struct discovery *discovery)
{
    /* NATS still tells of members while the edge drains. */
    if (discovery->stopping)
        return;
    for (struct kong_upstream *one = discovery->config ? discovery->config->upstreams : NULL; one; one = one->next)
        renew(discovery, one);
}

/* Of names, or of who has announced itself. */
static void on_changed(void *self)
{
    struct discovery *discovery = self;
    pthread_mutex_lock(&discovery->lock);
    renew_all(discovery);
    pthread_mutex_unlock(&discovery->lock);
}

void discovery_hurry(struct discovery *discovery)
{
    announced_hurry(discovery->announced);
}

struct discovery *discovery_create(struct ctx *ctx, const struct discovery_options *options)
{
    struct discovery *discovery = must(calloc(1, sizeof *discovery));
    discovery->loops = options->loops;
    discovery->vitals = options->vitals;
    pthread_mutex_init(&discovery->lock, NULL);
    discovery->resolver = resolver_create(options->name_servers, on_changed, discovery);
    if (!discovery->resolver)
        ctx_fail(ctx, ERROR_INVALID, "EDGE_DNS_RESOLVER: is no list of addresses");
    else
        discovery->announced = announced_create(
            ctx, &(struct announced_options){
                     .bus = options->bus, .nets = options->nets, .changed = on_changed, .self = discovery });
    if (discovery->announced)
        return discovery;
    discovery_destroy(discovery);
    return NULL;
}

static void entry_free(struct entry *entry)
{
    upstream_unref(entry->upstream);
    free(entry->signature);
    free(entry);
}

static bool is_used(const struct config *config, const struct entry *entry)
{
    const struct kong_upstream *one = config->upstreams;
    while (one && one->live != entry->upstream)
        one = one->next;
    return one;
}

/* Of upstreams that the configuration does not have any more. */
static void drop_entries(struct discovery *discovery)
{
    for (struct entry **slot = &discovery->entries, *entry; (entry = *slot);) {
        if (is_used(discovery->config, entry)) {
            slot = &entry->next;
            continue;
        }
        *slot = entry->next;
        upstream_retire(entry->upstream);
        entry_free(entry);
    }
}

static void want_announced(struct discovery *discovery)
{
    const char *name;
    for (const struct kong_upstream *upstream = discovery->config->upstreams; upstream; upstream = upstream->next)
        for (const struct kong_target *target = upstream->targets; target; target = target->next)
            if ((name = announced_name(target)))
                announced_want(discovery->announced, name);
}

void discovery_use(struct discovery *discovery, struct config *config)
{
    pthread_mutex_lock(&discovery->lock);
    struct config *old = discovery->config;
    discovery->config = config_ref(config);
    announced_mark(discovery->announced);
    want_announced(discovery);
    resolver_mark(discovery->resolver);
    renew_all(discovery);
    drop_entries(discovery);
    resolver_sweep(discovery->resolver);
    announced_sweep(discovery->announced);
    pthread_mutex_unlock(&discovery->lock);
    discovery_hurry(discovery);
    config_unref(old);
}

struct config *discovery_config(struct discovery *discovery)
{
    pthread_mutex_lock(&discovery->lock);
    struct config *config = discovery->config ? config_ref(discovery->config) : NULL;
    pthread_mutex_unlock(&discovery->lock);
    return config;
}

static bool has_member(struct discovery *discovery, const struct kong_target *target)
{
    const char *name = announced_name(target);
    return name ? announced_any(discovery->announced, name)
                : resolver_get(discovery->resolver, target->target).count > 0;
}

bool discovery_resolved(struct discovery *discovery)
{
    bool resolved = true;
    pthread_mutex_lock(&discovery->lock);
    for (const struct kong_upstream *one = discovery->config->upstreams; one; one = one->next)
        for (const struct kong_target *target = one->targets; target; target = target->next)
            resolved = resolved && (announced_name(target) || resolver_answered(discovery->resolver, target->target));
    pthread_mutex_unlock(&discovery->lock);
    return resolved;
}

bool discovery_complete(struct discovery *discovery)
{
    bool complete = true;
    pthread_mutex_lock(&discovery->lock);
    for (const struct kong_upstream *one = discovery->config->upstreams; one; one = one->next)
        for (const struct kong_target *target = one->targets; target; target = target->next)
            complete = complete && has_member(discovery, target);
    pthread_mutex_unlock(&discovery->lock);
    return complete;
}

void discovery_stop(struct discovery *discovery)
{
    pthread_mutex_lock(&discovery->lock);
    discovery->stopping = true;
    pthread_mutex_unlock(&discovery->lock);
    if (discovery->announced)
        announced_stop(discovery->announced);
    if (discovery->resolver)
        resolver_destroy(discovery->resolver);
    discovery->resolver = NULL;
}

void discovery_destroy(struct discovery *discovery)
{
    if (!discovery)
        return;
    discovery_stop(discovery);
    config_unref(discovery->config);
    while (discovery->entries) {
        struct entry *entry = discovery->entries;
        discovery->entries = entry->next;
        entry_free(entry);
    }
    announced_destroy(discovery->announced);
    pthread_mutex_destroy(&discovery->lock);
    free(discovery);
}
