/*
 * One write to MongoDB, taken to its end. After an unknown outcome (a timeout,
 * a server that steps down) it is tried again where that can do no harm, and
 * read back: the id of the write tells whether it was ours.
 */
#include "base/clock.h"
#include "store/mongodb.h"

#include <string.h>
#include <time.h>

enum verdict { WRITTEN, FAILED, AGAIN, NONE_MATCHED };

struct attempt {
    struct ctx *ctx;
    struct mongodb *mongodb;
    struct change *change;
    struct declarations declared;
    bool unknown; /* an earlier one may have been done */
};

static const char *name_of(const struct attempt *attempt)
{
    return attempt->change->table->of->name;
}

static enum verdict fail_as(const struct attempt *attempt, enum error_code code, const char *what)
{
    ctx_fail(attempt->ctx, code, "%s: %s", name_of(attempt), what);
    return FAILED;
}

static bool is_ours(const struct attempt *attempt, const struct stored *stored)
{
    return stored->w && strcmp(stored->w, attempt->change->w) == 0;
}

/* What a command's outcome means for the write where it was not simply done. */
static enum verdict verdict_of(struct attempt *attempt, enum outcome outcome)
{
    attempt->unknown |= outcome == UNKNOWN;
    return outcome == UNKNOWN || (outcome == NOT_TRIED && attempt->unknown) ? AGAIN : FAILED;
}

static enum verdict update_where(struct attempt *attempt, const bson_t *filter, const bson_t *update)
{
    int64_t count;
    enum outcome outcome = mongodb_update(attempt->ctx, attempt->mongodb, name_of(attempt), filter, update, false,
                                          &count);
    if (outcome != DONE_WELL)
        return verdict_of(attempt, outcome);
    return count ? WRITTEN : NONE_MATCHED;
}

static enum verdict revive(struct attempt *attempt, const struct stored *stored)
{
    bson_t update = BSON_INITIALIZER;
    _cleanup_(bson_destroyp) bson_t *filter = BCON_NEW("_id", BCON_UTF8(attempt->change->id), "gone", BCON_BOOL(true),
                                                       "w", BCON_UTF8(stored->w ? stored->w : ""));
    enum verdict verdict = FAILED;
    if (document_revive(attempt->ctx, &attempt->declared, attempt->change, &update))
        verdict = update_where(attempt, filter, &update);
    bson_destroy(&update);
    return verdict;
}

/* The id or a unique key is taken: by this very write, by a tombstone, or indeed. */
static enum verdict insert_taken(struct attempt *attempt)
{
    struct ctx *ctx = attempt->ctx;
    struct error *taken = ctx->error;
    struct stored stored;
    ctx->error = NULL;
    if (!mongodb_stored(ctx, attempt->mongodb, attempt->change->table, attempt->change->id, &stored)) {
        if (!ctx_forgive(ctx, ERROR_NOT_FOUND))
            return attempt->unknown ? AGAIN : FAILED;
        ctx->error = taken;
        return FAILED;
    }
    if (is_ours(attempt, &stored))
        return WRITTEN;
    if (stored.gone)
        return revive(attempt, &stored);
    return fail_as(attempt, ERROR_CONFLICT, "the id is taken");
}

static enum verdict try_insert(struct attempt *attempt)
{
    bson_t document = BSON_INITIALIZER;
    enum verdict verdict = FAILED;
    if (document_insert(attempt->ctx, &attempt->declared, attempt->change, &document)) {
        enum outcome outcome = mongodb_insert(attempt->ctx, attempt->mongodb, name_of(attempt), &document);
        if (outcome == DONE_WELL)
            verdict = WRITTEN;
        else if (outcome == REFUSED && attempt->ctx->error->code == ERROR_CONFLICT)
            verdict = insert_taken(attempt);
        else
            verdict = verdict_of(attempt, outcome);
    }
    bson_destroy(&document);
    return verdict;
}

