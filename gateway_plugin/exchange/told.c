#include "exchange/told.h"

#include "base/catalogue.h"
#include "exchange/exchange.h"
#include "http/locale.h"

#include <string.h>

static const char name[] = "accept-language";
enum { NAME_SIZE = sizeof name - 1, ACCEPT_MAX = 512 };

/* In a target, or in a request line, whose target ends at a space. Codes need no decoding: an escaped one is nobody's.
 * NULL: none that we speak. */
static const char *asked_in(const char *text, size_t size)
{
    const char *at = memchr(text, '?', size);
    const char *space = at ? memchr(at, ' ', (size_t)(text + size - at)) : NULL, *end = space ? space : text + size;
    while (at && at < end) {
        const char *from = at + 1, *next = memchr(from, '&', (size_t)(end - from));
        size_t length = (size_t)((next ? next : end) - from);
        if (length > 7 && memcmp(from, "locale=", 7) == 0)
            return locale_named(from + 7, length - 7);
        at = next;
    }
    return NULL;
}

static const char *choose(const char *asked, const char *accept, size_t size)
{
    char text[ACCEPT_MAX];
    if (asked || !accept || size >= sizeof text)
        return asked ? asked : "en";
    memcpy(text, accept, size);
    text[size] = 0;
    return locale_choose(NULL, text);
}

const char *told_language(const struct exchange *x)
{
    size_t count;
    const h2o_iovec_t *accept = exchange_request_header(x, name, &count);
    const h2o_iovec_t *target = &x->req->input.path;
    return choose(asked_in(target->base, target->len), accept ? accept->base : NULL, accept ? accept->len : 0);
}

const char *told_language_in(const char *head, size_t size)
{
    const char *line = size ? memchr(head, '\n', size) : NULL, *end = head + size;
    const char *asked = line ? asked_in(head, (size_t)(line - head)) : NULL;
    while (line && ++line < end && *line != '\r') {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((next ? next : end) - line);
        if (next && length > NAME_SIZE && strncasecmp(line, name, NAME_SIZE) == 0 && line[NAME_SIZE] == ':')
            return choose(asked, line + NAME_SIZE + 1, length - NAME_SIZE - 2);
        line = next;
    }
    return asked ? asked : "en";
}

const char *told(const struct exchange *x, const char *english)
{
    return catalogue_find(told_language(x), english);
}
