/* One connection after the other, each with all that the bus listens to. Only the sender's thread comes here, but for
 * libnats' callbacks. */
#include "nats/bus_parts.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

enum {
    CONNECT_MS = 1000,
    PING_MS = 2000,
    PINGS_OUT = 2,
    WRITE_MS = 500,
    PENDING_MESSAGES = 16384, /* that have arrived and were not yet handled, for each subscription */
    PENDING_BYTES = 64 << 20,
    COMPLAIN_MS = 30000,
    TROUBLE_MS = 1000
};

DEFINE_CLEANUP(natsOptions *, natsOptions_Destroy)

/* An outage is told once, and again every half minute. */
static void complain(struct bus *bus, const char *what, const char *why)
{
    char line[sizeof bus->complaint];
    snprintf(line, sizeof line, "%s: %s", what, why ? why : "unknown");
    if (strcmp(line, bus->complaint) == 0 && clock_ms() - bus->complained_ms < COMPLAIN_MS)
        return;
    memcpy(bus->complaint, line, sizeof line);
    bus->complained_ms = clock_ms();
    log_warn(NULL, what, "reason", why ? why : "unknown", "name", bus->name);
}

static void callback_begin(struct bus *bus)
{
    pthread_mutex_lock(&bus->mutex);
    bus->callbacks++;
    pthread_mutex_unlock(&bus->mutex);
}

static void callback_end(struct bus *bus)
{
    pthread_mutex_lock(&bus->mutex);
    bus->callbacks--;
    pthread_cond_broadcast(&bus->quiet);
    pthread_mutex_unlock(&bus->mutex);
}

/* The last that libnats says of a connection. */
static void closed(natsConnection *nc, void *closure)
{
    (void)nc;
    struct bus *bus = closure;
    pthread_mutex_lock(&bus->mutex);
    bus->lost = true;
    __atomic_store_n(&bus->up, false, __ATOMIC_RELEASE);
    pthread_cond_signal(&bus->work);
    pthread_mutex_unlock(&bus->mutex);
    callback_end(bus);
}

/* Who asked what the server does not let through would wait until his time is up. */
static void forbid(struct bus *bus, const char *text)
{
    static const char words[] = "Permissions Violation for Publish to \"";
    const char *at = strcasestr(text, words), *end = at ? strchr(at + sizeof words - 1, '"') : NULL;
    if (end)
        asks_forbid(&bus->asks, at + sizeof words - 1, (size_t)(end - at) - (sizeof words - 1));
}

/* Slow consumers and refused permissions: somebody who has lost a message cannot tell. */
static void troubled(natsConnection *nc, natsSubscription *sub, natsStatus status, void *closure)
{
    struct bus *bus = closure;
    const char *text = NULL;
    natsConnection_GetLastError(nc, &text);
    if (status == NATS_NOT_PERMITTED && text)
        forbid(bus, text);
    /* A client may cause it by each of his requests. */
    int64_t now = clock_ms(), told = __atomic_load_n(&bus->told_ms, __ATOMIC_RELAXED);
    if (told && now - told < TROUBLE_MS)
        return;
    __atomic_store_n(&bus->told_ms, now, __ATOMIC_RELAXED);
    log_warn(NULL, "nats: trouble on the connection", "status", natsStatus_GetText(status), "reason", text ? text : "",
             "subject", sub ? natsSubscription_GetSubject(sub) : "", "name", bus->name);
}

static void arrived(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure)
{
    (void)nc;
    (void)sub;
    struct listening *listening = closure;
    if (!listening->arrival(listening->self, msg))
        natsMsg_Destroy(msg);
}

static void completed(void *closure)
{
    struct listening *listening = closure;
    struct bus *bus = listening->bus;
    pthread_mutex_lock(&bus->mutex);
    listening->open = false;
    bus->changed = true;
    pthread_cond_signal(&bus->work);
    pthread_mutex_unlock(&bus->mutex);
    callback_end(bus);
}

static natsStatus set_user(struct bus *bus, natsOptions *options)
{
    if (bus->creds_file)
        return natsOptions_SetUserCredentialsFromFiles(options, bus->creds_file, NULL);
    if (!bus->user)
        return NATS_OK;
    struct ctx ctx = { 0 };
    const char *password = bus->has_password ? secret_value(&ctx, &bus->password) : bus->url_password;
    if (!password && ctx.error)
        complain(bus, "nats: no password", ctx.error->message);
    natsStatus status = natsOptions_SetUserInfo(options, bus->user, password ? password : "");
    ctx_finish(&ctx);
    return status;
}

static natsStatus set_tls(struct bus *bus, natsOptions *options)
{
    if (!bus->tls)
        return NATS_OK;
    natsStatus status = natsOptions_SetSecure(options, true);
    if (status == NATS_OK && bus->ca_file)
        status = natsOptions_LoadCATrustedCertificates(options, bus->ca_file);
    return status;
}

