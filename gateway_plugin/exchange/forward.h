#pragma once
/*
 * Which headers pass, in both directions, and which the edge writes itself.
 * What belongs to one connection stays on it: hop-by-hop headers, those that
 * Connection names. What only the edge may say is dropped from what clients send.
 */
#include "proxy/reply_head.h"

#include <h2o.h>

struct exchange;
struct member;

/* The head for the member: in `room`, or in the request's pool where that is too small. */
h2o_iovec_t forward_request(struct exchange *x, const struct member *member, char *room, size_t size);
/* What the member is asked for, path and query; how many bytes; 0: `room` is too small. */
size_t forward_target(const struct exchange *x, char *room, size_t size);
/* Status, length and headers of the answer into req->res. They point into the block. */
void forward_reply(struct exchange *x, const struct reply_head *head);
