#pragma once
#include "plugins/proxy_cache.h"

/* Asks a member anew for what `x` is just being given, and keeps the answer. `x` need not live on. */
void cache_refresh_start(struct exchange *x, struct caching *caching, struct cached *old);
/* Of the loop: every 100 ms; when it ends. */
void cache_refresh_sweep(struct loop *loop, int64_t now_ms);
void cache_refresh_stop(struct loop *loop);
