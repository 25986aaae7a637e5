/* The names under which clients send credentials, of all plugins of a file: what is logged leaves their values out. */
#include "config/kong.h"

#include <string.h>

struct collected {
    struct arena *arena;
    struct texts *names;
    size_t room;
};

static bool has(const struct texts *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], name) == 0)
            return true;
    return false;
}

static void add(struct collected *all, const char *name)
{
    if (has(all->names, name))
        return;
    if (all->names->count == all->room) {
        all->room = all->room ? all->room * 2 : 8;
        const char **items = arena_array(all->arena, const char *, all->room);
        if (all->names->count)
            memcpy(items, all->names->items, all->names->count * sizeof *items);
        all->names->items = items;
    }
    all->names->items[all->names->count++] = name;
}

static void add_all(void *self, const struct texts *names)
{
    for (size_t i = 0; i < names->count; i++)
        add(self, names->items[i]);
}

void kong_secrets(struct kong_reader *reader)
{
    struct collected all = { .arena = reader->faults->arena, .names = &reader->config->secret_names };
    for (const struct kong_plugin *row = reader->config->plugins; row; row = row->next)
        if (row->plugin->secrets)
            row->plugin->secrets(row->config, add_all, &all);
}
