#include "base/settings_parts.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* Where a value comes from, first wins. */
enum source { FROM_ENVIRONMENT, FROM_ENV_FILE, FROM_DOT_ENV, SOURCES };

struct load {
    struct ctx *ctx;
    const struct setting *settings;
    struct env_line *lines[SOURCES]; /* [FROM_ENVIRONMENT] stays empty: getenv() */
    const char *program, *about, *env_file;
    char **rest;
    bool wants_rest, failed;
};

static void fault(struct load *load, const char *name, const char *reason)
{
    ctx_violation(load->ctx, name, "setting", "%s", reason);
    load->failed = true;
}

static bool asks_to_print(const char *arg)
{
    return text_equal(arg, "--help") || text_equal(arg, "-h") || text_equal(arg, "--version") ||
           text_equal(arg, "--env-example");
}

static void print_and_exit(const struct load *load, const char *arg)
{
    if (text_equal(arg, "--version"))
        printf("%s %s\n", load->program, TONEARM_VERSION);
    else if (text_equal(arg, "--env-example"))
        settings_write_example(load->settings, stdout);
    else
        settings_print_help(load->settings, load->program, load->about, stdout);
    exit(fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* Takes the arguments that are ours; the others go to the rest in their order. */
static void read_arguments(struct load *load, int argc, char **argv)
{
    size_t left = 0;
    bool ours = true;
    load->rest = arena_array(&load->ctx->arena, char *, (size_t)argc + 1);
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (ours && !left && asks_to_print(arg))
            print_and_exit(load, arg);
        if (ours && text_starts(arg, "--env-file="))
            load->env_file = arg + strlen("--env-file=");
        else if (ours && text_equal(arg, "--env-file") && i + 1 < argc)
            load->env_file = argv[++i];
        else if (ours && text_equal(arg, "--env-file"))
            fault(load, "--env-file", "needs the name of a file");
        else if (ours && text_equal(arg, "--"))
            ours = false;
        else if (load->wants_rest)
            load->rest[left++] = argv[i];
        else
            fault(load, arena_strdup(&load->ctx->arena, arg), "is no argument of this program; see --help");
    }
}

static const char *look_up(const struct load *load, enum source source, const char *name)
{
    if (source == FROM_ENVIRONMENT)
        return getenv(name);
    for (const struct env_line *line = load->lines[source]; line; line = line->before)
        if (text_equal(line->name, name))
            return line->value;
    return NULL;
}

/* What a source says of a setting: a value, or the path of a file that holds it. */
struct given {
    const char *value, *path;
};

static bool find(struct load *load, const struct setting *setting, struct given *given)
{
    const char *file_name = arena_printf(&load->ctx->arena, "%s_FILE", setting->name);
    for (enum source source = FROM_ENVIRONMENT; source < SOURCES; source++) {
        *given = (struct given){ look_up(load, source, setting->name), look_up(load, source, file_name) };
        if (given->path && !*given->path)
            given->path = NULL;
        if (given->value && !*given->value && (setting->kind != SETTING_TEXT || given->path))
            given->value = NULL;
        if (given->value && given->path)
            return fault(load, setting->name, "is given twice: itself and as a file"), false;
        if (given->value || given->path)
            return true;
    }
    *given = (struct given){ .value = setting->value };
    return true;
}

static void fill_secret(struct load *load, const struct setting *setting, struct given given, struct secret *to)
{
    struct arena *arena = &load->ctx->arena;
    const char *reason = NULL;
    *to = (struct secret){ .name = setting->name,
                           .path = arena_strdup(arena, given.path),
                           .fixed = arena_strdup(arena, given.value) };
    size_t size = to->fixed ? strlen(to->fixed) : 0;
    if (to->fixed && (size < (size_t)setting->min || (setting->max && size > (size_t)setting->max)))
        reason = arena_printf(arena, "must have %s characters", setting_range(arena, setting));
    if (to->path)
        to->file = secret_follow(arena, setting, to->path, &reason);
    if (reason)
        fault(load, setting->name, to->path ? arena_printf(arena, "%s: %s", to->path, reason) : reason);
    else if (setting->required && !secret_given(to))
        fault(load, setting->name, "is required (or its file by NAME_FILE)");
}

static void fill_plain(struct load *load, const struct setting *setting, struct given given, void *to)
{
    struct arena *arena = &load->ctx->arena;
    const char *reason = NULL;
    const char *value = given.path ? small_file_read(arena, given.path, &reason) : arena_strdup(arena, given.value);
    if (reason)
        fault(load, setting->name, arena_printf(arena, "%s: %s", given.path, reason));
    else if (setting->required && (!value || !*value))
        fault(load, setting->name, "is required");
    else if (value && (reason = setting_take(arena, setting, value, to)))
        fault(load, setting->name, reason);
}

static void fill_one(struct load *load, const struct setting *setting, void *to)
{
    struct given given;
    if (!find(load, setting, &given))
        return;
    if (setting->kind == SETTING_SECRET)
        fill_secret(load, setting, given, to);
    else
        fill_plain(load, setting, given, to);
}

static void fill_item(struct load *load, const struct setting_group *group, const char *name, char *item)
{
    *(const char **)item = name;
    for (const struct setting *row = group->settings; row->name; row++) {
        struct setting own = *row;
        const char *preset = group->preset ? group->preset(name, row->name) : NULL;
        own.name = setting_item_name(&load->ctx->arena, group, name, row->name);
        own.value = preset ? preset : row->value;
        fill_one(load, &own, item + row->offset);
    }
}

/* The names stand in the setting itself, each item's settings under names that are made of it. */
static void fill(struct load *load, const struct setting *setting, void *to)
{
    const struct setting_group *group = setting->group;
    if (!group) {
        fill_one(load, setting, to);
        return;
    }
    struct setting_items names = { 0 }, *items = to;
    fill_one(load, setting, &names);
    items->items = arena_alloc(&load->ctx->arena, group->size * (names.count + 1));
    items->count = names.count;
    for (size_t i = 0; i < names.count; i++)
        fill_item(load, group, ((const char **)names.items)[i], (char *)items->items + i * group->size);
}

static void print_faults(const struct load *load)
{
    for (const struct violation *v = load->ctx->error->violations; v; v = v->next)
        fprintf(stderr, "%s: %s\n", v->field, v->message);
}

bool settings_load(struct ctx *ctx, const struct setting *settings, void *out, int argc, char **argv, const char *about,
                   char ***rest)
{
    const char *slash = argc ? strrchr(argv[0], '/') : NULL;
    struct load load = {
        .ctx = ctx,
        .settings = settings,
        .program = slash  ? slash + 1
                   : argc ? argv[0]
                          : "tonearm",
        .about = about,
        .wants_rest = rest != NULL,
    };
    read_arguments(&load, argc, argv);
    if (load.env_file && !env_file_read(ctx, load.env_file, false, &load.lines[FROM_ENV_FILE]))
        load.failed = true;
    if (!env_file_read(ctx, ".env", true, &load.lines[FROM_DOT_ENV]))
        load.failed = true;
    for (const struct setting *setting = settings; setting->name; setting++)
        fill(&load, setting, (char *)out + setting->offset);
    if (load.failed)
        print_faults(&load);
    else if (rest)
        *rest = load.rest;
    return !load.failed;
}
