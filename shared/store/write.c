/* The writing verbs: each becomes a change that is checked and ready, with its events. */
#include "base/cleanup.h"
#include "base/random.h"
#include "store/collection.h"
#include "store/event.h"

#include <string.h>

DEFINE_CLEANUP(bson_t *, bson_destroy)

/* A copy in the arena: changes own nothing that must be freed. */
static const bson_t *keep_bson(struct ctx *ctx, const bson_t *bson)
{
    /* bson_t wants more alignment than the arena gives. */
    uintptr_t room = (uintptr_t)arena_alloc(&ctx->arena, sizeof(bson_t) + _Alignof(bson_t));
    bson_t *kept = (bson_t *)((room + _Alignof(bson_t) - 1) & ~(uintptr_t)(_Alignof(bson_t) - 1));
    const void *bytes = arena_memdup(&ctx->arena, bson_get_data(bson), bson->len);
    if (!bson_init_static(kept, bytes, bson->len))
        abort();
    return kept;
}

static bool set_fields(struct ctx *ctx, struct change *change, const struct field *fields, const void *record)
{
    _cleanup_(bson_destroyp) bson_t *bson = bson_new();
    record_to_bson(bson, fields, record);
    if (bson->len > DOCUMENT_MAX)
        return ctx_fail(ctx, ERROR_TOO_LARGE, "%s: the document is too large", change->table->of->name);
    change->set = keep_bson(ctx, bson);
    return true;
}

static size_t names_count(const char *const *names)
{
    size_t count = 0;
    while (names && names[count])
        count++;
    return count;
}

/* The rows of the table that are to be set. */
static const struct field *fields_named(struct ctx *ctx, const struct collection *of, const char *const *names)
{
    size_t count = names_count(names);
    struct field *fields = arena_array(&ctx->arena, struct field, count + 1);
    for (size_t i = 0; i < count; i++) {
        const struct field *field = field_named(of->fields, names[i]);
        if (!field)
            return ctx_fail(ctx, ERROR_INTERNAL, "%s has no field %s", of->name, names[i]);
        fields[i] = *field;
    }
    return fields;
}

static const char *const *names_joined(struct ctx *ctx, const char *const *a, const char *const *b)
{
    size_t a_count = names_count(a), b_count = names_count(b);
    const char **names = arena_array(&ctx->arena, const char *, a_count + b_count + 1);
    for (size_t i = 0; i < a_count; i++)
        names[i] = a[i];
    for (size_t i = 0; i < b_count; i++)
        names[a_count + i] = b[i];
    return names;
}

static bool prepare_insert(struct ctx *ctx, struct change *change, const struct write *write)
{
    change->id = ((struct doc *)write->record)->id;
    if (!id_is_storable(change->id))
        return ctx_fail(ctx, ERROR_INVALID, "%s: an id is text of 1 to %d bytes", write->of->name, ID_MAX);
    return set_fields(ctx, change, write->of->fields, write->record);
}

static bool prepare_update(struct ctx *ctx, struct change *change, const struct write *write)
{
    const struct doc *doc = write->record;
    change->id = doc->id;
    change->version = doc->version;
    const struct field *fields = fields_named(ctx, write->of, write->update.set);
    if (!fields)
        return false;
    change->gone = names_joined(ctx, write->update.set, write->update.unset);
    return set_fields(ctx, change, fields, write->record);
}

static bool prepare_adjust(struct ctx *ctx, struct change *change, const struct write *write)
{
    change->id = write->id;
    change->field = write->field;
    change->by = write->by;
    const struct field *field = field_named(write->of->fields, write->field);
    if (!field || field->kind != INTEGER)
        return ctx_fail(ctx, ERROR_INTERNAL, "%s has no INTEGER field %s", write->of->name, write->field);
    for (const struct index *index = write->of->indexes; index && index->name; index++)
        for (size_t i = 0; i < index_fields(index); i++)
            if (strcmp(index->on[i], write->field) == 0)
                return ctx_fail(ctx, ERROR_INTERNAL, "%s.%s: %s cannot be adjusted", write->of->name, index->name,
                                write->field);
    if (!id_is_storable(change->id))
        return ctx_fail(ctx, ERROR_INVALID, "%s: an id is text of 1 to %d bytes", write->of->name, ID_MAX);
    return true;
}

static bool prepare_remove(struct ctx *ctx, struct change *change, const struct write *write)
{
    (void)ctx;
    change->id = write->id;
    change->version = write->by;
    return true;
}

