#include "base/calm_clock.h"
#include "base/clock.h"
#include "base/text.h"
#include "contract/messages.h"
#include "nats/bus.h"
#include "nats/nats_fixture.h"

#include <criterion/criterion.h>
#include <nats/nats.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct nats_server server;
static struct bus *bus;
static struct ctx ctx;

/* A service of the plainest kind, on a connection of its own. */
static natsConnection *peer;
static natsSubscription *peer_sub;
static int heard; /* messages that reached it */

static void respond_to(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure)
{
    (void)sub;
    (void)closure;
    __atomic_add_fetch(&heard, 1, __ATOMIC_SEQ_CST);
    const char *subject = natsMsg_GetSubject(msg), *value = NULL;
    natsMsg *out = NULL;
    natsMsg_Create(&out, natsMsg_GetReply(msg) ? natsMsg_GetReply(msg) : "nobody", NULL, natsMsg_GetData(msg),
                   natsMsg_GetDataLength(msg));
    if (text_equal(subject, "test.refuse")) {
        natsMsgHeader_Set(out, "Nats-Service-Error-Code", "403");
        natsMsgHeader_Set(out, "Nats-Service-Error", "not you");
    }
    if (text_equal(subject, "test.headers")) {
        natsMsg_Destroy(out);
        char text[256] = "";
        static const char *const names[] = { "x-request-id", "traceparent", "tonearm-deadline" };
        for (size_t i = 0; i < 3; i++)
            if (natsMsgHeader_Get(msg, names[i], &value) == NATS_OK)
                snprintf(text + strlen(text), sizeof text - strlen(text), "%s ", value);
        natsMsg_Create(&out, natsMsg_GetReply(msg), NULL, text, (int)strlen(text));
    }
    if (!text_equal(subject, "test.silent"))
        natsConnection_PublishMsg(nc, out);
    natsMsg_Destroy(out);
    natsMsg_Destroy(msg);
}

static void peer_start(void)
{
    natsOptions *options = NULL;
    natsOptions_Create(&options);
    natsOptions_SetURL(options, server.url);
    natsOptions_SetReconnectWait(options, 20);
    natsOptions_SetMaxReconnect(options, -1);
    natsOptions_SetPingInterval(options, 500);
    natsOptions_SetSendAsap(options, true);
    cr_assert_eq(natsConnection_Connect(&peer, options), NATS_OK);
    cr_assert_eq(natsConnection_Subscribe(&peer_sub, peer, "test.>", respond_to, NULL), NATS_OK);
    natsConnection_Flush(peer);
    natsOptions_Destroy(options);
}

static bool up(void *self)
{
    return bus_up(self);
}

static bool down(void *self)
{
    return !bus_up(self);
}

static void start(size_t queue)
{
    nats_server_create(&server, NULL);
    peer_start();
    struct bus_options options = { .url = server.url, .name = "test", .queue = queue };
    bus = bus_open(&ctx, &options);
    cr_assert_not_null(bus);
    cr_assert(eventually(30000, up, bus));
}

static void finish(void)
{
    bus_close(bus, 500);
    natsSubscription_Destroy(peer_sub);
    natsConnection_Destroy(peer);
    nats_server_destroy(&server);
    ctx_finish(&ctx);
}

struct heard_reply {
    int calls, status;
    char text[256];
};

static void keep_reply(void *self, int status, const char *data, size_t size)
{
    struct heard_reply *kept = self;
    snprintf(kept->text, sizeof kept->text, "%.*s", (int)size, data);
    kept->status = status;
    __atomic_add_fetch(&kept->calls, 1, __ATOMIC_SEQ_CST);
}

static bool replied(void *self)
{
    return __atomic_load_n(&((struct heard_reply *)self)->calls, __ATOMIC_SEQ_CST) > 0;
}

static void expect_reply(const char *subject, int64_t timeout_ms, int status, const char *text)
{
    struct heard_reply kept = { 0 };
    cr_assert(bus_ask(&ctx, bus, subject, "hello", 5, timeout_ms, keep_reply, &kept));
    cr_expect(eventually((int)timeout_ms + 30000, replied, &kept), "%s: no reply", subject);
    cr_expect_eq(kept.status, status, "%s: %d", subject, kept.status);
    if (text)
        cr_expect_str_eq(kept.text, text);
    sleep_ms(50);
    cr_expect_eq(kept.calls, 1, "%s: %d replies", subject, kept.calls);
}

