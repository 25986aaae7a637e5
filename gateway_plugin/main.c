/* tonearm-edge: the parts list. */
#include "base/log.h"
#include "base/settings.h"
#include "base/text.h"
#include "transform/compress.h"
#include "config/kong_docs.h"
#include "contract/process.h"
#include "process/edge_listen.h"
#include "process/edge_processes.h"
#include "process/edge_worker.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static const struct setting settings[] = {
    SETTING("EDGE_LISTEN", SETTING_TEXT, struct edge_settings, listen, .value = "127.0.0.1:8000",
            .help = "ADDR:PORT for HTTP/1.1 and HTTP/2 without TLS, several by comma; empty: off"),
    SETTING("EDGE_TLS_LISTEN", SETTING_TEXT, struct edge_settings, tls_listen, .value = "",
            .help = "ADDR:PORT for TLS, several by comma; empty: off"),
    SETTING(
        "EDGE_TLS_CERT", SETTING_TEXT, struct edge_settings, tls_cert, .value = "",
        .help =
            "PEM file with the certificate and its chain; several by comma: each is shown to who asks for a name in "
            "it, the first to all others"),
    SETTING("EDGE_TLS_KEY", SETTING_TEXT, struct edge_settings, tls_key, .value = "",
            .help = "PEM file with its key, as many as certificates"),
    SETTING("EDGE_ADMIN_LISTEN", SETTING_TEXT, struct edge_settings, admin_listen, .value = "127.0.0.1:8001",
            .help = "ADDR:PORT of the admin's side; empty: off"),
    SETTING("EDGE_CONFIG", SETTING_TEXT, struct edge_settings, config, .value = "gateway.yml", .required = true,
            .help = "Kong's declarative file; read again on SIGHUP"),
    SETTING("EDGE_THREADS", SETTING_INTEGER, struct edge_settings, threads, .value = "0", .min = 0, .max = 64,
            .help = "event loops in all; 0 = one for each core"),
    SETTING(
        "EDGE_PROCESSES", SETTING_INTEGER, struct edge_settings, processes, .value = "2", .min = 1,
        .max = EDGE_PROCESSES_MAX,
        .help = "processes that the loops are spread over, at most one for each: when one dies, the others serve on"),
    SETTING("EDGE_DNS_RESOLVER", SETTING_TEXT, struct edge_settings, dns_resolver, .value = "",
            .help = "ADDR[:PORT] of the name servers for targets and services, several by comma; empty: the machine's"),
    SETTING("EDGE_MEMBER_NETS", SETTING_TEXT, struct edge_settings, member_nets, .value = "127.0.0.0/8",
            .help = "CIDRs by comma in which members found over NATS may lie"),
    SETTING(
        "EDGE_TRUSTED_PROXIES", SETTING_TEXT, struct edge_settings, trusted_proxies, .value = "",
        .help =
            "CIDRs by comma of proxies before the edge: whom they name in X-Forwarded-For is the client, and what they "
            "say in X-Forwarded-Proto, -Host and -Port is how it asked"),
    SETTING("EDGE_SECRET", SETTING_SECRET, struct edge_settings, edge_secret, .min = 16, .max = 256,
            .help = "shown to tonearm's services in x-tonearm-edge: then they believe who the caller is"),
    SETTING("BODY_MAX", SETTING_BYTES, struct edge_settings, body_max, .value = "64M", .min = 1024, .max = 1LL << 32,
            .help = "the largest body of a request"),
    SETTING("EDGE_COMPRESS", SETTING_ENUM, struct edge_settings, compress, .value = "br,gzip", .values = compress_names,
            .help = "how answers are compressed for who accepts it"),
    SETTING("EDGE_CACHE", SETTING_BYTES, struct edge_settings, cache, .value = "64M", .min = 1 << 20, .max = 1LL << 40,
            .help = "memory for the answers that proxy-cache keeps, in all"),
    SETTING("DRAIN", SETTING_MS, struct edge_settings, drain_ms, .value = "10s", .min = 0, .max = 600000,
            .help = "how long a stop waits for requests under way"),
    SETTING(
        "NATS_URL", SETTING_TEXT, struct edge_settings, nats_url, .value = "nats://127.0.0.1:4222",
        .help = "nats://USER@HOST:PORT, several by comma; empty: the file alone says who the members and the keys are"),
    SETTING("NATS_PASSWORD", SETTING_SECRET, struct edge_settings, nats_password, .help = "of the user in NATS_URL"),
    SETTING("NATS_CA_FILE", SETTING_TEXT, struct edge_settings, nats_ca,
            .help = "certificates that NATS is verified by"),
    SETTING("NATS_CREDS_FILE", SETTING_TEXT, struct edge_settings, nats_creds,
            .help = "JWT and nkey, instead of a password"),
    SETTING("LOG_LEVEL", SETTING_ENUM, struct edge_settings, log_level, .value = "info", .values = log_level_names,
            .help = "the least that is logged"),
    OTLP_SETTINGS(struct edge_settings, otlp),
    SETTING("EDGE_ACCESS_LOG", SETTING_TEXT, struct edge_settings, access_log, .value = "",
            .help = "a line for each request in this file, or stdout, or stderr; opened anew on SIGHUP; empty: off"),
    SETTING("EDGE_ACCESS_LOG_FORMAT", SETTING_ENUM, struct edge_settings, access_log_format, .value = "json",
            .values = access_log_formats, .help = "json with Kong's names, or NCSA's common or combined lines"),
    SETTING("EDGE_ACCESS_LOG_SAMPLE", SETTING_INTEGER, struct edge_settings, access_log_sample, .value = "1", .min = 1,
            .max = 1000000, .help = "one request of so many; 1: all of them"),
    { 0 },
};

