#pragma once
/*
 * Documents by id and by declared index, nothing else. No query without an
 * index: it scales the same on both back ends. A write carries its events in
 * the same atomic write. One document is the unit of atomicity.
 *
 * A document is {_id, v version, w id of the last write, k index keys, d fields,
 * o events not yet relayed}. Records passed here begin with a `struct doc`.
 *
 * Any thread; calls block until ctx->deadline_ms at the most, then fail with
 * ERROR_UNAVAILABLE. After an unknown outcome (a timeout while writing) the
 * store reads back and compares `w`, so a write is either known to be there,
 * or failed. (store_adjust cannot be tried twice: where it cannot be told
 * whether it was counted it fails with ERROR_UNAVAILABLE. An embedded commit
 * that is under way is waited for.) ERROR_DISK_FULL: nothing was written.
 *
 * Bounds: ids 512 bytes, a text in an index 2,048, a list in an index 1,000
 * items, a document 8 MiB, an event 512 KiB, 64 events a write, 32 indexes a
 * collection, 64 collections. Names of collections and indexes are letters,
 * digits and _.
 */
#include "record/record.h"

struct store;

/* The first member of every stored record. */
struct doc {
    const char *id;
    int64_t version; /* 1 after insert, +1 at every write */
};

enum { INDEX_FIELDS = 4 };

/*
 * Fields are named as in the table and top-level: TEXT, ID, INTEGER, TIME,
 * ENUM, FLAG, at most one LIST of TEXT or ID per index (an entry for each item), none in a
 * unique one. A document that lacks one of the fields is not in the index
 * (INTEGER 0 and TIME 0 are absent). An index must have been declared by a
 * migration: a query of one that was not fails with ERROR_UNAVAILABLE.
 */
struct index {
    const char *name;
    const char *on[INDEX_FIELDS]; /* NULL-terminated where shorter */
    bool unique;
};

struct collection {
    const char *name;
    const struct field *fields;  /* of the record, without id and version */
    size_t size;                 /* sizeof the record */
    const struct index *indexes; /* ends with {0}; NULL = none */
};

/*
 * A CloudEvents 1.0 event carried by a write; relayed to the stream EVENTS (or OTP) under subject `type`.
 * An id used again after store_remove() begins at version 1 again: entities whose events are compared by
 * version take fresh ids. Events "event.otp.*" are never kept in the event log.
 */
struct event {
    const char *type;    /* "event.track.published": also its NATS subject */
    const char *subject; /* the entity's id; NULL = the document's */
    const struct field *fields;
    const void *data; /* described by fields; NULL = {} */
};

struct events {
    const struct event *items;
    size_t count;
};

#define EVENTS(...)                                                                                                    \
    ((struct events){ (const struct event[]){ __VA_ARGS__ },                                                           \
                      sizeof((const struct event[]){ __VA_ARGS__ }) / sizeof(struct event) })
#define NO_EVENTS ((struct events){ 0 })

/* One field of an index, as a bound. */
struct key {
    const char *text; /* TEXT, ID, ENUM (its name) */
    int64_t integer;  /* INTEGER, TIME, FLAG; used when text is NULL */
};

#define KEY_TEXT(text_) ((struct key){ .text = (text_) })
#define KEY_INT(integer_) ((struct key){ .integer = (integer_) })

struct store_options {
    const char *url;             /* embedded:DIR or mongodb://... */
    const char *service;         /* "auth", "media": file or database name, and the source of events */
    bool ferretdb;               /* STORE_FERRETDB=1: take FerretDB, which is refused otherwise */
    void (*written)(void *self); /* after a commit that carries events, on any thread: wakes the relay; may be NULL */
    void *self;
};

/* Opens and checks; does not migrate. The collections in use are given so that keys can be computed; array ends with
 * NULL. */
struct store *store_open(struct ctx *ctx, const struct store_options *options,
                         const struct collection *const *collections);
void store_close(struct store *store);
/* A cheap round trip: for /ready. */
bool store_ping(struct ctx *ctx, struct store *store);
const char *store_kind(const struct store *store); /* "embedded", "mongodb", "ferretdb" */

