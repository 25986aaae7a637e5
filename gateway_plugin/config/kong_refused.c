/* Plugins of Kong's that the edge does not have, and what to do instead. */
#include "config/kong_refused.h"

#include "config/kong.h"

#include <string.h>

#define JWT_INSTEAD "key-auth or jwt; tonearm's auth service signs people in, through other providers too"
#define LOG_INSTEAD "the access log as JSON lines, which any collector reads (docs/logs-and-traces.md)"
#define CODE_INSTEAD "write a plugin in C (docs/writing-a-plugin.md): the edge runs no code of its file"
#define METRICS_INSTEAD "prometheus: GET /metrics on the admin's side"
#define GRPC_INSTEAD "nothing: the edge asks services over HTTP/1.1 or NATS"
#define AI_INSTEAD "nothing: the edge knows no models"

const struct kong_refused refused_plugins[] = {
    { "basic-auth", JWT_INSTEAD },
    { "hmac-auth", JWT_INSTEAD },
    { "ldap-auth", JWT_INSTEAD },
    { "oauth2", JWT_INSTEAD },
    { "openid-connect", JWT_INSTEAD },
    { "session", JWT_INSTEAD },
    { "header-cert-auth", JWT_INSTEAD },
    { "mtls-auth", JWT_INSTEAD },
    { "acme", "a client of ACME writes the files of `certificates`, and SIGHUP takes them" },
    { "bot-detection", "a route with `headers: {user-agent: ['~*...']}`" },
    { "request-termination", "a service that answers so, or ip-restriction to shut a route" },
    { "response-ratelimiting", "rate-limiting" },
    { "rate-limiting-advanced", "rate-limiting" },
    { "proxy-cache-advanced", "proxy-cache" },
    { "request-transformer-advanced", "request-transformer" },
    { "response-transformer-advanced", "response-transformer" },
    { "redirect", "a service that answers so; `https_redirect_status_code` for what moves to HTTPS" },
    { "aws-lambda", "a service of its own before it" },
    { "azure-functions", "a service of its own before it" },
    { "grpc-gateway", GRPC_INSTEAD },
    { "grpc-web", GRPC_INSTEAD },
    { "pre-function", CODE_INSTEAD },
    { "post-function", CODE_INSTEAD },
    { "http-log", LOG_INSTEAD },
    { "tcp-log", LOG_INSTEAD },
    { "udp-log", LOG_INSTEAD },
    { "syslog", LOG_INSTEAD },
    { "loggly", LOG_INSTEAD },
    { "kafka-log", LOG_INSTEAD },
    { "datadog", METRICS_INSTEAD },
    { "statsd", METRICS_INSTEAD },
    { "statsd-advanced", METRICS_INSTEAD },
    { "zipkin", "opentelemetry: its collectors take what zipkin does" },
    { "standard-webhooks", "the service that is called checks its callers' signatures" },
    { "ai-proxy", AI_INSTEAD },
    { "ai-prompt-decorator", AI_INSTEAD },
    { "ai-prompt-guard", AI_INSTEAD },
    { "ai-prompt-template", AI_INSTEAD },
    { "ai-request-transformer", AI_INSTEAD },
    { "ai-response-transformer", AI_INSTEAD },
    { 0 },
};

const char *kong_plugin_instead(struct arena *arena, const char *name)
{
    for (const struct kong_refused *row = refused_plugins; row->name; row++)
        if (strcmp(row->name, name) == 0)
            return arena_printf(arena, ": %s", row->instead);
    return "";
}
