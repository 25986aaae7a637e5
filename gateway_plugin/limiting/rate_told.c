#include "limiting/rate_told.h"

#include "exchange/exchange.h"
#include "exchange/forward_rules.h"

#define NAME(text)                                                                                                     \
    {                                                                                                                  \
        H2O_STRLIT(text)                                                                                               \
    }

/* Of each window its limit and what is left of it. */
static const h2o_iovec_t limit_names[] = { NAME("x-ratelimit-limit-second"), NAME("x-ratelimit-limit-minute"),
                                           NAME("x-ratelimit-limit-hour"),   NAME("x-ratelimit-limit-day"),
                                           NAME("x-ratelimit-limit-month"),  NAME("x-ratelimit-limit-year") };
static const h2o_iovec_t rest_names[] = { NAME("x-ratelimit-remaining-second"), NAME("x-ratelimit-remaining-minute"),
                                          NAME("x-ratelimit-remaining-hour"),   NAME("x-ratelimit-remaining-day"),
                                          NAME("x-ratelimit-remaining-month"),  NAME("x-ratelimit-remaining-year") };
static const h2o_iovec_t limit = NAME("ratelimit-limit"), rest = NAME("ratelimit-remaining"),
                         reset = NAME("ratelimit-reset"), retry = NAME("retry-after");

enum { HEADERS_OF_ALL = 2 * PERIODS + 4 };

struct rate_told *rate_tell(struct exchange *x, const int64_t limits[PERIODS], const int64_t used[PERIODS],
                            int64_t now_s)
{
    struct rate_told *told = h2o_mem_alloc_pool(&x->req->pool, sizeof *told);
    *told = (struct rate_told){ .tightest = PERIODS, .now_s = now_s };
    for (enum period i = 0; i < PERIODS; i++)
        told->full |= limits[i] && used[i] >= limits[i];
    for (enum period i = 0; i < PERIODS; i++) {
        if (!limits[i])
            continue;
        int64_t left = limits[i] - used[i] - !told->full;
        told->remaining[i] = left > 0 ? left : 0;
        if (told->tightest == PERIODS || told->remaining[i] <= told->remaining[told->tightest])
            told->tightest = i;
    }
    return told;
}

/* A service's own limits are not this one. */
static bool is_ours(const h2o_iovec_t *name)
{
    return (name->len >= 10 && same_text(name->base, "ratelimit-", 10)) ||
           (name->len >= 12 && same_text(name->base, "x-ratelimit-", 12));
}

static void drop_ours(h2o_headers_t *headers)
{
    size_t kept = 0;
    for (size_t i = 0; i < headers->size; i++)
        if (!is_ours(headers->entries[i].name))
            headers->entries[kept++] = headers->entries[i];
    headers->size = kept;
}

static void put(h2o_headers_t *headers, const h2o_iovec_t *name, h2o_iovec_t value)
{
    headers->entries[headers->size++] = (h2o_header_t){ (h2o_iovec_t *)name, NULL, value };
}

void rate_told_write(struct exchange *x, const struct rate_told *told, const int64_t limits[PERIODS],
                     const h2o_iovec_t texts[PERIODS])
{
    h2o_headers_t *headers = &x->req->res.headers;
    h2o_iovec_t left = exchange_digits(x, (uint64_t)told->remaining[told->tightest]);
    h2o_iovec_t seconds = exchange_digits(x, (uint64_t)(period_window(told->tightest, told->now_s).end - told->now_s));
    drop_ours(headers);
    h2o_vector_reserve(&x->req->pool, headers, headers->size + HEADERS_OF_ALL);
    for (enum period i = 0; i < PERIODS; i++) {
        if (!limits[i])
            continue;
        put(headers, &limit_names[i], texts[i]);
        put(headers, &rest_names[i], i == told->tightest ? left : exchange_digits(x, (uint64_t)told->remaining[i]));
    }
    put(headers, &limit, texts[told->tightest]);
    put(headers, &rest, left);
    put(headers, &reset, seconds);
    if (!told->full)
        return;
    exchange_drop_header(x, "retry-after");
    put(headers, &retry, seconds);
}
