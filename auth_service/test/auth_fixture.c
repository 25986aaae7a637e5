#include "auth_fixture.h"

#include "auth_collections.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "store/migrate.h"
#include "user/user_store.h"

#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS_MAX = 64 };

struct auth_fixture fixture;
struct fixture_options fixture_options;

/* A request and what it allocated: kept, so that tests may look at answers as long as they like. */
struct kept {
    struct request req;
    json_t *json;
    struct kept *next;
};
static struct kept *kept;
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;

static struct kept *keep(void)
{
    struct kept *one = calloc(1, sizeof *one);
    cr_assert_not_null(one);
    pthread_mutex_lock(&kept_lock);
    one->next = kept;
    kept = one;
    pthread_mutex_unlock(&kept_lock);
    return one;
}

static void forget(void)
{
    while (kept) {
        struct kept *one = kept;
        kept = one->next;
        json_decref(one->json);
        ctx_finish(&one->req.ctx);
        free(one);
    }
}

const char *format(const char *text, ...)
{
    struct kept *one = keep();
    va_list args;
    va_start(args, text);
    const char *out = arena_vprintf(&one->req.ctx.arena, text, args);
    va_end(args);
    return out;
}

static const char *store_url(void)
{
    const char *server = getenv("TEST_STORE_URL");
    unsigned char id[6];
    random_bytes(id, sizeof id);
    if (server && *server)
        return arena_printf(&fixture.ctx.arena, "%s/auth_%s", server, hex_encode(&fixture.ctx.arena, id, sizeof id));
    return arena_printf(&fixture.ctx.arena, "embedded:%s", fixture.dir);
}

struct store *auth_store_open(void)
{
    struct ctx *ctx = &fixture.ctx;
    const char *ferretdb = getenv("STORE_FERRETDB");
    const struct store_options options = { .url = fixture.store_url,
                                           .service = "auth",
                                           .ferretdb = ferretdb && *ferretdb == '1' };
    struct store *store = store_open(ctx, &options, auth_collections);
    cr_assert(store, "%s", ctx->error ? ctx->error->message : "");
    return store;
}

static void open_store(void)
{
    struct ctx *ctx = &fixture.ctx;
    const char *root = getenv("ROOT");
    fixture.store_url = store_url();
    fixture.store = auth_store_open();
    const char *migrations = arena_printf(&ctx->arena, "%s/migrations/auth", root ? root : ".");
    cr_assert(migrate(ctx, fixture.store, migrations, auth_steps, NULL), "%s", ctx->error ? ctx->error->message : "");
    cr_assert(migrate_check(ctx, fixture.store, migrations));
}

static void open_feed(void)
{
    struct ctx *ctx = &fixture.ctx;
    fixture.bus = bus_open(
        ctx, &(struct bus_options){ .url = fixture_options.nats_url ? fixture_options.nats_url : "nats://127.0.0.1:1",
                                    .name = "auth",
                                    .instance = "test",
                                    .queue = 256 });
    cr_assert(fixture.bus, "%s", ctx->error ? ctx->error->message : "");
    fixture.feed = feed_open(ctx, &(struct feed_options){ .bus = fixture.bus, .keep_ms = 60000 });
    cr_assert(fixture.feed, "%s", ctx->error ? ctx->error->message : "");
}

static bool open_parts(void)
{
    const struct auth_options options = {
        .store = fixture.store,
        .feed = fixture.feed,
        .master = &fixture.master,
        .alg = fixture_options.alg ? fixture_options.alg : JWT_ES256,
        .signing_key_file = fixture_options.signing_key_file,
        .issuer = "https://issuer.test",
        .audience = "tonearm-test",
        .access_ttl_ms = 15 * 60 * 1000,
        .audit_keep_ms = 24LL * 3600 * 1000,
        .audit_keep_signins_ms = 12LL * 3600 * 1000,
        .refresh_ttl_ms = 30LL * 24 * 3600 * 1000,
        .cost = fixture_options.cost.operations ? fixture_options.cost : (struct password_cost){ 1, 8192 },
        .redis_url = fixture_options.redis_url,
        .redis_ms = fixture_options.redis_ms,
        .trusted = fixture_options.trusted,
        .providers = fixture_options.providers,
        .tokens_remembered = fixture_options.tokens_remembered ? fixture_options.tokens_remembered : 100,
    };
    return auth_parts_open(&fixture.ctx, &fixture.parts, &options);
}

