#include "http/test_service.h"

#include "base/clock.h"
#include "base/log.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct service service;

struct echo {
    const char *method, *path, *prefix, *host, *scheme, *peer, *body, *locale, *query, *consumer, *forwarded, *proof,
        *param;
    const char *caller, *key;
};

static const struct field echo_fields[] = {
    FIELD("method", TEXT, struct echo, method),
    FIELD("path", TEXT, struct echo, path),
    FIELD("prefix", TEXT, struct echo, prefix),
    FIELD("host", TEXT, struct echo, host),
    FIELD("scheme", TEXT, struct echo, scheme),
    FIELD("peer", TEXT, struct echo, peer),
    FIELD("body", TEXT, struct echo, body),
    FIELD("locale", TEXT, struct echo, locale),
    FIELD("query", TEXT, struct echo, query),
    FIELD("consumer", TEXT, struct echo, consumer),
    FIELD("forwarded", TEXT, struct echo, forwarded),
    FIELD("proof", TEXT, struct echo, proof),
    FIELD("param", TEXT, struct echo, param),
    FIELD("caller", TEXT, struct echo, caller),
    FIELD("key", TEXT, struct echo, key),
    { 0 },
};

static struct response *echo(struct request *req)
{
    struct echo out = {
        .method = method_name(req->method),
        .path = req->path,
        .prefix = req->prefix,
        .host = req->host,
        .scheme = req->scheme,
        .peer = req->peer,
        .body = req->body,
        .locale = req->ctx.locale,
        .query = request_query(req, "q"),
        .consumer = request_header(req, "x-consumer-id"),
        .forwarded = request_header(req, "x-forwarded-for"),
        .proof = request_header(req, "x-tonearm-edge"),
        .param = request_param(req, "name"),
        .caller = req->caller ? req->caller->user_id : NULL,
        .key = req->key ? req->key->id : NULL,
    };
    struct response *res = respond(req, "echo", echo_fields, &out);
    response_header(req, res, "X-Evil", "a\r\nInjected: yes");
    response_header(req, res, "X-Good", "yes");
    return res;
}

static struct response *kept(struct request *req)
{
    int calls = atomic_fetch_add(&service.calls, 1) + 1;
    struct response *res = respond_json(req, 200, "kept", arena_printf(&req->ctx.arena, "%d", calls));
    response_header(req, res, "X-Kept", "yes");
    return res;
}

static void nap(int ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L }, NULL);
}

static struct response *slow(struct request *req)
{
    atomic_fetch_add(&service.begun, 1);
    nap(100);
    return respond_json(req, 200, "slow", NULL);
}

static struct response *gate(struct request *req)
{
    atomic_fetch_add(&service.begun, 1);
    while (!atomic_load(&service.gate_open))
        nap(2);
    return respond_json(req, 200, "through", NULL);
}

/* Filled by a drop that comes while it runs. */
static struct response *overtaken(struct request *req)
{
    struct response *res = kept(req);
    answers_drop(service.server, "overtaken");
    return res;
}

static const struct {
    const char *name;
    enum error_code code;
} failures[] = {
    { "invalid", ERROR_INVALID },
    { "limited", ERROR_LIMITED },
    { "unavailable", ERROR_UNAVAILABLE },
    { "internal", ERROR_INTERNAL },
};

static struct response *failing(struct request *req)
{
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++)
        if (strcmp(failures[i].name, request_param(req, "how")) == 0)
            ctx_fail(&req->ctx, failures[i].code, "failed on purpose");
    if (req->ctx.error && req->ctx.error->code == ERROR_LIMITED)
        req->ctx.error->retry_after_s = 7;
    return NULL;
}

static struct response *violations(struct request *req)
{
    ctx_violation(&req->ctx, "email", "email", "this is \"no\" address");
    ctx_violation(&req->ctx, "name", "min", "too short");
    return NULL;
}

static struct response *page(struct request *req)
{
    size_t limit = 0;
    const char *cursor = NULL;
    if (!request_page(req, &limit, &cursor))
        return NULL;
    struct echo items[2] = { { .path = "one" }, { .path = "two" } };
    const char *next = arena_printf(&req->ctx.arena, "%zu after %s", limit, cursor ? cursor : "nothing");
    return respond_page(req, "page", echo_fields, items, sizeof *items, 2, next);
}

