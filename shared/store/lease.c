#include "store/lease.h"

#include "base/clock.h"

struct lease_record {
    struct doc doc;
    const char *holder;
    int64_t until; /* wall clock */
    int64_t fencing;
};

static const struct field lease_fields[] = { FIELD("holder", TEXT, struct lease_record, holder),
                                             FIELD("until", TIME, struct lease_record, until),
                                             FIELD("fencing", INTEGER, struct lease_record, fencing),
                                             { 0 } };

const struct collection lease_collection = { .name = "leases",
                                             .fields = lease_fields,
                                             .size = sizeof(struct lease_record) };

/* Machines' clocks differ by less than this part of a lease; the holder stops before others may begin. */
enum { SKEW_PART = 4 };

static void lease_lost(struct lease *lease)
{
    lease->fencing = 0;
    lease->until_ms = 0;
}

/* May this process take it? Free, its own, run out, or unchanged for two lives while we looked: a holder renews thrice
 * in one. */
static bool is_takeable(struct lease *lease, const struct lease_record *record)
{
    if (!record->holder || (lease->fencing && record->fencing == lease->fencing))
        return true;
    if (record->until + lease->ttl_ms / SKEW_PART < clock_now_ms())
        return true;
    if (lease->seen_version != record->doc.version || !lease->seen_ms) {
        lease->seen_version = record->doc.version;
        lease->seen_ms = clock_ms();
    }
    return clock_ms() - lease->seen_ms > 2 * lease->ttl_ms;
}

static void fill(const struct lease *lease, struct lease_record *record)
{
    bool kept = lease->fencing && record->fencing == lease->fencing;
    record->fencing += kept ? 0 : 1;
    record->holder = lease->holder;
    record->until = clock_now_ms() + lease->ttl_ms;
}

static bool write_lease(struct ctx *ctx, struct lease *lease, struct lease_record *record)
{
    int64_t began = clock_ms();
    bool fresh = record->doc.version == 0;
    fill(lease, record);
    bool written = fresh ? store_insert(ctx, lease->store, &lease_collection, record, NO_EVENTS)
                         : store_update(ctx, lease->store, &lease_collection, record,
                                        (struct update){ .set = FIELDS("holder", "until", "fencing") });
    if (written) {
        lease->fencing = record->fencing;
        lease->until_ms = began + lease->ttl_ms;
        return true;
    }
    if (ctx_forgive(ctx, ERROR_CONFLICT)) /* another one was faster */
        lease_lost(lease);
    return false;
}

static bool take(struct ctx *ctx, struct lease *lease)
{
    struct lease_record record = { 0 };
    if (!store_get(ctx, lease->store, &lease_collection, lease->name, &record)) {
        if (!ctx_forgive(ctx, ERROR_NOT_FOUND))
            return false;
        record.doc.id = lease->name;
    }
    if (record.doc.version && !is_takeable(lease, &record)) {
        lease_lost(lease);
        return false;
    }
    return write_lease(ctx, lease, &record);
}

bool lease_hold(struct ctx *ctx, struct lease *lease)
{
    if (lease->fencing && lease->until_ms - clock_ms() > lease->ttl_ms * 2 / 3)
        return true;
    struct error *before = ctx->error;
    if (take(ctx, lease))
        return true;
    /* A renewal that could not be asked for leaves what is held until it runs out. */
    if (lease->fencing && clock_ms() < lease->until_ms) {
        ctx->error = before;
        return true;
    }
    lease_lost(lease);
    return false;
}

void lease_release(struct ctx *ctx, struct lease *lease)
{
    struct lease_record record = { 0 };
    struct error *before = ctx->error;
    if (lease->fencing && store_get(ctx, lease->store, &lease_collection, lease->name, &record) &&
        record.fencing == lease->fencing)
        store_update(ctx, lease->store, &lease_collection, &record,
                     (struct update){ .unset = FIELDS("holder", "until") });
    ctx->error = before; /* where it cannot be given up it runs out */
    lease_lost(lease);
}
