/*
 * bench_nats MODE SECONDS: questions over NATS, 64 under way at a time.
 *   token  auth.validate.token, asked of the running auth service; BENCH_TOKENS names a file with a token in each line
 *   echo   a service of ours (nats/serve.h) in this process, asked by bus_ask() over a second connection
 *   plain  the same question to a bare subscription, asked by 64 threads with natsConnection_Request()
 * NATS_URL says where. Ends by itself.
 */
#include "bench_clock.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/random.h"
#include "contract/messages.h"
#include "contract/subjects.h"
#include "nats/serve.h"

#include <nats/nats.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { UNDER_WAY = 64, TOKENS = 64, TIMEOUT_MS = 2000 };

static const char echo_subject[] = "bench.echo";
static const char echo_body[] = "{\"id\":\"655c1a2b3c4d5e6f70819203\"}";

struct load {
    struct tally *tally;
    struct bus *bus;
    const char *url;
    const char *subject;
    const char *bodies[TOKENS]; /* asked one after the other */
    size_t body_count;
    int64_t until_us;
    atomic_int under_way;
};

/* One question at a time, the next when it is answered. */
struct asker {
    struct load *load;
    struct ctx ctx;
    int64_t began_us;
    size_t next;
};

static void ask_next(struct asker *asker);

static void answered(void *self, int status, const char *data, size_t size)
{
    struct asker *asker = self;
    (void)data;
    tally_add(asker->load->tally, asker->began_us, status == 200 && size > 0);
    ask_next(asker);
}

static void ask_next(struct asker *asker)
{
    struct load *load = asker->load;
    ctx_finish(&asker->ctx);
    asker->ctx = (struct ctx){ .request_id = "bench" };
    asker->began_us = clock_us();
    const char *body = load->bodies[asker->next++ % load->body_count];
    if (asker->began_us >= load->until_us ||
        !bus_ask(&asker->ctx, load->bus, load->subject, body, strlen(body), TIMEOUT_MS, answered, asker))
        atomic_fetch_sub(&load->under_way, 1);
}

