#include "http/locale.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const locales[] = { "en", "de", "es", "fr", "hi", "ja", "zh" };

/* "de", "de-AT", "DE_ch": the first subtag decides. NULL: none of ours. */
static const char *locale_named(const char *tag, size_t size)
{
    size_t language = 0;
    while (language < size && tag[language] != '-' && tag[language] != '_')
        language++;
    for (size_t i = 0; i < sizeof locales / sizeof *locales; i++)
        if (language == 2 && strncasecmp(tag, locales[i], 2) == 0)
            return locales[i];
    return NULL;
}

/* The q of "de;q=0.5" in thousandths. */
static int quality(const char *parameters, size_t size)
{
    for (size_t i = 0; i + 2 < size; i++)
        if ((parameters[i] == 'q' || parameters[i] == 'Q') && parameters[i + 1] == '=')
            return (int)(strtod(parameters + i + 2, NULL) * 1000);
    return 1000;
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
        int q = quality(at + tag, size - tag);
        if (locale && q > best_quality) {
            best = locale;
            best_quality = q;
        }
        at += size;
    }
    return best ? best : "en";
}