static struct response *list(struct request *req)
{
    struct echo items[2] = { { .path = "one" }, { .path = "two" } };
    return respond_list(req, "list", echo_fields, items, sizeof *items, request_query(req, "none") ? 0 : 2);
}

static struct response *created(struct request *req)
{
    return respond_created(req, "made", NULL, NULL);
}

static struct response *empty(struct request *req)
{
    return respond_raw(req, 204, NULL, NULL, 0);
}

static struct response *parsed(struct request *req)
{
    struct echo in = { 0 };
    return request_body(req, echo_fields, &in) ? respond(req, "parsed", echo_fields, &in) : NULL;
}

unsigned char file_byte(size_t at)
{
    return (unsigned char)(at * 7 + at / 251);
}

static struct response *file(struct request *req)
{
    int fd = open(service.file, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0)
        return ctx_fail(&req->ctx, ERROR_INTERNAL, "no file");
    return respond_source(req, "audio/flac", (struct source){ .fd = fd, .size = info.st_size, .etag = "\"tag\"" });
}

/* Tells more than the file has. */
static struct response *short_file(struct request *req)
{
    struct response *res = file(req);
    res->source.size += 1000;
    return res;
}

/* The pipe's writing end is a child's, as with a transcoder; ?count= lines, one each 10 ms. */
static struct response *piped(struct request *req)
{
    int ends[2];
    const char *count = request_query(req, "count");
    if (pipe2(ends, O_CLOEXEC) != 0)
        return ctx_fail(&req->ctx, ERROR_INTERNAL, "no pipe");
    if (fork() == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close_range(3, ~0U, 0);
        for (int i = 0; i < atoi(count ? count : "3"); i++) {
            if (write(STDOUT_FILENO, "line\n", 5) != 5)
                _exit(1);
            nap(10);
        }
        _exit(0);
    }
    close(ends[1]);
    return respond_source(req, "text/plain", (struct source){ .fd = ends[0], .size = -1 });
}

/* What came as a file: its size, what the request says, and the sum of its bytes. */
static struct response *spooled(struct request *req)
{
    char buffer[65536];
    uint64_t sum = 0;
    size_t size = 0;
    for (ssize_t got; (got = read(req->body_fd, buffer, sizeof buffer)) > 0; size += (size_t)got)
        for (ssize_t i = 0; i < got; i++)
            sum = sum * 31 + (unsigned char)buffer[i];
    struct stat info = { 0 };
    fstat(req->body_fd, &info);
    return respond_json(req, 200, "spooled",
                        arena_printf(&req->ctx.arena, "{\"size\":%zu,\"told\":%zu,\"sum\":\"%llx\",\"links\":%d}", size,
                                     req->body_size, (unsigned long long)sum, (int)info.st_nlink));
}

static const struct route routes[] = {
    { GET, "/public/{name}", echo },
    { POST, "/public/{name}", echo },
    { GET, "/public/loop", echo, .on_loop = true },
    { GET, "/key/{name}", echo, KEY },
    { GET, "/key/loop", echo, KEY, .on_loop = true },
    { GET, "/signed", echo, SIGNED_IN },
    { GET, "/admin", echo, SIGNED_IN, .role = "ADMIN" },
    { GET, "/publish", echo, SIGNED_IN, .permission = "track:publish" },
    { GET, "/public/kept", kept, .cache = "kept" },
    { GET, "/key/kept", kept, KEY, .cache = "kept" },
    { GET, "/public/overtaken", overtaken, .cache = "overtaken" },
    { GET, "/fail/{how}", failing },
    { GET, "/kept/fail/{how}", failing, .cache = "fail" },
    { GET, "/violations", violations },
    { GET, "/page", page },
    { GET, "/list", list },
    { POST, "/created", created },
    { GET, "/empty", empty, .on_loop = true },
    { POST, "/parsed", parsed },
    { GET, "/slow", slow },
    { GET, "/gate", gate },
    { GET, "/gate/short", gate, .deadline_ms = 50 },
    { GET, "/file", file },
    { GET, "/file/short", short_file },
    { GET, "/piped", piped },
    { PUT, "/spooled", spooled, .body_max = 64 << 20, .body_to_file = true },
    { PUT, "/large", echo, .body_max = 1 << 20 },
    { 0 },
};

