#include "logs/redact.h"

#include "base/text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

const char redacted[] = "REDACTED";

static bool among(const struct texts *names, const char *name, size_t size)
{
    for (size_t i = 0; i < names->count; i++)
        if (strlen(names->items[i]) == size && strncasecmp(names->items[i], name, size) == 0)
            return true;
    return false;
}

/* Where a name has one of these in it, its value may be a credential. In the order of the alphabet. */
static const struct {
    const char *text;
    size_t size;
} words[] = { { "auth", 4 }, { "cookie", 6 }, { "cred", 4 },    { "jwt", 3 },  { "key", 3 },  { "pass", 4 },
              { "pwd", 3 },  { "secret", 6 }, { "session", 7 }, { "sign", 4 }, { "token", 5 } };

enum { WORDS = sizeof words / sizeof *words, NAME_MAX_LOOKED = 64 };

static bool begins_word(const char *at, size_t left)
{
    for (size_t i = 0; i < WORDS && words[i].text[0] <= *at; i++)
        if (words[i].text[0] == *at && words[i].size <= left && memcmp(words[i].text, at, words[i].size) == 0)
            return true;
    return false;
}

/* So long a name is nobody's that we know. */
static bool sounds_secret(const char *name, size_t size)
{
    char lower[NAME_MAX_LOOKED];
    if (size > sizeof lower)
        return true;
    lower_copy(lower, name, size);
    for (size_t i = 0; i < size; i++)
        if (begins_word(lower + i, size - i))
            return true;
    return false;
}

bool redact_header(const struct texts *names, const char *name, size_t size)
{
    return sounds_secret(name, size) || among(names, name, size);
}

bool redact_field(const struct texts *names, const char *name, size_t size)
{
    /* p, t and s: a Subsonic client's password, its hash and the hash's salt; code and state: OAuth's; sig and ticket:
     * signed addresses and rooms. */
    static const char *const fields[] = { "p", "t", "s", "sig", "code", "state", "ticket", "otp" };
    static const struct texts known = { (const char **)fields, sizeof fields / sizeof *fields };
    /* A name with escapes in it may be any of them. */
    return memchr(name, '%', size) || memchr(name, '+', size) || among(&known, name, size) ||
           sounds_secret(name, size) || among(names, name, size);
}

struct out {
    char *data;
    size_t size, room;
};

static void put(struct out *out, const char *text, size_t size)
{
    size_t left = out->room - out->size;
    size = size < left ? size : left;
    if (size)
        memcpy(out->data + out->size, text, size);
    out->size += size;
}

static bool is_end(char c)
{
    return c == '&' || c == ';' || c == '#' || c == '?' || isspace((unsigned char)c) || c == '>' || c == '"' ||
           c == ',';
}

/* One field of a query, which ends at `end`. */
static void put_field(struct out *out, const struct texts *names, const char *at, const char *end)
{
    const char *equals = memchr(at, '=', (size_t)(end - at));
    if (!equals || equals + 1 == end || !redact_field(names, at, (size_t)(equals - at))) {
        put(out, at, (size_t)(end - at));
        return;
    }
    put(out, at, (size_t)(equals + 1 - at));
    put(out, redacted, sizeof redacted - 1);
}

size_t redact_url(const struct texts *names, const char *url, size_t size, char *out, size_t room)
{
    struct out to = { .data = out, .room = room };
    const char *end = url + size, *at = memchr(url, '?', size);
    at = at ? at + 1 : end;
    put(&to, url, (size_t)(at - url));
    while (at < end) {
        const char *stop = at;
        while (stop < end && !is_end(*stop))
            stop++;
        put_field(&to, names, at, stop);
        put(&to, stop, stop < end ? 1 : 0);
        at = stop < end ? stop + 1 : end;
    }
    return to.size;
}
