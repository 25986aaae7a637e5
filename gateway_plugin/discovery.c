#include "discovery.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "contract/subjects.h"
#include "must.h"
#include "nats/bus.h"
#include "replicas.h"
#include "resolver.h"

#include <jansson.h>
#include <pthread.h>
#include <string.h>

enum {
    ROUND_MS = 500,
    MEMBERS_MAX = 512, /* of one upstream */
};

/* Upstreams outlive configurations, so that health does. */
struct entry {
    struct entry *next;
    struct upstream *upstream;
    char *signature; /* of the set that it has */
    char name[];
};

struct discovery {
    struct bus *bus;
    size_t loops;
    struct resolver *resolver;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t wake;
    struct replicas *replicas;
    struct entry *entries;
    struct config *config;
    bool stopping;
    pthread_t thread;
};

/* The sets */

struct draft {
    struct weighted members[MEMBERS_MAX];
    size_t count;
    struct arena arena;
    struct buf signature;
};

static void add(struct draft *draft, const struct kong_upstream *upstream, const struct kong_target *target,
                const char *name, const char *id, const struct address *address, bool ours)
{
    if (draft->count == MEMBERS_MAX)
        return;
    char digits[2 * sizeof address->socket + 1];
    for (size_t i = 0; i < address->size; i++)
        snprintf(digits + 2 * i, 3, "%02x", ((const unsigned char *)&address->socket)[i]);
    buf_printf(&draft->signature, "%s %s %s %d %lld\n", name, id, digits, ours, (long long)target->weight);
    draft->members[draft->count++] = (struct weighted){ member_create(name, id, address, ours, &upstream->passive),
                                                        target->weight };
}

static void add_target(struct discovery *discovery, struct draft *draft, const struct kong_upstream *upstream,
                       const struct kong_target *target)
{
    if (text_starts(target->target, "nats:")) {
        const struct replica *one = replicas_of(discovery->replicas, target->target + strlen("nats:"));
        for (; one; one = one->next)
            add(draft, upstream, target, one->http, one->id, &one->address, true);
        return;
    }
    struct addresses addresses = resolver_get(discovery->resolver, target->target);
    for (size_t i = 0; i < addresses.count; i++)
        add(draft, upstream, target, target->target, "", &addresses.items[i], upstream->tonearm);
}

static struct entry *entry_of(struct discovery *discovery, const char *name)
{
    for (struct entry *entry = discovery->entries; entry; entry = entry->next)
        if (strcmp(entry->name, name) == 0)
            return entry;
    struct entry *entry = must(calloc(1, sizeof *entry + strlen(name) + 1));
    strcpy(entry->name, name);
    entry->upstream = upstream_create(name, discovery->loops);
    entry->next = discovery->entries;
    return discovery->entries = entry;
}

static void health_signature(struct buf *out, const struct kong_health *health)
{
    buf_printf(out, "%lld %lld %lld\n", (long long)health->tcp_failures, (long long)health->timeouts,
               (long long)health->http_failures);
    for (size_t i = 0; i < health->failure_statuses.count; i++)
        buf_printf(out, "%lld ", (long long)health->failure_statuses.items[i]);
}

static void renew(struct discovery *discovery, struct kong_upstream *upstream)
{
    struct entry *entry = entry_of(discovery, upstream->name);
    struct draft *draft = must(calloc(1, sizeof *draft));
    draft->signature = BUF(&draft->arena);
    health_signature(&draft->signature, &upstream->passive);
    for (const struct kong_target *target = upstream->targets; target; target = target->next)
        add_target(discovery, draft, upstream, target);
    /* The first time nobody else has the configuration; later it is the same one, and loops read it. */
    if (upstream->live != entry->upstream)
        upstream->live = entry->upstream;
    if (text_equal(entry->signature, draft->signature.data)) {
        for (size_t i = 0; i < draft->count; i++)
            member_unref(draft->members[i].member);
    } else {
        upstream_set(entry->upstream, draft->members, draft->count);
        free(entry->signature);
        entry->signature = must(strdup(draft->signature.data));
    }
    arena_free(&draft->arena);
    free(draft);
}

/* With the lock held. */
static void renew_all(struct discovery *discovery)
{
    for (struct kong_upstream *one = discovery->config ? discovery->config->upstreams : NULL; one; one = one->next)
        renew(discovery, one);
}

static void on_resolved(void *self)
{
    struct discovery *discovery = self;
    pthread_mutex_lock(&discovery->lock);
    renew_all(discovery);
    pthread_mutex_unlock(&discovery->lock);
}

/* Answers */

static const char *json_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text && *text && strlen(text) <= 128 ? text : NULL;
}

