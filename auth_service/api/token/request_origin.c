#include "token/request_origin.h"

#include "base/text.h"
#include "record/unicode.h"

#include <string.h>
#include <strings.h>

enum { DEVICE_MAX = 200 }; /* bytes of User-Agent that are kept */

/* Whole characters that can be seen, and spaces: it is shown to its person and to administrators. */
static const char *printable(struct arena *arena, const char *text)
{
    char *out = arena_alloc(arena, DEVICE_MAX + 1);
    size_t size = 0, length;
    for (const char *at = text; (length = utf8_length(at)) && size + length <= DEVICE_MAX; at += length) {
        const char *next = at;
        if (*at != ' ' && !unicode_visible(utf8_next(&next)))
            continue;
        memcpy(out + size, at, length);
        size += length;
    }
    return size ? out : NULL;
}

struct device request_device(struct request *req)
{
    const char *agent = request_header(req, "user-agent");
    return (struct device){ .name = agent ? printable(&req->ctx.arena, agent) : NULL, .address = req->peer };
}

const char *request_client(const struct request *req)
{
    if (req->key)
        return req->key->id;
    return request_header(req, "x-credential-identifier");
}

const char *request_bearer(const struct request *req)
{
    static const char scheme[] = "Bearer ";
    const char *header = request_header(req, "authorization");
    if (!header)
        return NULL;
    if (strncasecmp(header, scheme, strlen(scheme)) != 0)
        return "";
    header += strlen(scheme);
    return header + strspn(header, " ");
}
