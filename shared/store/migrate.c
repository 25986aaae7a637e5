#include "store/migrate.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/random.h"
#include "store/collection.h"
#include "store/lease.h"
#include "store/migration_file.h"
#include "store/wait.h"
#include "store/when_there.h"

#include <string.h>

enum { LEASE_MS = 15000, POLL_MS = 50, WAIT_MS = 10 * 60 * 1000 };

/* What was applied: the name is the id. */
struct migration {
    struct doc doc;
    const char *checksum;
    int64_t applied_at;
};

static const struct field migration_fields[] = { FIELD("checksum", TEXT, struct migration, checksum),
                                                 FIELD("appliedAt", TIME, struct migration, applied_at),
                                                 { 0 } };

const struct collection migration_collection = { .name = "migrations",
                                                 .fields = migration_fields,
                                                 .size = sizeof(struct migration) };

/* Holds the lease in a thread of its own: a step may take longer than a lease lives. */
struct keeper {
    struct lease lease;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stop;
    bool stopping;
    atomic_bool held;
};

struct migrating {
    struct store *store;
    const struct migration_step *steps;
    struct keeper *keeper;
    const char *file; /* the one under way */
};

static void *keeper_main(void *self)
{
    struct keeper *keeper = self;
    struct ctx ctx = { 0 };
    pthread_mutex_lock(&keeper->lock);
    while (!keeper->stopping) {
        ctx.deadline_ms = clock_ms() + LEASE_MS / 6;
        struct timespec until = wait_until(&ctx);
        pthread_cond_timedwait(&keeper->stop, &keeper->lock, &until);
        if (!keeper->stopping) {
            ctx.deadline_ms = clock_ms() + LEASE_MS / 3;
            atomic_store(&keeper->held, lease_hold(&ctx, &keeper->lease));
        }
        ctx_finish(&ctx);
    }
    pthread_mutex_unlock(&keeper->lock);
    return NULL;
}

static bool keeper_start(struct ctx *ctx, struct keeper *keeper)
{
    pthread_mutex_init(&keeper->lock, NULL);
    wait_condition(&keeper->stop);
    atomic_store(&keeper->held, true);
    return pthread_create(&keeper->thread, NULL, keeper_main, keeper) == 0 ||
           ctx_fail(ctx, ERROR_UNAVAILABLE, "no thread to keep the lease with");
}

static void keeper_stop(struct ctx *ctx, struct keeper *keeper)
{
    pthread_mutex_lock(&keeper->lock);
    keeper->stopping = true;
    pthread_cond_signal(&keeper->stop);
    pthread_mutex_unlock(&keeper->lock);
    pthread_join(keeper->thread, NULL);
    pthread_cond_destroy(&keeper->stop);
    pthread_mutex_destroy(&keeper->lock);
    lease_release(ctx, &keeper->lease);
}

static bool broken(struct ctx *ctx, const struct migrating *migrating, const char *what)
{
    return ctx_fail(ctx, ERROR_INVALID, "%s: %s", migrating->file, what);
}

static bool still_held(struct ctx *ctx, const struct migrating *migrating)
{
    return atomic_load(&migrating->keeper->held) ||
           ctx_fail(ctx, ERROR_UNAVAILABLE, "%s: another process took over", migrating->file);
}

static const struct migration_step *step_named(const struct migration_step *steps, const char *name)
{
    for (; name && steps && steps->name; steps++)
        if (strcmp(steps->name, name) == 0)
            return steps;
    return NULL;
}

static bool index_parse(struct ctx *ctx, const struct migrating *migrating, const json_t *json, struct declared *out)
{
    out->name = json_string_value(json_object_get(json, "name"));
    out->unique = json_is_true(json_object_get(json, "unique"));
    const json_t *on = json_object_get(json, "on");
    size_t i;
    const json_t *field;
    json_array_foreach(on, i, field)
    {
        if (i == INDEX_FIELDS || !name_is_plain(json_string_value(field)))
            return broken(ctx, migrating, "an index is on 1 to 4 plain names");
        out->on[out->fields++] = json_string_value(field);
    }
    return (name_is_plain(out->name) && out->fields) || broken(ctx, migrating, "an index has a name and fields");
}

