#pragma once
/* What the files of the consumers share; nobody else includes it. */
#include "nats/consumer.h"
#include "nats/follow.h"

enum handled { HANDLED, NOT_HANDLED };

struct pulled {
    struct pulled *next;
    natsMsg *msg;
};

struct consumer {
    struct arena arena;
    struct bus *bus;
    struct consumer_options options;
    const char *hints[2];
    struct follow *follow; /* ephemeral */
    const char *inbox;     /* durable: events come to a subject of their own, because they keep theirs */
    struct listening *listening;
    pthread_mutex_t mutex; /* what follows */
    pthread_cond_t woken;
    bool stopping, connected;
    struct pulled *first, **last; /* arrived */
    size_t asked;                 /* events that were asked for and have not come; 0 = ask again */
    int refused;                  /* status of the server's last refusal, 0 = none */
    int64_t lag;
    pthread_t thread;
};

/* What is no CloudEvent is logged and counts as handled: it would never be one. */
enum handled consumer_handle(struct consumer *consumer, const struct stream_message *message);
bool subject_matches(const char *filter, const char *subject);

/* From $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending> */
struct delivery {
    uint64_t delivered, sequence, pending;
};

/* consumer_pull.c */
/* false: `reply` is no such subject. */
bool delivery_read(const char *reply, struct delivery *out);
bool pull_start(struct ctx *ctx, struct consumer *consumer);
/* false: libnats may still call, so the consumer's memory must stay. */
bool pull_stop(struct consumer *consumer);
