#include "member/resolver_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "must.h"

#include <arpa/nameser.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

enum {
    TTL_MIN_MS = 1000,
    TTL_MAX_MS = 3600 * 1000,
    MISSING_MS = 1000,
    IDLE_MS = 10000,
};

/* Answers: on the thread, without the lock */

static int compare_addresses(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct address));
}

static bool same_addresses(const struct addresses *a, const struct addresses *b)
{
    return a->count == b->count && memcmp(a->items, b->items, a->count * sizeof *a->items) == 0;
}

static int64_t next_look(int64_t ttl_s)
{
    int64_t ms = ttl_s * 1000;
    return clock_ms() + (ms < TTL_MIN_MS ? TTL_MIN_MS : ms > TTL_MAX_MS ? TTL_MAX_MS : ms);
}

/* With the lock held. An outage is told once. */
static void miss(struct name *name, const char *why)
{
    if (!name->missed)
        log_warn(NULL, "a name was not resolved: what was known of it stays", "name", name->target, "why", why);
    name->missed = true;
    name->due_ms = clock_ms() + MISSING_MS;
}

/* Locks; NULL: nobody wants it any more. */
static struct name *begin_answer(void *self)
{
    struct name *name = self;
    struct resolver *resolver = name->resolver;
    pthread_mutex_lock(&resolver->lock);
    name->asking = false;
    if (!name->dropped && !resolver->stopping)
        return name;
    if (name->dropped)
        name_free(name);
    pthread_mutex_unlock(&resolver->lock);
    return NULL;
}

/* Unlocks. */
static void end_answer(struct name *name, bool changed)
{
    struct resolver *resolver = name->resolver;
    resolver->news |= changed || !name->answered;
    name->answered = true;
    pthread_mutex_unlock(&resolver->lock);
}

/* Those of one family; the least TTL of them. */
static int64_t collect(const struct ares_addrinfo *list, int family, struct addresses *out)
{
    int64_t ttl = TTL_MAX_MS / 1000;
    for (const struct ares_addrinfo_node *one = list->nodes; one && out->count < ADDRESSES_MAX; one = one->ai_next) {
        if (one->ai_family != family)
            continue;
        struct address *address = &out->items[out->count++];
        memcpy(&address->socket, one->ai_addr, one->ai_addrlen);
        address->size = one->ai_addrlen;
        ttl = one->ai_ttl < ttl ? one->ai_ttl : ttl;
    }
    return ttl;
}

static void on_addresses(void *self, int status, int timeouts, struct ares_addrinfo *list)
{
    struct addresses *found = must(calloc(1, sizeof *found));
    int64_t ttl = 0;
    (void)timeouts;
    if (status == ARES_SUCCESS && list)
        ttl = collect(list, AF_INET, found);
    if (status == ARES_SUCCESS && list && !found->count)
        ttl = collect(list, AF_INET6, found);
    if (list)
        ares_freeaddrinfo(list);
    /* Name servers turn them round; an order of our own tells a change from that. */
    qsort(found->items, found->count, sizeof *found->items, compare_addresses);
    struct name *name = begin_answer(self);
    if (name) {
        bool changed = found->count && !same_addresses(found, &name->addresses);
        if (!found->count)
            miss(name, ares_strerror(status));
        else
            name->due_ms = next_look(ttl);
        name->missed = !found->count;
        if (changed)
            name->addresses = *found;
        end_answer(name, changed);
    }
    free(found);
}

static void on_services(void *self, int status, int timeouts, unsigned char *data, int size)
{
    struct srv_records records = { 0 };
    int64_t ttl = 0;
    (void)timeouts;
    if (status == ARES_SUCCESS)
        ttl = srv_records_read(data, size, &records);
    struct name *name = begin_answer(self);
    if (!name) {
        srv_records_free(&records);
        return;
    }
    bool changed = records.count && !srv_records_same(&records, &name->srv);
    if (!records.count)
        miss(name, status == ARES_SUCCESS ? "no usable SRV record" : ares_strerror(status));
    else
        name->due_ms = next_look(ttl);
    name->missed = !records.count;
    if (changed) {
        struct srv_records old = name->srv;
        name->srv = records;
        records = old;
    }
    srv_records_free(&records);
    end_answer(name, changed);
}

/* Questions */