static natsStatus set_options(struct bus *bus, natsOptions *options)
{
    natsStatus status = natsOptions_SetServers(options, bus->servers, (int)bus->server_count);
    if (status == NATS_OK)
        status = natsOptions_SetName(options, bus->name);
    if (status == NATS_OK)
        status = natsOptions_SetAllowReconnect(options, false);
    if (status == NATS_OK)
        status = natsOptions_SetTimeout(options, CONNECT_MS);
    if (status == NATS_OK)
        status = natsOptions_SetPingInterval(options, PING_MS);
    if (status == NATS_OK)
        status = natsOptions_SetMaxPingsOut(options, PINGS_OUT);
    if (status == NATS_OK)
        status = natsOptions_SetWriteDeadline(options, WRITE_MS);
    if (status == NATS_OK)
        status = natsOptions_SetSendAsap(options,
                                         true); /* the sender's queue gathers; the flusher would add 1 ms to each */
    if (status == NATS_OK)
        status = natsOptions_UseGlobalMessageDelivery(options, true);
    if (status == NATS_OK)
        status = natsOptions_SetMaxPendingMsgs(options, PENDING_MESSAGES);
    if (status == NATS_OK)
        status = natsOptions_SetClosedCB(options, closed, bus);
    if (status == NATS_OK)
        status = natsOptions_SetErrorHandler(options, troubled, bus);
    return status;
}

static bool connect_once(struct bus *bus)
{
    _cleanup_(natsOptions_Destroyp) natsOptions *options = NULL;
    natsStatus status = natsOptions_Create(&options);
    if (status == NATS_OK)
        status = set_options(bus, options);
    if (status == NATS_OK)
        status = set_user(bus, options);
    if (status == NATS_OK)
        status = set_tls(bus, options);
    if (status != NATS_OK) {
        complain(bus, "nats: these options cannot be used", nats_GetLastError(NULL));
        return false;
    }
    callback_begin(bus);
    status = natsConnection_Connect(&bus->nc, options);
    if (status == NATS_OK)
        return true;
    callback_end(bus); /* libnats does not say `closed` of what never was open */
    bus->nc = NULL;
    complain(bus, "nats: cannot connect", natsStatus_GetText(status));
    return false;
}

static bool subscribe(struct bus *bus, struct listening *listening)
{
    natsStatus status = listening->queue ? natsConnection_QueueSubscribe(&listening->sub, bus->nc, listening->subject,
                                                                         listening->queue, arrived, listening)
                                         : natsConnection_Subscribe(&listening->sub, bus->nc, listening->subject,
                                                                    arrived, listening);
    if (status != NATS_OK)
        return false;
    natsSubscription_SetPendingLimits(listening->sub, PENDING_MESSAGES, PENDING_BYTES);
    pthread_mutex_lock(&bus->mutex);
    listening->open = true;
    listening->draining = false;
    bus->callbacks++;
    pthread_mutex_unlock(&bus->mutex);
    if (natsSubscription_SetOnCompleteCB(listening->sub, completed, listening) == NATS_OK)
        return true;
    completed(listening); /* closed meanwhile, with its connection */
    return false;
}

static void forget(struct listening *listening)
{
    natsSubscription_Destroy(listening->sub);
    listening->sub = NULL;
}

/* Brings one subscription to where it should be. */
static void apply(struct bus *bus, struct listening *listening, bool wanted, bool open)
{
    if (wanted && !listening->sub && !subscribe(bus, listening)) {
        complain(bus, "nats: cannot subscribe", listening->subject);
    } else if (!wanted && listening->sub && open && !listening->draining) {
        pthread_mutex_lock(&bus->mutex);
        listening->draining = true;
        pthread_mutex_unlock(&bus->mutex);
        natsSubscription_Drain(listening->sub);
    } else if (!wanted && listening->sub && !open) {
        forget(listening);
    }
}

void link_apply(struct bus *bus)
{
    pthread_mutex_lock(&bus->mutex);
    bus->changed = false;
    /* New ones are put in front, and none is ever taken out: from here on the list may be walked without the lock. */
    struct listening *each = bus->listenings;
    pthread_mutex_unlock(&bus->mutex);
    for (; each; each = each->next) {
        pthread_mutex_lock(&bus->mutex);
        bool wanted = each->wanted, open = each->open;
        each->busy = true;
        pthread_mutex_unlock(&bus->mutex);
        apply(bus, each, wanted, open);
        pthread_mutex_lock(&bus->mutex);
        each->busy = false;
        pthread_cond_broadcast(&bus->quiet);
        pthread_mutex_unlock(&bus->mutex);
    }
}

static void tell(struct bus *bus)
{
    pthread_mutex_lock(&bus->watching);
    for (const struct watcher *each = bus->watchers; each; each = each->next)
        if (each->connected)
            each->connected(each->self);
    pthread_mutex_unlock(&bus->watching);
    if (bus->connected)
        bus->connected(bus->self);
}

bool link_open(struct bus *bus)
{
    pthread_mutex_lock(&bus->mutex);
    bus->lost = false;
    pthread_mutex_unlock(&bus->mutex);
    if (!connect_once(bus))
        return false;
    link_apply(bus);
    pthread_mutex_lock(&bus->mutex);
    bool here = !bus->lost;
    __atomic_add_fetch(&bus->epoch, 1, __ATOMIC_ACQ_REL);
    __atomic_store_n(&bus->up, here, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&bus->mutex);
    if (here) {
        bus->complaint[0] = '\0';
        log_info(NULL, "nats: connected", "name", bus->name);
        tell(bus);
    }
    return true;
}

void link_close(struct bus *bus)
{
    if (!bus->nc)
        return;
    pthread_mutex_lock(&bus->mutex);
    struct listening *all = bus->listenings;
    pthread_mutex_unlock(&bus->mutex);
    natsConnection_Close(bus->nc);
    for (struct listening *each = all; each; each = each->next)
        if (each->sub)
            forget(each);
    pthread_mutex_lock(&bus->mutex);
    while (bus->callbacks > 0)
        pthread_cond_wait(&bus->quiet, &bus->mutex);
    pthread_mutex_unlock(&bus->mutex);
    natsConnection_Destroy(bus->nc);
    bus->nc = NULL;
}
