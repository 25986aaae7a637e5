#include "config/options.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct place {
    struct faults *faults;
    const char *field;
    const struct node *node;
    const struct option *option;
    void *member;
};

const char *field_path(struct faults *faults, const char *path, const char *name)
{
    return *path ? arena_printf(faults->arena, "%s.%s", path, name) : arena_strdup(faults->arena, name);
}

const char *item_path(struct faults *faults, const char *path, const char *name, size_t index)
{
    return arena_printf(faults->arena, "%s%s%s[%zu]", path, *path ? "." : "", name, index);
}

static bool is_text(const struct place *place, const struct node *node)
{
    if (node->kind != NODE_SCALAR || node_null(node))
        return fault(place->faults, node->line, place->field, "must be text");
    if (!*node->text)
        return fault(place->faults, node->line, place->field, "must not be empty");
    if (text_starts(node->text, "{vault://") || text_starts(node->text, "${{"))
        return fault(
            place->faults, node->line, place->field,
            "stands for a value that is elsewhere: there are no vaults and no variables, write the value here");
    if (place->option->valid && !place->option->valid(node->text))
        return place->option->secret
                   ? fault(place->faults, node->line, place->field, "%s", place->option->rule)
                   : fault(place->faults, node->line, place->field, "\"%s\" %s", node->text, place->option->rule);
    return true;
}

static int choice_index(const char *const *choices, const char *text)
{
    for (int i = 0; choices[i]; i++)
        if (strcmp(choices[i], text) == 0)
            return i;
    return -1;
}

static const char *choices_text(const struct place *place)
{
    struct buf out = BUF(place->faults->arena);
    for (size_t i = 0; place->option->choices[i]; i++)
        buf_printf(&out, "%s%s", i ? ", " : "", place->option->choices[i]);
    return out.data;
}

static bool is_choice(const struct place *place, const struct node *node, int *index)
{
    if (!is_text(place, node))
        return false;
    *index = choice_index(place->option->choices, node->text);
    const char *instead = place->option->instead;
    return *index >= 0 || fault(place->faults, node->line, place->field, "\"%s\" is not supported (%s)%s%s", node->text,
                                choices_text(place), instead ? ": " : "", instead ? instead : "");
}

static void read_text(const struct place *place)
{
    if (is_text(place, place->node))
        *(const char **)place->member = place->node->text;
}

static bool is_integer(const struct place *place, const struct node *node, int64_t *value)
{
    const struct option *option = place->option;
    bool negative = node->kind == NODE_SCALAR && *node->text == '-';
    if (node->kind != NODE_SCALAR || node->quoted || !text_number(node->text + negative, INT64_MAX, value))
        return fault(place->faults, node->line, place->field, "must be a whole number");
    *value = negative ? -*value : *value;
    if (*value < option->min || *value > option->max)
        return fault(place->faults, node->line, place->field, "must be between %lld and %lld", (long long)option->min,
                     (long long)option->max);
    return true;
}

static void read_integer(const struct place *place)
{
    int64_t value;
    if (is_integer(place, place->node, &value))
        *(int64_t *)place->member = value;
}

/* A number with a fraction, kept in thousandths. */
static void read_thousandths(const struct place *place, int64_t min, int64_t max, const char *what)
{
    const struct node *node = place->node;
    char *end = NULL;
    double number = node->kind == NODE_SCALAR && !node->quoted && *node->text ? strtod(node->text, &end) : 0;
    /* No names of numbers, no hexadecimal ones. */
    if (!end || *end || strspn(node->text, "0123456789.eE+-") != strlen(node->text))
        fault(place->faults, node->line, place->field, "must be a number%s", what);
    else if (!(number * 1000 >= (double)min && number * 1000 <= (double)max))
        fault(place->faults, node->line, place->field, "must be between %g and %g", (double)min / 1000,
              (double)max / 1000);
    else
        *(int64_t *)place->member = (int64_t)(number * 1000 + (number < 0 ? -0.5 : 0.5));
}

static void read_seconds(const struct place *place)
{
    read_thousandths(place, place->option->min, place->option->max, " of seconds");
}

static void read_part(const struct place *place)
{
    read_thousandths(place, 0, 1000, "");
}

static void read_flag(const struct place *place)
{
    const struct node *node = place->node;
    bool yes = node->kind == NODE_SCALAR && !node->quoted && text_equal(node->text, "true");
    bool no = node->kind == NODE_SCALAR && !node->quoted && text_equal(node->text, "false");
    if (yes || no)
        *(bool *)place->member = yes;
    else
        fault(place->faults, node->line, place->field, "must be true or false");
}

static void read_texts(const struct place *place)
{
    const struct node *node = place->node;
    if (node->kind != NODE_LIST) {
        fault(place->faults, node->line, place->field, "must be a list");
        return;
    }
    if ((place->option->required || place->option->filled) && !node->first)
        fault(place->faults, node->line, place->field, "must not be empty");
    struct texts *texts = place->member;
    *texts = (struct texts){ .items = arena_array(place->faults->arena, const char *, node->count + 1) };
    for (const struct node *item = node->first; item; item = item->next) {
        int index;
        bool good = place->option->choices ? is_choice(place, item, &index) : is_text(place, item);
        if (good)
            texts->items[texts->count++] = item->text;
    }
}

