#pragma once
/* Request ids and W3C trace contexts: kept where the client's are well formed, else made. */
#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>

/* Numbers for ids: they need to be unique, not secret, and cost no system call. One per thread. */
struct ids {
    uint64_t a, b;
};

void ids_start(struct ids *ids);

/* `given` may be NULL. */
const char *trace_request_id(struct ids *ids, struct arena *arena, const char *given);
const char *trace_parent(struct ids *ids, struct arena *arena, const char *given);

bool request_id_valid(const char *text);
bool traceparent_valid(const char *text);
