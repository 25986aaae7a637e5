#include "http/range.h"

#include "base/text.h"

#include <string.h>
#include <strings.h>

static bool parse_number(const char **at, int64_t *out)
{
    size_t digits = strspn(*at, "0123456789");
    if (digits == 0)
        return false;
    *out = 0;
    for (size_t i = 0; i < digits; i++) {
        int digit = (*at)[i] - '0';
        /* Further than any file: as good as its end. */
        *out = *out > (INT64_MAX - digit) / 10 ? INT64_MAX : *out * 10 + digit;
    }
    *at += digits;
    return true;
}

static enum range_kind last_bytes(const char *at, int64_t size, struct range *out)
{
    int64_t count = 0;
    if (!parse_number(&at, &count) || *at)
        return RANGE_NONE;
    if (count == 0 || size == 0)
        return RANGE_UNSATISFIABLE;
    out->size = count < size ? count : size;
    out->from = size - out->size;
    return RANGE_PART;
}

enum range_kind range_parse(const char *header, int64_t size, struct range *out)
{
    if (!header || strncasecmp(header, "bytes=", 6) != 0)
        return RANGE_NONE;
    const char *at = header + 6 + strspn(header + 6, " \t");
    if (*at == '-')
        return last_bytes(at + 1, size, out);
    int64_t first = 0, last = INT64_MAX;
    if (!parse_number(&at, &first) || *at++ != '-')
        return RANGE_NONE;
    if (*at && !parse_number(&at, &last))
        return RANGE_NONE;
    if (*at || last < first)
        return RANGE_NONE;
    if (first >= size)
        return RANGE_UNSATISFIABLE;
    out->from = first;
    out->size = (last < size ? last + 1 : size) - first;
    return RANGE_PART;
}

static const char *opaque(const char *tag)
{
    return text_starts(tag, "W/") ? tag + 2 : tag;
}

bool none_match(const char *header, const char *etag)
{
    if (!header || !etag)
        return false;
    const char *wanted = opaque(etag);
    size_t size = strlen(wanted);
    for (const char *at = header; *(at += strspn(at, " \t,"));) {
        if (*at == '*')
            return true;
        at = opaque(at);
        const char *close = *at == '"' ? strchr(at + 1, '"') : NULL;
        if (!close)
            return false;
        if ((size_t)(close - at) + 1 == size && memcmp(at, wanted, size) == 0)
            return true;
        at = close + 1;
    }
    return false;
}

bool if_range(const char *header, const char *etag)
{
    return !header || (*header == '"' && text_equal(header, etag));
}
