#include "member/resolver_parts.h"

#include "base/log.h"
#include "must.h"
#include "client/netmask.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    NAMES_MAX = 1024,
    TRY_MS = 1000, /* a name server's time, doubled each time */
    TRIES = 3,
};

void name_free(struct name *name)
{
    srv_records_free(&name->srv);
    free(name);
}

bool name_is_srv(const struct name *name)
{
    return name->target[0] == '_';
}

static struct name *find(const struct resolver *resolver, const char *target)
{
    for (struct name *name = resolver->names; name; name = name->next)
        if (strcmp(name->target, target) == 0)
            return name;
    return NULL;
}

/* Told once for each configuration. */
static struct name *no_room(struct resolver *resolver, const char *target)
{
    if (!resolver->full)
        log_warn(NULL, "there are more names of members than are resolved: this one and others have no address", "name",
                 target);
    resolver->full = true;
    return NULL;
}

static struct name *want(struct resolver *resolver, const char *target)
{
    struct name *name = find(resolver, target);
    if (!name && resolver->count >= NAMES_MAX)
        return no_room(resolver, target);
    if (!name) {
        name = must(calloc(1, sizeof *name + strlen(target) + 1));
        strcpy(name->target, target);
        name->resolver = resolver;
        name->next = resolver->names;
        resolver->names = name;
        resolver->count++;
        eventfd_write(resolver->bell, 1);
    }
    name->epoch = resolver->epoch;
    return name;
}

static void append(struct addresses *out, const struct addresses *from, int64_t weight)
{
    for (size_t i = 0; i < from->count && out->count < ADDRESSES_MAX; i++) {
        out->items[out->count] = from->items[i];
        out->weights[out->count++] = weight;
    }
}

/* With the lock held. The hosts of SRV are no SRV themselves. */
static struct addresses get(struct resolver *resolver, const char *target, bool deeper)
{
    struct addresses out = { 0 };
    if (hostport_parse(target, &out.items[0])) {
        out.count = 1;
        return out;
    }
    const struct name *name = want(resolver, target);
    if (name && !name_is_srv(name))
        append(&out, &name->addresses, 0);
    for (size_t i = 0; name && deeper && i < name->srv.count; i++) {
        struct addresses some = get(resolver, name->srv.items[i].target, false);
        append(&out, &some, name->srv.items[i].weight);
    }
    return out;
}

struct addresses resolver_get(struct resolver *resolver, const char *target)
{
    pthread_mutex_lock(&resolver->lock);
    struct addresses out = get(resolver, target, true);
    pthread_mutex_unlock(&resolver->lock);
    return out;
}

static bool answered(struct resolver *resolver, const char *target, bool deeper)
{
    struct address address;
    const struct name *name = hostport_parse(target, &address) ? NULL : find(resolver, target);
    bool out = !name || name->answered;
    for (size_t i = 0; name && deeper && i < name->srv.count; i++)
        out = out && answered(resolver, name->srv.items[i].target, false);
    return out;
}

bool resolver_answered(struct resolver *resolver, const char *target)
{
    pthread_mutex_lock(&resolver->lock);
    bool out = !resolver->news && !resolver->telling && answered(resolver, target, true);
    pthread_mutex_unlock(&resolver->lock);
    return out;
}

void resolver_mark(struct resolver *resolver)
{
    pthread_mutex_lock(&resolver->lock);
    resolver->epoch++;
    resolver->full = false;
    pthread_mutex_unlock(&resolver->lock);
}

void resolver_sweep(struct resolver *resolver)
{
    pthread_mutex_lock(&resolver->lock);
    for (struct name **slot = &resolver->names, *name; (name = *slot);) {
        if (name->epoch == resolver->epoch) {
            slot = &name->next;
            continue;
        }
        *slot = name->next;
        resolver->count--;
        name->dropped = true;
        /* Its answer frees it. */
        if (!name->asking)
            name_free(name);
    }
    pthread_mutex_unlock(&resolver->lock);
}

struct resolver *resolver_create(const char *servers, void (*changed)(void *self), void *self)
{
    struct resolver *resolver = must(calloc(1, sizeof *resolver));
    struct ares_options options = { .timeout = TRY_MS, .tries = TRIES };
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS ||
        ares_init_options(&resolver->channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES) != ARES_SUCCESS)
        abort();
    if (servers && *servers && ares_set_servers_ports_csv(resolver->channel, servers) != ARES_SUCCESS) {
        ares_destroy(resolver->channel);
        ares_library_cleanup();
        free(resolver);
        return NULL;
    }
    resolver->changed = changed;
    resolver->self = self;
    resolver->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&resolver->lock, NULL);
    if (pthread_create(&resolver->thread, NULL, resolver_run, resolver) != 0)
        abort();
    return resolver;
}

void resolver_destroy(struct resolver *resolver)
{
    pthread_mutex_lock(&resolver->lock);
    resolver->stopping = true;
    pthread_mutex_unlock(&resolver->lock);
    eventfd_write(resolver->bell, 1);
    pthread_join(resolver->thread, NULL);
    /* Questions that are open end here. */
    ares_destroy(resolver->channel);
    ares_library_cleanup();
    while (resolver->names) {
        struct name *name = resolver->names;
        resolver->names = name->next;
        name_free(name);
    }
    close(resolver->bell);
    pthread_mutex_destroy(&resolver->lock);
    free(resolver);
}