static bool (*const prepares[])(struct ctx *ctx, struct change *change, const struct write *write) = {
    [WRITE_INSERT] = prepare_insert,
    [WRITE_UPDATE] = prepare_update,
    [WRITE_ADJUST] = prepare_adjust,
    [WRITE_REMOVE] = prepare_remove,
};

static bool prepare(struct ctx *ctx, struct store *store, const struct write *write, struct change *change)
{
    *change =
        (struct change){ .kind = write->kind, .w = id_new(&ctx->arena), .table = store_table(ctx, store, write->of) };
    if (!change->table || !prepares[write->kind](ctx, change, write))
        return false;
    /* No document has an id that cannot be stored; back ends are not asked. */
    if (!id_is_storable(change->id))
        return ctx_fail(ctx, ERROR_NOT_FOUND, "%s: no such document", write->of->name);
    if (write->kind == WRITE_ADJUST && write->update.events.count)
        return ctx_fail(ctx, ERROR_INTERNAL, "%s: an adjust carries no events", write->of->name);
    change->event_count = write->update.events.count;
    return events_prepare(ctx, store_service(store), change->id, write->update.events, &change->events);
}

/* The outcome, seen by the caller: versions rise in the records, too. */
static void conclude(struct write *write, const struct change *change)
{
    write->error = change->error;
    if (write->error)
        return;
    if (write->kind == WRITE_INSERT)
        ((struct doc *)write->record)->version = 1;
    if (write->kind == WRITE_UPDATE)
        ((struct doc *)write->record)->version++;
}

static bool write_ready(struct ctx *ctx, struct store *store, struct write *writes, struct change *changes,
                        const size_t *places, size_t count)
{
    struct backend *backend = store_backend(store);
    int64_t deadline_ms = patience_begin(ctx);
    bool good = !count || backend->type->write(ctx, backend, changes, count);
    ctx->deadline_ms = deadline_ms;
    if (!good)
        return false;
    bool carried = false;
    for (size_t i = 0; i < count; i++) {
        conclude(&writes[places[i]], &changes[i]);
        carried |= !changes[i].error && changes[i].event_count;
    }
    if (carried)
        store_written(store);
    return true;
}

bool store_write_many(struct ctx *ctx, struct store *store, struct write *writes, size_t count)
{
    if (count > WRITES_MAX)
        return ctx_fail(ctx, ERROR_INTERNAL, "more than %d writes at once", WRITES_MAX);
    struct change *changes = arena_array(&ctx->arena, struct change, count);
    size_t *places = arena_array(&ctx->arena, size_t, count);
    size_t ready = 0;
    for (size_t i = 0; i < count; i++) {
        writes[i].error = NULL;
        struct error *before = ctx->error;
        if (prepare(ctx, store, &writes[i], &changes[ready]))
            places[ready++] = i;
        else
            writes[i].error = ctx->error;
        ctx->error = before;
    }
    return write_ready(ctx, store, writes, changes, places, ready);
}

static bool write_one(struct ctx *ctx, struct store *store, struct write *write, int64_t *after)
{
    struct change change;
    size_t place = 0;
    if (!prepare(ctx, store, write, &change) || !write_ready(ctx, store, write, &change, &place, 1))
        return false;
    if (write->error) {
        ctx->error = write->error;
        return false;
    }
    if (after)
        *after = change.after;
    return true;
}

bool store_insert(struct ctx *ctx, struct store *store, const struct collection *of, void *record, struct events events)
{
    struct write write = { .kind = WRITE_INSERT, .of = of, .record = record, .update.events = events };
    return write_one(ctx, store, &write, NULL);
}

bool store_update(struct ctx *ctx, struct store *store, const struct collection *of, void *record, struct update update)
{
    struct write write = { .kind = WRITE_UPDATE, .of = of, .record = record, .update = update };
    return write_one(ctx, store, &write, NULL);
}

bool store_adjust(struct ctx *ctx, struct store *store, const struct collection *of, const char *id, const char *field,
                  int64_t by, int64_t *after)
{
    struct write write = { .kind = WRITE_ADJUST, .of = of, .id = id, .field = field, .by = by };
    return write_one(ctx, store, &write, after);
}

bool store_remove(struct ctx *ctx, struct store *store, const struct collection *of, const char *id, int64_t version,
                  struct events events)
{
    struct write write = { .kind = WRITE_REMOVE, .of = of, .id = id, .by = version, .update.events = events };
    return write_one(ctx, store, &write, NULL);
}
