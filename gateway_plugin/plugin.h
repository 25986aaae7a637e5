#pragma once
/*
 * A plugin is one file in plugins/ and one entry in the table of plugin.c.
 * Its hooks run on the loop thread of the request and never block.
 */
#include "config/options.h"

struct config;
struct edge;
struct exchange;
struct kong_plugin;

enum verdict {
    VERDICT_NEXT,     /* go on */
    VERDICT_WAIT,     /* exchange_resume() goes on with the next plugin, or exchange_refuse() ends it */
    VERDICT_ANSWERED, /* exchange_refuse() was called */
};

struct plugin {
    const char *name; /* Kong's */
    bool no_consumer; /* it runs before a consumer is known: it cannot be one's own */
    bool identifies;  /* it may find out who asks: exchange_identify() */
    size_t config_size;
    const struct option *options;   /* of `config` */
    void (*defaults)(void *config); /* NULL: zero is the default */
    /* Further rules on what was read; NULL: none. */
    void (*check)(struct faults *faults, const char *path, const struct node *node, const void *config);
    /* What the hooks need is made of what was read, once all of the file is known to be right. It lives in the
     * configuration's arena; NULL: nothing. */
    void (*prepare)(struct arena *arena, const struct kong_plugin *row, void *config);
    /* The same once all of the file is read: what row->config names is looked for, and kept there. */
    void (*link)(struct faults *faults, const struct config *config, const struct kong_plugin *row);
    /* The names of headers, cookies and query fields that carry credentials: no log shows their values. NULL: none. */
    void (*secrets)(const void *config, void (*each)(void *self, const struct texts *names), void *self);
    /* A process is about to use the configuration: what a file cannot hold (a thread, a connection) is found for it, on
     * the main thread. `detach`: nobody uses it any more, any thread; also where `attach` was not called. */
    void (*attach)(struct edge *edge, void *config);
    void (*detach)(void *config);
    /* The largest body that access() lets through, where it looks at that: a longer one need not be read. NULL: any. */
    uint64_t (*body_most)(const void *config);
    enum verdict (*access)(struct exchange *x, const void *config); /* before a member is picked; NULL: not at all */
    void (*header)(struct exchange *x, const void *config);         /* before the head of the answer leaves */
    void (*log)(struct exchange *x, const void *config);            /* when all is over */
};

extern const struct plugin *const plugins[]; /* in the order in which they run; NULL-terminated */
/* `order`: its place among them. */
const struct plugin *plugin_named(const char *name, size_t *order);
