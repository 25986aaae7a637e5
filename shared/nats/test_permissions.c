/* compose/nats.conf against a real server: what each user may and may not. */
#include "nats/bus.h"
#include "nats/nats_fixture.h"

#include <criterion/criterion.h>
#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct nats_server server;

static natsConnection *connect_as(const char *user)
{
    natsConnection *nc = NULL;
    natsOptions *options = NULL;
    char *url = nats_server_url(&server, user);
    natsOptions_Create(&options);
    natsOptions_SetURL(options, url);
    cr_assert_eq(natsConnection_Connect(&nc, options), NATS_OK, "%s", user);
    natsOptions_Destroy(options);
    free(url);
    return nc;
}

static void setup(void)
{
    static char conf[512];
    snprintf(conf, sizeof conf, "%s/compose/nats.conf", getenv("ROOT"));
    nats_server_create(&server, conf);
}

static void teardown(void)
{
    nats_server_destroy(&server);
}

TestSuite(permissions, .init = setup, .fini = teardown);

/* The server's complaint stands before its PONG: then it is the connection's last error, and names what it is about. */
static bool refused(natsConnection *nc, const char *act, const char *subject, const char *queue)
{
    char about[128];
    const char *said = NULL;
    snprintf(about, sizeof about, "%s to \"%s\"%s", act, subject, queue ? " using queue" : "");
    cr_assert_eq(natsConnection_Flush(nc), NATS_OK);
    return natsConnection_GetLastError(nc, &said) == NATS_NOT_PERMITTED && strstr(said, about);
}

static bool may_publish(natsConnection *nc, const char *subject)
{
    cr_assert_eq(natsConnection_PublishString(nc, subject, "{}"), NATS_OK);
    return !refused(nc, "Publish", subject, NULL);
}

static bool may_listen(natsConnection *nc, const char *subject, const char *queue)
{
    natsSubscription *sub = NULL;
    cr_assert_eq(queue ? natsConnection_QueueSubscribeSync(&sub, nc, subject, queue)
                       : natsConnection_SubscribeSync(&sub, nc, subject),
                 NATS_OK);
    bool out = !refused(nc, "Subscription", subject, queue);
    natsSubscription_Destroy(sub);
    return out;
}

static const char *const users[] = { "edge", "auth", "media", "notify", "operator" };
enum { EDGE = 1, AUTH = 2, MEDIA = 4, NOTIFY = 8, OPERATOR = 16, USERS = 5 };

/* Who of the five may. */
struct row {
    const char *subject;
    int who;
};

static const struct row publish_rows[] = {
    { "auth.session.revoked", AUTH },
    { "auth.apikey.revoked", AUTH },
    { "auth.user.changed", AUTH },
    { "auth.validate.token", EDGE | MEDIA | NOTIFY | OPERATOR },
    { "auth.jwks", EDGE | MEDIA | NOTIFY | OPERATOR },
    { "media.track.get", EDGE | OPERATOR },
    { "event.user.created", AUTH },
    { "event.otp.made", AUTH },
    { "event.track.published", MEDIA },
    { "_INBOX.media.x.1", 0 },
    { "tonearm.leave", AUTH | MEDIA | NOTIFY },
    { "$SRV.INFO.auth", EDGE | OPERATOR },
    { "$JS.API.STREAM.CREATE.REVOKED", AUTH },
    { "$JS.API.STREAM.CREATE.COPY", 0 },
    { "$JS.API.STREAM.DELETE.REVOKED", 0 },
    { "$JS.API.STREAM.PURGE.REVOKED", 0 },
    { "$JS.API.STREAM.INFO.REVOKED", EDGE | AUTH | MEDIA | NOTIFY | OPERATOR },
    { "$JS.API.DIRECT.GET.REVOKED", EDGE | AUTH | MEDIA | NOTIFY | OPERATOR },
    { "$JS.API.STREAM.MSG.GET.OTP", 0 },
    { "$JS.API.DIRECT.GET.OTP", 0 },
    { "$JS.API.STREAM.SNAPSHOT.OTP", 0 },
    { "$JS.API.CONSUMER.CREATE.OTP", 0 },
    { "$JS.API.CONSUMER.CREATE.OTP.thief", 0 },
    { "$JS.API.CONSUMER.CREATE.OTP.notify", NOTIFY },
    { "$JS.API.CONSUMER.DURABLE.CREATE.OTP.thief", 0 },
    { "$JS.API.CONSUMER.MSG.NEXT.OTP.notify", NOTIFY },
    { "$JS.ACK.OTP.notify.1.1.1.1.0", NOTIFY },
    { "$JS.API.CONSUMER.MSG.NEXT.EVENTS.media", MEDIA },
    { "$JS.API.CONSUMER.DELETE.EVENTS.media", 0 },
    { "$JS.API.CONSUMER.CREATE.EVENTS.media", MEDIA },
};

