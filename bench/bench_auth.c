/*
 * bench_auth MODE SECONDS: what one process does by itself, a thread for each core.
 *   remembered  checks of a token that auth was asked about before (nats/authority.h), as media does for each request
 *               that is signed in; BENCH_TOKENS names a file with a token in each line, NATS_URL says where
 *   argon2id    a password's hash alone, at the service's own cost
 *   bcrypt      one at gomicro's cost, 5
 * Ends by itself.
 */
#include "bench_clock.h"

#include "base/log.h"
#include "base/random.h"
#include "crypto/password.h"
#include "nats/authority.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TOKENS = 64, THREADS_MAX = 64, KEEP_MS = 15 * 60 * 1000, READY_MS = 5000 };

/* The defaults of PASSWORD_OPERATIONS and PASSWORD_MEMORY. */
static const struct password_cost usual = { 2, 19 * 1024 * 1024 };
static const char password[] = "a bench of oak";

struct load {
    struct tally tally;
    struct authority authority;
    const char *tokens[TOKENS];
    size_t token_count;
    const char *hash;
    bool (*once)(struct ctx *ctx, struct load *load, size_t i);
    int64_t until_us;
};

static bool check(struct ctx *ctx, struct load *load, size_t i)
{
    return load->authority.token(ctx, load->authority.self, load->tokens[i % load->token_count]);
}

static bool compare(struct ctx *ctx, struct load *load, size_t i)
{
    (void)i;
    return password_matches(ctx, password, load->hash, usual, NULL);
}

static void *work(void *self)
{
    struct load *load = self;
    struct ctx ctx = { .request_id = "bench" };
    int64_t began = clock_us();
    for (size_t i = 0; began < load->until_us; i++) {
        bool good = load->once(&ctx, load, i);
        tally_add(&load->tally, began, good);
        ctx_finish(&ctx);
        ctx = (struct ctx){ .request_id = "bench" };
        began = clock_us();
    }
    return NULL;
}

static void run_load(struct load *load, const char *row, int64_t lasts_us)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t count = cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (size_t)cores;
    pthread_t threads[THREADS_MAX];
    int64_t began = clock_us(), used = cpu_us();
    load->until_us = began + lasts_us;
    for (size_t i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, work, load) != 0)
            abort();
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    tally_print(&load->tally, row, "ours", clock_us() - began, cpu_us() - used);
}

static bool read_tokens(struct ctx *ctx, struct load *load)
{
    const char *path = getenv("BENCH_TOKENS");
    FILE *file = path ? fopen(path, "re") : NULL;
    char line[8192];
    while (file && load->token_count < TOKENS && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        load->tokens[load->token_count++] = arena_strdup(&ctx->arena, line);
    }
    if (file)
        fclose(file);
    return load->token_count > 0;
}

/* The feed is whole, auth's keys are here, and each token has been asked about. */
static bool get_ready(struct ctx *ctx, struct load *load, struct remote_authority *remote)
{
    int64_t until = clock_ms() + READY_MS;
    while (!remote_authority_ready(ctx, remote) && clock_ms() < until) {
        ctx->error = NULL;
        usleep(20000);
    }
    for (size_t i = 0; !ctx->error && i < load->token_count; i++)
        check(ctx, load, i);
    return !ctx->error;
}

static int run_remembered(struct ctx *ctx, struct load *load, int64_t lasts_us)
{
    const char *url = getenv("NATS_URL");
    struct bus_options options = { .url = url, .name = "bench", .instance = id_new(&ctx->arena), .queue = 4096 };
    struct bus *bus = url && read_tokens(ctx, load) ? bus_open(ctx, &options) : NULL;
    struct remote_authority *remote =
        bus ? remote_authority_create(ctx,
                                      &(struct remote_authority_options){
                                          .bus = bus, .issuer = "tonearm", .audience = "tonearm", .keep_ms = KEEP_MS })
            : NULL;
    bool ready = false;
    if (remote) {
        load->authority = remote_authority(remote);
        load->once = check;
        ready = get_ready(ctx, load, remote);
    }
    if (ready)
        run_load(load, "auth-remembered", lasts_us);
    else
        fprintf(stderr, "bench_auth: %s\n", ctx->error ? ctx->error->message : "NATS_URL or BENCH_TOKENS says nothing");
    remote_authority_destroy(remote);
    if (bus)
        bus_close(bus, 1000);
    return ready ? 0 : 1;
}

static int run_argon2id(struct ctx *ctx, struct load *load, int64_t lasts_us)
{
    load->hash = password_hash(ctx, password, usual);
    load->once = compare;
    run_load(load, "auth-argon2id", lasts_us);
    return load->hash ? 0 : 1;
}

static int run_bcrypt(struct ctx *ctx, struct load *load, int64_t lasts_us)
{
    (void)ctx;
    load->hash = "$2b$05$abcdefghijklmnopqrstuuOiAu3WxMmnRKUoeOKVPsTvbM5m1DgfS"; /* of `password` */
    load->once = compare;
    run_load(load, "auth-bcrypt", lasts_us);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(struct ctx *ctx, struct load *load, int64_t lasts_us);
} modes[] = { { "remembered", run_remembered }, { "argon2id", run_argon2id }, { "bcrypt", run_bcrypt } };

int main(int argc, char **argv)
{
    static struct load load;
    struct ctx ctx = { .request_id = "" };
    int64_t lasts_us = argc == 3 ? atoll(argv[2]) * 1000000 : 0;
    log_start("bench", LOG_ERROR);
    for (size_t i = 0; lasts_us > 0 && i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(argv[1], modes[i].name) != 0)
            continue;
        int status = modes[i].run(&ctx, &load, lasts_us);
        ctx_finish(&ctx);
        return status;
    }
    fprintf(stderr, "usage: bench_auth remembered|argon2id|bcrypt SECONDS\n");
    return 64;
}
