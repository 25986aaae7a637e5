#include "http/locale.h"

#include "base/catalogue.h"

#include <string.h>
#include <strings.h>

/* Of a tag cut from its end, subtag after subtag, the first is what is left: it decides. */
const char *locale_named(const char *tag, size_t size)
{
    size_t first = 0;
    while (first < size && tag[first] != '-' && tag[first] != '_')
        first++;
    for (const char *const *language = languages; first == 2 && *language; language++)
        if (strncasecmp(tag, *language, 2) == 0)
            return *language;
    return NULL;
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return at;
}

/* A qvalue of RFC 9110, 12.4.2, in thousandths: 0 to 1 and three digits at most. 0 where it is none. */
static int quality_value(const char *at, const char *end)
{
    if (at == end || (*at != '0' && *at != '1'))
        return 0;
    int q = (*at++ - '0') * 1000, unit = 100;
    if (at < end && *at++ != '.')
        return 0;
    for (; at < end && *at >= '0' && *at <= '9' && unit; at++, unit /= 10)
        q += (*at - '0') * unit;
    return skip_space(at, end) == end && q <= 1000 ? q : 0;
}

/* What stands behind a range: nothing, or ";q=0.5" with spaces about its semicolon. */
static int quality(const char *at, const char *end)
{
    at = skip_space(at, end);
    if (at == end)
        return 1000;
    if (*at != ';')
        return 0;
    at = skip_space(at + 1, end);
    if (end - at < 2 || (*at != 'q' && *at != 'Q') || at[1] != '=')
        return 0;
    return quality_value(at + 2, end);
}

const char *locale_choose(const char *asked, const char *accept)
{
    const char *best = asked ? locale_named(asked, strlen(asked)) : NULL;
    if (best || !accept)
        return best ? best : "en";
    int best_quality = 0;
    for (const char *at = accept; *at;) {
        at += strspn(at, " \t,");
        size_t size = strcspn(at, ","), tag = strcspn(at, ",; \t");
        const char *locale = locale_named(at, tag);
        int q = locale ? quality(at + tag, at + size) : 0;
        if (q > best_quality) {
            best = locale;
            best_quality = q;
        }
        at += size;
    }
    return best ? best : "en";
}
