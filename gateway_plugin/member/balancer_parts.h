#pragma once
/* What the two halves of the balancer share: balancer.c keeps the sets, balancer_pick.c picks of one. */
#include "member/balancer.h"

struct set {
    atomic_size_t references;
    struct balance balance;
    uint16_t *slots;  /* ALGORITHM_HASH: whose each slot is; NULL: nobody's */
    uint64_t *hashes; /* of each member, the same in every edge */
    size_t count;
    struct weighted members[];
};

/* A loop's view: touched by that loop only. */
struct picker {
    unsigned version;
    struct set *set;
    int64_t *credit; /* of each member: who has most is next */
    uint64_t random;
    char padding[64];
};

/* Gives each slot to a member. */
void set_share_slots(struct set *set);
struct member *picker_pick(struct picker *picker, const struct wish *wish);
