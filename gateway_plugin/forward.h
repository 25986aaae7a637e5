#pragma once
/*
 * Which headers pass, in both directions, and which the edge writes itself.
 * What belongs to one connection stays on it: hop-by-hop headers, those that
 * Connection names. What only the edge may say is dropped from what clients send.
 */
#include "reply_head.h"

#include <h2o.h>

struct exchange;
struct member;

/* The head for the member, in the request's pool. */
h2o_iovec_t forward_request(struct exchange *x, const struct member *member);
/* Status, length and headers of the answer into req->res. They point into the block. */
void forward_reply(struct exchange *x, const struct reply_head *head);
