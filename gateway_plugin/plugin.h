#pragma once
/*
 * A plugin is one file in plugins/ and one entry in the table of plugin.c.
 * Its hooks run on the loop thread of the request and never block.
 */
#include "config/options.h"

struct exchange;

enum verdict {
    VERDICT_NEXT,     /* go on */
    VERDICT_WAIT,     /* exchange_resume() goes on with the next plugin, or exchange_refuse() ends it */
    VERDICT_ANSWERED, /* exchange_refuse() was called */
};

struct plugin {
    const char *name; /* Kong's */
    size_t config_size;
    const struct option *options;   /* of `config` */
    void (*defaults)(void *config); /* NULL: zero is the default */
    /* Further rules on what was read; NULL: none. */
    void (*check)(struct faults *faults, const char *path, const struct node *node, const void *config);
    enum verdict (*access)(struct exchange *x, const void *config); /* before a member is picked; NULL: not at all */
    void (*header)(struct exchange *x, const void *config);         /* before the head of the answer leaves */
    void (*log)(struct exchange *x, const void *config);            /* when all is over */
};

extern const struct plugin *const plugins[]; /* in the order in which they run; NULL-terminated */
const struct plugin *plugin_named(const char *name);