Test(bus, tells_each_kind_of_reply_once)
{
    start(0);
    expect_reply("test.echo", 20000, 200, "hello");
    expect_reply("test.refuse", 20000, 403, "not you");
    expect_reply("nobody.there", 20000, 503, NULL);
    int64_t begin = clock_ms(), calm = calm_ms();
    expect_reply("test.silent", 300, 504, NULL);
    cr_expect_geq(clock_ms() - begin, 300);
    cr_expect_lt(calm_ms() - calm, 500);
    finish();
}

Test(bus, carries_request_id_trace_and_deadline)
{
    start(0);
    ctx.request_id = "r-17";
    ctx.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    struct heard_reply kept = { 0 };
    int64_t before = clock_now_ms();
    cr_assert(bus_ask(&ctx, bus, "test.headers", "", 0, 20000, keep_reply, &kept));
    cr_assert(eventually(30000, replied, &kept));
    char id[64], trace[64];
    long long deadline = 0;
    cr_assert_eq(sscanf(kept.text, "%63s %63s %lld", id, trace, &deadline), 3, "%s", kept.text);
    cr_expect_str_eq(id, "r-17");
    cr_expect_str_eq(trace, ctx.traceparent);
    cr_expect(deadline >= before + 20000 && deadline <= clock_now_ms() + 20000);
    finish();
}

Test(bus, call_fills_a_record_or_says_why_not)
{
    start(0);
    struct by_id in = { .id = "5f0000000000000000000001" }, out = { 0 };
    cr_expect(bus_call(&ctx, bus, "test.echo", by_id_fields, &in, by_id_fields, &out));
    cr_expect_str_eq(out.id, in.id);
    cr_expect_not(bus_call(&ctx, bus, "test.refuse", by_id_fields, &in, by_id_fields, &out));
    cr_expect_eq(ctx.error->code, ERROR_FORBIDDEN);
    cr_expect_str_eq(ctx.error->message, "not you");
    cr_expect_not(bus_call(&ctx, bus, "nobody.there", by_id_fields, &in, by_id_fields, &out));
    cr_expect_eq(ctx.error->code, ERROR_UNAVAILABLE);
    int64_t begin = calm_ms();
    ctx.deadline_ms = clock_ms() + 200;
    cr_expect_not(bus_call(&ctx, bus, "test.silent", by_id_fields, &in, by_id_fields, &out));
    cr_expect_eq(ctx.error->code, ERROR_UNAVAILABLE);
    cr_expect_lt(calm_ms() - begin, 300);
    finish();
}

static void *ask_many(void *self)
{
    int *good = self;
    for (int i = 0; i < 300; i++) {
        struct ctx mine = { 0 };
        struct by_id in = { .id = "5f0000000000000000000001" }, out = { 0 };
        *good += bus_call(&mine, bus, "test.echo", by_id_fields, &in, by_id_fields, &out);
        ctx_finish(&mine);
    }
    return NULL;
}

Test(bus, many_threads_ask_at_once)
{
    start(0);
    pthread_t threads[8];
    int good[8] = { 0 }, sum = 0;
    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, ask_many, &good[i]);
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        sum += good[i];
    }
    cr_expect_eq(sum, 8 * 300);
    finish();
}

Test(bus, abandoned_asks_of_an_outage_are_never_delivered)
{
    start(0);
    expect_reply("test.echo", 20000, 200, "hello");
    nats_server_signal(&server, SIGTERM);
    cr_assert(eventually(30000, down, bus));
    int before = __atomic_load_n(&heard, __ATOMIC_SEQ_CST);
    int64_t begin = calm_ms();
    struct heard_reply kept = { 0 };
    for (int i = 0; i < 1000; i++) {
        struct ctx mine = { 0 };
        cr_expect_not(bus_ask(&mine, bus, "test.echo", "late", 4, 500, keep_reply, &kept));
        cr_expect_eq(mine.error->code, ERROR_UNAVAILABLE);
        ctx_finish(&mine);
    }
    cr_expect_lt(calm_ms() - begin, 200, "an outage is told at once");
    nats_server_start(&server);
    cr_assert(eventually(30000, up, bus));
    natsConnection_FlushTimeout(peer, 3000);
    sleep_ms(300);
    cr_expect_eq(heard, before, "%d came after the outage", heard - before);
    cr_expect_eq(kept.calls, 0);
    expect_reply("test.echo", 20000, 200, "hello");
    finish();
}