void auth_start(void)
{
    log_start("test", LOG_ERROR);
    fixture = (struct auth_fixture){ .ctx.request_id = "",
                                     .master = { .name = "AUTH_MASTER_SECRET",
                                                 .fixed = "a master secret of more than 32 characters" } };
    strcpy(fixture.dir, "/tmp/tonearm-auth-XXXXXX");
    cr_assert(mkdtemp(fixture.dir));
    open_store();
    open_feed();
    cr_assert(open_parts(), "%s", fixture.ctx.error ? fixture.ctx.error->message : "");
}

bool auth_restart(void)
{
    auth_parts_close(&fixture.parts);
    fixture.parts = (struct auth_parts){ 0 };
    return open_parts();
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *ftw)
{
    (void)about;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void auth_stop(void)
{
    feed_close(fixture.feed);
    bus_close(fixture.bus, 100);
    auth_parts_close(&fixture.parts);
    store_close(fixture.store);
    nftw(fixture.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    forget();
    ctx_finish(&fixture.ctx);
}

static struct answer answer_of(struct kept *one, struct response *res)
{
    struct request *req = &one->req;
    if (!res)
        res = respond_error(req);
    struct answer answer = { .status = res->status,
                             .text = arena_memdup(&req->ctx.arena, res->body ? res->body : "", res->size),
                             .headers = res->headers };
    one->json = json_loadb(answer.text, res->size, 0, NULL);
    answer.body = one->json;
    answer.data = json_object_get(one->json, "data");
    answer.message = json_string_value(json_object_get(one->json, "message"));
    return answer;
}

/* "a=b&c=d": the tests need nothing encoded. */
static const struct pair *query_of(struct arena *arena, char *text)
{
    struct pair *pairs = arena_array(arena, struct pair, 8);
    size_t count = 0;
    char *rest = NULL;
    for (char *one = strtok_r(text, "&", &rest); one && count < 7; one = strtok_r(NULL, "&", &rest)) {
        char *value = strchr(one, '=');
        if (value)
            *value++ = 0;
        pairs[count++] = (struct pair){ one, value ? value : "" };
    }
    return pairs;
}

static const struct pair *headers_of(struct arena *arena, const struct call *call)
{
    struct pair *headers = arena_array(arena, struct pair, 8);
    size_t count = 0;
    if (call->header)
        headers[count++] = (struct pair){ call->header, call->value };
    headers[count++] = (struct pair){ "user-agent", "Tests/1.0" };
    if (call->token)
        headers[count++] = (struct pair){ "authorization", arena_printf(arena, "Bearer %s", call->token) };
    if (call->key)
        headers[count++] = (struct pair){ "x-api-key", call->key };
    return headers;
}

static void fill(struct request *req, const struct call *call)
{
    struct arena *arena = &req->ctx.arena;
    char *path = arena_strdup(arena, call->path);
    char *query = strchr(path, '?');
    if (query)
        *query++ = 0;
    req->ctx.request_id = "test";
    req->ctx.locale = "en";
    req->ctx.deadline_ms = call->late ? 1 : clock_ms() + 30000;
    req->method = call->method;
    req->path = path;
    req->prefix = "";
    req->host = "localhost";
    req->scheme = call->scheme ? call->scheme : "http";
    req->query = query_of(arena, query ? query : arena_strdup(arena, ""));
    req->headers = headers_of(arena, call);
    req->body = call->body;
    req->body_size = call->body ? strlen(call->body) : 0;
    req->body_fd = -1;
    req->peer = call->peer ? call->peer : "192.0.2.7";
}

static const struct route *find_route(struct request *req)
{
    for (const struct mount *mount = fixture.parts.mounts; mount->routes; mount++) {
        unsigned allowed;
        const struct route *route = route_match(mount->routes, req->method, req->path, &req->ctx.arena, &req->params,
                                                &allowed);
        req->service = mount->service;
        if (route)
            return route;
    }
    ctx_fail(&req->ctx, ERROR_NOT_FOUND, "no such path");
    return NULL;
}

/* What the server does before a handler. */
static bool admit(struct request *req, const struct call *call)
{
    const struct route *route = req->route;
    const struct authority *authority = &fixture.parts.authority;
    if (route->access != PUBLIC && call->key && !(req->key = authority->key(&req->ctx, authority->self, call->key)))
        return false;
    if (route->access != SIGNED_IN)
        return true;
    if (!call->token)
        return ctx_fail(&req->ctx, ERROR_UNAUTHORIZED, "sign in first");
    req->caller = authority->token(&req->ctx, authority->self, call->token);
    const char *needed = route->role ? route->role : route->permission;
    return req->caller &&
           (!needed || authority->role(&req->ctx, authority->self, req->caller, (const char *const[]){ needed, NULL }));
}

struct answer call_route(const struct call *call)
{
    struct kept *one = keep();
    struct request *req = &one->req;
    fill(req, call);
    req->route = find_route(req);
    struct response *res = req->route && admit(req, call) ? req->route->handler(req) : NULL;
    cr_assert(res || req->ctx.error, "%s failed and does not say why", call->path);
    return answer_of(one, res);
}

struct answer call_subject(const char *name, const char *body, bool late)
{
    struct kept *one = keep();
    struct request *req = &one->req;
    fill(req, &(struct call){ .path = name, .body = body, .late = late });
    for (const struct subject_mount *mount = fixture.parts.subject_mounts; mount->subjects; mount++)
        for (const struct subject *subject = mount->subjects; subject->name; subject++)
            if (strcmp(subject->name, name) == 0) {
                req->service = mount->service;
                return answer_of(one, subject->handler(req));
            }
    cr_assert_fail("no subject %s", name);
    abort();
}

json_t *json_at(const json_t *json, const char *path)
{
    const char *dot = strchrnul(path, '.');
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)(dot - path), path);
    json_t *found = json_is_array(json) ? json_array_get(json, (size_t)atoi(name)) : json_object_get(json, name);
    return found && *dot ? json_at(found, dot + 1) : found;
}

