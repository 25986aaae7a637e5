/* What notify will do: codes are read from the stream OTP as its user, and nowhere else. */
#include "auth_fixture.h"
#include "base/text.h"
#include "nats/consumer.h"
#include "nats/nats_fixture.h"
#include "nats/relay.h"
#include "nats/streams.h"
#include "store/outbox.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static struct nats_server server;
static char *auth_url, *notify_url;
static struct relay *relay;
static struct bus *notify;
static struct consumer *consumer;

static struct {
    pthread_mutex_t lock;
    char type[64], entity[32], data[1024];
    int count;
} heard = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool hear(struct ctx *ctx, void *self, const struct consumed *event)
{
    (void)ctx;
    (void)self;
    pthread_mutex_lock(&heard.lock);
    snprintf(heard.type, sizeof heard.type, "%s", event->type);
    snprintf(heard.entity, sizeof heard.entity, "%s", event->entity);
    snprintf(heard.data, sizeof heard.data, "%.*s", (int)event->data_size, event->data);
    heard.count++;
    pthread_mutex_unlock(&heard.lock);
    return true;
}

static bool has_heard(void *count)
{
    pthread_mutex_lock(&heard.lock);
    bool has = heard.count >= *(const int *)count;
    pthread_mutex_unlock(&heard.lock);
    return has;
}

static bool is_up(void *bus)
{
    return bus_up(bus);
}

static void start(void)
{
    static const struct stream *const streams[] = { &stream_revoked, &stream_events, &stream_otp, NULL };
    static char conf[512];
    signal(SIGPIPE, SIG_IGN);
    snprintf(conf, sizeof conf, "%s/compose/nats.conf", getenv("ROOT"));
    nats_server_create(&server, conf);
    auth_url = nats_server_url(&server, "auth");
    notify_url = nats_server_url(&server, "notify");
    fixture_options.nats_url = auth_url;
    auth_start();
    cr_assert(eventually(30000, is_up, fixture.bus));
    cr_assert(streams_keep(&fixture.ctx, fixture.bus, streams));
    relay = relay_start(&fixture.ctx, fixture.bus, fixture.store);
    notify = bus_open(&fixture.ctx,
                      &(struct bus_options){ .url = notify_url, .name = "notify", .instance = "notify", .queue = 64 });
    cr_assert(notify && eventually(30000, is_up, notify));
    consumer = consumer_start(
        &fixture.ctx, notify,
        &(struct consumer_options){ .stream = stream_otp.name, .durable = "notify", .handle = hear });
    cr_assert(consumer);
}

static void stop(void)
{
    consumer_stop(consumer);
    relay_stop(relay);
    bus_close(notify, 500);
    auth_stop();
    nats_server_destroy(&server);
    free(auth_url);
    free(notify_url);
}

TestSuite(codes_stream, .init = start, .fini = stop, .timeout = 180);

static bool is_marked(void *self)
{
    (void)self;
    struct outbox_event *events;
    size_t count = 0;
    return outbox_read(&fixture.ctx, fixture.store, 10, &events, &count) && count == 0;
}

static const char *code_of(const json_t *data)
{
    const char *code = text_at(data, "code");
    cr_assert(code && strlen(code) == CODE_DIGITS, "%s", heard.data);
    return code;
}

Test(codes_stream, brings_them_to_notify)
{
    struct person ann = signup("ann");
    cr_assert(eventually(30000, has_heard, &(int){ 1 }), "no code comes");
    cr_expect_str_eq(heard.type, "event.otp.verify");
    cr_expect_str_eq(heard.entity, ann.id);
    json_t *data = json_loads(heard.data, 0, NULL);
    cr_expect_str_eq(text_at(data, "userId"), ann.id);
    cr_expect_str_eq(text_at(data, "email"), ann.email);
    cr_expect_str_eq(text_at(data, "locale"), "en");
    cr_expect_not_null(text_at(data, "name"));
    cr_expect_not_null(text_at(data, "expiresAt"));
    cr_expect_eq(CALL(POST, "/email/verify", format("{\"code\":\"%s\"}", code_of(data)), .token = ann.access).status,
                 200);
    json_decref(data);

    cr_assert_eq(CALL(POST, "/password/forgot", "{\"email\":\"nobody@example.com\"}").status, 200);
    cr_assert_eq(CALL(POST, "/password/forgot", format("{\"email\":\"%s\"}", ann.email)).status, 200);
    cr_assert(eventually(30000, has_heard, &(int){ 2 }), "no second code comes");
    cr_expect_str_eq(heard.type, "event.otp.reset");
    data = json_loads(heard.data, 0, NULL);
    struct answer answer = CALL(
        POST, "/password/reset",
        format("{\"email\":\"%s\",\"code\":\"%s\",\"password\":\"another horse\"}", ann.email, code_of(data)));
    cr_expect_eq(answer.status, 200, "%s", answer.text);
    json_decref(data);

    /* What was for nobody went nowhere and is settled, too. */
    cr_assert(eventually(30000, is_marked, NULL));
    cr_expect_eq(heard.count, 2);

    /* In no log: what is kept for a replay names no code. */
    struct outbox_event *events;
    const char *next;
    size_t count;
    cr_assert(outbox_log(&fixture.ctx, fixture.store, 0, NULL, 100, &events, &count, &next));
    cr_expect_gt(count, 0);
    for (size_t i = 0; i < count; i++)
        cr_expect_not(text_starts(events[i].type, "event.otp"), "%s", events[i].type);
}
