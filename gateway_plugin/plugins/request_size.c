/*
 * Kong's request-size-limiting: the largest body of a route. Who tells a length
 * above it is answered before the body is read, with 417 where he waits for a 100
 * (client/unread.h); a body that is here is a 413 even then, for a client that is
 * told 417 would send it once more.
 */
#include "plugins/plugins.h"

#include "exchange/answer.h"
#include "exchange/exchange.h"

struct request_size {
    int64_t allowed;
    int unit;
    bool require_content_length;
};

static const char *const units[] = { "megabytes", "kilobytes", "bytes", NULL };

static const struct option options[] = {
    OPTION("allowed_payload_size", OPTION_INTEGER, struct request_size, allowed, .min = 0, .max = 1 << 30),
    OPTION("size_unit", OPTION_CHOICE, struct request_size, unit, .choices = units),
    OPTION("require_content_length", OPTION_FLAG, struct request_size, require_content_length),
    { 0 },
};

static void defaults(void *config)
{
    *(struct request_size *)config = (struct request_size){ .allowed = 128 };
}

static uint64_t most(const void *config)
{
    static const uint64_t sizes[] = { 1 << 20, 1 << 10, 1 };
    const struct request_size *size = config;
    return (uint64_t)size->allowed * sizes[size->unit];
}

/* Chunks are counted: Kong lets them pass too. */
static bool lacks_length(const struct exchange *x)
{
    bool chunked = x->req->version < 0x200 && x->conn->head.chunked;
    return !chunked && !exchange_length_told(x);
}

static enum verdict access_size(struct exchange *x, const void *config)
{
    const struct request_size *size = config;
    if (size->require_content_length && lacks_length(x)) {
        exchange_refuse(x, 411, "A valid Content-Length header is required");
        return VERDICT_ANSWERED;
    }
    if (x->req->entity.len <= most(config) && x->told <= most(config))
        return VERDICT_NEXT;
    exchange_refuse(x, x->told && exchange_expects(x) ? 417 : 413, answer_too_large);
    return VERDICT_ANSWERED;
}

const struct plugin request_size_plugin = {
    .name = "request-size-limiting",
    .config_size = sizeof(struct request_size),
    .options = options,
    .defaults = defaults,
    .body_most = most,
    .access = access_size,
};