static bool collection_apply(struct ctx *ctx, const struct migrating *migrating, const json_t *json)
{
    const char *name = json_string_value(json_object_get(json, "name"));
    struct backend *backend = store_backend(migrating->store);
    if (!name_is_plain(name))
        return broken(ctx, migrating, "a collection has a plain name");
    if (!backend->type->declare(ctx, backend, name, NULL))
        return false;
    size_t i;
    const json_t *item;
    json_array_foreach(json_object_get(json, "indexes"), i, item)
    {
        struct declared index = { 0 };
        if (!still_held(ctx, migrating) || !index_parse(ctx, migrating, item, &index) ||
            !backend->type->declare(ctx, backend, name, &index))
            return false;
    }
    return true;
}

static bool document_apply(struct ctx *ctx, const struct migrating *migrating, const json_t *json)
{
    const char *name = json_string_value(json_object_get(json, "collection"));
    const struct collection *of = name ? store_collection(migrating->store, name) : NULL;
    const char *id = json_string_value(json_object_get(json, "id"));
    if (!of || !id_is_storable(id))
        return broken(ctx, migrating, "a document has an id and a collection of this service");
    struct doc *record = arena_alloc(&ctx->arena, of->size);
    if (!record_from_json(ctx, json_object_get(json, "fields"), of->fields, record))
        return broken(ctx, migrating, arena_printf(&ctx->arena, "the fields of %s %s are not valid", name, id));
    record->id = id;
    return still_held(ctx, migrating) &&
           (store_insert(ctx, migrating->store, of, record, NO_EVENTS) || ctx_forgive(ctx, ERROR_CONFLICT));
}

static bool step_apply(struct ctx *ctx, const struct migrating *migrating, const json_t *json)
{
    const struct migration_step *step = step_named(migrating->steps, json_string_value(json));
    return step ? still_held(ctx, migrating) && step->run(ctx, migrating->store)
                : broken(ctx, migrating, "a step that this version does not have");
}

/* The members of a file, in the order in which they are applied. */
static const struct part {
    const char *name;
    bool (*apply)(struct ctx *ctx, const struct migrating *migrating, const json_t *json);
} parts[] = {
    { "collections", collection_apply },
    { "documents", document_apply },
    { "steps", step_apply },
};

/* Checked before anything is applied: an unknown member is a misspelt one. */
static bool file_check(struct ctx *ctx, struct migrating *migrating, const struct migration_file *file)
{
    migrating->file = file->name;
    size_t known = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const json_t *part = json_object_get(file->root, parts[i].name);
        known += part != NULL;
        if (part && !json_is_array(part))
            return broken(ctx, migrating, arena_printf(&ctx->arena, "%s is no list", parts[i].name));
    }
    if (known != json_object_size(file->root))
        return broken(ctx, migrating, "it has members other than collections, documents and steps");
    size_t i;
    const json_t *step;
    json_array_foreach(
        json_object_get(file->root, "steps"), i,
        step) if (!step_named(migrating->steps,
                              json_string_value(step))) return broken(ctx, migrating,
                                                                      "a step that this version does not have");
    return true;
}

static bool file_apply(struct ctx *ctx, struct migrating *migrating, const struct migration_file *file)
{
    migrating->file = file->name;
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
        size_t i;
        const json_t *item;
        json_array_foreach(json_object_get(file->root, parts[p].name), i,
                           item) if (!parts[p].apply(ctx, migrating, item)) return false;
    }
    struct migration record = { .doc.id = file->name, .checksum = file->checksum, .applied_at = clock_now_ms() };
    return still_held(ctx, migrating) && store_insert(ctx, migrating->store, &migration_collection, &record, NO_EVENTS);
}

static bool is_applied(struct ctx *ctx, struct store *store, const struct migration_file *file, bool *applied)
{
    struct migration record;
    *applied = store_get(ctx, store, &migration_collection, file->name, &record);
    if (!*applied)
        return ctx_forgive(ctx, ERROR_NOT_FOUND);
    return (record.checksum && strcmp(record.checksum, file->checksum) == 0) ||
           ctx_fail(ctx, ERROR_INVALID, "%s has changed since it was applied", file->name);
}

/* The first that is not applied; *at == count: all are. */
static bool first_missing(struct ctx *ctx, struct store *store, const struct migration_files *files, size_t *at)
{
    for (*at = 0; *at < files->count; (*at)++) {
        bool applied;
        if (!is_applied(ctx, store, &files->items[*at], &applied))
            return false;
        if (!applied)
            return true;
    }
    return true;
}