/* --check FILE: resolves and connects nothing. */
static int check(const char *file)
{
    struct arena arena = { 0 };
    struct faults faults = FAULTS(&arena, file);
    struct buf text = BUF(&arena);
    struct config *config = config_read_file(&faults, file);
    faults_write(&faults, &text);
    if (!config)
        fputs(text.data, stdout);
    int status = config ? EX_OK : EX_CONFIG;
    config_unref(config);
    arena_free(&arena);
    return status;
}

/* --docs from-kong: the tables that stand in docs/from-kong.md. */
static int docs(void)
{
    struct arena arena = { 0 };
    struct buf text = BUF(&arena);
    kong_docs_write(&text);
    fputs(text.data, stdout);
    arena_free(&arena);
    return EX_OK;
}

/* What is in force first, in memory that the processes share. NULL: it has faults. */
static struct edge_shared *share(struct ctx *ctx, const struct edge_settings *in)
{
    struct faults faults = FAULTS(&ctx->arena, in->config);
    struct buf text = BUF(&ctx->arena);
    struct config *config = config_read_file(&faults, in->config);
    if (!config) {
        faults_write(&faults, &text);
        fputs(text.data, stderr);
        return NULL;
    }
    struct edge_shared *shared = edge_shared_create(in);
    edge_shared_put(shared, config, true);
    config_unref(config);
    return shared;
}

/* Several processes: who is to be their parent finds out first what an address lacks. */
static int run_several(struct ctx *ctx, struct edge_settings *in, struct edge_shared *shared)
{
    if (edge_listen_hold(ctx, &in->listen) && edge_listen_hold(ctx, &in->tls_listen) &&
        edge_listen_hold(ctx, &in->admin_listen))
        return edge_processes_run(in, shared);
    log_failure(LOG_ERROR, ctx, "the edge cannot start");
    return ctx->error->code == ERROR_INVALID ? EX_CONFIG : EX_UNAVAILABLE;
}

static int run_alone(const struct edge_settings *in, struct edge_shared *shared)
{
    edge_shared_empty(shared, 0, in);
    return edge_worker_run(in, shared, 0, -1);
}

static bool is_empty(const char *list)
{
    return !list || !list[strspn(list, ",")];
}

static int run(struct ctx *ctx, struct edge_settings *in)
{
    if (is_empty(in->listen) && is_empty(in->tls_listen)) {
        fputs("EDGE_LISTEN and EDGE_TLS_LISTEN are both empty: nobody could ask\n", stderr);
        return EX_CONFIG;
    }
    struct edge_shared *shared = share(ctx, in);
    if (!shared)
        return EX_CONFIG;
    int status = shared->count > 1 ? run_several(ctx, in, shared) : run_alone(in, shared);
    edge_shared_destroy(shared);
    return status;
}

int main(int argc, char **argv)
{
    struct ctx ctx = { .request_id = "" };
    struct edge_settings in = { 0 };
    if (argc == 3 && text_equal(argv[1], "--check"))
        return check(argv[2]);
    if (argc == 3 && text_equal(argv[1], "--docs") && text_equal(argv[2], "from-kong"))
        return docs();
    process_begin();
    int status = EX_CONFIG;
    if (settings_load(&ctx, settings, &in, argc, argv, "tonearm-edge [--check FILE]: the front door", NULL)) {
        log_start("edge", (enum log_level)(in.log_level + 1));
        status = run(&ctx, &in);
    }
    ctx_finish(&ctx);
    return status;
}
