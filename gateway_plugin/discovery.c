#include "discovery.h"

#include "base/clock.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/lru.h"
#include "base/text.h"
#include "contract/subjects.h"
#include "nats/bus.h"
#include "resolver.h"

#include <jansson.h>
#include <pthread.h>
#include <string.h>

enum {
    ROUND_MS = 500,
    SILENT_ROUNDS = 2,
    FOUND_MAX = 256,  /* of one name */
    LEFT_MAX = 256,
    LEFT_MS = 10000,  /* a late answer does not bring back who has left */
    MEMBERS_MAX = 512, /* of one upstream */
};


/* A replica that answered. */
struct found {
    struct found *next;
    struct address address;
    int silent;    /* rounds in which others answered */
    bool answered; /* in this round */
    char *id, *http;
};

/* What `nats:NAME` stands for. */
struct service_name {
    struct service_name *next;
    struct found *found;
    size_t count;
    bool answered; /* somebody did, in this round */
    char name[];
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
    struct nets nets;
    size_t loops;
    struct resolver *resolver;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t wake;
    struct service_name *services;
    struct entry *entries;
    struct lru *left;
    struct config *config;
    bool stopping;
    pthread_t thread;
};

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* The sets */

struct draft {
    struct weighted members[MEMBERS_MAX];
    size_t count;
    struct arena arena;
    struct buf signature;
};

static void add(struct draft *draft, const struct kong_upstream *upstream, const struct kong_target *target, const char *name,
                const char *id, const struct address *address, bool ours)
{
    if (draft->count == MEMBERS_MAX)
        return;
    char digits[2 * sizeof address->socket + 1];
    for (size_t i = 0; i < address->size; i++)
        snprintf(digits + 2 * i, 3, "%02x", ((const unsigned char *)&address->socket)[i]);
    buf_printf(&draft->signature, "%s %s %s %d %lld\n", name, id, digits, ours, (long long)target->weight);
    draft->members[draft->count++] = (struct weighted){ member_create(name, id, address, ours, &upstream->passive), target->weight };
}

static struct service_name *service_named(struct discovery *discovery, const char *name)
{
    for (struct service_name *source = discovery->services; source; source = source->next)
        if (strcmp(source->name, name) == 0)
            return source;
    return NULL;
}

