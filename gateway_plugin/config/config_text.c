#include "config/config_text.h"

#include <criterion/criterion.h>
#include <string.h>

struct config *config_from(struct arena *arena, const char *text, const char **faults_text)
{
    struct faults faults = FAULTS(arena, "f.yml");
    struct buf out = BUF(arena);
    struct config *config = config_read(&faults, text, strlen(text));
    buf_text(&out, "");
    faults_write(&faults, &out);
    if (faults_text)
        *faults_text = out.data;
    return config;
}

struct config *config_good(struct arena *arena, const char *text)
{
    const char *faults;
    struct config *config = config_from(arena, text, &faults);
    cr_assert_not_null(config, "%s", faults);
    return config;
}

const char *config_faults(struct arena *arena, const char *text)
{
    const char *faults;
    config_unref(config_from(arena, text, &faults));
    return faults;
}
