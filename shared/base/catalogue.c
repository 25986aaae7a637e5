#include "base/catalogue.h"

#include <stdint.h>
#include <string.h>

/* GNU gettext, "The Format of GNU MO Files": a head of numbers, two tables of (length, offset), the texts with a NUL
 * behind each. */
enum { AT_COUNT = 8, AT_ENGLISH = 12, AT_TOLD = 16, ENTRY = 8, ENTRY_OFFSET = 4 };

static uint32_t number_at(const struct catalogue *catalogue, size_t at)
{
    uint32_t number;
    memcpy(&number, catalogue->data + at, sizeof number);
    return number;
}

static const char *text_at(const struct catalogue *catalogue, size_t table, size_t index)
{
    size_t entry = number_at(catalogue, table) + index * ENTRY;
    return (const char *)catalogue->data + number_at(catalogue, entry + ENTRY_OFFSET);
}

size_t catalogue_count(const struct catalogue *catalogue)
{
    return number_at(catalogue, AT_COUNT);
}

const char *catalogue_english(const struct catalogue *catalogue, size_t index)
{
    return text_at(catalogue, AT_ENGLISH, index);
}

const char *catalogue_told(const struct catalogue *catalogue, size_t index)
{
    return text_at(catalogue, AT_TOLD, index);
}

static const char *find(const struct catalogue *catalogue, const char *english)
{
    size_t low = 0, high = catalogue_count(catalogue);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(english, catalogue_english(catalogue, middle));
        if (order == 0)
            return catalogue_told(catalogue, middle);
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const char *catalogue_find(const char *language, const char *english)
{
    /* The first entry is the catalogue's own head, whose key is empty. */
    if (!language || !*english || strcmp(language, "en") == 0)
        return english;
    for (const struct catalogue *catalogue = catalogues; catalogue->language; catalogue++)
        if (strcmp(catalogue->language, language) == 0) {
            const char *told = find(catalogue, english);
            return told ? told : english;
        }
    return english;
}
