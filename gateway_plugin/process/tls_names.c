#include "process/tls_names.h"

#include "config/kong.h"
#include "must.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct entry {
    char *name;
    void *value;
};

struct tls_names {
    void (*release)(void *value);
    struct entry *entries; /* by name */
    size_t count;
};

struct tls_names *tls_names_create(void (*release)(void *value))
{
    struct tls_names *names = must(calloc(1, sizeof *names));
    names->release = release;
    return names;
}

void tls_names_destroy(struct tls_names *names)
{
    for (size_t i = 0; names && i < names->count; i++) {
        free(names->entries[i].name);
        names->release(names->entries[i].value);
    }
    if (names)
        free(names->entries);
    free(names);
}

/* Where the name is, or would be. Case does not count. */
static size_t place_of(const struct tls_names *names, const char *name, bool *found)
{
    size_t low = 0, high = names->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcasecmp(name, names->entries[middle].name);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    *found = false;
    return low;
}

void tls_names_add(struct tls_names *names, const char *name, void *value)
{
    bool found;
    size_t place = place_of(names, name, &found);
    if (found) {
        names->release(value);
        return;
    }
    names->entries = must(reallocarray(names->entries, names->count + 1, sizeof *names->entries));
    memmove(names->entries + place + 1, names->entries + place, (names->count - place) * sizeof *names->entries);
    names->entries[place] = (struct entry){ must(strdup(name)), value };
    names->count++;
}

static void *look(const struct tls_names *names, const char *name)
{
    bool found;
    size_t place = place_of(names, name, &found);
    return found ? names->entries[place].value : NULL;
}

void *tls_names_find(const struct tls_names *names, const char *name)
{
    char wild[TLS_NAME_MAX + 3];
    const char *first = strchr(name, '.'), *last = strrchr(name, '.');
    if (strlen(name) > TLS_NAME_MAX)
        return NULL;
    void *value = look(names, name);
    if (!value && first) {
        snprintf(wild, sizeof wild, "*%s", first);
        value = look(names, wild);
    }
    if (!value && last) {
        snprintf(wild, sizeof wild, "%.*s.*", (int)(last - name), name);
        value = look(names, wild);
    }
    return value ? value : look(names, "*");
}

bool tls_name_valid(const char *name)
{
    char plain[TLS_NAME_MAX + 1];
    size_t size = strlen(name);
    if (strcmp(name, "*") == 0)
        return true;
    if (!size || size > TLS_NAME_MAX || strchr(name, ':'))
        return false;
    memcpy(plain, name, size + 1);
    bool starts = strncmp(plain, "*.", 2) == 0, ends = size > 2 && strcmp(plain + size - 2, ".*") == 0;
    if (starts && ends)
        return false;
    if (starts)
        plain[0] = 'x';
    if (ends)
        plain[size - 1] = 'x';
    return !strchr(plain, '*') && is_host(plain);
}
