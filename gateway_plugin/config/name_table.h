#pragma once
/* What is called so: a hash table that lives in an arena. Zeroed it is empty. */
#include "base/arena.h"

struct name_slot {
    const char *name;
    void *what;
};

struct name_table {
    struct name_slot *slots;
    size_t size, count;
};

/* What had this name before: then it keeps it. NULL: nothing had. `name` must live as long as the table. */
void *name_table_put(struct name_table *table, struct arena *arena, const char *name, void *what);
/* NULL: nothing is called so. */
void *name_table_get(const struct name_table *table, const char *name);
