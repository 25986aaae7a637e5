/* A table of subjects as a service: start and stop. */
#include "nats/serve_parts.h"

#include "base/clock.h"
#include "base/text.h"

#include <string.h>

enum { DRAIN_MS = 2000, SENDERS = 1024 };

struct response *reply(struct request *req, const struct field *fields, const void *data)
{
    struct buf body = BUF(&req->ctx.arena);
    record_json(&body, fields, data);
    struct response *res = arena_new(&req->ctx.arena, struct response);
    *res = (struct response){ .status = 200, .body = body.data, .size = body.size, .source = { .fd = -1 } };
    return res;
}

/* ADR-32 allows no dots in an endpoint's name: auth.validate.token is validate-token. */
static const char *endpoint_name(struct service *service, const char *subject)
{
    size_t prefix = strlen(service->name);
    if (text_starts(subject, service->name) && subject[prefix] == '.')
        subject += prefix + 1;
    char *out = arena_strdup(&service->arena, subject);
    for (char *at = out; *at; at++)
        if (*at == '.')
            *at = '-';
    return out;
}

static size_t count_subjects(const struct subject *subjects)
{
    size_t count = 0;
    while (subjects && subjects[count].name)
        count++;
    return count;
}

static void add_endpoints(struct service *service, const struct subject *subjects, const void *behind,
                          struct metric *seconds)
{
    for (size_t i = 0; i < count_subjects(subjects); i++)
        service->endpoints[service->count++] = (struct endpoint){
            .of = service,
            .subject = &subjects[i],
            .service = behind,
            .name = endpoint_name(service, subjects[i].name),
            .seconds = seconds,
        };
}

static void make_endpoints(struct service *service, const struct service_options *options)
{
    size_t count = count_subjects(options->subjects);
    for (const struct subject_mount *mount = options->mounts; mount && mount->subjects; mount++)
        count += count_subjects(mount->subjects);
    service->endpoints = arena_array(&service->arena, struct endpoint, count + 1);
    struct metric *seconds = NULL;
    if (options->metrics) {
        service->requests = metric_counter(options->metrics, "nats_requests_total", "Requests from NATS",
                                           "subject,status");
        seconds = metric_histogram(options->metrics, "nats_request_seconds", "Time to answer a request from NATS",
                                   "subject");
    }
    add_endpoints(service, options->subjects, options->service, seconds);
    for (const struct subject_mount *mount = options->mounts; mount && mount->subjects; mount++)
        add_endpoints(service, mount->subjects, mount->service, seconds);
}

static const struct pair *copy_pairs(struct arena *arena, const struct pair *pairs)
{
    size_t count = 0;
    while (pairs && pairs[count].name)
        count++;
    struct pair *out = arena_array(arena, struct pair, count + 1);
    for (size_t i = 0; i < count; i++)
        out[i] = (struct pair){ arena_strdup(arena, pairs[i].name), arena_strdup(arena, pairs[i].value) };
    return out;
}

static bool is_token(const char *text)
{
    return text && *text && !strpbrk(text, ".*> \t\r\n");
}

struct service *service_start(struct ctx *ctx, struct bus *bus, const struct service_options *options)
{
    if (!is_token(options->name) || !is_token(bus_instance(bus)))
        return ctx_fail(ctx, ERROR_INVALID, "a service's name and id are single tokens");
    struct service *service = calloc(1, sizeof *service);
    if (!service)
        abort();
    pthread_mutex_init(&service->mutex, NULL);
    cond_init(&service->idle);
    service->bus = bus;
    service->name = arena_strdup(&service->arena, options->name);
    service->version = arena_strdup(&service->arena, options->version);
    service->description = arena_strdup(&service->arena, options->description ? options->description : "");
    service->id = bus_instance(bus);
    service->started = clock_format(&service->arena, clock_now_ms());
    service->metadata = copy_pairs(&service->arena, options->metadata);
    service->workers = options->workers;
    service->senders = sender_clocks_create(SENDERS);
    make_endpoints(service, options);
    for (size_t i = 0; i < service->count; i++) {
        struct endpoint *endpoint = &service->endpoints[i];
        endpoint->listening = bus_subscribe(bus, endpoint->subject->name, "q", request_arrived, endpoint);
    }
    discovery_start(service);
    return service;
}

static void leave(struct service *service)
{
    struct ctx ctx = { 0 };
    struct buf body = BUF(&ctx.arena);
    buf_text(&body, "{\"id\":");
    buf_json(&body, service->id);
    buf_char(&body, '}');
    bus_publish(&ctx, service->bus, "tonearm.leave", body.data, body.size);
    ctx_finish(&ctx);
}

static bool end_listening(struct service *service, int64_t until)
{
    bool all = true;
    int64_t left = until ? until - clock_ms() : 0;
    for (size_t i = 0; i < DISCOVERY; i++)
        all &= bus_unsubscribe(service->bus, service->discovery[i].listening, left > 0 ? left : 0);
    for (size_t i = 0; i < service->count; i++) {
        left = until ? until - clock_ms() : 0;
        all &= bus_unsubscribe(service->bus, service->endpoints[i].listening, left > 0 ? left : 0);
    }
    return all;
}

void service_stop(struct service *service)
{
    leave(service);
    end_listening(service, 0); /* all begin to drain, then all are waited for */
    service->called = !end_listening(service, clock_ms() + DRAIN_MS);
    __atomic_store_n(&service->ended, true, __ATOMIC_RELEASE);
}

static void release(void *self)
{
    struct service *service = self;
    arena_free(&service->arena);
    sender_clocks_destroy(service->senders);
    free(service);
}

void service_destroy(struct service *service)
{
    if (!service)
        return;
    pthread_mutex_lock(&service->mutex);
    while (service->under_way > 0)
        pthread_cond_wait(&service->idle, &service->mutex);
    pthread_mutex_unlock(&service->mutex);
    if (service->called)
        bus_keep(service->bus, release, service);
    else
        release(service);
}
