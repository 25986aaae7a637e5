/*
 * What a service reads of messages: requests and their headers, $SRV, the
 * broadcasts of the feed, answers of auth and of JetStream, events. A service
 * says something to inboxes only, whatever it is asked.
 */
#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "contract/messages.h"
#include "contract/subjects.h"
#include "crypto/apikey.h"
#include "crypto/jwt.h"
#include "fuzz_keys.h"
#include "fuzz_net.h"
#include "nats/authority.h"
#include "nats/consumer_parts.h"
#include "nats/jetstream.h"
#include "nats/serve.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Made once. */
static struct {
    struct bus *bus;
    struct service *service;
    struct remote_authority *remote;
    struct jwt_key key;
} known;

static struct response *by_table(struct request *req)
{
    struct validate_apikey in = { 0 };
    if (!request_body(req, validate_apikey_fields, &in))
        return NULL;
    must_hold(in.key && *in.key, "what the table requires is there");
    return reply(req, validate_apikey_fields, &in);
}

static struct response *plain(struct request *req)
{
    for (const struct pair *header = req->headers; header->name; header++)
        must_hold(header->value && !strpbrk(header->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"), "names are in lower case");
    must_hold(strlen(req->ctx.request_id) <= 64 && !strpbrk(req->ctx.request_id, "\r\n \""), "an id can be logged");
    must_hold(ctx_left_ms(&req->ctx, 100000) <= 60000, "nobody makes it wait longer");
    return reply(req, by_id_fields, &(struct by_id){ req->ctx.request_id });
}

static struct response *failing(struct request *req)
{
    return ctx_fail(&req->ctx, ERROR_NOT_FOUND, "there is no such thing");
}

static const struct subject subjects[] = {
    { "fuzz.table", by_table, "By a table", validate_apikey_fields, validate_apikey_fields, true },
    { "fuzz.plain", plain, "Any JSON", NULL, by_id_fields, true },
    { "fuzz.failing", failing, NULL, NULL, NULL, true },
    { 0 },
};

static const char *const asked[] = { "fuzz.table",     "fuzz.plain",      "fuzz.failing",        "$SRV.PING",
                                     "$SRV.INFO.fuzz", "$SRV.STATS.fuzz", "$SRV.PING.fuzz.fuzz1" };
static const char *const told[] = { "auth.session.revoked", "auth.apikey.revoked", "auth.user.changed" };

static void begin(void)
{
    if (known.bus)
        return;
    struct ctx ctx = { .request_id = "" };
    known.bus = fuzz_bus_open();
    known.service = service_start(
        &ctx, known.bus,
        &(struct service_options){ .name = "fuzz", .version = "1.0.0", .subjects = subjects, .metadata = NULL });
    known.remote = remote_authority_create(
        &ctx, &(struct remote_authority_options){
                  .bus = known.bus, .issuer = "tonearm", .audience = "tonearm", .keep_ms = 1000, .capacity = 64 });
    must_hold(known.service && known.remote, "a service can be started");
    known.key = (struct jwt_key){ .alg = JWT_ES256, .key = fuzz_ec_key(1) };
    static struct ctx forever = { .request_id = "" };
    known.key.kid = jwt_key_kid(&forever, known.key.key);
    ctx_finish(&ctx);
}

/* A message of the input: reply, headers (as many as the byte says), data. */
struct message {
    struct input *input;
    const char *subject;
};

static natsMsg *message_make(void *self)
{
    struct message *message = self;
    struct input input = *message->input; /* the same for all who listen */
    static const char *const names[] = { "tonearm-deadline", "x-request-id", "traceparent", "X-Other" };
    unsigned how = input_byte(&input);
    char *to = input_text(&input), *values[5] = { NULL }, *name = NULL;
    for (size_t i = 0; i < 4; i++)
        values[i] = how >> i & 1 ? input_text(&input) : NULL;
    if (how & 16) {
        name = input_text(&input);
        values[4] = input_text(&input);
    }
    to[strcspn(to, " \t\r\n")] = 0; /* no server delivers more */
    natsMsg *msg = NULL;
    if (natsMsg_Create(&msg, message->subject, *to ? to : NULL, (const char *)input.at, (int)input_left(&input)) !=
        NATS_OK)
        abort();
    for (size_t i = 0; i < 4; i++)
        if (values[i])
            natsMsgHeader_Set(msg, names[i], values[i]);
    if (name && *name)
        natsMsgHeader_Set(msg, name, values[4]);
    for (size_t i = 0; i < 5; i++)
        free(values[i]);
    free(name);
    free(to);
    return msg;
}

static void answered(void *self, natsMsg *msg)
{
    size_t *count = self;
    must_hold(text_starts(natsMsg_GetSubject(msg), "_INBOX."), "a service answers inboxes only");
    int size = natsMsg_GetDataLength(msg);
    json_t *root = size ? json_loadb(natsMsg_GetData(msg), (size_t)size, JSON_DECODE_ANY, NULL) : NULL;
    must_hold(root || msg_header(msg, "Nats-Service-Error-Code"), "with JSON or an error");
    json_decref(root);
    ++*count;
}

static void ask_service(struct input *input, const char *subject)
{
    size_t count = 0;
    fuzz_bus_watch(answered, &count);
    bool any = fuzz_bus_deliver(known.bus, subject, message_make, &(struct message){ input, subject });
    fuzz_bus_watch(NULL, NULL);
    must_hold(any && count <= 1, "one answer at most");
}

static natsMsg *broadcast_make(void *self)
{
    const struct message *message = self;
    natsMsg *msg = NULL;
    if (natsMsg_Create(&msg, message->subject, NULL, (const char *)message->input->at,
                       (int)input_left(message->input)) != NATS_OK)
        abort();
    return msg;
}

static void tell_feed(struct input *input, const char *subject)
{
    must_hold(fuzz_bus_deliver(known.bus, subject, broadcast_make, &(struct message){ input, subject }),
              "the feed listens");
}

static const char *token_of(struct ctx *ctx, struct input *input)
{
    struct jwt_claims claims = { .issuer = "tonearm", .audience = "tonearm", .subject = "64d1", .session = "s-1" };
    claims.issued = clock_now_ms() / 1000;
    claims.expires = claims.issued + 900;
    claims.id = input_text(input);
    const char *token = jwt_sign(ctx, &known.key, "at+jwt", &claims);
    free((char *)claims.id);
    return token ? token : "";
}

/* Auth's answers are anybody's who gets at its subjects. */
static void ask_authority(struct ctx *ctx, struct input *input, unsigned which)
{
    struct authority authority = remote_authority(known.remote);
    static const char *const any_of[] = { "ADMIN", NULL };
    fuzz_bus_script(input);
    if (which % 3 == 0) {
        const struct api_key *key = authority.key(ctx, authority.self, apikey_make(ctx, id_new(&ctx->arena)));
        must_hold(!key || (key->id && key->scopes), "a key has an id and a list of scopes");
    } else if (which % 3 == 1) {
        const struct caller *caller = authority.token(ctx, authority.self, token_of(ctx, input));
        must_hold(!caller || (caller->user_id && caller->session_id && caller->roles), "somebody is somebody");
    } else {
        struct caller caller = { .user_id = id_new(&ctx->arena), .user_version = 1 };
        authority.role(ctx, authority.self, &caller, any_of);
    }
    fuzz_bus_script(NULL);
}

static void ask_jetstream(struct ctx *ctx, struct input *input, unsigned which)
{
    struct stream_message messages[4] = { 0 };
    struct stream_info info = { 0 };
    fuzz_bus_script(input);
    bool good = which % 3 == 0   ? js_stream_info(ctx, known.bus, "REVOKED", &info)
                : which % 3 == 1 ? js_read(ctx, known.bus, "REVOKED", 1, 4, messages)
                                 : js_publish(ctx, known.bus, "auth.user.changed", "{}", 2, "id");
    fuzz_bus_script(NULL);
    must_hold(good || ctx->error, "a failure says why");
    must_hold(!good || which % 3 || info.first >= 1, "a stream begins at 1");
    for (size_t i = 0; good && which % 3 == 1 && i < 4; i++)
        must_hold(!messages[i].sequence || (messages[i].subject && messages[i].data), "a message is whole");
}

static bool handle(struct ctx *ctx, void *self, const struct consumed *event)
{
    bool *called = self;
    *called = true;
    must_hold(event->id && event->entity && event->type && event->data, "an event has all that its handler reads");
    must_hold(strlen(event->data) == event->data_size && utf8_valid(event->data, event->data_size), "and is text");
    must_hold(ctx->request_id == event->id, "it is known by its id");
    return true;
}

static void consume(struct input *input)
{
    char *to = input_text(input), *filter = input_text(input), *subject = input_text(input);
    struct delivery delivery = { 0 };
    bool called = false;
    must_hold(!delivery_read(to, &delivery) || text_starts(to, "$JS.ACK."), "acknowledged is what JetStream gave");
    if (*filter && subject_matches(filter, subject))
        must_hold(subject_matches(">", subject), "what matches is a subject");
    struct consumer consumer = { .bus = known.bus, .options = { .handle = handle, .self = &called } };
    size_t left = input_left(input);
    char *data = input_copy(input->at, left);
    struct stream_message message = { 1, subject, data, left };
    must_hold(consumer_handle(&consumer, &message) == HANDLED, "what is no event is not given twice");
    free(data);
    free(to);
    free(filter);
    free(subject);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin();
    struct input input = INPUT(data, size);
    struct ctx ctx = { .request_id = "" };
    unsigned how = input_byte(&input), which = how / 8;
    switch (how % 5) {
    case 0:
        ask_service(&input, asked[which % (sizeof asked / sizeof *asked)]);
        break;
    case 1:
        tell_feed(&input, told[which % 3]);
        break;
    case 2:
        ask_authority(&ctx, &input, which);
        break;
    case 3:
        ask_jetstream(&ctx, &input, which);
        break;
    default:
        consume(&input);
    }
    ctx_finish(&ctx);
    return 0;
}
