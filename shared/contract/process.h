#pragma once
/* What every service's main.c has in common: settings, signals, an instance id. */
#include "base/settings.h"

struct common_settings {
    const char *listen;
    const char *nats_url;
    struct secret nats_password;
    const char *nats_ca, *nats_creds;
    struct secret edge_secret;
    const char *trusted_proxies;
    int log_level; /* enum log_level - 1 */
    int64_t workers, loops, deadline_ms, drain_ms;
};

struct store_settings {
    const char *url;
    bool ferretdb;
    const char *redis_url;
    const char *migrations;
    bool migrate;
};

extern const char *const log_level_names[];

/* `member` is a struct common_settings of `type`; listen_ names the setting. */
#define COMMON_SETTINGS(type, member, listen_, default_)                                                               \
    SETTING(listen_, SETTING_TEXT, type, member.listen, .value = default_, .required = true,                           \
            .help = "ADDR:PORT to serve HTTP on, several by comma; port 0 takes a free one"),                          \
        SETTING("NATS_URL", SETTING_TEXT, type, member.nats_url, .value = "nats://127.0.0.1:4222", .required = true,   \
                .help = "nats://USER@HOST:PORT, several by comma; tls:// verifies the server"),                        \
        SETTING("NATS_PASSWORD", SETTING_SECRET, type, member.nats_password, .help = "of the user in NATS_URL"),       \
        SETTING("NATS_CA_FILE", SETTING_TEXT, type, member.nats_ca, .help = "certificates that NATS is verified by"),  \
        SETTING("NATS_CREDS_FILE", SETTING_TEXT, type, member.nats_creds,                                              \
                .help = "JWT and nkey, instead of a password"),                                                        \
        SETTING("EDGE_SECRET", SETTING_SECRET, type, member.edge_secret, .min = 16, .max = 256,                        \
                .help = "proves the edge: who sends it in x-tonearm-edge is believed"),                                \
        SETTING("TRUSTED_PROXIES", SETTING_TEXT, type, member.trusted_proxies, .value = "127.0.0.0/8,::1/128",         \
                .help = "CIDRs whose X-Forwarded-For is believed"),                                                    \
        SETTING("LOG_LEVEL", SETTING_ENUM, type, member.log_level, .value = "info", .values = log_level_names,         \
                .help = "the least that is logged"),                                                                   \
        SETTING("WORKERS", SETTING_INTEGER, type, member.workers, .value = "8", .min = 2, .max = 256,                  \
                .help = "threads that run handlers; a quarter is kept for requests from NATS"),                        \
        SETTING("LOOPS", SETTING_INTEGER, type, member.loops, .value = "0", .min = 0, .max = 64,                       \
                .help = "event loops; 0 = one for each core, at most 4"),                                              \
        SETTING("REQUEST_DEADLINE", SETTING_MS, type, member.deadline_ms, .value = "5s", .min = 100, .max = 600000,    \
                .help = "how long a request may take"),                                                                \
        SETTING("DRAIN", SETTING_MS, type, member.drain_ms, .value = "10s", .min = 0, .max = 600000,                   \
                .help = "how long a stop waits for requests under way")

#define STORE_SETTINGS(type, member, service_)                                                                         \
    SETTING("STORE_URL", SETTING_TEXT, type, member.url, .value = "embedded:run/data/" service_, .required = true,     \
            .help = "embedded:DIR, or mongodb://HOST:PORT/DATABASE"),                                                  \
        SETTING(                                                                                                       \
            "STORE_FERRETDB", SETTING_FLAG, type, member.ferretdb, .value = "0",                                       \
            .help = "take a FerretDB behind mongodb://: only where its updates go one at a time (docs/stores.md)"),    \
        SETTING("REDIS_URL", SETTING_TEXT, type, member.redis_url, .value = "redis://127.0.0.1:6379/0",                \
                .help = "redis://[:PASSWORD@]HOST:PORT/DB or unix:PATH"),                                              \
        SETTING("MIGRATIONS", SETTING_TEXT, type, member.migrations, .value = "migrations/" service_,                  \
                .help = "folder of this service's migrations"),                                                        \
        SETTING("MIGRATE", SETTING_FLAG, type, member.migrate, .value = "1", .help = "apply migrations at start")

/* First thing in main, before any thread: signals are taken by process_wait() alone, SIGPIPE is ignored, the limit of
 * open files raised. */
void process_begin(void);
/* Waits for SIGTERM, SIGINT or SIGHUP and returns which. */
int process_wait(void);
/* A name of this replica that no other has: 12 hexadecimal digits. */
char *process_instance(struct arena *arena);