static struct caller *token(struct ctx *ctx, void *self, const char *access_token)
{
    (void)self;
    if (atomic_load(&service.authority_away))
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "nobody can tell");
    while (strcmp(access_token, "nobody answers") == 0 && ctx_left_ms(ctx, 10000) > 0)
        nap(5);
    if (strcmp(access_token, "nobody answers") == 0)
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "nobody answers");
    if (strcmp(access_token, "ann's") != 0 && strcmp(access_token, "root's") != 0)
        return ctx_fail(ctx, ERROR_UNAUTHORIZED, "this token is not valid");
    struct caller *caller = arena_new(&ctx->arena, struct caller);
    caller->user_id = *access_token == 'a' ? "ann" : "root";
    return caller;
}

static bool role(struct ctx *ctx, void *self, const struct caller *caller, const char *const *any_of)
{
    (void)self;
    bool known = strcmp(any_of[0], "ADMIN") == 0 || strcmp(any_of[0], "track:publish") == 0;
    if (known && strcmp(caller->user_id, "root") == 0 && !any_of[1])
        return true;
    return ctx_fail(ctx, ERROR_FORBIDDEN, "this is for others");
}

static struct api_key *key(struct ctx *ctx, void *self, const char *text)
{
    (void)self;
    static const char *const general[] = { "GENERAL", NULL };
    static const char *const narrow[] = { "/other", "/key/", NULL };
    if (atomic_load(&service.authority_away))
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "nobody can tell");
    if (strcmp(text, "general") != 0 && strcmp(text, "narrow") != 0)
        return ctx_fail(ctx, ERROR_UNAUTHORIZED, "this key is not valid");
    struct api_key *out = arena_new(&ctx->arena, struct api_key);
    *out = (struct api_key){ .id = text, .scopes = *text == 'g' ? general : narrow };
    return out;
}

static const struct authority authority = { .token = token, .role = role, .key = key };

static bool dependency(struct ctx *ctx, void *self)
{
    (void)self;
    return !atomic_load(&service.dependency_away) || ctx_fail(ctx, ERROR_UNAVAILABLE, "away");
}

static bool never(struct ctx *ctx, void *self)
{
    (void)self;
    return ctx_fail(ctx, ERROR_UNAVAILABLE, "never there");
}

static void write_file(void)
{
    snprintf(service.file, sizeof service.file, "%s/file", service.spool);
    int fd = open(service.file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    unsigned char buffer[1000];
    for (size_t at = 0; at < 1000000; at += sizeof buffer) {
        for (size_t i = 0; i < sizeof buffer; i++)
            buffer[i] = file_byte(at + i);
        cr_assert_eq(write(fd, buffer, sizeof buffer), (ssize_t)sizeof buffer);
    }
    close(fd);
}

void service_prepare(void)
{
    static const struct mount mounts[] = { { routes, &service }, { 0 } };
    static const struct dependency dependencies[] = {
        { "store", dependency, NULL }, { "nats", dependency, NULL }, { "spare", never, NULL, .optional = true }, { 0 }
    };
    log_start("test", LOG_ERROR + 1);
    signal(SIGPIPE, SIG_IGN); /* as process_begin() does */
    strcpy(service.spool, "/tmp/tonearm-test.XXXXXX");
    cr_assert_not_null(mkdtemp(service.spool));
    write_file();
    service.secret = (struct secret){ .name = "EDGE_SECRET", .fixed = "the secret of the edge" };
    service.metrics = metrics_create();
    service.options = (struct server_options){
        .process = "test",
        .listen = "127.0.0.1:0",
        .loops = 2,
        .deadline_ms = 30000, /* 64 MB go to a disk that others use, too */
        .body_max = 64 << 20,
        .spool_dir = service.spool,
        .edge_secret = &service.secret,
        .trusted_proxies = "127.0.0.0/8",
        .mounts = mounts,
        .dependencies = dependencies,
        .authority = &authority,
        .metrics = service.metrics,
    };
}

void service_start(void)
{
    if (!service.workers)
        service.workers = workers_create(6, 1, 256);
    service.options.workers = service.workers;
    service.server = server_start(&service.ctx, &service.options);
    cr_assert_not_null(service.server, "%s", service.ctx.error ? service.ctx.error->message : "");
}

void service_end(void)
{
    atomic_store(&service.gate_open, true);
    if (service.server)
        server_stop(service.server, 1000);
    workers_destroy(service.workers);
    server_destroy(service.server);
    metrics_destroy(service.metrics);
    ctx_finish(&service.ctx);
    unlink(service.file);
    rmdir(service.spool);
}
