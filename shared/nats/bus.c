/* Opening and closing the bus, and the list of what it listens to. */
#include "nats/bus_parts.h"

#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"

#include <string.h>

enum { QUEUE_DEFAULT = 4096 };

void cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

bool cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t until_ms)
{
    struct timespec until = { .tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000 };
    return pthread_cond_timedwait(cond, mutex, &until) == 0 || clock_ms() < until_ms;
}

/* "user:password@" before a host: libnats takes a user without a password for a token, so they are given to it apart.
 */
static const char *take_userinfo(struct bus *bus, const char *rest)
{
    const char *at = strrchr(rest, '@');
    if (!at)
        return rest;
    const char *colon = memchr(rest, ':', (size_t)(at - rest));
    size_t user_size = (size_t)((colon ? colon : at) - rest);
    if (!bus->user)
        bus->user = arena_memdup(&bus->arena, rest, user_size);
    if (colon && !bus->url_password)
        bus->url_password = arena_memdup(&bus->arena, colon + 1, (size_t)(at - colon - 1));
    return at + 1;
}

static bool take_server(struct ctx *ctx, struct bus *bus, const char *url)
{
    bool tls = text_starts(url, "tls://");
    if (!tls && !text_starts(url, "nats://"))
        return ctx_fail(ctx, ERROR_INVALID, "NATS_URL: an address begins with nats:// or tls://");
    const char *host = take_userinfo(bus, url + (tls ? 6 : 7));
    if (!*host || strpbrk(host, "/?# "))
        return ctx_fail(ctx, ERROR_INVALID, "NATS_URL: not HOST:PORT");
    if (bus->server_count == sizeof bus->servers / sizeof *bus->servers)
        return ctx_fail(ctx, ERROR_INVALID, "NATS_URL: more than 16 servers");
    if (bus->server_count && bus->tls != tls)
        return ctx_fail(ctx, ERROR_INVALID, "NATS_URL: all servers speak TLS, or none");
    bus->tls = tls;
    bus->servers[bus->server_count++] = arena_printf(&bus->arena, "nats://%s", host);
    return true;
}

static bool take_servers(struct ctx *ctx, struct bus *bus, const char *list)
{
    char *save = NULL;
    for (char *url = strtok_r(arena_strdup(&bus->arena, list), ",", &save); url; url = strtok_r(NULL, ",", &save))
        if (!take_server(ctx, bus, url))
            return false;
    return bus->server_count || ctx_fail(ctx, ERROR_INVALID, "NATS_URL: no server");
}

/* A space of answers that only this user may listen to (compose/nats.conf), and in it one that only this connection
 * knows. */
static const char *inbox_make(struct bus *bus)
{
    return arena_printf(&bus->arena, "_INBOX.%s.%s", bus->user ? bus->user : bus->name, random_text(&bus->arena, 12));
}

static bool take_options(struct ctx *ctx, struct bus *bus, const struct bus_options *options)
{
    struct arena *arena = &bus->arena;
    if (!take_servers(ctx, bus, options->url))
        return false;
    bus->name = arena_strdup(arena, options->name);
    bus->instance = options->instance ? arena_strdup(arena, options->instance) : id_new(arena);
    bus->ca_file = arena_strdup(arena, options->ca_file);
    bus->creds_file = arena_strdup(arena, options->creds_file);
    bus->has_password = options->password && secret_given(options->password);
    if (bus->has_password)
        bus->password = *options->password;
    bus->inbox = inbox_make(bus);
    bus->room = options->queue ? options->queue : QUEUE_DEFAULT;
    bus->connected = options->connected;
    bus->self = options->self;
    return true;
}

static void bus_free(struct bus *bus)
{
    for (struct listening *next, *each = bus->listenings; each; each = next) {
        next = each->next;
        free(each->subject);
        free(each->queue);
        free(each);
    }
    for (struct kept *kept; (kept = bus->kept);) {
        bus->kept = kept->next;
        kept->release(kept->self);
        free(kept);
    }
    arena_free(&bus->arena);
    free(bus);
}

struct bus *bus_open(struct ctx *ctx, const struct bus_options *options)
{
    struct bus *bus = calloc(1, sizeof *bus);
    if (!bus)
        abort();
    pthread_mutex_init(&bus->mutex, NULL);
    pthread_mutex_init(&bus->watching, NULL);
    cond_init(&bus->work);
    cond_init(&bus->quiet);
    bus->last = &bus->first;
    if (!take_options(ctx, bus, options)) {
        bus_free(bus);
        return NULL;
    }
    char *answers = arena_printf(&bus->arena, "%s.*", bus->inbox);
    bus_subscribe(bus, answers, NULL, answer_arrived, bus);
    if (!asks_start(ctx, &bus->asks) || !sender_start(ctx, bus)) {
        asks_stop(&bus->asks);
        bus_free(bus);
        return NULL;
    }
    return bus;
}

