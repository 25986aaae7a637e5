/* The reading verbs: ids and keys in, records out. */
#include "base/text.h"
#include "store/collection.h"
#include "store/cursor.h"
#include "store/keys.h"

#include <string.h>

/* Records on their way out. */
struct landing {
    const struct collection *of;
    char *items;
    size_t count;
    const struct query *query; /* of a page: ... */
    size_t limit;
    const char *next; /* ... the cursor after its last row, */
    bool more;        /* which holds when a row came beyond it */
};

static bool land(struct ctx *ctx, void *self, size_t at, const struct row *row)
{
    struct landing *landing = self;
    void *record = landing->items + at * landing->of->size;
    if (!record_from_bson(ctx, row->fields, landing->of->fields, record))
        return false;
    struct doc *doc = record;
    doc->id = arena_strdup(&ctx->arena, row->id);
    doc->version = row->version;
    landing->count++;
    return true;
}

bool store_get(struct ctx *ctx, struct store *store, const struct collection *of, const char *id, void *out)
{
    if (!store_get_many(ctx, store, of, &id, 1, out))
        return false;
    return ((struct doc *)out)->id || ctx_fail(ctx, ERROR_NOT_FOUND, "%s: no such document", of->name);
}

bool store_get_many(struct ctx *ctx, struct store *store, const struct collection *of, const char *const *ids,
                    size_t count, void *out)
{
    if (count > GET_MANY_MAX)
        return ctx_fail(ctx, ERROR_INTERNAL, "%s: more than %d ids at once", of->name, GET_MANY_MAX);
    struct table *table = store_table(ctx, store, of);
    if (!table)
        return false;
    memset(out, 0, of->size * count);
    struct landing landing = { .of = of, .items = out };
    struct backend *backend = store_backend(store);
    int64_t deadline_ms = patience_begin(ctx);
    bool good = backend->type->get(ctx, backend, table, ids, count, &(struct sink){ land, &landing });
    ctx->deadline_ms = deadline_ms;
    return good;
}

/* An index is usable when the store has it under the same name, on the same fields, and filled. Looked up once. */
static bool index_ready(struct ctx *ctx, struct store *store, struct table *table, const struct query *query)
{
    if (!query->index || atomic_load_explicit(&table->ready[query->number], memory_order_relaxed))
        return true;
    struct declarations declared;
    struct backend *backend = store_backend(store);
    if (!backend->type->declared(ctx, backend, table->of->name, &declared))
        return false;
    for (size_t i = 0; i < declared.count; i++)
        if (declared.items[i].ready && index_is_declared(query->index, &declared.items[i])) {
            atomic_store_explicit(&table->ready[query->number], true, memory_order_relaxed);
            return true;
        }
    return ctx_fail(ctx, ERROR_UNAVAILABLE, "the index %s of %s is not there: a migration is missing",
                    query->index->name, table->of->name);
}

static bool find_index(struct ctx *ctx, const struct collection *of, const char *name, struct query *query)
{
    if (!name)
        return true;
    for (size_t i = 0; of->indexes && of->indexes[i].name; i++)
        if (strcmp(of->indexes[i].name, name) == 0) {
            query->index = &of->indexes[i];
            query->number = i;
            query->fields = index_fields(query->index);
            return true;
        }
    return ctx_fail(ctx, ERROR_INTERNAL, "%s has no index %s", of->name, name);
}

static bool key_is_of(const struct key *key, const struct field *field)
{
    bool text = field->kind == TEXT || field->kind == ID || field->kind == ENUM || field->kind == LIST;
    return text == (key->text != NULL);
}

static bool keys_check(struct ctx *ctx, const struct collection *of, const struct query *query)
{
    static const struct field id = { .name = "id", .kind = ID };
    if (query->equals > query->fields)
        return ctx_fail(ctx, ERROR_INTERNAL, "%s: more keys than the index has", of->name);
    const struct field *next = &id;
    for (size_t i = query->fields; i-- > 0;) {
        const struct field *field = field_named(of->fields, query->index->on[i]);
        if (i < query->equals && !key_is_of(&query->equal[i], field))
            return ctx_fail(ctx, ERROR_INTERNAL, "%s: a key of another kind than %s", of->name, field->name);
        if (i >= query->equals && field->kind == LIST)
            return ctx_fail(ctx, ERROR_INTERNAL, "%s: %s is a list: give the item looked for", of->name, field->name);
        if (i == query->equals)
            next = field;
    }
    if ((query->from && !key_is_of(query->from, next)) || (query->to && !key_is_of(query->to, next)))
        return ctx_fail(ctx, ERROR_INTERNAL, "%s: a bound of another kind than %s", of->name, next->name);
    return true;
}

