#include "base/settings_parts.h"

#include "base/text.h"

#include <string.h>

enum { ITEMS_MAX = 16, ITEM_NAME_MAX = 32 };

struct unit {
    const char *name;
    int64_t factor;
};

/* Largest first, as values are spelled. */
static const struct unit durations[] = { { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 },
                                         { "s", 1000 },     { "ms", 1 },      { NULL, 0 } };
static const struct unit sizes[] = { { "G", 1 << 30 }, { "M", 1 << 20 }, { "k", 1 << 10 }, { "", 1 }, { NULL, 0 } };
static const struct unit plain[] = { { "", 1 }, { NULL, 0 } };

static const struct unit *units_of(enum setting_kind kind)
{
    return kind == SETTING_MS ? durations : kind == SETTING_BYTES ? sizes : plain;
}

const char *setting_spell(struct arena *arena, const struct setting *setting, int64_t value)
{
    const struct unit *unit = units_of(setting->kind);
    if (value == 0)
        return "0";
    while (value % unit->factor)
        unit++;
    return arena_printf(arena, "%lld%s", (long long)(value / unit->factor), unit->name);
}

const char *setting_range(struct arena *arena, const struct setting *setting)
{
    if (!setting->min && !setting->max)
        return NULL;
    const char *least = setting_spell(arena, setting, setting->min);
    if (!setting->max)
        return arena_printf(arena, "at least %s", least);
    return arena_printf(arena, "%s to %s", least, setting_spell(arena, setting, setting->max));
}

/* Digits and a unit; only 0 needs none where there are units. `k` and `K` are alike, so are `M` and `m` of sizes. */
static bool parse_amount(enum setting_kind kind, const char *text, int64_t *out)
{
    bool negative = *text == '-' && kind == SETTING_INTEGER;
    text += negative;
    size_t digits = strspn(text, "0123456789");
    char number[20];
    if (!digits || digits >= sizeof number)
        return false;
    memcpy(number, text, digits);
    number[digits] = 0;
    if (!text_number(number, INT64_MAX, out))
        return false;
    if (negative)
        *out = -*out;
    if (*out == 0 && !text[digits])
        return true;
    for (const struct unit *unit = units_of(kind); unit->name; unit++)
        if (kind == SETTING_BYTES ? !strcasecmp(unit->name, text + digits) : !strcmp(unit->name, text + digits))
            return !__builtin_mul_overflow(*out, unit->factor, out);
    return false;
}

static const char *take_amount(struct arena *arena, const struct setting *setting, const char *value, int64_t *to)
{
    static const char *const wanted[] = {
        [SETTING_INTEGER] = "a whole number",
        [SETTING_MS] = "a duration such as 250ms, 5s, 10m, 2h, 7d",
        [SETTING_BYTES] = "a size such as 512, 64k, 16M, 2G",
    };
    const char *range = setting_range(arena, setting);
    bool bounded = range != NULL;
    if (!parse_amount(setting->kind, value, to))
        return arena_printf(arena, "must be %s%s%s", wanted[setting->kind], bounded ? ", " : "", bounded ? range : "");
    if (bounded && (*to < setting->min || (setting->max && *to > setting->max)))
        return arena_printf(arena, "must be %s", range);
    return NULL;
}

static const char *take_flag(const char *value, bool *to)
{
    static const char *const yes[] = { "true", "yes", "on", "1" }, *const no[] = { "false", "no", "off", "0" };
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        if (strcasecmp(value, yes[i]) == 0)
            return *to = true, NULL;
        if (strcasecmp(value, no[i]) == 0)
            return *to = false, NULL;
    }
    return "must be true or false (yes, no, on, off, 1, 0)";
}

static const char *take_enum(struct arena *arena, const struct setting *setting, const char *value, int *to)
{
    const char *names = "";
    for (int i = 0; setting->values[i]; i++) {
        if (text_equal(setting->values[i], value))
            return *to = i, NULL;
        names = arena_printf(arena, "%s%s%s", names, i ? ", " : "", setting->values[i]);
    }
    return arena_printf(arena, "must be one of %s", names);
}

static const char *take_text(struct arena *arena, const struct setting *setting, const char *value, const char **to)
{
    *to = value;
    size_t size = strlen(value);
    if (size && (size < (size_t)setting->min || (setting->max && size > (size_t)setting->max)))
        return arena_printf(arena, "must have %s characters", setting_range(arena, setting));
    return size && setting->wrong ? setting->wrong(value) : NULL;
}

static bool is_item_name(const char *text)
{
    size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return size && size <= ITEM_NAME_MAX && !text[size] && *text >= 'a' && *text <= 'z';
}

/* The names of a group's items. */
static const char *take_names(struct arena *arena, const char *value, struct setting_items *to)
{
    char *rest = arena_strdup(arena, value);
    const char **names = arena_array(arena, const char *, ITEMS_MAX);
    *to = (struct setting_items){ names, 0 };
    for (const char *name; (name = strsep(&rest, ","));) {
        if (!is_item_name(name))
            return arena_printf(arena, "must be names by comma, each of 1 to %d of a-z, 0-9 and -, the first a letter",
                                ITEM_NAME_MAX);
        if (to->count == ITEMS_MAX)
            return arena_printf(arena, "names more than %d", ITEMS_MAX);
        for (size_t i = 0; i < to->count; i++)
            if (text_equal(names[i], name))
                return arena_printf(arena, "names %s twice", name);
        names[to->count++] = name;
    }
    return NULL;
}

char *setting_item_name(struct arena *arena, const struct setting_group *group, const char *item, const char *setting)
{
    char *name = arena_printf(arena, "%s%s_%s", group->prefix, item, setting);
    for (char *c = name; *c; c++)
        *c = *c == '-' ? '_' : *c >= 'a' && *c <= 'z' ? (char)(*c - ('a' - 'A')) : *c;
    return name;
}

const char *setting_take(struct arena *arena, const struct setting *setting, const char *value, void *to)
{
    switch (setting->kind) {
    case SETTING_FLAG:
        return take_flag(value, to);
    case SETTING_ENUM:
        return take_enum(arena, setting, value, to);
    case SETTING_TEXT:
        return take_text(arena, setting, value, to);
    case SETTING_GROUP:
        return take_names(arena, value, to);
    default:
        return take_amount(arena, setting, value, to);
    }
}
