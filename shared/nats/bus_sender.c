/* The one thread that writes to NATS, and its bounded queue. */
#include "nats/bus_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"

#include <string.h>

enum {
    ROOM_BYTES = 32 << 20,
    SMALL_BYTES = 16 << 10, /* half of the room is for messages of this size: large ones keep no question out */
    RETRY_MS =
        200, /* between attempts to connect, and as much again by chance: replicas do not come back all at once */
    OVERHEAD = 512
};

static void outgoing_free(struct outgoing *out)
{
    natsMsg_Destroy(out->msg);
    free(out);
}

bool sender_push(struct bus *bus, natsMsg *msg, uint64_t ask)
{
    struct outgoing *out = malloc(sizeof *out);
    if (!out)
        abort();
    *out = (struct outgoing){ .msg = msg, .ask = ask, .size = (size_t)natsMsg_GetDataLength(msg) + OVERHEAD };
    pthread_mutex_lock(&bus->mutex);
    size_t room = out->size > SMALL_BYTES ? ROOM_BYTES / 2 : ROOM_BYTES;
    bool taken = bus->up && bus->waiting < bus->room && bus->waiting_bytes + out->size <= room;
    if (taken) {
        *bus->last = out;
        bus->last = &out->next;
        bus->waiting++;
        bus->waiting_bytes += out->size;
        pthread_cond_signal(&bus->work);
    }
    pthread_mutex_unlock(&bus->mutex);
    if (!taken)
        outgoing_free(out);
    return taken;
}

/* With the lock held. */
static struct outgoing *take_one(struct bus *bus)
{
    struct outgoing *out = bus->first;
    if (!out)
        return NULL;
    bus->first = out->next;
    if (!bus->first)
        bus->last = &bus->first;
    bus->waiting--;
    bus->waiting_bytes -= out->size;
    return out;
}

/* What is queued when the connection goes is never sent: by the time there is a new one nobody waits for it. */
static void drop_all(struct bus *bus)
{
    pthread_mutex_lock(&bus->mutex);
    __atomic_store_n(&bus->up, false, __ATOMIC_RELEASE);
    for (struct outgoing *out; (out = take_one(bus));)
        outgoing_free(out);
    pthread_mutex_unlock(&bus->mutex);
    asks_fail(&bus->asks, 503);
}

/* false: the connection cannot be used any more (half a message may stand in its socket). */
static bool send_one(struct bus *bus, const struct outgoing *out)
{
    if (out->ask && !asks_pending(&bus->asks, out->ask))
        return true;
    natsStatus status = natsConnection_PublishMsg(bus->nc, out->msg);
    if (status == NATS_OK)
        return true;
    log_warn(NULL, "nats: a message was not sent", "subject", natsMsg_GetSubject(out->msg), "reason",
             natsStatus_GetText(status));
    bool only_this = status == NATS_MAX_PAYLOAD || status == NATS_NO_SERVER_SUPPORT || status == NATS_INVALID_SUBJECT;
    if (only_this && out->ask)
        asks_refuse(&bus->asks, out->ask, status == NATS_MAX_PAYLOAD ? 413 : 500);
    return only_this;
}

static void close_link(struct bus *bus)
{
    drop_all(bus);
    link_close(bus);
}

/* Sends until the connection is lost, or the bus stops and nothing is left or time is up. */
static void serve(struct bus *bus)
{
    bool good = true;
    while (good) {
        pthread_mutex_lock(&bus->mutex);
        while (!bus->first && !bus->changed && !bus->lost && !bus->stopping)
            pthread_cond_wait(&bus->work, &bus->mutex);
        bool changed = bus->changed;
        bool end = bus->lost || (bus->stopping && (!bus->first || clock_ms() >= bus->stop_ms));
        struct outgoing *out = changed || end ? NULL : take_one(bus);
        pthread_mutex_unlock(&bus->mutex);
        if (end)
            break;
        if (changed)
            link_apply(bus);
        if (out) {
            good = send_one(bus, out);
            outgoing_free(out);
        }
    }
}

static void wait_before_retry(struct bus *bus)
{
    unsigned char chance;
    random_bytes(&chance, 1);
    int64_t until = clock_ms() + RETRY_MS + RETRY_MS * chance / 255;
    pthread_mutex_lock(&bus->mutex);
    while (!bus->stopping && cond_wait_until(&bus->work, &bus->mutex, until))
        continue;
    pthread_mutex_unlock(&bus->mutex);
}

static bool stopping(struct bus *bus)
{
    pthread_mutex_lock(&bus->mutex);
    bool out = bus->stopping;
    pthread_mutex_unlock(&bus->mutex);
    return out;
}

static void *sender_run(void *closure)
{
    struct bus *bus = closure;
    while (!stopping(bus)) {
        if (link_open(bus)) {
            serve(bus);
            if (stopping(bus) && bus->stop_ms > clock_ms())
                natsConnection_FlushTimeout(bus->nc, bus->stop_ms - clock_ms());
            close_link(bus);
        }
        if (!stopping(bus))
            wait_before_retry(bus);
    }
    nats_ReleaseThreadMemory();
    return NULL;
}

bool sender_start(struct ctx *ctx, struct bus *bus)
{
    /* The library starts its threads here and not at the first connection: what creates messages before that needs it.
     * 0: who finds one of its locks taken sleeps at once, for whoever holds it wants the processor too. */
    if (nats_Open(0) != NATS_OK)
        return ctx_fail(ctx, ERROR_INTERNAL, "libnats does not start");
    bus->started = pthread_create(&bus->sender, NULL, sender_run, bus) == 0;
    return bus->started || ctx_fail(ctx, ERROR_INTERNAL, "no thread for NATS");
}

void sender_stop(struct bus *bus, int64_t timeout_ms)
{
    pthread_mutex_lock(&bus->mutex);
    bus->stopping = true;
    bus->stop_ms = clock_ms() + timeout_ms;
    pthread_cond_broadcast(&bus->work);
    pthread_mutex_unlock(&bus->mutex);
    if (bus->started)
        pthread_join(bus->sender, NULL);
}