static bool is_text(const struct key *key)
{
    return !key || !key->text || utf8_valid(key->text, strlen(key->text));
}

/* No document can have a key that could not be stored. */
static bool is_possible(const struct query *query)
{
    for (size_t i = 0; i < query->equals; i++)
        if (!key_fits(&query->equal[i]) || !is_text(&query->equal[i]))
            return false;
    return is_text(query->from) && is_text(query->to) &&
           (!query->from || !query->to || key_compare(query->from, query->to) < 0);
}

/* The page is asked with one row more: when it comes there is a next page. */
static bool land_page(struct ctx *ctx, void *self, size_t at, const struct row *row)
{
    struct landing *landing = self;
    landing->more = at == landing->limit;
    if (landing->more)
        return true;
    if (at + 1 == landing->limit && !(landing->next = cursor_make(ctx, landing->query, row)))
        return false;
    return land(ctx, self, at, row);
}

static bool query_make(struct ctx *ctx, struct store *store, struct table *table, const struct scan *scan,
                       struct query *query)
{
    *query = (struct query){ .table = table,
                             .equal = scan->equal,
                             .equals = scan->equals,
                             .from = scan->from,
                             .to = scan->to,
                             .descending = scan->descending,
                             .limit = scan->limit + 1 };
    return find_index(ctx, table->of, scan->index, query) && keys_check(ctx, table->of, query) &&
           (!scan->cursor || cursor_read(ctx, scan->cursor, query)) && index_ready(ctx, store, table, query);
}

static bool scan_page(struct ctx *ctx, struct store *store, const struct collection *of, const struct scan *scan,
                      struct page *out)
{
    *out = (struct page){ 0 };
    struct table *table = store_table(ctx, store, of);
    if (!table)
        return false;
    if (scan->limit < 1 || scan->limit > PAGE_MAX || scan->equals > INDEX_FIELDS)
        return ctx_fail(ctx, ERROR_INVALID, "a page has 1 to %d items", PAGE_MAX);
    struct query query;
    if (!query_make(ctx, store, table, scan, &query))
        return false;
    if (!is_possible(&query))
        return true;
    struct landing landing = {
        .of = of, .items = arena_alloc(&ctx->arena, of->size * scan->limit), .query = &query, .limit = scan->limit
    };
    struct backend *backend = store_backend(store);
    if (!backend->type->scan(ctx, backend, &query, &(struct sink){ land_page, &landing }))
        return false;
    *out = (struct page){ landing.items, landing.count, landing.more ? landing.next : NULL };
    return true;
}

bool store_scan(struct ctx *ctx, struct store *store, const struct collection *of, const struct scan *scan,
                struct page *out)
{
    int64_t deadline_ms = patience_begin(ctx);
    bool good = scan_page(ctx, store, of, scan, out);
    ctx->deadline_ms = deadline_ms;
    return good;
}

static bool find_one(struct ctx *ctx, struct store *store, const struct collection *of, const char *index,
                     const struct key *keys, size_t count, void *out)
{
    struct table *table = store_table(ctx, store, of);
    if (!table)
        return false;
    struct query query = { .table = table, .equal = keys, .equals = count, .limit = 1 };
    memset(out, 0, of->size);
    if (!find_index(ctx, of, index, &query) || !keys_check(ctx, of, &query) || !index_ready(ctx, store, table, &query))
        return false;
    struct landing landing = { .of = of, .items = out };
    struct backend *backend = store_backend(store);
    if (is_possible(&query) && !backend->type->scan(ctx, backend, &query, &(struct sink){ land, &landing }))
        return false;
    return landing.count || ctx_fail(ctx, ERROR_NOT_FOUND, "%s: no such document", of->name);
}

bool store_find(struct ctx *ctx, struct store *store, const struct collection *of, const char *index,
                const struct key *keys, size_t count, void *out)
{
    int64_t deadline_ms = patience_begin(ctx);
    bool good = find_one(ctx, store, of, index, keys, count, out);
    ctx->deadline_ms = deadline_ms;
    return good;
}
