#include "config/name_table.h"

#include <stdint.h>
#include <string.h>

static uint64_t hash_of(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
    return hash;
}

/* The slot of this name, or the free one where it would stand. There is always a free one. */
static struct name_slot *find(const struct name_table *table, const char *name)
{
    size_t mask = table->size - 1, i = hash_of(name) & mask;
    while (table->slots[i].name && strcmp(table->slots[i].name, name) != 0)
        i = (i + 1) & mask;
    return &table->slots[i];
}

static void grow(struct name_table *table, struct arena *arena)
{
    struct name_table larger = { .size = table->size ? table->size * 2 : 16, .count = table->count };
    larger.slots = arena_array(arena, struct name_slot, larger.size);
    for (size_t i = 0; i < table->size; i++)
        if (table->slots[i].name)
            *find(&larger, table->slots[i].name) = table->slots[i];
    *table = larger;
}

void *name_table_put(struct name_table *table, struct arena *arena, const char *name, void *what)
{
    if (table->count * 2 >= table->size)
        grow(table, arena);
    struct name_slot *slot = find(table, name);
    if (slot->name)
        return slot->what;
    *slot = (struct name_slot){ name, what };
    table->count++;
    return NULL;
}

void *name_table_get(const struct name_table *table, const char *name)
{
    return table->size && name ? find(table, name)->what : NULL;
}
