#pragma once
/*
 * What a back end of the store does; store.c, outbox.c and migrate.c stand on
 * it. Internal to shared/store. Any thread may call; a back end takes its
 * limits from ctx->deadline_ms.
 */
#include "store/outbox.h"
#include "store/store.h"

#include <stdatomic.h>

enum {
    ID_MAX = 512,           /* bytes of an id */
    KEY_MAX = 2048,         /* bytes of one text in an index */
    LIST_KEYS_MAX = 1000,   /* entries of one document in one index */
    DOCUMENT_MAX = 8 << 20, /* both back ends take it with room to spare */
    EVENT_MAX = 512 << 10,  /* half of what NATS carries */
    EVENTS_PER_WRITE = 64,
    INDEXES_MAX = 32, /* of one collection */
    COLLECTIONS_MAX = 64,
    WRITES_MAX = 1000,
    GET_MANY_MAX = 100,
    PAGE_MAX = 1000,
    STORE_WAIT_MS = 30 * 1000, /* the limit of a call whose ctx has no deadline */
};

/* store.c: from here on ctx->deadline_ms is no further than the caller's patience. Returns what it was, to be put back.
 */
int64_t patience_begin(struct ctx *ctx);

/* A collection in use, and which of its indexes were seen to be declared and filled. */
struct table {
    const struct collection *of;
    size_t number; /* its place in this process's list */
    atomic_bool ready[INDEXES_MAX];
};

/*
 * An index as the store itself has it. Keys are made by what is declared there,
 * not by what this process was built with: during a rolling upgrade version N
 * keeps the indexes that N+1 has declared.
 */
struct declared {
    const char *name;
    const char *on[INDEX_FIELDS];
    size_t fields;
    bool unique;
    bool ready;     /* it holds the documents that were there before it */
    int64_t number; /* the back end's own */
};

struct declarations {
    struct declared *items;
    size_t count;
};

/* An event on its way into the store. `json` ends before the version, which the back end may only know while writing.
 */
struct pending {
    const char *id;
    const char *type;
    const char *json;
    int64_t at_ms;
};

/* The whole JSON of an event of this version of its entity. */
char *pending_json(struct arena *arena, const struct pending *event, int64_t version);

/* One write, checked and ready. The caller's memory; alive until the call returns. */
struct change {
    enum write_kind kind;
    const struct table *table;
    const char *id;
    const char *w;     /* the id of this write */
    int64_t version;   /* UPDATE, REMOVE: the one that must be stored; REMOVE: 0 = any */
    const bson_t *set; /* INSERT: all fields; UPDATE: those to set */
    const char *const
        *gone;         /* UPDATE: names of `set` and of what is unset, NULL-terminated: they leave the old document */
    const char *field; /* ADJUST */
    int64_t by;
    const struct pending *events;
    size_t event_count;
    int64_t after;       /* out, ADJUST */
    struct error *error; /* out: NULL = done */
};

struct row {
    const char *id;
    int64_t version;
    const bson_t *fields;
};

/* Where a back end puts what it finds; `at` is the place of the id asked for, or of the row in the page. */
struct sink {
    bool (*row)(struct ctx *ctx, void *self, size_t at, const struct row *row);
    void *self;
};

/* A scan that was checked. */
struct query {
    const struct table *table;
    const struct index *index; /* NULL: by id */
    size_t fields;             /* of the index */
    size_t number;             /* of the index in its collection */
    const struct key *equal;
    size_t equals;
    const struct key *from, *to; /* NULL: open */
    bool descending;
    size_t limit;
    const struct key *after; /* the remaining fields of the last row seen, with after_id */
    const char *after_id;    /* NULL: from the beginning */
};

struct backend;

struct backend_type {
    const char *(*kind)(const struct backend *self);
    void (*close)(struct backend *self);
    bool (*ping)(struct ctx *ctx, struct backend *self);
    bool (*get)(struct ctx *ctx, struct backend *self, const struct table *table, const char *const *ids, size_t count,
                const struct sink *sink);
    bool (*scan)(struct ctx *ctx, struct backend *self, const struct query *query, const struct sink *sink);
    /* Each change has its own outcome; false only when none could be tried. */
    bool (*write)(struct ctx *ctx, struct backend *self, struct change *changes, size_t count);

    /* What is declared, in ctx->arena. A collection that is not there has none. */
    bool (*declared)(struct ctx *ctx, struct backend *self, const char *collection, struct declarations *out);
    /* Makes the collection and the index (NULL: the collection only) where missing and fills it. Idempotent, resumable,
     * long. */
    bool (*declare)(struct ctx *ctx, struct backend *self, const char *collection, const struct declared *index);

    /* See store_stamp(). NULL: this back end cannot say. */
    bool (*stamp)(const struct backend *self, struct store_stamp *out);

    bool (*outbox_read)(struct ctx *ctx, struct backend *self, size_t limit, struct outbox_event **out, size_t *count);
    bool (*outbox_done)(struct ctx *ctx, struct backend *self, const struct outbox_event *events, size_t count);
    bool (*outbox_log)(struct ctx *ctx, struct backend *self, int64_t since_ms, const char *cursor, size_t limit,
                       struct outbox_event **out, size_t *count, const char **next);
    bool (*outbox_sweep)(struct ctx *ctx, struct backend *self, int64_t before_ms, size_t *dropped);
};

/* The first member of every back end. */
struct backend {
    const struct backend_type *type;
};

struct tables {
    struct table *items;
    size_t count;
};

struct backend *embedded_open(struct ctx *ctx, const char *dir, const char *service, const struct tables *tables);
struct backend *mongodb_open(struct ctx *ctx, const struct store_options *options, const struct tables *tables);

/* store.c, for the rest of this folder. */
struct backend *store_backend(struct store *store);
const char *store_service(const struct store *store);
/* A commit carried events. */
void store_written(struct store *store);
/* ERROR_INTERNAL when it was not given to store_open(). */
struct table *store_table(struct ctx *ctx, struct store *store, const struct collection *of);
const struct collection *store_collection(struct store *store, const char *name); /* NULL: not among those given */
const struct collection *const *store_collections(struct store *store);           /* NULL-terminated */

extern const struct collection migration_collection;

/* One-time codes are in no log and no replay. */
bool event_is_secret(const char *type);