static void read_integers(const struct place *place)
{
    const struct node *node = place->node;
    if (node->kind != NODE_LIST) {
        fault(place->faults, node->line, place->field, "must be a list");
        return;
    }
    struct integers *integers = place->member;
    *integers = (struct integers){ .items = arena_array(place->faults->arena, int64_t, node->count + 1) };
    for (const struct node *item = node->first; item; item = item->next)
        if (is_integer(place, item, &integers->items[integers->count]))
            integers->count++;
}

static void read_choice(const struct place *place)
{
    int index;
    if (is_choice(place, place->node, &index))
        *(int *)place->member = index;
}

/* `only` as a list by comma holds `text`. */
static bool among(const char *only, const char *text)
{
    size_t size = strlen(text);
    for (const char *at = only; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, text, size) == 0 && (at[size] == ',' || !at[size]))
            return true;
    return false;
}

static void read_fixed(const struct place *place)
{
    const struct node *node = place->node, *item = node->kind == NODE_LIST ? node->first : node;
    for (; item; item = item->next) {
        if (item->kind != NODE_SCALAR || !among(place->option->only, item->text)) {
            fault(place->faults, item->line, place->field, "is not supported but for: %s%s%s", place->option->only,
                  place->option->instead ? ": " : "", place->option->instead ? place->option->instead : "");
            return;
        }
        if (item == node)
            return;
    }
}

static void read_nothing(const struct place *place)
{
    (void)place;
}

static void read_refused(const struct place *place)
{
    const char *instead = place->option->instead;
    fault(place->faults, place->node->line, place->field, "is not supported by the edge%s%s", instead ? ": " : "",
          instead ? instead : "");
}

static void read_map(const struct place *place)
{
    options_read(place->faults, place->field, place->node, place->option->fields, place->member);
}

static void read_pairs(const struct place *place)
{
    const struct node *node = place->node;
    struct named_texts *pairs = place->member;
    if (node->kind != NODE_MAP) {
        fault(place->faults, node->line, place->field, "must be a map of names to texts");
        return;
    }
    *pairs = (struct named_texts){ { arena_array(place->faults->arena, const char *, node->count + 1), 0 },
                                   { arena_array(place->faults->arena, const char *, node->count + 1), 0 } };
    for (const struct node *item = node->first; item; item = item->next) {
        const char *field = field_path(place->faults, place->field, item->key);
        if (item->kind != NODE_SCALAR || node_null(item) || !*item->text)
            fault(place->faults, item->line, field, "must be text, and not empty");
        else if (place->option->valid && !place->option->valid(item->key))
            fault(place->faults, item->line, field, "%s", place->option->rule);
        pairs->names.items[pairs->names.count++] = item->key;
        pairs->values.items[pairs->values.count++] = item->text;
    }
}

static void (*const readers[])(const struct place *) = {
    [OPTION_TEXT] = read_text,       [OPTION_INTEGER] = read_integer,   [OPTION_FLAG] = read_flag,
    [OPTION_TEXTS] = read_texts,     [OPTION_INTEGERS] = read_integers, [OPTION_CHOICE] = read_choice,
    [OPTION_FIXED] = read_fixed,     [OPTION_NOTE] = read_nothing,      [OPTION_CHILD] = read_nothing,
    [OPTION_SECONDS] = read_seconds, [OPTION_REFUSED] = read_refused,   [OPTION_MAP] = read_map,
    [OPTION_NAMED] = read_pairs,     [OPTION_PART] = read_part,
};

static const struct option *option_named(const struct option *options, const char *name)
{
    for (; options->name; options++)
        if (strcmp(options->name, name) == 0)
            return options;
    return NULL;
}

static void read_member(struct faults *faults, const char *path, const struct node *node, const struct option *options,
                        void *out)
{
    struct place place = { .faults = faults, .field = field_path(faults, path, node->key), .node = node };
    place.option = option_named(options, node->key);
    if (!place.option) {
        fault(faults, node->line, place.field, "is not a field that the edge knows");
        return;
    }
    /* Kong writes null for what is not set. */
    if (node_null(node) && !place.option->required)
        return;
    place.member = (char *)out + place.option->offset;
    readers[place.option->kind](&place);
}

void options_read(struct faults *faults, const char *path, const struct node *map, const struct option *options,
                  void *out)
{
    if (map->kind != NODE_MAP) {
        fault(faults, map->line, *path ? path : "yaml", "must be a map of fields");
        return;
    }
    for (const struct node *node = map->first; node; node = node->next)
        read_member(faults, path, node, options, out);
    for (const struct option *option = options; option->name; option++)
        if (option->required && !node_get(map, option->name))
            fault(faults, map->line, field_path(faults, path, option->name), "is required");
}