static const struct row listen_rows[] = {
    { "auth.validate.token", AUTH | OPERATOR },
    { "auth.>", AUTH | OPERATOR },
    { "media.track.get", MEDIA | OPERATOR },
    { "$SRV.INFO.auth", AUTH | OPERATOR },
    { "$SRV.INFO.auth.1", AUTH | OPERATOR },
    { "$SRV.INFO.media", MEDIA | OPERATOR },
    { "$SRV.PING", AUTH | MEDIA | NOTIFY | OPERATOR },
    { "auth.session.revoked", EDGE | AUTH | MEDIA | NOTIFY | OPERATOR },
    { "event.otp.>", 0 },
    { "event.otp.made", 0 },
    { "_INBOX.auth.>", AUTH },
    { "_INBOX.notify.>", NOTIFY },
    { "_INBOX.x.>", OPERATOR },
    { "tonearm.leave", EDGE | OPERATOR },
};

static const struct row serve_rows[] = {
    { "auth.validate.token", AUTH },
    { "auth.jwks", AUTH },
    { "$SRV.INFO.auth", AUTH },
    { "media.track.get", MEDIA },
    { ">", 0 },
};

#define EACH(rows, row) for (const struct row *row = rows; row < rows + sizeof rows / sizeof *rows; row++)

Test(permissions, each_user_may_what_it_needs_and_no_more)
{
    for (int i = 0; i < USERS; i++) {
        natsConnection *nc = connect_as(users[i]);
        EACH(publish_rows, row)
        cr_expect_eq(may_publish(nc, row->subject), (row->who & 1 << i) != 0, "%s publishes %s", users[i],
                     row->subject);
        EACH(listen_rows, row)
        cr_expect_eq(may_listen(nc, row->subject, NULL), (row->who & 1 << i) != 0, "%s listens to %s", users[i],
                     row->subject);
        EACH(serve_rows, row)
        cr_expect_eq(may_listen(nc, row->subject, "q"), (row->who & 1 << i) != 0, "%s serves %s", users[i],
                     row->subject);
        natsConnection_Destroy(nc);
    }
}

static natsStatus ask(natsConnection *nc, const char *subject, const char *body, char *out, size_t size)
{
    natsMsg *msg = NULL;
    natsStatus status = natsConnection_RequestString(&msg, nc, subject, body, 10000);
    if (status == NATS_OK)
        snprintf(out, size, "%.*s", natsMsg_GetDataLength(msg), natsMsg_GetData(msg));
    natsMsg_Destroy(msg);
    return status;
}

static natsConnection *connect_with_inbox(const char *user)
{
    natsConnection *nc = NULL;
    natsOptions *options = NULL;
    char *url = nats_server_url(&server, user), inbox[64];
    snprintf(inbox, sizeof inbox, "_INBOX.%s", user);
    natsOptions_Create(&options);
    natsOptions_SetURL(options, url);
    natsOptions_SetCustomInboxPrefix(options, inbox);
    cr_assert_eq(natsConnection_Connect(&nc, options), NATS_OK);
    natsOptions_Destroy(options);
    free(url);
    return nc;
}

