#pragma once
/*
 * One look at one member: connects, asks, reads the status, closes. Never
 * blocks: whoever holds it waits for what it wants and lets it go on.
 */
#include "config/config.h"
#include "member/member.h"

struct probe;

/* Takes the references. */
struct probe *probe_create(struct config *config, const struct kong_upstream *upstream, struct member *member,
                           int64_t now_ms);
void probe_destroy(struct probe *probe);
int probe_fd(const struct probe *probe);
/* Of poll(). */
short probe_wants(const struct probe *probe);
/* On clock_ms(): then it has failed. */
int64_t probe_deadline(const struct probe *probe);
const struct kong_upstream *probe_upstream(const struct probe *probe);
/* Goes on as far as it can. true: it is over, and the member has been told. */
bool probe_step(struct probe *probe, int64_t now_ms);