static void wait_ms(int64_t ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

static bool wait_for_bus(struct bus *bus)
{
    for (int i = 0; i < 500 && !bus_up(bus); i++)
        wait_ms(10);
    return bus_up(bus);
}

static struct bus *open_bus(struct ctx *ctx, const char *url, const char *name)
{
    struct bus_options options = { .url = url, .name = name, .instance = id_new(&ctx->arena), .queue = 4096 };
    struct bus *bus = bus_open(ctx, &options);
    if (!bus || !wait_for_bus(bus)) {
        fprintf(stderr, "bench_nats: no NATS at NATS_URL\n");
        exit(1);
    }
    return bus;
}

static void run_load(struct load *load, const char *row, int64_t lasts_us)
{
    static struct asker askers[UNDER_WAY];
    int64_t began = clock_us();
    load->until_us = began + lasts_us;
    atomic_store(&load->under_way, UNDER_WAY);
    for (size_t i = 0; i < UNDER_WAY; i++) {
        askers[i] = (struct asker){ .load = load, .next = i };
        ask_next(&askers[i]);
    }
    while (atomic_load(&load->under_way) > 0)
        wait_ms(1);
    tally_print(load->tally, row, "ours", clock_us() - began, 0);
}

static bool read_tokens(struct ctx *ctx, struct load *load)
{
    const char *path = getenv("BENCH_TOKENS");
    FILE *file = path ? fopen(path, "re") : NULL;
    char line[8192];
    while (file && load->body_count < TOKENS && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        struct buf body = BUF(&ctx->arena);
        record_json(&body, validate_token_fields,
                    &(struct validate_token){ .access_token = arena_strdup(&ctx->arena, line) });
        load->bodies[load->body_count++] = body.data;
    }
    if (file)
        fclose(file);
    return load->body_count > 0;
}

static int run_token(struct ctx *ctx, struct load *load, int64_t lasts_us)
{
    load->subject = SUBJECT_VALIDATE_TOKEN;
    if (!read_tokens(ctx, load)) {
        fprintf(stderr, "bench_nats: BENCH_TOKENS names no file with tokens\n");
        return 1;
    }
    load->bus = open_bus(ctx, load->url, "bench");
    run_load(load, "nats-token", lasts_us);
    bus_close(load->bus, 1000);
    return 0;
}

static struct response *echo(struct request *req)
{
    struct by_id in = { 0 };
    return request_body(req, by_id_fields, &in) ? reply(req, by_id_fields, &in) : NULL;
}

static const struct subject echo_subjects[] = {
    { echo_subject, echo, .summary = "says what it was told", .in = by_id_fields, .out = by_id_fields },
    { 0 },
};

static int run_echo(struct ctx *ctx, struct load *load, int64_t lasts_us)
{
    struct bus *served = open_bus(ctx, load->url, "bench-service");
    struct workers *workers = workers_create(8, 2, 1024);
    struct metrics *metrics = metrics_create();
    struct service_options options = { .name = "bench",
                                       .version = "1.0.0",
                                       .description = "bench",
                                       .subjects = echo_subjects,
                                       .metadata = (const struct pair[]){ { 0 } },
                                       .workers = workers,
                                       .metrics = metrics };
    struct service *service = service_start(ctx, served, &options);
    if (!service) {
        fprintf(stderr, "bench_nats: %s\n", ctx->error->message);
        return 1;
    }
    load->subject = echo_subject;
    load->bodies[load->body_count++] = echo_body;
    load->bus = open_bus(ctx, load->url, "bench");
    wait_ms(200); /* the subscription reaches the server */
    run_load(load, "nats-echo", lasts_us);
    bus_close(load->bus, 1000);
    service_stop(service);
    workers_drain(workers, 1000);
    bus_close(served, 1000);
    service_destroy(service);
    workers_destroy(workers);
    metrics_destroy(metrics);
    return 0;
}

static void plain_echo(natsConnection *connection, natsSubscription *subscription, natsMsg *msg, void *self)
{
    (void)subscription;
    (void)self;
    natsConnection_Publish(connection, natsMsg_GetReply(msg), natsMsg_GetData(msg), natsMsg_GetDataLength(msg));
    natsMsg_Destroy(msg);
}

struct plain {
    struct load *load;
    natsConnection *connection;
};

static void *plain_ask(void *self)
{
    struct plain *plain = self;
    while (clock_us() < plain->load->until_us) {
        natsMsg *answer = NULL;
        int64_t began = clock_us();
        natsStatus status = natsConnection_RequestString(&answer, plain->connection, echo_subject, echo_body,
                                                         TIMEOUT_MS);
        tally_add(plain->load->tally, began, status == NATS_OK);
        natsMsg_Destroy(answer);
    }
    return NULL;
}

static int run_plain(struct ctx *ctx, struct load *load, int64_t lasts_us)
{
    (void)ctx;
    natsConnection *asking = NULL, *serving = NULL;
    natsSubscription *subscription = NULL;
    if (natsConnection_ConnectTo(&asking, load->url) != NATS_OK ||
        natsConnection_ConnectTo(&serving, load->url) != NATS_OK ||
        natsConnection_Subscribe(&subscription, serving, echo_subject, plain_echo, NULL) != NATS_OK ||
        natsConnection_FlushTimeout(serving, TIMEOUT_MS) != NATS_OK) {
        fprintf(stderr, "bench_nats: no NATS at NATS_URL\n");
        return 1;
    }
    struct plain plain = { load, asking };
    pthread_t threads[UNDER_WAY];
    int64_t began = clock_us();
    load->until_us = began + lasts_us;
    for (size_t i = 0; i < UNDER_WAY; i++)
        if (pthread_create(&threads[i], NULL, plain_ask, &plain) != 0)
            abort();
    for (size_t i = 0; i < UNDER_WAY; i++)
        pthread_join(threads[i], NULL);
    tally_print(load->tally, "nats-echo", "peer", clock_us() - began, 0);
    natsSubscription_Destroy(subscription);
    natsConnection_Destroy(serving);
    natsConnection_Destroy(asking);
    nats_Close();
    return 0;
}

static const struct {
    const char *name;
    int (*run)(struct ctx *ctx, struct load *load, int64_t lasts_us);
} modes[] = { { "token", run_token }, { "echo", run_echo }, { "plain", run_plain } };

int main(int argc, char **argv)
{
    static struct tally tally;
    struct ctx ctx = { .request_id = "" };
    struct load load = { .tally = &tally, .url = getenv("NATS_URL") };
    int64_t lasts_us = argc == 3 ? atoll(argv[2]) * 1000000 : 0;
    log_start("bench", LOG_ERROR);
    for (size_t i = 0; load.url && lasts_us > 0 && i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(argv[1], modes[i].name) != 0)
            continue;
        int status = modes[i].run(&ctx, &load, lasts_us);
        ctx_finish(&ctx);
        return status;
    }
    fprintf(stderr, "usage: NATS_URL=... bench_nats token|echo|plain SECONDS\n");
    return 64;
}