/* On libnats' thread: an answer to $SRV.INFO.<name>. */
static void on_info(void *self, const char *subject, const char *data, size_t size)
{
    struct discovery *discovery = self;
    _cleanup_(json_decrefp) json_t *info = size <= 65536 ? json_loadb(data, size, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *id = info ? json_text(info, "id") : NULL,
               *http = info ? json_text(json_object_get(info, "metadata"), "http") : NULL;
    const char *name = strrchr(subject, '.');
    if (!id || !name)
        return;
    pthread_mutex_lock(&discovery->lock);
    if (http && replicas_answer(discovery->replicas, name + 1, id, http))
        renew_all(discovery);
    pthread_mutex_unlock(&discovery->lock);
}

static void on_leave(void *self, const char *subject, const char *data, size_t size)
{
    struct discovery *discovery = self;
    (void)subject;
    _cleanup_(json_decrefp) json_t *leave = size <= 1024 ? json_loadb(data, size, 0, NULL) : NULL;
    const char *id = leave ? json_text(leave, "id") : NULL;
    if (!id)
        return;
    pthread_mutex_lock(&discovery->lock);
    if (replicas_leave(discovery->replicas, id))
        renew_all(discovery);
    pthread_mutex_unlock(&discovery->lock);
}

/* Rounds */

static void ask(void *self, const char *name)
{
    struct discovery *discovery = self;
    struct ctx ctx = { 0 };
    char *subject = arena_printf(&ctx.arena, "$SRV.INFO.%s", name);
    char *reply = arena_printf(&ctx.arena, "%s.members.%s", bus_inbox(discovery->bus), name);
    /* An outage: the next round asks again. */
    bus_publish_to(&ctx, discovery->bus, subject, reply, "", 0);
    ctx_finish(&ctx);
}

static void round_of_all(struct discovery *discovery)
{
    if (replicas_end_round(discovery->replicas))
        renew_all(discovery);
    replicas_names(discovery->replicas, ask, discovery);
}

static void *run(void *self)
{
    struct discovery *discovery = self;
    pthread_mutex_lock(&discovery->lock);
    while (!discovery->stopping) {
        if (bus_up(discovery->bus))
            round_of_all(discovery);
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += ROUND_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&discovery->wake, &discovery->lock, &until);
    }
    pthread_mutex_unlock(&discovery->lock);
    return NULL;
}

void discovery_hurry(struct discovery *discovery)
{
    pthread_cond_signal(&discovery->wake);
}

static bool listen_to_members(struct ctx *ctx, struct discovery *discovery)
{
    char *answers = arena_printf(&ctx->arena, "%s.members.*", bus_inbox(discovery->bus));
    return bus_listen(ctx, discovery->bus, answers, on_info, discovery) &&
           bus_listen(ctx, discovery->bus, SUBJECT_LEAVE, on_leave, discovery) &&
           (pthread_create(&discovery->thread, NULL, run, discovery) == 0 ||
            ctx_fail(ctx, ERROR_INTERNAL, "no thread for discovery"));
}

struct discovery *discovery_create(struct ctx *ctx, struct bus *bus, const struct nets *nets, size_t loops)
{
    struct discovery *discovery = must(calloc(1, sizeof *discovery));
    discovery->bus = bus;
    discovery->loops = loops;
    discovery->replicas = replicas_create(nets);
    pthread_mutex_init(&discovery->lock, NULL);
    pthread_cond_init(&discovery->wake, NULL);
    discovery->resolver = resolver_create(on_resolved, discovery);
    if (!bus || listen_to_members(ctx, discovery))
        return discovery;
    discovery_destroy(discovery);
    return NULL;
}

void discovery_use(struct discovery *discovery, struct config *config)
{
    pthread_mutex_lock(&discovery->lock);
    struct config *old = discovery->config;
    discovery->config = config_ref(config);
    for (const struct kong_upstream *upstream = config->upstreams; upstream; upstream = upstream->next)
        for (const struct kong_target *target = upstream->targets; target; target = target->next)
            if (text_starts(target->target, "nats:"))
                replicas_want(discovery->replicas, target->target + strlen("nats:"));
    renew_all(discovery);
    pthread_mutex_unlock(&discovery->lock);
    discovery_hurry(discovery);
    config_unref(old);
}

void discovery_stop(struct discovery *discovery)
{
    pthread_mutex_lock(&discovery->lock);
    discovery->stopping = true;
    pthread_cond_signal(&discovery->wake);
    pthread_mutex_unlock(&discovery->lock);
    if (discovery->thread)
        pthread_join(discovery->thread, NULL);
    discovery->thread = 0;
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
        upstream_destroy(entry->upstream);
        free(entry->signature);
        free(entry);
    }
    replicas_destroy(discovery->replicas);
    pthread_mutex_destroy(&discovery->lock);
    pthread_cond_destroy(&discovery->wake);
    free(discovery);
}
