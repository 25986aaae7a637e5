#pragma once
/* A host of a route, as Kong writes them: `example.com`, `*.example.com`, `example.*`, each with a port or without. */
#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>

enum host_kind { HOST_WHOLE, HOST_ENDS, HOST_BEGINS };

struct host_rule {
    enum host_kind kind;
    const char *text; /* in lower case, without the star and the port */
    size_t size;
    unsigned port; /* 0: any */
};

/* The host that a request asks for. */
struct host_asked {
    const char *text; /* in lower case, without a port and a last dot */
    size_t size;
    unsigned port;
};

enum { HOST_ROOM = 256 };

/* false: it is none. */
bool host_rule_read(struct arena *arena, const char *text, struct host_rule *rule);
bool host_rule_matches(const struct host_rule *rule, const struct host_asked *asked);
/* From Host or :authority, which has been checked: see is_authority(). One that is too long is none. */
struct host_asked host_asked_read(const char *authority, size_t size, bool tls, char room[HOST_ROOM]);
