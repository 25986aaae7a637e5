/* Kong's request-size-limiting: the largest body of a route. */
#include "plugins/plugins.h"

#include "answer.h"
#include "exchange.h"

struct request_size {
    int64_t allowed;
    int unit;
};

static const char *const units[] = { "megabytes", "kilobytes", "bytes", NULL };

static const struct option options[] = {
    OPTION("allowed_payload_size", OPTION_INTEGER, struct request_size, allowed, .min = 0, .max = 1 << 30),
    OPTION("size_unit", OPTION_CHOICE, struct request_size, unit, .choices = units),
    { .name = "require_content_length", .kind = OPTION_FIXED, .only = "false" },
    { 0 },
};

static void defaults(void *config)
{
    *(struct request_size *)config = (struct request_size){ .allowed = 128 };
}

static enum verdict access_size(struct exchange *x, const void *config)
{
    static const uint64_t sizes[] = { 1 << 20, 1 << 10, 1 };
    const struct request_size *size = config;
    if (x->req->entity.len <= (uint64_t)size->allowed * sizes[size->unit])
        return VERDICT_NEXT;
    exchange_refuse(x, 413, answer_too_large);
    return VERDICT_ANSWERED;
}

const struct plugin request_size_plugin = {
    .name = "request-size-limiting",
    .config_size = sizeof(struct request_size),
    .options = options,
    .defaults = defaults,
    .access = access_size,
};