static void add_target(struct discovery *discovery, struct draft *draft, const struct kong_upstream *upstream, const struct kong_target *target)
{
    if (text_starts(target->target, "nats:")) {
        const struct service_name *source = service_named(discovery, target->target + strlen("nats:"));
        for (const struct found *one = source ? source->found : NULL; one; one = one->next)
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
    buf_printf(out, "%lld %lld %lld\n", (long long)health->tcp_failures, (long long)health->timeouts, (long long)health->http_failures);
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

static void found_free(struct found *found)
{
    free(found->id);
    free(found->http);
    free(found);
}

static bool take_answer(struct discovery *discovery, struct service_name *source, const char *id, const char *http)
{
    struct address address;
    source->answered = true;
    if (lru_get(discovery->left, id))
        return false;
    for (struct found *one = source->found; one; one = one->next) {
        if (strcmp(one->id, id) == 0 && strcmp(one->http, http) == 0) {
            one->answered = true;
            one->silent = 0;
            return false;
        }
    }
    if (!hostport_parse(http, &address) || !nets_hold(&discovery->nets, &address) || source->count >= FOUND_MAX) {
        log_warn(NULL, "a member was not taken: its address is malformed or not in EDGE_MEMBER_NETS", "service", source->name, "http", http);
        return false;
    }
    struct found *found = must(calloc(1, sizeof *found));
    *found = (struct found){ .next = source->found, .address = address, .answered = true,
                             .id = must(strdup(id)), .http = must(strdup(http)) };
    source->found = found;
    source->count++;
    log_info(NULL, "a member has come", "service", source->name, "http", http, "id", id);
    return true;
}

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
    const char *id = info ? json_text(info, "id") : NULL, *http = info ? json_text(json_object_get(info, "metadata"), "http") : NULL;
    const char *name = strrchr(subject, '.');
    if (!id || !name)
        return;
    pthread_mutex_lock(&discovery->lock);
    struct service_name *source = service_named(discovery, name + 1);
    if (source && http && take_answer(discovery, source, id, http))
        renew_all(discovery);
    pthread_mutex_unlock(&discovery->lock);
}

/* Those for whom `gone` is true. */
static bool remove_found(struct service_name *source, bool (*gone)(const struct found *found, const void *self), const void *self)
{
    bool changed = false;
    for (struct found **slot = &source->found, *one; (one = *slot);) {
        if (!gone(one, self)) {
            slot = &one->next;
            continue;
        }
        log_info(NULL, "a member has gone", "service", source->name, "http", one->http, "id", one->id);
        *slot = one->next;
        source->count--;
        found_free(one);
        changed = true;
    }
    return changed;
}

static bool has_id(const struct found *found, const void *id)
{
    return strcmp(found->id, id) == 0;
}

static void on_leave(void *self, const char *subject, const char *data, size_t size)
{
    struct discovery *discovery = self;
    (void)subject;
    _cleanup_(json_decrefp) json_t *leave = size <= 1024 ? json_loadb(data, size, 0, NULL) : NULL;
    const char *id = leave ? json_text(leave, "id") : NULL;
    bool changed = false;
    if (!id)
        return;
    pthread_mutex_lock(&discovery->lock);
    lru_put(discovery->left, id, discovery, clock_ms() + LEFT_MS);
    for (struct service_name *source = discovery->services; source; source = source->next)
        changed |= remove_found(source, has_id, id);
    if (changed)
        renew_all(discovery);
    pthread_mutex_unlock(&discovery->lock);
}

/* Rounds */

static bool silent_too_long(const struct found *found, const void *self)
{
    (void)self;
    return found->silent >= SILENT_ROUNDS;
}

static bool end_round(struct service_name *source)
{
    for (struct found *one = source->found; one; one = one->next) {
        if (!one->answered && source->answered)
            one->silent++;
        one->answered = false;
    }
    source->answered = false;
    return remove_found(source, silent_too_long, NULL);
}

static void ask(struct discovery *discovery, const struct service_name *source)
{
    struct ctx ctx = { 0 };
    char *subject = arena_printf(&ctx.arena, "$SRV.INFO.%s", source->name);
    char *reply = arena_printf(&ctx.arena, "%s.members.%s", bus_inbox(discovery->bus), source->name);
    /* An outage: the next round asks again. */
    bus_publish_to(&ctx, discovery->bus, subject, reply, "", 0);
    ctx_finish(&ctx);
}

static void round_of_all(struct discovery *discovery)
{
    bool changed = false;
    for (struct service_name *source = discovery->services; source; source = source->next) {
        changed |= end_round(source);
        ask(discovery, source);
    }
    if (changed)
        renew_all(discovery);
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
           (pthread_create(&discovery->thread, NULL, run, discovery) == 0 || ctx_fail(ctx, ERROR_INTERNAL, "no thread for discovery"));
}

struct discovery *discovery_create(struct ctx *ctx, struct bus *bus, const struct nets *nets, size_t loops)
{
    struct discovery *discovery = must(calloc(1, sizeof *discovery));
    discovery->bus = bus;
    discovery->nets = *nets;
    discovery->loops = loops;
    discovery->left = lru_create(LEFT_MAX, NULL);
    pthread_mutex_init(&discovery->lock, NULL);
    pthread_cond_init(&discovery->wake, NULL);
    discovery->resolver = resolver_create(on_resolved, discovery);
    if (!bus || listen_to_members(ctx, discovery))
        return discovery;
    discovery_destroy(discovery);
    return NULL;
}

static void want_service(struct discovery *discovery, const char *name)
{
    if (service_named(discovery, name))
        return;
    struct service_name *source = must(calloc(1, sizeof *source + strlen(name) + 1));
    strcpy(source->name, name);
    source->next = discovery->services;
    discovery->services = source;
}

void discovery_use(struct discovery *discovery, struct config *config)
{
    pthread_mutex_lock(&discovery->lock);
    struct config *old = discovery->config;
    discovery->config = config_ref(config);
    for (const struct kong_upstream *upstream = config->upstreams; upstream; upstream = upstream->next)
        for (const struct kong_target *target = upstream->targets; target; target = target->next)
            if (text_starts(target->target, "nats:"))
                want_service(discovery, target->target + strlen("nats:"));
    renew_all(discovery);
    pthread_mutex_unlock(&discovery->lock);
    discovery_hurry(discovery);
    config_unref(old);
}

static void free_services(struct discovery *discovery)
{
    while (discovery->services) {
        struct service_name *source = discovery->services;
        discovery->services = source->next;
        while (source->found) {
            struct found *one = source->found;
            source->found = one->next;
            found_free(one);
        }
        free(source);
    }
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
    free_services(discovery);
    while (discovery->entries) {
        struct entry *entry = discovery->entries;
        discovery->entries = entry->next;
        upstream_destroy(entry->upstream);
        free(entry->signature);
        free(entry);
    }
    lru_destroy(discovery->left);
    pthread_mutex_destroy(&discovery->lock);
    pthread_cond_destroy(&discovery->wake);
    free(discovery);
}