bool bus_up(const struct bus *bus)
{
    return __atomic_load_n(&bus->up, __ATOMIC_ACQUIRE);
}

const char *bus_instance(const struct bus *bus)
{
    return bus->instance;
}

struct listening *bus_subscribe(struct bus *bus, const char *subject, const char *queue, bus_arrival_fn *arrival,
                                void *self)
{
    struct listening *listening = calloc(1, sizeof *listening);
    if (!listening)
        abort();
    *listening = (struct listening){ .bus = bus,
                                     .subject = strdup(subject),
                                     .queue = queue ? strdup(queue) : NULL,
                                     .arrival = arrival,
                                     .self = self,
                                     .wanted = true };
    pthread_mutex_lock(&bus->mutex);
    listening->next = bus->listenings;
    bus->listenings = listening;
    bus->changed = true;
    pthread_cond_signal(&bus->work);
    pthread_mutex_unlock(&bus->mutex);
    return listening;
}

bool bus_unsubscribe(struct bus *bus, struct listening *listening, int64_t timeout_ms)
{
    int64_t until = clock_ms() + timeout_ms;
    pthread_mutex_lock(&bus->mutex);
    listening->wanted = false;
    bus->changed = true;
    pthread_cond_signal(&bus->work);
    while ((listening->open || listening->busy) && cond_wait_until(&bus->quiet, &bus->mutex, until))
        continue;
    bool ended = !listening->open && !listening->busy;
    pthread_mutex_unlock(&bus->mutex);
    return ended;
}

void bus_keep(struct bus *bus, void (*release)(void *self), void *self)
{
    struct kept *kept = malloc(sizeof *kept);
    if (!kept)
        abort();
    pthread_mutex_lock(&bus->mutex);
    *kept = (struct kept){ bus->kept, release, self };
    bus->kept = kept;
    pthread_mutex_unlock(&bus->mutex);
}

void bus_watch(struct bus *bus, const struct watcher *watcher)
{
    struct watcher *copy = malloc(sizeof *copy);
    if (!copy)
        abort();
    *copy = *watcher;
    pthread_mutex_lock(&bus->watching);
    copy->next = bus->watchers;
    bus->watchers = copy;
    pthread_mutex_unlock(&bus->watching);
}

void bus_unwatch(struct bus *bus, const void *self)
{
    pthread_mutex_lock(&bus->watching);
    for (struct watcher **at = &bus->watchers; *at;) {
        struct watcher *watcher = *at;
        if (watcher->self != self) {
            at = &watcher->next;
            continue;
        }
        *at = watcher->next;
        free(watcher);
    }
    pthread_mutex_unlock(&bus->watching);
}

uint64_t bus_epoch(const struct bus *bus)
{
    return __atomic_load_n(&bus->epoch, __ATOMIC_ACQUIRE);
}

static void tell_closing(struct bus *bus)
{
    pthread_mutex_lock(&bus->watching);
    struct watcher *all = bus->watchers;
    bus->watchers = NULL;
    pthread_mutex_unlock(&bus->watching);
    for (struct watcher *next; all; all = next) {
        next = all->next;
        if (all->closing)
            all->closing(all->self);
        free(all);
    }
}

void bus_close(struct bus *bus, int timeout_ms)
{
    if (!bus)
        return;
    tell_closing(bus);
    sender_stop(bus, timeout_ms);
    asks_stop(&bus->asks);
    bus_free(bus);
}

/* What bus_listen() was given. */
struct listener {
    bus_message_fn *message;
    void *self;
};

static bool message_arrived(void *self, natsMsg *msg)
{
    struct listener *listener = self;
    listener->message(listener->self, natsMsg_GetSubject(msg), natsMsg_GetData(msg),
                      (size_t)natsMsg_GetDataLength(msg));
    return false;
}

bool bus_listen(struct ctx *ctx, struct bus *bus, const char *subject, bus_message_fn *message, void *self)
{
    if (!*subject || strpbrk(subject, " \t\r\n"))
        return ctx_fail(ctx, ERROR_INVALID, "no such subject");
    pthread_mutex_lock(&bus->mutex);
    struct listener *listener = arena_new(&bus->arena, struct listener);
    pthread_mutex_unlock(&bus->mutex);
    *listener = (struct listener){ message, self };
    bus_subscribe(bus, subject, NULL, message_arrived, listener);
    return true;
}
