#include "store/event.h"

#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"

#include <string.h>

char *pending_json(struct arena *arena, const struct pending *event, int64_t version)
{
    return arena_printf(arena, "%s%lld}", event->json, (long long)version);
}

bool event_is_secret(const char *type)
{
    return text_starts(type, "event.otp.");
}

/* It becomes a NATS subject: no wildcard, no space, no empty token. */
static bool is_subject(const char *type)
{
    return type && *type &&
           strspn(type, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == strlen(type) &&
           type[0] != '.' && !strstr(type, "..") && type[strlen(type) - 1] != '.';
}

static bool event_prepare(struct ctx *ctx, const char *service, const char *subject, const struct event *event,
                          struct pending *out)
{
    static const struct field nothing[] = { { 0 } };
    if (!is_subject(event->type))
        return ctx_fail(ctx, ERROR_INTERNAL, "\"%s\" is no type of an event", event->type ? event->type : "");

    out->id = id_new(&ctx->arena);
    out->type = event->type;
    out->at_ms = clock_now_ms();
    struct buf json = BUF(&ctx->arena);
    buf_printf(&json,
               "{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"tonearm/%s\",\"type\":\"%s\",\"subject\":", out->id,
               service, event->type);
    buf_json(&json, event->subject ? event->subject : subject);
    buf_printf(&json, ",\"time\":\"%s\",\"datacontenttype\":\"application/json\",\"data\":",
               clock_format(&ctx->arena, out->at_ms));
    if (event->data)
        record_json(&json, event->fields ? event->fields : nothing, event->data);
    else
        buf_text(&json, "{}");
    buf_text(&json, ",\"entityversion\":");
    out->json = json.data;
    if (json.size > EVENT_MAX)
        return ctx_fail(ctx, ERROR_TOO_LARGE, "the event %s is too large", event->type);
    return true;
}

bool events_prepare(struct ctx *ctx, const char *service, const char *subject, struct events events,
                    const struct pending **out)
{
    *out = NULL;
    if (events.count > EVENTS_PER_WRITE)
        return ctx_fail(ctx, ERROR_INTERNAL, "a write carries at most %d events", EVENTS_PER_WRITE);
    struct pending *pending = arena_array(&ctx->arena, struct pending, events.count);
    for (size_t i = 0; i < events.count; i++)
        if (!event_prepare(ctx, service, subject, &events.items[i], &pending[i]))
            return false;
    *out = pending;
    return true;
}