static void count_message(void *self, const char *subject, const char *data, size_t size)
{
    (void)subject;
    (void)data;
    (void)size;
    __atomic_add_fetch((int *)self, 1, __ATOMIC_SEQ_CST);
}

static bool counted(void *self)
{
    struct ctx mine = { 0 };
    bus_publish(&mine, bus, "news.today", "x", 1);
    ctx_finish(&mine);
    return __atomic_load_n((int *)self, __ATOMIC_SEQ_CST) > 0;
}

Test(bus, listens_again_after_its_server_was_killed_three_times)
{
    start(0);
    int count = 0;
    cr_assert(bus_listen(&ctx, bus, "news.*", count_message, &count));
    for (int round = 0; round < 3; round++) {
        __atomic_store_n(&count, 0, __ATOMIC_SEQ_CST);
        cr_expect(eventually(30000, counted, &count), "round %d", round);
        nats_server_signal(&server, SIGKILL);
        cr_assert(eventually(30000, down, bus));
        nats_server_start(&server);
        cr_assert(eventually(30000, up, bus));
    }
    cr_expect(eventually(30000, counted, &count));
    finish();
}

Test(bus, a_frozen_server_costs_two_seconds_at_most_and_is_found_out)
{
    start(0);
    nats_server_signal(&server, SIGSTOP);
    int64_t begin = calm_ms();
    struct by_id in = { .id = "5f0000000000000000000001" }, out = { 0 };
    cr_expect_not(bus_call(&ctx, bus, "test.echo", by_id_fields, &in, by_id_fields, &out));
    cr_expect_eq(ctx.error->code, ERROR_UNAVAILABLE);
    cr_expect_leq(calm_ms() - begin, 2100);
    cr_assert(eventually(30000, down, bus));
    begin = calm_ms();
    cr_expect_not(bus_call(&ctx, bus, "test.echo", by_id_fields, &in, by_id_fields, &out));
    cr_expect_leq(calm_ms() - begin, 20);
    nats_server_signal(&server, SIGCONT);
    cr_assert(eventually(30000, up, bus));
    natsConnection_FlushTimeout(peer, 3000);
    expect_reply("test.echo", 20000, 200, "hello");
    finish();
}

Test(bus, a_full_queue_refuses_at_once_and_each_ask_is_answered_once)
{
    enum { MOST = 4000 };
    static struct heard_reply kept[MOST];
    static char big[64 << 10];
    start(64);
    nats_server_signal(&server, SIGSTOP);
    int refused = 0, taken = 0;
    int64_t slowest = 0;
    for (; taken < MOST && refused < 100;) {
        struct ctx mine = { 0 };
        int64_t begin = calm_ms();
        if (bus_ask(&mine, bus, "test.echo", big, sizeof big, 1500, keep_reply, &kept[taken]))
            taken++;
        else
            refused++;
        int64_t took = calm_ms() - begin;
        slowest = took > slowest ? took : slowest;
        ctx_finish(&mine);
    }
    cr_expect_eq(refused, 100);
    cr_expect_lt(slowest, 100, "%d ms", (int)slowest);
    sleep_ms(2200);
    nats_server_signal(&server, SIGCONT);
    cr_assert(eventually(30000, up, bus));
    finish();
    for (int i = 0; i < taken; i++)
        cr_expect_eq(kept[i].calls, 1, "ask %d of %d: %d", i, taken, kept[i].calls);
}

Test(bus, closing_answers_what_is_open)
{
    start(0);
    struct heard_reply kept = { 0 };
    cr_assert(bus_ask(&ctx, bus, "test.silent", "", 0, 5000, keep_reply, &kept));
    bus_close(bus, 500);
    cr_expect_eq(kept.calls, 1);
    cr_expect_eq(kept.status, 503);
    bus = NULL;
    finish();
}