static bool apply_missing(struct ctx *ctx, struct migrating *migrating, const struct migration_files *files,
                          size_t *count)
{
    for (size_t i = 0; i < files->count; i++) {
        bool applied;
        if (!is_applied(ctx, migrating->store, &files->items[i], &applied))
            return false;
        if (applied)
            continue;
        if (!file_apply(ctx, migrating, &files->items[i]))
            return false;
        (*count)++;
    }
    return true;
}

/* Waits until this process has the lease, or another one has applied all: *at == count then. */
static bool wait_turn(struct ctx *ctx, struct lease *lease, const struct migration_files *files, size_t *at)
{
    int64_t limit = clock_ms() + ctx_left_ms(ctx, WAIT_MS);
    while (!lease_hold(ctx, lease)) {
        if (ctx->error || !first_missing(ctx, lease->store, files, at))
            return false;
        if (*at == files->count)
            return true;
        if (clock_ms() >= limit)
            return ctx_fail(ctx, ERROR_UNAVAILABLE, "another process has been migrating for too long");
        nanosleep(&(struct timespec){ .tv_nsec = POLL_MS * 1000000 }, NULL);
    }
    return true;
}

static bool migrate_files(struct ctx *ctx, struct migrating *migrating, const struct migration_files *files,
                          size_t *count)
{
    size_t at;
    for (size_t i = 0; i < files->count; i++)
        if (!file_check(ctx, migrating, &files->items[i]))
            return false;
    if (!first_missing(ctx, migrating->store, files, &at))
        return false;
    if (at == files->count)
        return true;
    struct keeper keeper = {
        .lease = { .store = migrating->store, .name = "migrate", .holder = id_new(&ctx->arena), .ttl_ms = LEASE_MS }
    };
    migrating->keeper = &keeper;
    if (!wait_turn(ctx, &keeper.lease, files, &at))
        return false;
    if (at == files->count && !keeper.lease.fencing)
        return true;
    if (!keeper_start(ctx, &keeper))
        return false;
    bool ok = apply_missing(ctx, migrating, files, count);
    keeper_stop(ctx, &keeper);
    return ok;
}

/* What another process declared a moment ago must be known before this one writes. */
static bool learn_declared(struct ctx *ctx, struct store *store)
{
    struct backend *backend = store_backend(store);
    struct declarations declared;
    for (const struct collection *const *of = store_collections(store); *of; of++)
        if (!backend->type->declared(ctx, backend, (*of)->name, &declared))
            return false;
    return true;
}

struct run {
    struct migrating migrating;
    struct migration_files files;
    size_t applied;
};

static bool run_all(struct ctx *ctx, void *self)
{
    struct run *run = self;
    return migrate_files(ctx, &run->migrating, &run->files, &run->applied) && learn_declared(ctx, run->migrating.store);
}

bool migrate(struct ctx *ctx, struct store *store, const char *dir, const struct migration_step *steps, size_t *applied)
{
    struct run run = { .migrating = { .store = store, .steps = steps } };
    if (!migration_files_read(ctx, dir, &run.files))
        return false;
    bool ok = store_when_there(ctx, run_all, &run);
    migration_files_free(&run.files);
    if (applied)
        *applied = run.applied;
    return ok;
}

static bool check_collection(struct ctx *ctx, struct store *store, const struct collection *of)
{
    struct declarations declared;
    struct backend *backend = store_backend(store);
    if (!backend->type->declared(ctx, backend, of->name, &declared))
        return false;
    for (const struct index *index = of->indexes; index && index->name; index++) {
        bool there = false;
        for (size_t i = 0; i < declared.count; i++)
            there |= declared.items[i].ready && index_is_declared(index, &declared.items[i]);
        if (!there)
            return ctx_fail(ctx, ERROR_UNAVAILABLE, "the index %s of %s is not there: a migration is missing",
                            index->name, of->name);
    }
    return true;
}

bool migrate_check(struct ctx *ctx, struct store *store, const char *dir)
{
    struct migration_files files = { 0 };
    size_t at;
    if (!migration_files_read(ctx, dir, &files))
        return false;
    bool ok = first_missing(ctx, store, &files, &at);
    if (ok && at < files.count)
        ok = ctx_fail(ctx, ERROR_UNAVAILABLE, "the migration %s is not applied", files.items[at].name);
    migration_files_free(&files);
    for (const struct collection *const *of = store_collections(store); ok && *of; of++)
        ok = check_collection(ctx, store, *of);
    return ok;
}
