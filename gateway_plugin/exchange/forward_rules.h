#pragma once
/* What happens to a header on its way through the edge, by its name. Case does not count. */
#include <stdbool.h>
#include <stddef.h>

enum action {
    PASS,
    DROP,        /* hop-by-hop, or the edge's own to write */
    DROP_PREFIX, /* and all that begin so */
    APPEND,      /* the edge adds itself at the end */
    NAMES,       /* Connection: drops what it names */
    COOKIE,      /* HTTP/2 may send it in crumbs */
};

enum action request_action(const char *name, size_t size);
enum action reply_action(const char *name, size_t size);

/* `lower`: as many characters, none of them a capital. */
bool same_text(const char *text, const char *lower, size_t size);
/* Does the value of a Connection header name other headers? Mostly it says keep-alive or close. */
bool connection_names(const char *value, size_t size);
