#include "exchange/paths.h"

#include "base/percent.h"

#include <ctype.h>
#include <string.h>

enum byte_kind {
    PLAIN,
    SLASH,
    ESCAPE,
    ENCODE, /* not allowed raw, but harmless: it is escaped */
    QUERY,
    REFUSE,
};

static enum byte_kind kind_of(unsigned char c)
{
    static const unsigned char special[256] = {
        ['/'] = SLASH,   ['%'] = ESCAPE, ['?'] = QUERY,  ['\\'] = REFUSE, ['#'] = REFUSE,
        [0x7f] = REFUSE, ['"'] = ENCODE, ['<'] = ENCODE, ['>'] = ENCODE,  ['^'] = ENCODE,
        ['`'] = ENCODE,  ['{'] = ENCODE, ['|'] = ENCODE, ['}'] = ENCODE,
    };
    if (c <= ' ')
        return REFUSE;
    return c >= 0x80 ? ENCODE : (enum byte_kind)special[c];
}

/* In a query only what no URI may hold is looked at; its escapes are the service's affair. */
static enum byte_kind query_kind(unsigned char c)
{
    if (c <= ' ' || c == 0x7f || c == '#')
        return REFUSE;
    return c >= 0x80 || c == '"' || c == '<' || c == '>' ? ENCODE : PLAIN;
}

static enum path_form look_query(const char *in, size_t from, size_t size)
{
    enum path_form form = PATH_NORMAL;
    for (size_t i = from; i < size; i++) {
        enum byte_kind kind = query_kind((unsigned char)in[i]);
        if (kind == REFUSE)
            return PATH_BAD;
        if (kind == ENCODE)
            form = PATH_REWRITE;
    }
    return form;
}

static bool ends_segment(const char *in, size_t at, size_t size)
{
    return at >= size || in[at] == '/' || in[at] == '?';
}

/* After a slash: an empty segment, or one that is `.` or `..`. */
static bool needs_resolving(const char *in, size_t at, size_t size)
{
    if (at < size && in[at] == '/')
        return true;
    if (at >= size || in[at] != '.')
        return false;
    return ends_segment(in, at + 1, size) || (in[at + 1] == '.' && ends_segment(in, at + 2, size));
}

enum path_form path_look(const char *in, size_t size, struct path *path)
{
    *path = (struct path){ in, size, size };
    if (!size || in[0] != '/')
        return PATH_BAD;
    enum path_form form = PATH_NORMAL;
    for (size_t i = 0; i < size; i++) {
        switch (kind_of((unsigned char)in[i])) {
        case PLAIN:
            break;
        case SLASH:
            if (needs_resolving(in, i + 1, size))
                form = PATH_REWRITE;
            break;
        case QUERY:
            path->size = i;
            switch (look_query(in, i + 1, size)) {
            case PATH_BAD:
                return PATH_BAD;
            case PATH_REWRITE:
                return PATH_REWRITE;
            default:
                return form;
            }
        case REFUSE:
            return PATH_BAD;
        default:
            form = PATH_REWRITE;
        }
    }
    return form;
}

static char *put_escape(char *out, unsigned char c)
{
    static const char digits[] = "0123456789ABCDEF";
    *out++ = '%';
    *out++ = digits[c >> 4];
    *out++ = digits[c & 15];
    return out;
}

static bool unreserved(unsigned char c)
{
    return isalnum(c) || c == '-' || c == '_' || c == '~';
}

/* The escape at `in`; NULL where it is refused. */
static char *put_normal_escape(char *out, const char *in, const char *end)
{
    int byte = percent_byte(in, (size_t)(end - in));
    if (byte < 0)
        return NULL;
    unsigned char c = (unsigned char)byte;
    if (c == '/' || c == '\\' || c == '.' || c < ' ' || c == 0x7f)
        return NULL;
    if (!unreserved(c))
        return put_escape(out, c);
    *out++ = (char)c;
    return out;
}

/* One segment without its slashes. */
static char *put_segment(char *out, const char *in, const char *end)
{
    while (in < end) {
        unsigned char c = (unsigned char)*in;
        switch (kind_of(c)) {
        case ESCAPE:
            if (!(out = put_normal_escape(out, in, end)))
                return NULL;
            in += 3;
            continue;
        case ENCODE:
            out = put_escape(out, c);
            break;
        case REFUSE:
            return NULL;
        default:
            *out++ = (char)c;
        }
        in++;
    }
    return out;
}

static char *put_path(char *out, const char *in, const char *end)
{
    char *start = out;
    *out++ = '/';
    while (in < end) {
        in++; /* the slash */
        const char *stop = memchr(in, '/', (size_t)(end - in));
        if (!stop)
            stop = end;
        size_t size = (size_t)(stop - in);
        if (size == 2 && in[0] == '.' && in[1] == '.') {
            /* Back to the slash before the last segment; never above the root. */
            if (out - start > 1)
                for (out--; out[-1] != '/'; out--)
                    continue;
        } else if (size && !(size == 1 && in[0] == '.')) {
            if (!(out = put_segment(out, in, stop)))
                return NULL;
            if (stop < end)
                *out++ = '/';
        }
        in = stop;
    }
    return out;
}

static char *put_query(char *out, const char *in, const char *end)
{
    for (; in < end; in++) {
        unsigned char c = (unsigned char)*in;
        if (query_kind(c) == ENCODE)
            out = put_escape(out, c);
        else
            *out++ = (char)c;
    }
    return out;
}

bool path_rewrite(const char *in, size_t size, char *out, struct path *path)
{
    const char *end = in + size, *query = memchr(in, '?', size);
    char *stop = put_path(out, in, query ? query : end);
    if (!stop)
        return false;
    *path = (struct path){ .text = out, .size = (size_t)(stop - out) };
    if (query) {
        if (look_query(in, (size_t)(query - in) + 1, size) == PATH_BAD)
            return false;
        stop = put_query(stop, query, end);
    }
    path->total = (size_t)(stop - out);
    return true;
}