const char *text_at(const json_t *json, const char *path)
{
    return json_string_value(json_at(json, path));
}

bool has_violation(const struct answer *answer, const char *field, const char *rule)
{
    size_t i;
    json_t *error;
    json_array_foreach(json_object_get(answer->body, "errors"), i,
                       error) if (text_equal(text_at(error, "field"), field) &&
                                  text_equal(text_at(error, "rule"), rule)) return true;
    return false;
}

/* A claim of a token, without looking at its signature. */
static const char *claim(const char *token, const char *name)
{
    struct kept *one = keep();
    struct arena *arena = &one->req.ctx.arena;
    const char *dot = strchr(token, '.');
    char *payload = arena_memdup(arena, dot + 1, strcspn(dot + 1, "."));
    size_t size;
    const char *json = (const char *)base64url_decode(arena, payload, &size);
    one->json = json_loadb(json, size, 0, NULL);
    return text_at(one->json, name);
}

struct person person_of(const json_t *tokens)
{
    const char *access = text_at(tokens, "accessToken");
    cr_assert_not_null(access);
    return (struct person){ .id = claim(access, "sub"),
                            .access = access,
                            .refresh = text_at(tokens, "refreshToken"),
                            .session = claim(access, "sid") };
}

static struct person enter(const char *path, const char *name, int status)
{
    const char *email = format("%s@example.com", name);
    struct answer answer = CALL(
        POST, path, format("{\"email\":\"%s\",\"password\":\"correct horse\",\"name\":\"%s\"}", email, name));
    cr_assert_eq(answer.status, status, "%s", answer.text);
    struct person person = person_of(json_at(answer.data, "tokens"));
    person.email = email;
    return person;
}

struct person signup(const char *name)
{
    return enter("/signup/basic", name, 201);
}

struct person signin(const char *name)
{
    return enter("/signin/basic", name, 200);
}

struct person admin(void)
{
    struct person person = signup("admin");
    const char *codes[] = { ROLE_LISTENER, ROLE_ADMIN };
    cr_assert(user_set_roles(&fixture.ctx, &fixture.parts.users, person.id, &(struct list){ codes, 2 }));
    return person;
}

struct answer refresh(const char *token)
{
    return CALL(POST, "/token/refresh", format("{\"refreshToken\":\"%s\"}", token));
}

struct task {
    pthread_t thread;
    pthread_barrier_t *start;
    void (*each)(void *self, size_t number);
    void *self;
    size_t number;
};

static void *run_task(void *self)
{
    struct task *task = self;
    pthread_barrier_wait(task->start);
    task->each(task->self, task->number);
    return NULL;
}

void at_once(size_t threads, void (*each)(void *self, size_t number), void *self)
{
    struct task tasks[THREADS_MAX];
    pthread_barrier_t start;
    cr_assert_leq(threads, THREADS_MAX);
    pthread_barrier_init(&start, NULL, (unsigned)threads);
    for (size_t i = 0; i < threads; i++) {
        tasks[i] = (struct task){ .start = &start, .each = each, .self = self, .number = i };
        cr_assert_eq(pthread_create(&tasks[i].thread, NULL, run_task, &tasks[i]), 0);
    }
    for (size_t i = 0; i < threads; i++)
        pthread_join(tasks[i].thread, NULL);
    pthread_barrier_destroy(&start);
}
