#include "config/config.h"

#include "member/balancer.h"
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
        kong_secrets(&reader);
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

void config_attach(struct config *config, struct edge *edge)
{
    for (const struct kong_plugin *row = config->plugins; row; row = row->next)
        if (row->plugin->attach && row->enabled)
            row->plugin->attach(edge, row->config);
}

void config_unref(struct config *config)
{
    if (!config || atomic_fetch_sub(&config->references, 1) != 1)
        return;
    for (const struct kong_plugin *row = config->plugins; row; row = row->next)
        if (row->plugin->detach)
            row->plugin->detach(row->config);
    for (const struct kong_upstream *one = config->upstreams; one; one = one->next)
        upstream_unref(one->live);
    kong_tls_free(config);
    kong_forget_signers(config);
    struct arena arena = config->arena;
    patterns_destroy(config->patterns);
    arena_free(&arena);
    free(config);
}
