#pragma once
/* What artists do over HTTP. */
#include "http/route.h"

enum { AUDIO_DEADLINE_MS = 60 * 1000 };

/*
 * Mount with a struct tracks. `audio_max`: bytes of an upload (AUDIO_MAX). The
 * rows live in `arena`.
 */
const struct route *studio_routes(struct arena *arena, size_t audio_max);
