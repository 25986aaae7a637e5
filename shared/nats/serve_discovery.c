/* $SRV.PING, INFO and STATS as ADR-32 has them: for all, by name, by id. Answered on the delivery thread. */
#include "nats/serve_parts.h"

#include "base/text.h"

static void add_text(struct buf *out, const char *name, const char *value)
{
    buf_char(out, ',');
    buf_json(out, name);
    buf_char(out, ':');
    buf_json(out, value);
}

static void begin(const struct service *service, struct buf *out, const char *type)
{
    buf_printf(out, "{\"type\":\"io.nats.micro.v1.%s_response\"", type);
    add_text(out, "name", service->name);
    add_text(out, "id", service->id);
    add_text(out, "version", service->version);
    buf_text(out, ",\"metadata\":{");
    for (const struct pair *pair = service->metadata; pair->name; pair++) {
        if (pair != service->metadata)
            buf_char(out, ',');
        buf_json(out, pair->name);
        buf_char(out, ':');
        buf_json(out, pair->value);
    }
    buf_char(out, '}');
}

static void write_ping(struct service *service, struct buf *out)
{
    begin(service, out, "ping");
    buf_char(out, '}');
}

static void add_endpoint(struct buf *out, const struct endpoint *endpoint, bool first)
{
    buf_text(out, first ? "{\"name\":" : ",{\"name\":");
    buf_json(out, endpoint->name);
    add_text(out, "subject", endpoint->subject->name);
    add_text(out, "queue_group", "q");
}

static void write_info(struct service *service, struct buf *out)
{
    begin(service, out, "info");
    add_text(out, "description", service->description);
    buf_text(out, ",\"endpoints\":[");
    for (size_t i = 0; i < service->count; i++) {
        const struct endpoint *endpoint = &service->endpoints[i];
        add_endpoint(out, endpoint, i == 0);
        buf_text(out, ",\"metadata\":{");
        if (endpoint->subject->summary) {
            buf_text(out, "\"summary\":");
            buf_json(out, endpoint->subject->summary);
        }
        buf_text(out, "}}");
    }
    buf_text(out, "]}");
}

static void add_numbers(struct service *service, struct buf *out, const struct endpoint *endpoint)
{
    uint64_t requests = __atomic_load_n(&endpoint->requests, __ATOMIC_RELAXED);
    uint64_t errors = __atomic_load_n(&endpoint->errors, __ATOMIC_RELAXED);
    uint64_t time_ns = __atomic_load_n(&endpoint->time_ns, __ATOMIC_RELAXED);
    buf_printf(out, ",\"num_requests\":%llu,\"num_errors\":%llu", (unsigned long long)requests,
               (unsigned long long)errors);
    pthread_mutex_lock(&service->mutex);
    add_text(out, "last_error", endpoint->last_error);
    pthread_mutex_unlock(&service->mutex);
    buf_printf(out, ",\"processing_time\":%llu,\"average_processing_time\":%llu}", (unsigned long long)time_ns,
               (unsigned long long)(requests ? time_ns / requests : 0));
}

static void write_stats(struct service *service, struct buf *out)
{
    begin(service, out, "stats");
    add_text(out, "started", service->started);
    buf_text(out, ",\"endpoints\":[");
    for (size_t i = 0; i < service->count; i++) {
        add_endpoint(out, &service->endpoints[i], i == 0);
        add_numbers(service, out, &service->endpoints[i]);
    }
    buf_text(out, "]}");
}

static bool discovery_arrived(void *self, natsMsg *msg)
{
    const struct discovery *discovery = self;
    const char *to = natsMsg_GetReply(msg);
    if (!to || !text_starts(to, "_INBOX."))
        return false;
    struct ctx ctx = { 0 };
    struct buf out = BUF(&ctx.arena);
    discovery->write(discovery->of, &out);
    bus_publish(&ctx, discovery->of->bus, to, out.data, out.size); /* one that is lost is asked again */
    ctx_finish(&ctx);
    return false;
}

void discovery_start(struct service *service)
{
    static const struct {
        const char *name;
        void (*write)(struct service *service, struct buf *out);
    } verbs[] = { { "PING", write_ping }, { "INFO", write_info }, { "STATS", write_stats } };

    struct arena *arena = &service->arena;
    for (size_t i = 0; i < DISCOVERY; i++) {
        const char *verb = verbs[i / 3].name;
        const char *subject = i % 3 == 0   ? arena_printf(arena, "$SRV.%s", verb)
                              : i % 3 == 1 ? arena_printf(arena, "$SRV.%s.%s", verb, service->name)
                                           : arena_printf(arena, "$SRV.%s.%s.%s", verb, service->name, service->id);
        struct discovery *discovery = &service->discovery[i];
        *discovery = (struct discovery){ .of = service, .write = verbs[i / 3].write };
        discovery->listening = bus_subscribe(service->bus, subject, NULL, discovery_arrived, discovery);
    }
}
