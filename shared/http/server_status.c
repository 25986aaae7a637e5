#include "http/server_parts.h"

#include "base/clock.h"

#include <string.h>

enum { READY_KEPT_MS = 1000, CHECKS_MS = 1000 };

/* What the last checks said; one worker at a time checks, the others take what is there. */
struct readiness {
    pthread_mutex_t lock;
    int64_t until_ms;
    bool ready;
    struct arena arena; /* of the text */
    const char *text;   /* NULL: never checked */
};

struct readiness *readiness_create(struct server *server)
{
    (void)server;
    struct readiness *readiness = calloc(1, sizeof *readiness);
    if (!readiness)
        abort();
    pthread_mutex_init(&readiness->lock, NULL);
    return readiness;
}

void readiness_destroy(struct readiness *readiness)
{
    if (!readiness)
        return;
    arena_free(&readiness->arena);
    pthread_mutex_destroy(&readiness->lock);
    free(readiness);
}

static struct response *health(struct request *req)
{
    return respond_json(req, 200, "alive", "{\"status\":\"OK\"}");
}

static bool check_one(const struct dependency *dependency)
{
    struct ctx ctx = { .request_id = "", .deadline_ms = clock_ms() + CHECKS_MS };
    bool there = dependency->check(&ctx, dependency->self);
    ctx_finish(&ctx);
    return there;
}

static void check_all(struct readiness *readiness, const struct dependency *dependencies)
{
    arena_free(&readiness->arena);
    struct buf text = BUF(&readiness->arena);
    readiness->ready = true;
    buf_text(&text, "\"dependencies\":{");
    for (const struct dependency *dependency = dependencies; dependency && dependency->name; dependency++) {
        bool there = check_one(dependency);
        readiness->ready = readiness->ready && there;
        buf_text(&text, dependency == dependencies ? "" : ",");
        buf_json(&text, dependency->name);
        buf_text(&text, there ? ":\"OK\"" : ":\"MISSING\"");
    }
    buf_char(&text, '}');
    readiness->text = text.data;
    readiness->until_ms = clock_ms() + READY_KEPT_MS;
}

static struct response *ready(struct request *req)
{
    const struct server *server = req->service;
    struct readiness *readiness = server->readiness;
    pthread_mutex_lock(&readiness->lock);
    if (!readiness->text || clock_ms() >= readiness->until_ms)
        check_all(readiness, server->options.dependencies);
    bool stopping = atomic_load(&server->stage) != STAGE_RUNNING;
    bool is_ready = readiness->ready && !stopping;
    const char *data = arena_printf(&req->ctx.arena, "{\"status\":\"%s\",%s}",
                                    stopping ? "STOPPING" : is_ready ? "OK" : "MISSING", readiness->text);
    pthread_mutex_unlock(&readiness->lock);
    struct response *res = respond_json(req, is_ready ? 200 : 503, is_ready ? "ready" : "not ready", data);
    if (!is_ready)
        response_header(req, res, "Retry-After", "1");
    return res;
}

/* For whoever watches the process itself: not for the world behind the edge. */
static struct response *metrics(struct request *req)
{
    const struct server *server = req->service;
    if (request_header(req, "x-forwarded-for"))
        return ctx_fail(&req->ctx, ERROR_NOT_FOUND, "%s", unrouted_text(0));
    struct buf out = BUF(&req->ctx.arena);
    buf_text(&out, "");
    metrics_write(server->options.metrics, &out);
    return respond_raw(req, 200, "text/plain; version=0.0.4; charset=utf-8", out.data, out.size);
}

const struct route status_routes[] = {
    { GET, "/health", health, .on_loop = true, .summary = "alive" },
    { GET, "/ready", ready, .summary = "every dependency by name; 503 when one is missing" },
    { GET, "/metrics", metrics, .on_loop = true, .summary = "Prometheus" },
    { 0 },
};
