#pragma once
/*
 * The authority of auth itself: it decides by the store, by function call (a
 * worker here never waits for a message to here). A token's signature is checked
 * once; its session and user are read every time, so that what another replica
 * ended is refused at once, unless the store says that nobody has written to it
 * since they were read (store_stamp). What was found is remembered until the token
 * expires, and bridges an outage of the store while the revocation feed is whole. A token of a trusted issuer is
 * one of a session of ours that it makes itself (issuer/foreign_token.h).
 */
#include "apikey/apikeys.h"
#include "http/endpoint.h"
#include "nats/feed.h"
#include "issuer/foreign_token.h"
#include "token/token.h"

struct local_authority;

struct local_authority_options {
    const struct tokens *tokens;
    const struct sessions *sessions;
    const struct users *users;
    const struct apikeys *apikeys;
    struct feed *feed;
    size_t capacity;               /* tokens remembered */
    const struct foreign *foreign; /* NULL: no other issuer is trusted */
};

struct local_authority *local_authority_create(const struct local_authority_options *options);
void local_authority_destroy(struct local_authority *local);
struct authority local_authority(struct local_authority *local);
