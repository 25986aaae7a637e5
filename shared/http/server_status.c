#include "http/server_parts.h"

#include "base/clock.h"

#include <string.h>

enum { READY_KEPT_MS = 1000, UNREADY_KEPT_MS = 100, CHECKS_MS = 1000 };

/* What the last checks said. One worker at a time checks; the others take what there is, and wait only for the first.
 */
struct readiness {
    pthread_mutex_t lock;
    pthread_cond_t checked;
    bool checking;
    int64_t until_ms;
    bool ready;
    struct arena arena; /* of the text */
    const char *text;   /* NULL: never checked */
};

struct readiness *readiness_create(void)
{
    struct readiness *readiness = calloc(1, sizeof *readiness);
    if (!readiness)
        abort();
    pthread_mutex_init(&readiness->lock, NULL);
    pthread_cond_init(&readiness->checked, NULL);
    return readiness;
}

void readiness_destroy(struct readiness *readiness)
{
    if (!readiness)
        return;
    arena_free(&readiness->arena);
    pthread_cond_destroy(&readiness->checked);
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

/* Each by name, as text in `arena`. */
static bool check_all(const struct dependency *dependencies, struct arena *arena, const char **text)
{
    bool ready = true;
    struct buf out = BUF(arena);
    buf_text(&out, "\"dependencies\":{");
    for (const struct dependency *dependency = dependencies; dependency && dependency->name; dependency++) {
        bool there = check_one(dependency);
        ready = ready && (there || dependency->optional);
        buf_text(&out, dependency == dependencies ? "" : ",");
        buf_json(&out, dependency->name);
        buf_text(&out, there ? ":\"OK\"" : ":\"MISSING\"");
    }
    buf_char(&out, '}');
    *text = out.data;
    return ready;
}

/* Called with the lock, which is open while the checks run. */
static void renew(struct readiness *readiness, const struct dependency *dependencies)
{
    struct arena arena = { 0 };
    const char *text = NULL;
    readiness->checking = true;
    pthread_mutex_unlock(&readiness->lock);
    bool ready = check_all(dependencies, &arena, &text);
    pthread_mutex_lock(&readiness->lock);
    arena_free(&readiness->arena);
    readiness->arena = arena;
    readiness->text = text;
    readiness->ready = ready;
    readiness->until_ms = clock_ms() + (ready ? READY_KEPT_MS : UNREADY_KEPT_MS);
    readiness->checking = false;
    pthread_cond_broadcast(&readiness->checked);
}

/* A copy of the newest text. */
static const char *readiness_text(struct readiness *readiness, const struct dependency *dependencies,
                                  struct arena *arena, bool *ready)
{
    pthread_mutex_lock(&readiness->lock);
    if (!readiness->checking && (!readiness->text || clock_ms() >= readiness->until_ms))
        renew(readiness, dependencies);
    while (!readiness->text)
        pthread_cond_wait(&readiness->checked, &readiness->lock);
    const char *text = arena_strdup(arena, readiness->text);
    *ready = readiness->ready;
    pthread_mutex_unlock(&readiness->lock);
    return text;
}

static struct response *ready(struct request *req)
{
    const struct server *server = req->service;
    bool is_ready = false;
    const char *text = readiness_text(server->readiness, server->options.dependencies, &req->ctx.arena, &is_ready);
    bool stopping = atomic_load(&server->stage) != STAGE_RUNNING;
    is_ready = is_ready && !stopping;
    const char *status = stopping ? "STOPPING" : is_ready ? "OK" : "MISSING";
    const char *data = arena_printf(&req->ctx.arena, "{\"status\":\"%s\",%s}", status, text);
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