Test(permissions, a_code_reaches_notify_alone)
{
    char out[1024];
    natsConnection *auth = connect_with_inbox("auth"), *notify = connect_with_inbox("notify");
    natsConnection *operator_ = connect_with_inbox("operator");
    natsSubscription *spy = NULL;
    natsMsg *msg = NULL;
    cr_assert_eq(natsConnection_SubscribeSync(&spy, operator_, ">"), NATS_OK);
    natsConnection_Flush(operator_);
    cr_assert_eq(
        ask(auth, "$JS.API.STREAM.CREATE.OTP",
            "{\"name\":\"OTP\",\"subjects\":[\"event.otp.>\"],\"retention\":\"workqueue\",\"storage\":\"file\"}", out,
            sizeof out),
        NATS_OK);
    cr_assert(strstr(out, "\"created\""), "%s", out);
    cr_assert_eq(ask(auth, "event.otp.made", "{\"code\":\"secret-code\"}", out, sizeof out), NATS_OK);
    cr_assert(strstr(out, "\"seq\":1"), "%s", out);
    cr_assert_eq(ask(notify, "$JS.API.CONSUMER.CREATE.OTP.notify",
                     "{\"stream_name\":\"OTP\",\"config\":{\"name\":\"notify\",\"durable_name\":\"notify\",\"ack_"
                     "policy\":\"explicit\"}}",
                     out, sizeof out),
                 NATS_OK);
    cr_assert(strstr(out, "\"created\""), "%s", out);
    cr_assert_eq(ask(notify, "$JS.API.CONSUMER.MSG.NEXT.OTP.notify", "", out, sizeof out), NATS_OK);
    cr_expect(strstr(out, "secret-code"), "%s", out);
    while (natsSubscription_NextMsg(&msg, spy, 200) == NATS_OK) {
        cr_expect_null(strstr(natsMsg_GetData(msg), "secret-code"), "the operator read a code on %s",
                       natsMsg_GetSubject(msg));
        natsMsg_Destroy(msg);
    }
    natsSubscription_Destroy(spy);
    natsConnection_Destroy(auth);
    natsConnection_Destroy(notify);
    natsConnection_Destroy(operator_);
}

Test(permissions, nobody_comes_in_without_a_password)
{
    natsConnection *nc = NULL;
    char url[96];
    static const char *const users_[] = { "", "auth@", "auth:@", "auth:wrong@", "nobody:p_auth@" };
    for (size_t i = 0; i < sizeof users_ / sizeof *users_; i++) {
        snprintf(url, sizeof url, "nats://%s127.0.0.1:%d", users_[i], server.port);
        cr_expect_eq(natsConnection_ConnectTo(&nc, url), NATS_CONNECTION_AUTH_FAILED, "%s", url);
    }
}

static int answered;

static void on_answer(void *self, int status, const char *data, size_t size)
{
    (void)self;
    (void)data;
    (void)size;
    __atomic_store_n(&answered, status, __ATOMIC_SEQ_CST);
}

static bool is_answered(void *self)
{
    (void)self;
    return __atomic_load_n(&answered, __ATOMIC_SEQ_CST) != 0;
}

static bool is_up(void *bus)
{
    return bus_up(bus);
}

Test(permissions, who_asks_what_he_may_not_hears_so_at_once)
{
    struct ctx ctx = { .request_id = "" };
    char *url = nats_server_url(&server, "edge");
    struct bus_options options = { .url = url, .name = "edge" };
    struct bus *bus = bus_open(&ctx, &options);
    cr_assert_not_null(bus);
    cr_assert(eventually(30000, is_up, bus));
    cr_assert(bus_ask(&ctx, bus, "media.nonsense.of.mine", "{}", 2, 60000, on_answer, NULL));
    cr_expect(eventually(30000, is_answered, NULL));
    cr_expect_eq(answered, 503, "%d", answered);
    bus_close(bus, 200);
    free(url);
    ctx_finish(&ctx);
}
