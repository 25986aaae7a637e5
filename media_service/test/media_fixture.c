#include "test/media_fixture.h"

#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "blob/blob.h"
#include "blob/marker.h"
#include "departure/departure.h"
#include "probe/probe.h"
#include "store/migrate.h"
#include "test/audio_files.h"
#include "test/folder.h"
#include "track/cover_store.h"
#include "track/editor_http.h"
#include "track/studio_http.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct collection *const collections[] = { &track_collection, &cover_collection, &marker_collection,
                                                        &departed_collection, NULL };

static void note_shown(void *self)
{
    ((struct media_fixture *)self)->shown++;
}

static struct store *open_store(struct media_fixture *fixture)
{
    struct ctx *ctx = &fixture->ctx;
    const char *given = getenv("TEST_STORE_URL");
    struct store_options options = { .service = "media", .ferretdb = true };
    options.url = given ? arena_printf(&ctx->arena, "%s/media_%s", given, id_new(&ctx->arena))
                        : arena_printf(&ctx->arena, "embedded:%s/store", fixture->dir);
    struct store *store = store_open(ctx, &options, collections);
    const char *migrations = arena_printf(&ctx->arena, "%s/migrations/media", getenv("ROOT"));
    cr_assert(store && migrate(ctx, store, migrations, NULL, NULL), "%s", ctx->error ? ctx->error->message : "");
    return store;
}

void media_fixture_begin(struct media_fixture *fixture)
{
    struct ctx *ctx = &fixture->ctx;
    *fixture = (struct media_fixture){ .ctx.request_id = "" };
    folder_make(fixture->dir);
    fixture->store = open_store(fixture);
    fixture->blobs = blobs_open(ctx, arena_printf(&ctx->arena, "file:%s/blobs", fixture->dir));
    const char *helper = arena_printf(&ctx->arena, "%s/media_service/tonearm-probe", getenv("BUILD"));
    fixture->probe = probe_create(ctx, &(struct probe_options){ .path = helper, .helpers = 1, .limit_ms = 10000 });
    cr_assert(fixture->blobs && fixture->probe, "%s", ctx->error ? ctx->error->message : "");
    fixture->tracks = (struct tracks){
        .store = fixture->store, .blobs = fixture->blobs, .probe = fixture->probe, .shown = note_shown, .self = fixture
    };
}

void media_fixture_end(struct media_fixture *fixture)
{
    ctx_finish(&fixture->req.ctx);
    probe_destroy(fixture->probe);
    blobs_close(fixture->blobs);
    store_close(fixture->store);
    folder_remove(fixture->dir);
    ctx_finish(&fixture->ctx);
}

static const struct pair *query_of(struct arena *arena, char *text)
{
    struct pair *query = arena_array(arena, struct pair, 16);
    size_t count = 0;
    for (char *part = text ? strtok(text, "&") : NULL; part && count < 15; part = strtok(NULL, "&")) {
        char *value = strchr(part, '=');
        if (value)
            *value++ = '\0';
        query[count++] = (struct pair){ part, value ? value : "" };
    }
    return query;
}

static void new_request(struct media_fixture *fixture, const struct route *routes, const char *user, enum method method,
                        const char *path)
{
    struct request *req = &fixture->req;
    ctx_finish(&req->ctx);
    *req = (struct request){ .ctx.request_id = "r",
                             .method = method,
                             .prefix = "",
                             .host = "",
                             .scheme = "http",
                             .body_fd = -1,
                             .peer = "127.0.0.1",
                             .service = &fixture->tracks };
    struct arena *arena = &req->ctx.arena;
    char *plain = arena_strdup(arena, path), *query = strchr(plain, '?');
    if (query)
        *query++ = '\0';
    unsigned allowed;
    req->path = plain;
    req->query = query_of(arena, query);
    req->route = route_match(routes, method, plain, arena, &req->params, &allowed);
    if (user) {
        req->caller = arena_new(arena, struct caller);
        *req->caller = (struct caller){ .user_id = user, .name = arena_printf(arena, "Name of %s", user) };
    }
}

static const char *run(struct media_fixture *fixture, int *status)
{
    struct request *req = &fixture->req;
    *status = 404;
    if (!req->route)
        return NULL;
    struct response *res = req->route->handler(req);
    if (!res)
        res = respond_error(req);
    *status = res->status;
    if (res->source.fd >= 0)
        close(res->source.fd);
    return res->body ? arena_memdup(&fixture->ctx.arena, res->body, res->size) : "";
}

const char *media_call(struct media_fixture *fixture, const struct route *routes, const char *user, enum method method,
                       const char *path, const char *body, int *status)
{
    new_request(fixture, routes, user, method, path);
    fixture->req.body = body;
    fixture->req.body_size = body ? strlen(body) : 0;
    const char *text = run(fixture, status);
    return *status < 300 ? json_member(fixture, text, "data") : NULL;
}

int media_upload(struct media_fixture *fixture, const char *user, const char *id, int fd)
{
    int status;
    const struct route *routes = studio_routes(&fixture->ctx.arena, 64 << 20);
    new_request(fixture, routes, user, PUT, arena_printf(&fixture->ctx.arena, "/studio/tracks/%s/audio", id));
    fixture->req.body_fd = fd;
    run(fixture, &status);
    close(fd);
    return status;
}

const char *json_member(struct media_fixture *fixture, const char *json, const char *path)
{
    json_t *root = json ? json_loads(json, JSON_DECODE_ANY, NULL) : NULL;
    const json_t *at = root;
    char *names = arena_strdup(&fixture->ctx.arena, path);
    for (char *name = strtok(names, "."); name && at; name = strtok(NULL, "."))
        at = json_is_array(at) ? json_array_get(at, (size_t)atoi(name)) : json_object_get(at, name);
    const char *out = NULL;
    if (json_is_string(at)) {
        out = arena_strdup(&fixture->ctx.arena, json_string_value(at));
    } else if (at && !json_is_null(at)) {
        char *text = json_dumps(at, JSON_ENCODE_ANY | JSON_COMPACT);
        out = arena_strdup(&fixture->ctx.arena, text);
        free(text);
    }
    json_decref(root);
    return out;
}

const char *make_draft(struct media_fixture *fixture, const char *user, const char *title, const char *more)
{
    struct arena *arena = &fixture->ctx.arena;
    int status;
    const char *body = arena_printf(arena, "{\"title\":\"%s\"%s}", title, more);
    const char *data = media_call(fixture, studio_routes(arena, 1 << 20), user, POST, "/studio/tracks", body, &status);
    cr_assert_eq(status, 201, "%d", status);
    return json_member(fixture, data, "id");
}

const char *make_published(struct media_fixture *fixture, const char *user, const char *title, const char *more)
{
    struct arena *arena = &fixture->ctx.arena;
    const struct route *studio = studio_routes(arena, 1 << 20);
    const char *id = make_draft(fixture, user, title, more);
    int status;
    cr_assert_eq(media_upload(fixture, user, id, audio_file("flac", "-metadata artist='Some Band'")), 200);
    media_call(fixture, studio, user, PUT, arena_printf(arena, "/studio/tracks/%s/submit", id), NULL, &status);
    cr_assert_eq(status, 200);
    media_call(fixture, editor_routes, "editor", PUT, arena_printf(arena, "/editor/tracks/%s/publish", id), NULL,
               &status);
    cr_assert_eq(status, 200);
    return id;
}
