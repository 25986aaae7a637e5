#pragma once
/*
 * Upstreams and their members. Members come from the file, from DNS and from
 * discovery; a set of them is immutable and replaced as a whole. Each loop picks
 * for itself, without a lock unless the set has changed.
 *
 * Where all members are out, the one that has been out longest is asked: an
 * outage never empties a set, unless the upstream has a threshold or the operator
 * took them out himself.
 */
#include "member/member.h"

struct weighted {
    struct member *member;
    int64_t weight;
};

struct upstream;

/* Counted: a configuration holds those of its own, so that a request that ends on an old one has them. */
struct upstream *upstream_create(const char *name, size_t loops);
struct upstream *upstream_ref(struct upstream *upstream);
void upstream_unref(struct upstream *upstream);
/* No configuration to come has it: requests under way may still pick, but no connection is kept. */
void upstream_retire(struct upstream *upstream);
/* Takes the references. Members that were there before keep how they are. `balance` NULL: in turns. */
void upstream_set(struct upstream *upstream, const struct balance *balance, const struct weighted *members,
                  size_t count);
/* Calls `each` on every member, under the upstream's lock. */
void upstream_each(struct upstream *upstream, void (*each)(void *self, struct member *member, int64_t weight),
                   void *self);

/* Who asks for a member. */
struct wish {
    size_t loop;
    struct member *const *tried; /* not these */
    size_t tried_count;
    int64_t now_ms;
    bool hashed; /* ALGORITHM_HASH: what has the same hash gets the same member; else it takes turns */
    uint64_t hash;
};

/* NULL: there is none. With a reference. */
struct member *upstream_pick(struct upstream *upstream, const struct wish *wish);
