#include "resolver.h"

#include "base/clock.h"
#include "must.h"
#include "netmask.h"

#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { AGAIN_MS = 10000, MISSING_MS = 1000, NAMES_MAX = 1024 };

struct name {
    struct name *next;
    struct addresses addresses;
    int64_t due_ms;
    char target[];
};

struct resolver {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct name *names;
    size_t count;
    bool stopping;
    void (*changed)(void *self);
    void *self;
    pthread_t thread;
};

static struct addresses ask(const char *target)
{
    struct addresses out = { 0 };
    if (hostport_parse(target, &out.items[0])) {
        out.count = 1;
        return out;
    }
    char host[256];
    const char *colon = strrchr(target, ':');
    if (!colon || (size_t)(colon - target) >= sizeof host)
        return out;
    memcpy(host, target, (size_t)(colon - target));
    host[colon - target] = 0;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG }, *list = NULL;
    if (getaddrinfo(host, colon + 1, &hints, &list) != 0)
        return out;
    for (const struct addrinfo *one = list; one && out.count < ADDRESSES_MAX; one = one->ai_next) {
        struct address *address = &out.items[out.count++];
        memcpy(&address->socket, one->ai_addr, one->ai_addrlen);
        address->size = one->ai_addrlen;
    }
    freeaddrinfo(list);
    return out;
}

static struct name *find(struct resolver *resolver, const char *target)
{
    for (struct name *name = resolver->names; name; name = name->next)
        if (strcmp(name->target, target) == 0)
            return name;
    return NULL;
}

static void keep(struct resolver *resolver, const char *target, const struct addresses *addresses)
{
    if (resolver->count >= NAMES_MAX || find(resolver, target))
        return;
    struct name *name = must(calloc(1, sizeof *name + strlen(target) + 1));
    strcpy(name->target, target);
    name->addresses = *addresses;
    name->due_ms = clock_ms() + (addresses->count ? AGAIN_MS : MISSING_MS);
    name->next = resolver->names;
    resolver->names = name;
    resolver->count++;
    pthread_cond_signal(&resolver->wake);
}

struct addresses resolver_get(struct resolver *resolver, const char *target)
{
    struct addresses out = { 0 };
    if (hostport_parse(target, &out.items[0])) {
        out.count = 1;
        return out;
    }
    pthread_mutex_lock(&resolver->lock);
    const struct name *known = find(resolver, target);
    if (known)
        out = known->addresses;
    pthread_mutex_unlock(&resolver->lock);
    if (known)
        return out;
    out = ask(target);
    pthread_mutex_lock(&resolver->lock);
    keep(resolver, target, &out);
    pthread_mutex_unlock(&resolver->lock);
    return out;
}

static struct name *due(struct resolver *resolver, int64_t now_ms)
{
    for (struct name *name = resolver->names; name; name = name->next)
        if (name->due_ms <= now_ms)
            return name;
    return NULL;
}

static bool same(const struct addresses *a, const struct addresses *b)
{
    for (size_t i = 0; i < a->count && a->count == b->count; i++)
        if (a->items[i].size != b->items[i].size ||
            memcmp(&a->items[i].socket, &b->items[i].socket, a->items[i].size) != 0)
            return false;
    return a->count == b->count;
}

/* With the lock held, but for the question itself. Names are never removed. */
static void renew(struct resolver *resolver, struct name *name)
{
    pthread_mutex_unlock(&resolver->lock);
    struct addresses addresses = ask(name->target);
    pthread_mutex_lock(&resolver->lock);
    name->due_ms = clock_ms() + (addresses.count ? AGAIN_MS : MISSING_MS);
    /* A name server that is away takes no member away. */
    if (!addresses.count || same(&addresses, &name->addresses))
        return;
    name->addresses = addresses;
    pthread_mutex_unlock(&resolver->lock);
    resolver->changed(resolver->self);
    pthread_mutex_lock(&resolver->lock);
}

static void *run(void *self)
{
    struct resolver *resolver = self;
    pthread_mutex_lock(&resolver->lock);
    while (!resolver->stopping) {
        struct name *name = due(resolver, clock_ms());
        if (name) {
            renew(resolver, name);
            continue;
        }
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        if (resolver->names)
            pthread_cond_timedwait(&resolver->wake, &resolver->lock, &until);
        else
            pthread_cond_wait(&resolver->wake, &resolver->lock);
    }
    pthread_mutex_unlock(&resolver->lock);
    return NULL;
}

struct resolver *resolver_create(void (*changed)(void *self), void *self)
{
    struct resolver *resolver = must(calloc(1, sizeof *resolver));
    resolver->changed = changed;
    resolver->self = self;
    pthread_mutex_init(&resolver->lock, NULL);
    pthread_cond_init(&resolver->wake, NULL);
    if (pthread_create(&resolver->thread, NULL, run, resolver) != 0)
        abort();
    return resolver;
}

void resolver_destroy(struct resolver *resolver)
{
    pthread_mutex_lock(&resolver->lock);
    resolver->stopping = true;
    pthread_cond_signal(&resolver->wake);
    pthread_mutex_unlock(&resolver->lock);
    pthread_join(resolver->thread, NULL);
    while (resolver->names) {
        struct name *name = resolver->names;
        resolver->names = name->next;
        free(name);
    }
    pthread_mutex_destroy(&resolver->lock);
    pthread_cond_destroy(&resolver->wake);
    free(resolver);
}