/*
 * What the store holds at this moment. Taken before a read and equal later, nobody has committed anything in between,
 * in this process or another: what was read is what stands there. Never blocks, asks nobody. false: it cannot be said
 * (a commit is under way; not embedded).
 */
struct store_stamp {
    unsigned char is[48];
};
bool store_stamp(const struct store *store, struct store_stamp *out);

/* ERROR_NOT_FOUND when there is none. */
bool store_get(struct ctx *ctx, struct store *store, const struct collection *of, const char *id, void *out);
/* Up to 100 ids. `out` is an array of records; those not found keep doc.id == NULL. In the order of ids. */
bool store_get_many(struct ctx *ctx, struct store *store, const struct collection *of, const char *const *ids,
                    size_t count, void *out);
/* The one document under a unique index, or the first under another. ERROR_NOT_FOUND. */
bool store_find(struct ctx *ctx, struct store *store, const struct collection *of, const char *index,
                const struct key *keys, size_t count, void *out);

/* `record->doc.id` must be set. ERROR_CONFLICT when the id or a unique key is taken (message names the index where the
 * store tells). Sets version to 1. */
bool store_insert(struct ctx *ctx, struct store *store, const struct collection *of, void *record,
                  struct events events);

/* Lists of field names end with NULL; NULL = none. Members of `set` are taken from the record; one that is absent there
 * is unset. */
struct update {
    const char *const *set;
    const char *const *unset;
    struct events events;
};
/* As EVENTS(): lives until the end of the block it stands in. */
#define FIELDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/*
 * If the stored version is still record->doc.version: sets and unsets those
 * fields and no others, and raises record->doc.version. Else ERROR_CONFLICT
 * (read again, decide again). ERROR_NOT_FOUND when it is gone.
 */
bool store_update(struct ctx *ctx, struct store *store, const struct collection *of, void *record,
                  struct update update);

/* Atomically adds `by` to an INTEGER field that no index names; creates the document with only that field where there
 * is none. `after` may be NULL. */
bool store_adjust(struct ctx *ctx, struct store *store, const struct collection *of, const char *id, const char *field,
                  int64_t by, int64_t *after);

/* If version is 0 or still the stored one. ERROR_CONFLICT, ERROR_NOT_FOUND. */
bool store_remove(struct ctx *ctx, struct store *store, const struct collection *of, const char *id, int64_t version,
                  struct events events);

enum write_kind { WRITE_INSERT = 1, WRITE_UPDATE, WRITE_ADJUST, WRITE_REMOVE };
struct write {
    enum write_kind kind;
    const struct collection *of;
    void *record;         /* INSERT, UPDATE */
    struct update update; /* UPDATE; .events for INSERT and REMOVE too */
    const char *id;       /* ADJUST, REMOVE */
    const char *field;    /* ADJUST */
    int64_t by;           /* ADJUST; REMOVE: the version */
    struct error *error;  /* out: NULL = done */
};
/* Independent writes, each with its own outcome, in few round trips; at most 1,000. false only if the store could not
 * be asked at all. */
bool store_write_many(struct ctx *ctx, struct store *store, struct write *writes, size_t count);

/*
 * A page of an index: all documents whose first `equals` fields equal `equal`,
 * and whose next field lies in [from, to) where given, ordered by the remaining
 * fields and id. A list must be among the equals. A scan holds no transaction
 * between pages. `index` NULL, or all fields equal: from and to are ids.
 */
struct scan {
    const char *index; /* NULL: by id */
    struct key equal[INDEX_FIELDS];
    size_t equals;
    const struct key *from, *to;
    bool descending;
    size_t limit;       /* 1..1000 */
    const char *cursor; /* from page.next; NULL = the beginning. One of another query: ERROR_INVALID */
};
struct page {
    void *items; /* array of records, in ctx->arena */
    size_t count;
    const char *next; /* NULL: that was all */
};
bool store_scan(struct ctx *ctx, struct store *store, const struct collection *of, const struct scan *scan,
                struct page *out);
