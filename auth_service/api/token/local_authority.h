#pragma once
/*
 * The authority of auth itself: it decides by the store, by function call (a
 * worker here never waits for a message to here). What it found out about a
 * token is remembered until the token expires, and used while the revocation
 * feed has no gap; what ended in this process is known at once.
 */
#include "apikey/apikeys.h"
#include "http/endpoint.h"
#include "nats/feed.h"
#include "token/token.h"

struct local_authority;

struct local_authority_options {
    const struct tokens *tokens;
    const struct sessions *sessions;
    const struct users *users;
    const struct apikeys *apikeys;
    struct feed *feed;
    size_t capacity; /* tokens remembered */
};

struct local_authority *local_authority_create(const struct local_authority_options *options);
void local_authority_destroy(struct local_authority *local);
struct authority local_authority(struct local_authority *local);