static void ask(struct resolver *resolver, struct name *name)
{
    char host[256] = "";
    const char *colon = strrchr(name->target, ':');
    size_t size = colon ? (size_t)(colon - name->target) : 0;
    const struct ares_addrinfo_hints hints = { .ai_flags = ARES_AI_NUMERICSERV | ARES_AI_NOSORT,
                                               .ai_family = AF_UNSPEC,
                                               .ai_socktype = SOCK_STREAM };
    if (size < sizeof host)
        memcpy(host, name->target, size);
    if (name_is_srv(name))
        ares_query(resolver->channel, host, ns_c_in, ns_t_srv, on_services, name);
    else
        ares_getaddrinfo(resolver->channel, host, colon ? colon + 1 : NULL, &hints, on_addresses, name);
}

/* With the lock held. */
static struct name *take_due(struct resolver *resolver, int64_t now_ms)
{
    for (struct name *name = resolver->names; name; name = name->next) {
        if (name->asking || name->due_ms > now_ms)
            continue;
        name->asking = true;
        return name;
    }
    return NULL;
}

static int64_t until_due(const struct resolver *resolver, int64_t now_ms)
{
    int64_t least = IDLE_MS;
    for (const struct name *name = resolver->names; name; name = name->next)
        if (!name->asking && name->due_ms - now_ms < least)
            least = name->due_ms > now_ms ? name->due_ms - now_ms : 0;
    return least;
}

/* Asks for all that is due; how long nothing will be. false: it is to end. */
static bool ask_due(struct resolver *resolver, int64_t *wait_ms)
{
    struct name *name;
    pthread_mutex_lock(&resolver->lock);
    while (!resolver->stopping && (name = take_due(resolver, clock_ms()))) {
        pthread_mutex_unlock(&resolver->lock);
        /* The answer may come here and now. */
        ask(resolver, name);
        pthread_mutex_lock(&resolver->lock);
    }
    *wait_ms = until_due(resolver, clock_ms());
    bool stopping = resolver->stopping;
    pthread_mutex_unlock(&resolver->lock);
    return !stopping;
}

static void take_answers(struct resolver *resolver, int64_t wait_ms)
{
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    struct pollfd fds[ARES_GETSOCK_MAXNUM + 1] = { { .fd = resolver->bell, .events = POLLIN } };
    /* c-ares' own macros shift a one into the sign. */
    unsigned bits = (unsigned)ares_getsock(resolver->channel, sockets, ARES_GETSOCK_MAXNUM);
    nfds_t count = 1;
    for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
        short events = (short)((bits >> i & 1 ? POLLIN : 0) | (bits >> (i + ARES_GETSOCK_MAXNUM) & 1 ? POLLOUT : 0));
        if (events)
            fds[count++] = (struct pollfd){ .fd = sockets[i], .events = events };
    }
    struct timeval most = { .tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000 }, room;
    const struct timeval *wait = ares_timeout(resolver->channel, &most, &room);
    poll(fds, count, (int)(wait->tv_sec * 1000 + (wait->tv_usec + 999) / 1000));
    eventfd_t rung;
    if (fds[0].revents)
        eventfd_read(resolver->bell, &rung);
    for (nfds_t i = 1; i < count; i++)
        ares_process_fd(resolver->channel, fds[i].revents & (POLLIN | POLLERR | POLLHUP) ? fds[i].fd : ARES_SOCKET_BAD,
                        fds[i].revents & POLLOUT ? fds[i].fd : ARES_SOCKET_BAD);
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

/* Once for all that have come together: whoever is told looks at every name. */
static void tell(struct resolver *resolver)
{
    pthread_mutex_lock(&resolver->lock);
    bool news = resolver->news && !resolver->stopping;
    resolver->news = false;
    resolver->telling = news;
    pthread_mutex_unlock(&resolver->lock);
    if (!news)
        return;
    resolver->changed(resolver->self);
    pthread_mutex_lock(&resolver->lock);
    resolver->telling = false;
    pthread_mutex_unlock(&resolver->lock);
}

void *resolver_run(void *self)
{
    struct resolver *resolver = self;
    int64_t wait_ms;
    pthread_setname_np(pthread_self(), "resolver");
    while (ask_due(resolver, &wait_ms)) {
        tell(resolver); /* of those that /etc/hosts has answered */
        take_answers(resolver, wait_ms);
        tell(resolver);
    }
    return NULL;
}
