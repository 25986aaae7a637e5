/* docs/api.md: every route, subject and field, from the tables that the services run on. */
#include "cli.h"

#include "admin/admin_http.h"
#include "apikey/apikeys_http.h"
#include "apikey/apikeys_nats.h"
#include "audit/audit_http.h"
#include "base/text.h"
#include "http/route.h"
#include "key/key_http.h"
#include "key/key_nats.h"
#include "nats/serve.h"
#include "profile/profile_http.h"
#include "profile/profile_nats.h"
#include "oauth/oauth_http.h"
#include "recovery/recovery_http.h"
#include "role/role_http.h"
#include "role/role_nats.h"
#include "search/search_http.h"
#include "search/search_nats.h"
#include "session/session_http.h"
#include "signin/signin_http.h"
#include "token/token_http.h"
#include "token/token_nats.h"
#include "track/editor_http.h"
#include "track/studio_http.h"
#include "track/track_http.h"
#include "track/track_nats.h"

struct documented {
    const char *title;
    const char *prefix;                /* of the public path */
    const struct route *const *routes; /* NULL-terminated */
    const struct subject *const *subjects;
};

static const struct route *const auth_routes[] = { signin_routes,  oauth_routes,   recovery_routes, token_routes,
                                                   session_routes, profile_routes, apikey_routes,   admin_routes,
                                                   role_routes,    audit_routes,   key_routes,      NULL };
static const struct subject *const auth_subjects[] = { token_subjects,   role_subjects, apikey_subjects,
                                                       profile_subjects, key_subjects,  NULL };

static const struct subject *const media_subjects[] = { track_subjects, search_subjects, NULL };

enum { AUDIO_MAX_BYTES = 64 << 20 }; /* what AUDIO_MAX is where nothing else is set */

static const char *const kinds[] = {
    [TEXT] = "text", [ID] = "id",       [INTEGER] = "integer", [NUMBER] = "number", [FLAG] = "flag",
    [TIME] = "time", [ENUM] = "one of", [LIST] = "list",       [RECORD] = "record", [JSON] = "JSON"
};

static void kind(const struct field *field)
{
    printf("%s", kinds[field->kind]);
    if (field->kind == LIST)
        printf(" of %s", kinds[field->item]);
    for (const char *const *value = field->kind == ENUM ? field->values : NULL; value && *value; value++)
        printf("%s %s", value == field->values ? "" : ",", *value);
}

static void rules(const struct field *field)
{
    if (field->required)
        printf(", required");
    if (field->min || field->max)
        printf(", %zu to %zu%s", field->min, field->max, field->kind == LIST ? " items" : " characters");
    if (field->least != 0 || field->most != 0)
        printf(", %.0f to %.0f", field->least, field->most);
    if (field->pattern)
        printf(", matches `%s`", field->pattern);
    if (field->rule)
        printf(", %s", field->rule);
}

static void fields(const struct field *table, int depth)
{
    for (const struct field *field = table; field && field->name; field++) {
        printf("%*s- `%s`: ", depth * 2, "", field->name);
        kind(field);
        rules(field);
        if (field->doc)
            printf(": %s", field->doc);
        printf("\n");
        if (field->record && depth < 4)
            fields(field->record, depth + 1);
    }
}

static void in_and_out(const struct field *in, const struct field *out, const char *asked, const char *answered)
{
    if (in) {
        printf("\n%s\n\n", asked);
        fields(in, 0);
    }
    if (out) {
        printf("\n%s\n\n", answered);
        fields(out, 0);
    }
    printf("\n");
}

static const char *who(const struct route *route)
{
    if (route->role || route->permission)
        return route->role ? route->role : route->permission;
    return route->access == PUBLIC ? "all" : route->access == KEY ? "key" : "signed in";
}

static void route_docs(const char *prefix, const struct route *routes)
{
    for (const struct route *route = routes; route->path; route++) {
        printf("### %s %s%s\n\n%s. Who: %s", method_name(route->method), prefix, route->path,
               route->summary ? route->summary : "-", who(route));
        if (route->body_max)
            printf("; body up to %zu KiB", route->body_max >> 10);
        if (route->cache)
            printf("; kept in the process for up to 5 s");
        printf(".\n");
        in_and_out(route->in, route->out, "Body:", "`data`:");
    }
}

static void subject_docs(const struct subject *subjects)
{
    for (const struct subject *subject = subjects; subject->name; subject++) {
        printf("### %s\n\n%s.\n", subject->name, subject->summary ? subject->summary : "-");
        in_and_out(subject->in, subject->out, "Request:", "Reply:");
    }
}

static void service_docs(const struct documented *service)
{
    printf("\n## %s: HTTP\n\n", service->title);
    for (const struct route *const *routes = service->routes; *routes; routes++)
        route_docs(service->prefix, *routes);
    printf("## %s: NATS\n\nErrors are `Nats-Service-Error` and `Nats-Service-Error-Code` headers.\n\n", service->title);
    for (const struct subject *const *subjects = service->subjects; *subjects; subjects++)
        subject_docs(*subjects);
}

bool cli_docs(struct cli *cli, char **args)
{
    if (!cli_done(cli, args))
        return false;
    printf(
        "# The API\n\n"
        "Made by `tonearm docs` from the tables of routes and subjects that the services run on; do not edit.\n\n"
        "Every call through the edge needs `X-API-Key`, but for those that say \"all\"; those that say \"signed "
        "in\" or name a\n"
        "role or a permission (`track:publish`: a role that may) need `Authorization: Bearer ACCESS_TOKEN` too. ADMIN passes every one.\n\n"
        "Success: `{\"code\":\"10000\",\"status\":200,\"message\":\"...\",\"data\":...}`. Failure:\n"
        "`{\"code\":\"10001\",\"status\":400,\"message\":\"...\",\"requestId\":\"...\",\"errors\":[{\"field\","
        "\"rule\",\"message\"}]}`, with `errors`\n"
        "for fields that break a rule, all of them at once. Lists take `?limit=` (1 to 100, 20 without) and "
        "`?cursor=` and answer\n"
        "`{\"items\":[...],\"next\":\"cursor or null\"}`. Bodies are at most 64 KiB where nothing else is said. "
        "`/health`, `/ready` and\n"
        "`/metrics` are there in every service. Messages are in the language of `?locale=`, then of `Accept-Language`: "
        "en, de, es,\nfr, hi, ja, zh.\n");
    const struct route *const media_routes[] = { track_routes, search_routes,
                                                 studio_routes(&cli->ctx->arena, AUDIO_MAX_BYTES), editor_routes,
                                                 NULL };
    service_docs(&(struct documented){ "Auth", "/auth", auth_routes, auth_subjects });
    service_docs(&(struct documented){ "Media", "/media", media_routes, media_subjects });
    return true;
}
