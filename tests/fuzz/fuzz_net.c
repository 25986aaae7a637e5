#include "fuzz_net.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

static _Thread_local struct {
    struct input *script;
    void (*sent)(void *self, natsMsg *msg);
    void *self;
} net;

/* In the place of bus_sender.c, so that nothing of bus_link.c is there either. */
bool sender_start(struct ctx *ctx, struct bus *bus)
{
    if (nats_Open(-1) != NATS_OK)
        return ctx_fail(ctx, ERROR_INTERNAL, "libnats does not start");
    bus->epoch = 1;
    bus->up = true;
    return true;
}

void sender_stop(struct bus *bus, int64_t timeout_ms)
{
    (void)bus, (void)timeout_ms;
}

static const char *const answer_headers[] = {
    "Nats-Service-Error-Code", "Nats-Service-Error", "Status", "Description", "Nats-Subject", "Nats-Sequence"
};

enum { HEADERS = sizeof answer_headers / sizeof *answer_headers };

/* A byte that says which headers there are, their texts, the text of the answer. */
static natsMsg *answer_make(struct input *script, const char *to)
{
    natsMsg *msg = NULL;
    char *values[HEADERS] = { NULL };
    unsigned which = input_byte(script);
    for (size_t i = 0; i < HEADERS; i++)
        if (which >> i & 1)
            values[i] = input_text(script);
    char *data = input_text(script);
    if (natsMsg_Create(&msg, to, NULL, data, (int)strlen(data)) != NATS_OK)
        abort();
    for (size_t i = 0; i < HEADERS; i++)
        if (values[i])
            natsMsgHeader_Set(msg, answer_headers[i], values[i]);
    for (size_t i = 0; i < HEADERS; i++)
        free(values[i]);
    free(data);
    return msg;
}

static void check_subject(const char *subject)
{
    must_hold(subject && *subject, "a message has a subject");
    for (const char *at = subject; *at; at++)
        must_hold(!strchr(" \t\r\n", *at), "that is one word");
}

static void answer_it(struct bus *bus, const char *to, uint64_t ask)
{
    if (!net.script || !input_left(net.script)) {
        asks_refuse(&bus->asks, ask, 503);
        return;
    }
    natsMsg *msg = answer_make(net.script, to);
    must_hold(!answer_arrived(bus, msg), "an answer is not kept");
    natsMsg_Destroy(msg);
}

bool sender_push(struct bus *bus, natsMsg *msg, uint64_t ask)
{
    check_subject(natsMsg_GetSubject(msg));
    if (net.sent)
        net.sent(net.self, msg);
    if (ask)
        answer_it(bus, natsMsg_GetReply(msg), ask);
    natsMsg_Destroy(msg);
    return true;
}

struct bus *fuzz_bus_open(void)
{
    struct ctx ctx = { .request_id = "" };
    log_start("fuzz", (enum log_level)(LOG_ERROR + 1)); /* what is logged of hostile messages is not looked at */
    struct bus *bus = bus_open(
        &ctx, &(struct bus_options){ .url = "nats://fuzz@127.0.0.1:1", .name = "fuzz", .instance = "fuzz1" });
    must_hold(bus != NULL, "a bus can be opened");
    ctx_finish(&ctx);
    return bus;
}

void fuzz_bus_script(struct input *script)
{
    net.script = script;
}

void fuzz_bus_watch(void (*sent)(void *self, natsMsg *msg), void *self)
{
    net.sent = sent;
    net.self = self;
}

bool fuzz_bus_deliver(struct bus *bus, const char *subject, natsMsg *(*make)(void *self), void *self)
{
    bool any = false;
    for (struct listening *each = bus->listenings; each; each = each->next) {
        if (strcmp(each->subject, subject) != 0)
            continue;
        natsMsg *msg = make(self);
        if (!each->arrival(each->self, msg))
            natsMsg_Destroy(msg);
        any = true;
    }
    return any;
}