/* A server that speaks TLS only, with a certificate for `name`. */
static void start_tls(const char *name)
{
    static char conf[96];
    char command[512];
    nats_server_create(&server, NULL);
    nats_server_signal(&server, SIGKILL);
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=%s "
             "-addext subjectAltName=DNS:%s -keyout '%s/key.pem' -out '%s/cert.pem' 2>/dev/null",
             name, name, server.dir, server.dir);
    cr_assert_eq(system(command), 0);
    snprintf(conf, sizeof conf, "%s/conf", server.dir);
    FILE *file = fopen(conf, "w");
    fprintf(file, "host: 127.0.0.1\nport: %d\ntls { cert_file: '%s/cert.pem', key_file: '%s/key.pem' }\n", server.port,
            server.dir, server.dir);
    fclose(file);
    server.conf = conf;
    nats_server_start(&server);
}

static bool connects(const char *scheme, const char *ca_file, int within_ms)
{
    char url[64];
    snprintf(url, sizeof url, "%s://localhost:%d", scheme, server.port);
    bus = bus_open(&ctx, &(struct bus_options){ .url = url, .name = "test", .ca_file = ca_file });
    bool out = eventually(within_ms, up, bus);
    bus_close(bus, 100);
    return out;
}

Test(bus, tls_verifies_the_server)
{
    char ca_file[96];
    start_tls("localhost");
    snprintf(ca_file, sizeof ca_file, "%s/cert.pem", server.dir);
    cr_expect(connects("tls", ca_file, 20000));
    cr_expect_not(connects("tls", NULL, 1500), "a certificate that nobody vouches for");
    nats_server_destroy(&server);
    start_tls("elsewhere");
    snprintf(ca_file, sizeof ca_file, "%s/cert.pem", server.dir);
    cr_expect_not(connects("tls", ca_file, 1500), "another's certificate");
    nats_server_destroy(&server);
    ctx_finish(&ctx);
}

Test(bus, comes_back_when_its_password_was_changed)
{
    char path[96], url[64];
    nats_server_create(&server, NULL);
    nats_server_signal(&server, SIGKILL);
    static char conf[96];
    snprintf(conf, sizeof conf, "%s/conf", server.dir);
    FILE *file = fopen(conf, "w");
    fprintf(file, "host: 127.0.0.1\nport: %d\nauthorization { user: ann, password: right }\n", server.port);
    fclose(file);
    server.conf = conf;
    nats_server_start(&server);
    snprintf(path, sizeof path, "%s/password", server.dir);
    file = fopen(path, "w");
    fputs("wrong\n", file);
    fclose(file);
    struct secret secret = { .name = "NATS_PASSWORD", .path = path };
    snprintf(url, sizeof url, "nats://ann@127.0.0.1:%d", server.port);
    bus = bus_open(&ctx, &(struct bus_options){ .url = url, .name = "test", .password = &secret });
    sleep_ms(1500); /* refused several times */
    cr_expect_not(bus_up(bus));
    file = fopen(path, "w");
    fputs("right\n", file);
    fclose(file);
    cr_expect(eventually(30000, up, bus));
    bus_close(bus, 100);
    nats_server_destroy(&server);
}

Test(bus, what_is_too_large_is_told)
{
    start(0);
    static char big[2 << 20];
    struct heard_reply kept = { 0 };
    cr_expect_not(bus_ask(&ctx, bus, "test.echo", big, sizeof big, 20000, keep_reply, &kept));
    cr_expect_eq(ctx.error->code, ERROR_TOO_LARGE);
    cr_expect(bus_ask(&ctx, bus, "test.echo", big, 1 << 20, 20000, keep_reply, &kept),
              "one that is only with its headers");
    cr_assert(eventually(30000, replied, &kept));
    cr_expect_eq(kept.status, 413);
    expect_reply("test.echo", 20000, 200, "hello");
    finish();
}

Test(bus, refuses_addresses_that_it_cannot_use)
{
    static const char *const bad[] = { "",           "http://127.0.0.1",    "nats://", "nats://u:p@",
                                       "nats://a b", "tls://a:1,nats://b:1" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bus_options options = { .url = bad[i], .name = "test" };
        cr_expect_null(bus_open(&ctx, &options), "%s", bad[i]);
        cr_expect(ctx.error && ctx.error->code == ERROR_INVALID);
        ctx_finish(&ctx);
    }
}
