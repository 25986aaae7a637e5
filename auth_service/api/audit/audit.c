#include "audit/audit_store.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "user/user_store.h"

enum { PAGE = 100, SWEEP_PAGES = 50, NOTE_MS = 500 };

/* What comes with every sign-in, and what anybody can make us write. */
static const char *const signins[] = { "session.began",  "session.ended",    "sessions.ended", "refresh.reused",
                                       "signin.refused", "password.refused", "code.refused",   NULL };

/* Of whom nothing may be kept that tells who it was. */
static bool is_deleted(struct ctx *ctx, struct store *store, const char *id, bool *out)
{
    *out = false;
    const struct user *user = id ? user_store_get(ctx, store, id) : NULL;
    if (id && !user && !ctx_forgive(ctx, ERROR_NOT_FOUND))
        return false;
    *out = user && user->status == USER_DELETED;
    return true;
}

static bool record(struct ctx *ctx, const struct audit *audit, const struct consumed *event)
{
    struct deed deed = { 0 };
    bool deleted;
    if (!record_parse(ctx, event->data, event->data_size, deed_fields, &deed)) {
        log_failure(LOG_WARN, ctx, "a deed that cannot be read");
        return ctx_forgive(ctx, ERROR_INVALID);
    }
    if (!is_deleted(ctx, audit->store, deed.by, &deleted))
        return false;
    struct whence whence = deleted ? (struct whence){ 0 } : deed_whence(ctx, audit->vault, &deed);
    struct audit_entry entry = { .doc.id = event->id,
                                 .at = event->time_ms,
                                 .actor = deed.actor,
                                 .by = deed.by,
                                 .session = deed.session,
                                 .action = deed.action,
                                 .target = event->entity,
                                 .detail = deed.detail,
                                 .address = whence.address,
                                 .device = whence.device };
    return audit_store_insert(ctx, audit->store, &entry);
}

bool audit_write(struct ctx *ctx, const struct audit *audit, struct audit_entry *entry)
{
    return audit_store_insert(ctx, audit->store, entry);
}

void audit_refused(struct ctx *ctx, const struct audit *audit, const struct audit_entry *entry)
{
    struct error *pending = ctx->error;
    int64_t deadline_ms = ctx_shorten(ctx, NOTE_MS);
    struct audit_entry made = *entry;
    made.doc = (struct doc){ .id = id_new(&ctx->arena) };
    made.at = clock_now_ms();
    ctx->error = NULL;
    if (!audit_store_insert(ctx, audit->store, &made))
        log_failure(LOG_WARN, ctx, "what was refused is not in the trail");
    ctx->deadline_ms = deadline_ms;
    ctx->error = pending;
}

/* Those of whom it is not known who they were. */
static size_t guesses(struct audit_entry *entries, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (entries[i].actor == ACTOR_UNKNOWN)
            entries[kept++] = entries[i];
    return kept;
}

/* What was done by them, or tried at their account, stays; where from does not. */
static bool forget_origins_of(struct ctx *ctx, const struct audit *audit, const struct audit_asked *asked)
{
    struct page page = { 0 };
    do {
        if (!audit_store_page(ctx, audit->store, asked, PAGE, page.next, &page))
            return false;
        size_t count = asked->by ? page.count : guesses(page.items, page.count);
        if (!audit_store_forget_origins(ctx, audit->store, page.items, count))
            return false;
    } while (page.next);
    return true;
}

static bool forget_origins(struct ctx *ctx, const struct audit *audit, const char *user_id)
{
    return forget_origins_of(ctx, audit, &(struct audit_asked){ .by = user_id }) &&
           forget_origins_of(ctx, audit, &(struct audit_asked){ .target = user_id });
}

bool audit_handle(struct ctx *ctx, void *self, const struct consumed *event)
{
    if (text_equal(event->type, DEED_TYPE))
        return record(ctx, self, event);
    if (text_equal(event->type, "event.user.deleted"))
        return forget_origins(ctx, self, event->entity);
    return true;
}

bool audit_list(struct ctx *ctx, const struct audit *audit, const struct audit_asked *asked, size_t limit,
                const char *cursor, struct page *out)
{
    return audit_store_page(ctx, audit->store, asked, limit, cursor, out);
}

static bool sweep(struct ctx *ctx, const struct audit *audit, const char *action, int64_t keep_ms)
{
    bool all = false;
    for (int pages = 0; pages < SWEEP_PAGES && !all; pages++)
        if (!audit_store_remove_old(ctx, audit->store, action, clock_now_ms() - keep_ms, &all))
            return false;
    return true;
}

bool audit_sweep(struct ctx *ctx, void *self)
{
    const struct audit *audit = self;
    for (const char *const *action = signins; *action; action++)
        if (!sweep(ctx, audit, *action, audit->keep_signins_ms))
            return false;
    return sweep(ctx, audit, NULL, audit->keep_ms);
}
