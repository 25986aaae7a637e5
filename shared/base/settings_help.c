#include "base/settings_parts.h"

#include "base/buf.h"

#include <string.h>

enum { WIDTH = 80 };

static const char *const kinds[] = {
    [SETTING_TEXT] = "text",     [SETTING_INTEGER] = "number",       [SETTING_FLAG] = "true or false",
    [SETTING_MS] = "duration",   [SETTING_BYTES] = "size",           [SETTING_ENUM] = "one of",
    [SETTING_SECRET] = "secret", [SETTING_GROUP] = "names by comma",
};

/* Shown in the place of an item's name. */
static const char any_item[] = "name";

/* "duration, 100ms to 10m, default 5s": all but the help. */
static char *facts_of(struct arena *arena, const struct setting *setting)
{
    struct buf out = BUF(arena);
    buf_text(&out, kinds[setting->kind]);
    for (int i = 0; setting->kind == SETTING_ENUM && setting->values[i]; i++)
        buf_printf(&out, "%s%s", i ? ", " : " ", setting->values[i]);
    const char *range = setting_range(arena, setting);
    bool counted = setting->kind == SETTING_TEXT || setting->kind == SETTING_SECRET;
    if (range)
        buf_printf(&out, ", %s%s", range, counted ? " characters" : "");
    if (setting->unit)
        buf_printf(&out, "%s%s", range ? " " : ", ", setting->unit);
    if (setting->value)
        buf_printf(&out, "; default %s", *setting->value ? setting->value : "empty");
    else if (setting->required)
        buf_text(&out, "; required");
    return out.data;
}

/* Whole words, each line begun with `lead`. */
static void print_wrapped(const char *text, const char *lead, FILE *out)
{
    size_t column = 0;
    while (*text) {
        size_t word = strcspn(text, " ");
        if (column && column + 1 + word > WIDTH) {
            fputc('\n', out);
            column = 0;
        }
        column += (size_t)fprintf(out, "%s%.*s", column ? " " : lead, (int)word, text);
        text += word;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static void print_help_of(struct arena *arena, const char *name, const struct setting *setting, FILE *out)
{
    fprintf(out, "\n  %s\n", name);
    if (setting->help)
        print_wrapped(setting->help, "      ", out);
    print_wrapped(arena_printf(arena, "(%s)", facts_of(arena, setting)), "      ", out);
}

void settings_print_help(const struct setting *settings, const char *program, const char *about, FILE *out)
{
    struct arena arena = { 0 };
    if (about)
        print_wrapped(about, "", out);
    fprintf(out, "\nusage: %s [--env-file FILE]\n       %s --help | --version\n\n", program, program);
    print_wrapped(
        "Settings come from the environment, then --env-file FILE, then .env in the working directory, then their "
        "defaults. NAME_FILE names a file that holds the value of NAME.",
        "", out);
    for (const struct setting *setting = settings; setting->name; setting++) {
        print_help_of(&arena, setting->name, setting, out);
        const struct setting_group *group = setting->group;
        for (const struct setting *row = group ? group->settings : NULL; row && row->name; row++)
            print_help_of(&arena, setting_item_name(&arena, group, any_item, row->name), row, out);
    }
    arena_free(&arena);
}

static void write_example_of(struct arena *arena, const char *name, const struct setting *setting, FILE *out)
{
    if (setting->help)
        print_wrapped(setting->help, "# ", out);
    print_wrapped(facts_of(arena, setting), "# ", out);
    fprintf(out, "#%s%s=%s\n", name, setting->kind == SETTING_SECRET ? "_FILE" : "",
            setting->value ? setting->value : "");
}

void settings_write_example(const struct setting *settings, FILE *out)
{
    struct arena arena = { 0 };
    for (const struct setting *setting = settings; setting->name; setting++) {
        write_example_of(&arena, setting->name, setting, out);
        const struct setting_group *group = setting->group;
        for (const struct setting *row = group ? group->settings : NULL; row && row->name; row++) {
            fputc('\n', out);
            write_example_of(&arena, setting_item_name(&arena, group, any_item, row->name), row, out);
        }
        if (setting[1].name)
            fputc('\n', out);
    }
    arena_free(&arena);
}
