/* tonearm-edge: the parts list. */
#include "base/log.h"
#include "base/settings.h"
#include "base/text.h"
#include "contract/process.h"
#include "edge.h"

#include <signal.h>
#include <stdio.h>
#include <sysexits.h>

static const struct setting settings[] = {
    SETTING("EDGE_LISTEN", SETTING_TEXT, struct edge_settings, listen, .value = "127.0.0.1:8000",
            .help = "ADDR:PORT for HTTP/1.1 and HTTP/2 without TLS, several by comma; empty: off"),
    SETTING("EDGE_TLS_LISTEN", SETTING_TEXT, struct edge_settings, tls_listen, .value = "",
            .help = "ADDR:PORT for TLS, several by comma; empty: off"),
    SETTING("EDGE_TLS_CERT", SETTING_TEXT, struct edge_settings, tls_cert, .value = "",
            .help = "PEM file with the certificate and its chain"),
    SETTING("EDGE_TLS_KEY", SETTING_TEXT, struct edge_settings, tls_key, .value = "", .help = "PEM file with its key"),
    SETTING("EDGE_ADMIN_LISTEN", SETTING_TEXT, struct edge_settings, admin_listen, .value = "127.0.0.1:8001",
            .help = "ADDR:PORT of the admin's side; empty: off"),
    SETTING("EDGE_CONFIG", SETTING_TEXT, struct edge_settings, config, .value = "gateway.yml", .required = true,
            .help = "Kong's declarative file; read again on SIGHUP"),
    SETTING("EDGE_THREADS", SETTING_INTEGER, struct edge_settings, threads, .value = "0", .min = 0, .max = 64,
            .help = "event loops; 0 = one for each core"),
    SETTING("EDGE_MEMBER_NETS", SETTING_TEXT, struct edge_settings, member_nets, .value = "127.0.0.0/8",
            .help = "CIDRs by comma in which members found over NATS may lie"),
    SETTING("EDGE_SECRET", SETTING_SECRET, struct edge_settings, edge_secret, .min = 16, .max = 256,
            .help = "shown to tonearm's services in x-tonearm-edge: then they believe who the caller is"),
    SETTING("BODY_MAX", SETTING_BYTES, struct edge_settings, body_max, .value = "64M", .min = 1024, .max = 1LL << 32,
            .help = "the largest body of a request"),
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

static void serve(struct edge *edge)
{
    while (process_wait() == SIGHUP)
        edge_reload(edge);
    log_info(NULL, "stopping");
    edge_stop(edge);
}

static int run(struct ctx *ctx, const struct edge_settings *in)
{
    struct faults faults = FAULTS(&ctx->arena, in->config);
    struct buf text = BUF(&ctx->arena);
    struct config *config = config_read_file(&faults, in->config);
    if (!config) {
        faults_write(&faults, &text);
        fputs(text.data, stderr);
        return EX_CONFIG;
    }
    struct edge *edge = edge_start(ctx, in, config);
    config_unref(config);
    if (!edge) {
        log_failure(LOG_ERROR, ctx, "the edge cannot start");
        return ctx->error && ctx->error->code == ERROR_INVALID ? EX_CONFIG : EX_UNAVAILABLE;
    }
    log_info(ctx, "ready");
    serve(edge);
    return EX_OK;
}

int main(int argc, char **argv)
{
    struct ctx ctx = { .request_id = "" };
    struct edge_settings in = { 0 };
    if (argc == 3 && text_equal(argv[1], "--check"))
        return check(argv[2]);
    process_begin();
    if (!settings_load(&ctx, settings, &in, argc, argv, "tonearm-edge [--check FILE]: the front door", NULL))
        return EX_CONFIG;
    log_start("edge", (enum log_level)(in.log_level + 1));
    int status = run(&ctx, &in);
    ctx_finish(&ctx);
    return status;
}
