#include "process/body_spool.h"

#include "base/disk.h"

#include <h2o.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 8 << 20 }; /* that there must be before files are used again */

void body_spool_start(void)
{
    h2o_buffer_mmap_settings_t *settings = &h2o_socket_buffer_mmap_settings;
    const char *dir = getenv("TMPDIR");
    settings->threshold = SPOOL_FROM;
    if (dir && *dir && strlen(dir) + sizeof "/tonearm.XXXXXX" <= sizeof settings->fn_template)
        snprintf(settings->fn_template, sizeof settings->fn_template, "%s/tonearm.XXXXXX", dir);
}

bool body_spool_has_room(int64_t size)
{
    char dir[sizeof h2o_socket_buffer_mmap_settings.fn_template];
    memcpy(dir, h2o_socket_buffer_mmap_settings.fn_template, sizeof dir);
    char *slash = strrchr(dir, '/');
    if (!slash || slash == dir)
        return true;
    *slash = 0;
    return disk_has_room(dir, (uint64_t)size * 2);
}

static void set_threshold(size_t threshold)
{
    __atomic_store_n(&h2o_socket_buffer_mmap_settings.threshold, threshold, __ATOMIC_RELAXED);
}

void body_spool_avoid(void)
{
    set_threshold(SIZE_MAX);
}

bool body_spool_avoided(void)
{
    return __atomic_load_n(&h2o_socket_buffer_mmap_settings.threshold, __ATOMIC_RELAXED) == SIZE_MAX;
}

void body_spool_look(void)
{
    if (body_spool_avoided() && body_spool_has_room(ROOM))
        set_threshold(SPOOL_FROM);
}