/* {_id, v, no tombstone} */
static bson_t *version_filter(const struct attempt *attempt, int64_t version)
{
    return BCON_NEW("_id", BCON_UTF8(attempt->change->id), "v", BCON_INT64(version), "gone", "{", "$exists",
                    BCON_BOOL(false), "}");
}

/* Reads the document for a write of this version. AGAIN: it is there and of that version. */
static enum verdict read_version(struct attempt *attempt, struct stored *stored)
{
    struct ctx *ctx = attempt->ctx;
    bool found = mongodb_stored(ctx, attempt->mongodb, attempt->change->table, attempt->change->id, stored);
    if (!found && !ctx_forgive(ctx, ERROR_NOT_FOUND))
        return FAILED;
    if (found && is_ours(attempt, stored))
        return WRITTEN;
    if (!found || stored->gone)
        return fail_as(attempt, ERROR_NOT_FOUND, "no such document");
    if (attempt->change->version && stored->version != attempt->change->version)
        return fail_as(attempt, ERROR_CONFLICT, "it was changed meanwhile");
    return AGAIN;
}

static enum verdict try_update(struct attempt *attempt)
{
    struct stored stored;
    bool needs_old = document_needs_old(&attempt->declared, attempt->change);
    if (needs_old || attempt->unknown) {
        enum verdict verdict = read_version(attempt, &stored);
        if (verdict != AGAIN)
            return verdict == FAILED && attempt->unknown && attempt->ctx->error->code == ERROR_UNAVAILABLE ? AGAIN
                                                                                                           : verdict;
    }
    bson_t update = BSON_INITIALIZER;
    _cleanup_(bson_destroyp) bson_t *filter = version_filter(attempt, attempt->change->version);
    enum verdict verdict = FAILED;
    if (document_update(attempt->ctx, &attempt->declared, attempt->change, needs_old ? &stored.fields : NULL, &update))
        verdict = update_where(attempt, filter, &update);
    bson_destroy(&update);
    return verdict == NONE_MATCHED ? read_version(attempt, &stored) : verdict;
}

static bool field_of(const bson_t *document, const char *path, int64_t *out)
{
    bson_iter_t at, found;
    if (!bson_iter_init(&at, document) || !bson_iter_find_descendant(&at, path, &found))
        return false;
    *out = bson_iter_as_int64(&found);
    return true;
}

/* $inc cannot be sent twice: an unknown one is only read back. (On a replica set libmongoc has retried it exactly
 * once.) */
static enum verdict read_adjusted(struct attempt *attempt)
{
    struct stored stored;
    struct change *change = attempt->change;
    if (!mongodb_stored(attempt->ctx, attempt->mongodb, change->table, change->id, &stored))
        return attempt->ctx->error->code == ERROR_UNAVAILABLE ? AGAIN : FAILED;
    if (is_ours(attempt, &stored) && field_of(&stored.fields, change->field, &change->after))
        return WRITTEN;
    return fail_as(attempt, ERROR_UNAVAILABLE, "it is not known whether it was counted");
}

/* Two created it at once, or a tombstone stands in its place. */
static enum verdict adjust_taken(struct attempt *attempt)
{
    struct stored stored;
    struct change *change = attempt->change;
    attempt->ctx->error = NULL;
    if (!mongodb_stored(attempt->ctx, attempt->mongodb, change->table, change->id, &stored))
        return ctx_forgive(attempt->ctx, ERROR_NOT_FOUND) ? AGAIN : FAILED;
    if (!stored.gone)
        return AGAIN;
    bson_t set = BSON_INITIALIZER;
    BSON_APPEND_INT64(&set, change->field, change->by);
    change->set = &set;
    change->after = change->by;
    enum verdict verdict = revive(attempt, &stored);
    change->set = NULL;
    bson_destroy(&set);
    return verdict;
}

