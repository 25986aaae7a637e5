#pragma once
/*
 * Members that announce themselves over NATS: every 500 ms `$SRV.INFO.<name>` is
 * asked for each name that is wanted, and each replica says its address in its
 * metadata (`http`). One leaves on its own tonearm.leave, or after two rounds in
 * which others answered and it did not (replicas.h). A thread of its own; any
 * thread may call.
 */
#include "base/ctx.h"
#include "member/replicas.h"

struct announced;
struct bus;

struct announced_options {
    struct bus *bus; /* NULL: nobody ever comes */
    const struct nets *nets;
    void (*changed)(void *self); /* somebody came or went; on threads of the bus and on its own, no lock held */
    void *self;
};

/* NULL: ctx says why. */
struct announced *announced_create(struct ctx *ctx, const struct announced_options *options);
/* Names that are not wanted again between these two are forgotten, and who answered to them. */
void announced_mark(struct announced *announced);
void announced_want(struct announced *announced, const char *name);
void announced_sweep(struct announced *announced);
/* Calls `each` on every one of this name, with the lock held. */
void announced_each(struct announced *announced, const char *name, void (*each)(void *self, const struct replica *one),
                    void *self);
bool announced_any(struct announced *announced, const char *name);
/* Asks now and not when the 500 ms are over. */
void announced_hurry(struct announced *announced);
/* Ends its thread. Then close the bus, then destroy it. */
void announced_stop(struct announced *announced);
/* NULL is fine. */
void announced_destroy(struct announced *announced);
