#include "audit/audit_store.h"

enum { REMOVED_AT_ONCE = 100 };

static const struct field audit_fields[] = {
    FIELD("at", TIME, struct audit_entry, at, .required = true),
    FIELD("actor", ENUM, struct audit_entry, actor, .values = deed_actors),
    FIELD("by", ID, struct audit_entry, by),
    FIELD("session", ID, struct audit_entry, session),
    FIELD("action", TEXT, struct audit_entry, action, .required = true),
    FIELD("target", TEXT, struct audit_entry, target),
    FIELD("detail", TEXT, struct audit_entry, detail),
    FIELD("address", TEXT, struct audit_entry, address, .sensitive = true),
    FIELD("device", TEXT, struct audit_entry, device),
    { 0 },
};

const struct collection audit_collection = {
    .name = "audit",
    .fields = audit_fields,
    .size = sizeof(struct audit_entry),
    .indexes =
        (const struct index[]){
            { "by_time", { "at" } },
            { "by_actor", { "by", "at" } },
            { "by_target", { "target", "at" } },
            { "by_both", { "by", "target", "at" } },
            { "by_action", { "action", "at" } },
            { "by_actor_action", { "by", "action", "at" } },
            { "by_target_action", { "target", "action", "at" } },
            { "by_all", { "by", "target", "action", "at" } },
            { 0 },
        },
};

bool audit_store_insert(struct ctx *ctx, struct store *store, struct audit_entry *entry)
{
    return store_insert(ctx, store, &audit_collection, entry, NO_EVENTS) || ctx_forgive(ctx, ERROR_CONFLICT);
}

/* In the order of the indexes' fields: by, target, action. */
static void equal_to(struct scan *scan, const char *text)
{
    if (text)
        scan->equal[scan->equals++] = KEY_TEXT(text);
}

static const char *index_of(const struct audit_asked *asked)
{
    static const char *const plain[] = { "by_time", "by_actor", "by_target", "by_both" };
    static const char *const of_action[] = { "by_action", "by_actor_action", "by_target_action", "by_all" };
    size_t which = (asked->by ? 1 : 0) + (asked->target ? 2 : 0);
    return asked->action ? of_action[which] : plain[which];
}

bool audit_store_page(struct ctx *ctx, struct store *store, const struct audit_asked *asked, size_t limit,
                      const char *cursor, struct page *out)
{
    const struct key since = KEY_INT(asked->since), until = KEY_INT(asked->until);
    struct scan scan = { .index = index_of(asked),
                         .from = asked->since ? &since : NULL,
                         .to = asked->until ? &until : NULL,
                         .descending = true,
                         .limit = limit,
                         .cursor = cursor };
    equal_to(&scan, asked->by);
    equal_to(&scan, asked->target);
    equal_to(&scan, asked->action);
    return store_scan(ctx, store, &audit_collection, &scan, out);
}

bool audit_store_forget_origins(struct ctx *ctx, struct store *store, struct audit_entry *entries, size_t count)
{
    static const char *const origins[] = { "address", "device", NULL };
    struct write *writes = arena_array(&ctx->arena, struct write, count + 1);
    size_t told = 0;
    for (size_t i = 0; i < count; i++)
        if (entries[i].address || entries[i].device)
            writes[told++] = (struct write){ WRITE_UPDATE, &audit_collection, &entries[i], .update.unset = origins };
    return !told || store_write_many(ctx, store, writes, told);
}

bool audit_store_remove_old(struct ctx *ctx, struct store *store, const char *action, int64_t before, bool *all)
{
    struct key until = KEY_INT(before);
    struct scan scan = { .index = action ? "by_action" : "by_time", .to = &until, .limit = REMOVED_AT_ONCE };
    struct page page;
    equal_to(&scan, action);
    if (!store_scan(ctx, store, &audit_collection, &scan, &page))
        return false;
    const struct audit_entry *entries = page.items;
    struct write *writes = arena_array(&ctx->arena, struct write, page.count + 1);
    for (size_t i = 0; i < page.count; i++)
        writes[i] = (struct write){ WRITE_REMOVE, &audit_collection, .id = entries[i].doc.id };
    *all = !page.count;
    return !page.count || store_write_many(ctx, store, writes, page.count);
}