static enum verdict try_adjust(struct attempt *attempt)
{
    struct change *change = attempt->change;
    if (attempt->unknown)
        return read_adjusted(attempt);
    const char *path = arena_printf(&attempt->ctx->arena, "d.%s", change->field);
    _cleanup_(bson_destroyp) bson_t *command = BCON_NEW(
        "findAndModify", BCON_UTF8(name_of(attempt)), "query", "{", "_id", BCON_UTF8(change->id), "gone", "{",
        "$exists", BCON_BOOL(false), "}", "}", "update", "{", "$inc", "{", path, BCON_INT64(change->by), "v",
        BCON_INT64(1), "}", "$set", "{", "w", BCON_UTF8(change->w), "}", "}", "new", BCON_BOOL(true), "upsert",
        BCON_BOOL(true));
    bson_t reply;
    enum outcome outcome = mongodb_command(attempt->ctx, attempt->mongodb, command, true, &reply);
    bool read = field_of(&reply, arena_printf(&attempt->ctx->arena, "value.%s", path), &change->after);
    bson_destroy(&reply);
    if (outcome == DONE_WELL)
        return read ? WRITTEN : fail_as(attempt, ERROR_INTERNAL, "no value came back");
    if (outcome == REFUSED && attempt->ctx->error->code == ERROR_CONFLICT)
        return adjust_taken(attempt);
    return verdict_of(attempt, outcome);
}

/* Without events of its own or waiting ones the document goes at once. */
static enum verdict delete_now(struct attempt *attempt, int64_t version)
{
    int64_t count;
    _cleanup_(bson_destroyp) bson_t *filter = BCON_NEW("_id", BCON_UTF8(attempt->change->id), "v", BCON_INT64(version),
                                                       "oa", "{", "$exists", BCON_BOOL(false), "}");
    enum outcome outcome = mongodb_delete(attempt->ctx, attempt->mongodb, name_of(attempt), filter, false, &count);
    if (outcome != DONE_WELL)
        return verdict_of(attempt, outcome);
    return count ? WRITTEN : NONE_MATCHED;
}

static enum verdict try_remove(struct attempt *attempt)
{
    struct stored stored;
    enum verdict verdict = read_version(attempt, &stored);
    if (verdict == FAILED && attempt->unknown) {
        if (ctx_forgive(attempt->ctx, ERROR_NOT_FOUND))
            return WRITTEN; /* nothing else could be told apart from it */
        return attempt->ctx->error->code == ERROR_UNAVAILABLE ? AGAIN : FAILED;
    }
    if (verdict != AGAIN)
        return verdict;
    if (!attempt->change->event_count && !stored.carries)
        return delete_now(attempt, stored.version);
    bson_t update = BSON_INITIALIZER;
    _cleanup_(bson_destroyp) bson_t *filter = version_filter(attempt, stored.version);
    document_remove(attempt->ctx, attempt->change, stored.version + 1, &update);
    verdict = update_where(attempt, filter, &update);
    bson_destroy(&update);
    return verdict;
}

static enum verdict (*const tries[])(struct attempt *attempt) = {
    [WRITE_INSERT] = try_insert,
    [WRITE_UPDATE] = try_update,
    [WRITE_ADJUST] = try_adjust,
    [WRITE_REMOVE] = try_remove,
};

bool mongodb_write_one(struct ctx *ctx, struct mongodb *mongodb, struct change *change)
{
    struct attempt attempt = { .ctx = ctx, .mongodb = mongodb, .change = change };
    struct error *before = ctx->error;
    int64_t until = clock_ms() + ctx_left_ms(ctx, STORE_WAIT_MS);
    for (long pause_ms = 1;; pause_ms = pause_ms < 64 ? pause_ms * 2 : pause_ms) {
        ctx->error = before;
        enum verdict verdict = FAILED;
        if (catalog_of(ctx, mongodb, name_of(&attempt), &attempt.declared))
            verdict = tries[change->kind](&attempt);
        if (verdict == WRITTEN)
            ctx->error = before;
        if (verdict == WRITTEN || verdict == FAILED)
            return verdict == WRITTEN;
        if (clock_ms() + pause_ms >= until)
            break;
        nanosleep(&(struct timespec){ .tv_nsec = pause_ms * 1000000 }, NULL);
    }
    return ctx_fail(ctx, ERROR_UNAVAILABLE, "the store did not answer in time");
}
