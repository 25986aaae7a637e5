#include "config/config.h"

#include "base/cleanup.h"
#include "config/kong.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

struct config *config_read(struct faults *faults, const char *data, size_t size)
{
    struct config *config = calloc(1, sizeof *config);
    if (!config)
        abort();
    atomic_init(&config->references, 1);
    /* What is read lives with the configuration; the faults do not. */
    struct faults own = FAULTS(&config->arena, faults->file);
    config->file = arena_strdup(&config->arena, faults->file);
    config->text = arena_memdup(&config->arena, data, size);
    config->size = size;
    const struct node *root = yaml_read(&own, config->text, size);
    struct kong_reader reader = { .config = config,
                                  .faults = &own,
                                  .last_service = &config->services,
                                  .last_route = &config->routes,
                                  .last_upstream = &config->upstreams,
                                  .last_plugin = &config->plugins,
                                  .last_consumer = &config->consumers };
    if (root) {
        kong_read(&reader, root);
        kong_link(&reader);
    }
    if (!own.count)
        return config;
    for (const struct fault *one = own.first; one; one = one->next)
        fault(faults, one->line, one->field, "%s", one->reason);
    faults->count = own.count;
    config_unref(config);
    return NULL;
}

static char *read_all(struct arena *arena, int fd, size_t *size)
{
    char *data = arena_alloc(arena, YAML_MAX + 2);
    *size = 0;
    while (*size <= YAML_MAX) {
        ssize_t got = read(fd, data + *size, YAML_MAX + 1 - *size);
        if (got == 0)
            return data;
        if (got < 0 && errno != EINTR)
            return NULL;
        *size += got > 0 ? (size_t)got : 0;
    }
    return data;
}

struct config *config_read_file(struct faults *faults, const char *file)
{
    _cleanup_(closep) int fd = open(file, O_RDONLY | O_CLOEXEC);
    struct arena arena = { 0 };
    size_t size;
    char *data = fd < 0 ? NULL : read_all(&arena, fd, &size);
    struct config *config = NULL;
    if (data)
        config = config_read(faults, data, size);
    else
        fault(faults, 0, "file", "cannot be read: %s", strerror(errno));
    arena_free(&arena);
    return config;
}

struct config *config_ref(struct config *config)
{
    atomic_fetch_add(&config->references, 1);
    return config;
}

void config_unref(struct config *config)
{
    if (!config || atomic_fetch_sub(&config->references, 1) != 1)
        return;
    struct arena arena = config->arena;
    arena_free(&arena);
    free(config);
}

static int compare_key(const void *key, const void *item)
{
    return strcmp(key, (*(const struct kong_key *const *)item)->key);
}

const struct kong_key *config_key(const struct config *config, const char *key)
{
    if (!config->key_count)
        return NULL;
    const struct kong_key *const *found = bsearch(key, config->sorted_keys, config->key_count,
                                                  sizeof *config->sorted_keys, compare_key);
    return found ? *found : NULL;
}
