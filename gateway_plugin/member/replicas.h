#pragma once
/*
 * Who answers to `nats:NAME`. A replica leaves on its own word, or after two
 * rounds in which others answered and it did not; the silence of all takes
 * nobody away. Bounded; not locked.
 */
#include "client/netmask.h"

struct replica {
    struct replica *next;
    struct address address;
    int silent;    /* rounds in which others answered */
    bool answered; /* in this round */
    char *id, *http;
};

struct replicas;

struct replicas *replicas_create(const struct nets *nets);
void replicas_destroy(struct replicas *replicas);
/* Answers to this name are taken from now on. */
void replicas_want(struct replicas *replicas, const char *name);
/* Names that are not wanted again between these two are forgotten, and who answered to them. */
void replicas_mark(struct replicas *replicas);
void replicas_sweep(struct replicas *replicas);
/* Calls `each` on every name that is wanted. */
void replicas_names(const struct replicas *replicas, void (*each)(void *self, const char *name), void *self);
/* NULL: none. */
const struct replica *replicas_of(const struct replicas *replicas, const char *name);

/* These say whether the sets have changed. */
bool replicas_answer(struct replicas *replicas, const char *name, const char *id, const char *http);
bool replicas_leave(struct replicas *replicas, const char *id);
bool replicas_end_round(struct replicas *replicas);
