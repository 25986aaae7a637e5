#include "http/server_parts.h"

#include "base/text.h"

#include <string.h>
#include <strings.h>

enum {
    ACCESS_MS = 1400
}; /* for all that is asked about the caller: what cannot be told is 503 within 2 s, at the edge too */

/* The edge has checked the key, unless it says that this path needs none. */
static bool key_is_proven(const struct http_job *job)
{
    return job->from_edge && !job->anonymous;
}

bool access_is_free(const struct http_job *job)
{
    enum access access = job->req.route->access;
    return access == PUBLIC || (access == KEY && key_is_proven(job));
}

/* "/media" reaches "/media" and what lies below it, not "/mediathek". */
static bool scope_reaches(const char *scope, const char *path)
{
    size_t size = strlen(scope);
    while (size > 1 && scope[size - 1] == '/')
        size--;
    if (*scope != '/' || strncmp(path, scope, size) != 0)
        return false;
    return size == 1 || path[size] == 0 || path[size] == '/';
}

static bool any_scope_reaches(struct request *req)
{
    const char *path = arena_printf(&req->ctx.arena, "%s%s", req->prefix, req->path);
    for (const char *const *scope = req->key->scopes; scope && *scope; scope++)
        if (strcmp(*scope, "GENERAL") == 0 || scope_reaches(*scope, path))
            return true;
    return false;
}

static bool check_key(struct http_job *job)
{
    struct request *req = &job->req;
    const struct authority *authority = job->loop->server->options.authority;
    const char *key = request_header(req, "x-api-key");
    if (key_is_proven(job))
        return true;
    if (job->from_edge || !key || !*key)
        return ctx_fail(&req->ctx, ERROR_UNAUTHORIZED, "an API key is needed (X-API-Key)");
    req->key = authority->key(&req->ctx, authority->self, key);
    if (!req->key)
        return false;
    return any_scope_reaches(req) || ctx_fail(&req->ctx, ERROR_FORBIDDEN, "this API key does not reach here");
}

/* The token of "Bearer TOKEN"; NULL: none. */
static const char *bearer(const struct request *req)
{
    const char *header = request_header(req, "authorization");
    if (!header || strncasecmp(header, "Bearer ", 7) != 0)
        return NULL;
    const char *token = header + 7 + strspn(header + 7, " ");
    return *token ? token : NULL;
}

static bool check_token(struct http_job *job)
{
    struct request *req = &job->req;
    const struct authority *authority = job->loop->server->options.authority;
    const char *token = bearer(req);
    if (!token)
        return ctx_fail(&req->ctx, ERROR_UNAUTHORIZED, "an access token is needed (Authorization: Bearer)");
    req->caller = authority->token(&req->ctx, authority->self, token);
    if (!req->caller)
        return false;
    const char *needed = req->route->role ? req->route->role : req->route->permission;
    const char *any_of[] = { needed, NULL };
    return !needed || authority->role(&req->ctx, authority->self, req->caller, any_of);
}

static bool check(struct http_job *job)
{
    enum access access = job->req.route->access;
    if (access >= KEY && !check_key(job))
        return false;
    return access < SIGNED_IN || check_token(job);
}

bool access_check(struct http_job *job)
{
    struct ctx *ctx = &job->req.ctx;
    int64_t deadline_ms = ctx_shorten(ctx, ACCESS_MS);
    bool good = check(job);
    ctx->deadline_ms = deadline_ms;
    return good;
}
