#include "audit/deed.h"

#include "token/request_origin.h"

#include <string.h>

enum { DETAIL_MAX = 500 };

static const char purpose[] = "audit";

const char *const deed_actors[] = { "USER", "OPERATOR", "UNKNOWN", NULL };

const struct field deed_fields[] = {
    FIELD("actor", ENUM, struct deed, actor, .values = deed_actors),
    FIELD("by", ID, struct deed, by),
    FIELD("session", ID, struct deed, session),
    FIELD("action", TEXT, struct deed, action, .required = true, .max = 64),
    FIELD("detail", TEXT, struct deed, detail, .max = DETAIL_MAX),
    FIELD("origin", TEXT, struct deed, origin, .max = 4096, .sensitive = true),
    { 0 },
};

const struct field whence_fields[] = {
    FIELD("address", TEXT, struct whence, address, .sensitive = true),
    FIELD("device", TEXT, struct whence, device),
    { 0 },
};

/* What it is sealed to: nobody's origin can be put under another's deed. */
static const char *bound(const struct deed *deed)
{
    return deed->by ? deed->by : "";
}

bool deed_of(struct ctx *ctx, const struct vault *vault, struct deed deed, const struct whence *whence)
{
    struct buf json = BUF(&ctx->arena);
    record_json(&json, whence_fields, whence);
    if (vault && !(deed.origin = vault_seal(ctx, vault, purpose, bound(&deed), json.data, json.size)))
        return false;
    struct deed *kept = arena_new(&ctx->arena, struct deed);
    *kept = deed;
    ctx->deed = kept;
    return true;
}

bool deed_begin(struct request *req, const struct vault *vault, const char *action, const char *detail)
{
    const struct device device = request_device(req);
    const struct deed deed = {
        .by = req->caller->user_id, .session = req->caller->session_id, .action = action, .detail = detail
    };
    return deed_of(&req->ctx, vault, deed, &(struct whence){ device.address, device.name });
}

struct whence deed_whence(struct ctx *ctx, const struct vault *vault, const struct deed *deed)
{
    size_t size;
    struct whence out = { 0 };
    struct error *pending = ctx->error;
    const char *json = deed->origin ? vault_unseal(ctx, vault, purpose, bound(deed), deed->origin, &size) : NULL;
    if (json && !record_parse(ctx, json, size, whence_fields, &out))
        out = (struct whence){ 0 };
    ctx->error = pending; /* what was done is known all the same */
    return out;
}

struct events deed_with(struct ctx *ctx, struct events own)
{
    if (!ctx->deed)
        return own;
    struct event *items = arena_array(&ctx->arena, struct event, own.count + 1);
    if (own.count)
        memcpy(items, own.items, own.count * sizeof *items);
    items[own.count] = (struct event){ .type = DEED_TYPE, .fields = deed_fields, .data = ctx->deed };
    return (struct events){ items, own.count + 1 };
}

bool deed_written(struct ctx *ctx, bool written)
{
    if (written)
        ctx->deed = NULL;
    return written;
}

const char *deed_list(struct ctx *ctx, const struct list *texts)
{
    struct buf out = BUF(&ctx->arena);
    const char *const *items = texts->items;
    for (size_t i = 0; i < texts->count && out.size + strlen(items[i]) < DETAIL_MAX; i++)
        buf_printf(&out, "%s%s", i ? "," : "", items[i]);
    return out.data ? out.data : "none";
}
