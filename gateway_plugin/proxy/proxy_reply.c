#include "proxy/proxy_parts.h"

#include "proxy/tunnel.h"

enum { INTERIM_MAX = 16 };

static void finish_origin(struct exchange *x)
{
    struct proxy *proxy = &x->proxy;
    if (!proxy->origin)
        return;
    if (x->tap)
        x->tap->end(x->tap, x, proxy->complete && !proxy->broken);
    if (proxy->complete && proxy->keep && proxy->all_sent && !proxy->writing)
        origin_keep(proxy->origin);
    else
        origin_close(proxy->origin);
    proxy->origin = NULL;
    proxy->deadline = 0;
}

/* Gives h2o what there is. `first`: the head goes now, whether or not there is a body yet. */
static void pump(struct exchange *x, bool first)
{
    struct proxy *proxy = &x->proxy;
    if (x->sending || x->finished)
        return;
    if (proxy->start == proxy->end && !proxy->complete && !proxy->broken && !first) {
        /* A quiet stream holds no block. */
        loop_block_free(x->loop, proxy->block);
        proxy->block = NULL;
        return;
    }
    proxy->in_flight = proxy->end;
    if (exchange_put(x, proxy->block ? proxy->block->data + proxy->start : NULL, proxy->end - proxy->start,
                     proxy->broken     ? H2O_SEND_STATE_ERROR
                     : proxy->complete ? H2O_SEND_STATE_FINAL
                                       : H2O_SEND_STATE_IN_PROGRESS))
        return;
    /* The filters have it all and nothing to say yet. */
    proxy->start = proxy->end = proxy->in_flight = 0;
    if (first)
        exchange_send(x, NULL, 0, H2O_SEND_STATE_IN_PROGRESS);
}

void proxy_proceed(struct exchange *x)
{
    struct proxy *proxy = &x->proxy;
    proxy->start = proxy->in_flight;
    if (proxy->start == proxy->end)
        proxy->start = proxy->end = proxy->in_flight = 0;
    if (proxy->origin) {
        /* Time that the client took is not the member's. */
        proxy_set_deadline(x, proxy_service(x)->read_timeout);
        origin_resume(proxy->origin);
    }
    pump(x, false);
}

/* `size` new bytes of the body lie at the end of the block; afterwards those that are payload do. false: broken. */
static bool take_body(struct exchange *x, size_t size)
{
    struct proxy *proxy = &x->proxy;
    char *data = proxy->block->data + proxy->end;
    size_t used = size, payload = size;
    switch (proxy->body_end) {
    case BODY_NONE:
        payload = used = 0;
        proxy->complete = true;
        break;
    case BODY_LENGTH:
        used = payload = size < proxy->left ? size : (size_t)proxy->left;
        proxy->left -= payload;
        proxy->complete = !proxy->left;
        break;
    case BODY_CHUNKS:
        switch (chunks_read(&proxy->chunks, data, size, &used, data, &payload)) {
        case CHUNKS_BAD:
            return false;
        case CHUNKS_END:
            proxy->complete = true;
            break;
        case CHUNKS_MORE:
            break;
        }
        break;
    default:
        break;
    }
    /* More than was announced is nobody's answer. */
    if (used < size)
        proxy->keep = false;
    if (x->tap && payload)
        x->tap->body(x->tap, x, data, payload);
    proxy->end += payload;
    return true;
}

static void start_reply(struct exchange *x, const struct reply_head *head)
{
    struct proxy *proxy = &x->proxy;
    proxy->head_done = true;
    proxy->body_end = head->end;
    proxy->left = head->length;
    proxy->keep = head->keep;
    x->events = head->events;
    /* An early refusal: the rest of the body is not wanted. */
    if (!proxy->all_sent && head->status >= 300)
        proxy->stopped = true;
    x->upstream_status = head->status;
    proxy_report(x, OUTCOME_STATUS, head->status);
    if (proxy_service(x)->upstream->balance.algorithm == ALGORITHM_LATENCY)
        member_spent(proxy->member, loop_now_us(x->loop) - proxy->asked_us, loop_now(x->loop));
    proxy_set_deadline(x, proxy_service(x)->read_timeout);
    forward_reply(x, head);
    if (x->tap)
        x->tap->head(x->tap, x, head);
    exchange_start(x);
}

static void switch_protocols(struct exchange *x, const struct reply_head *head, size_t skip)
{
    struct proxy *proxy = &x->proxy;
    if (!x->upgrade) {
        proxy_fail(x, 502, "the service switched protocols unasked");
        return;
    }
    x->upstream_status = 101;
    proxy_report(x, OUTCOME_STATUS, 101);
    tunnel_start(x, head, h2o_iovec_init(proxy->block->data + skip, proxy->end - skip));
}

/* The block holds `end` bytes from the first of the head on. false: more must come, or the exchange has failed. */
static bool read_head(struct exchange *x, struct reply_head *head, size_t *skip)
{
    struct proxy *proxy = &x->proxy;
    *skip = 0;
    for (; proxy->interims < INTERIM_MAX; proxy->interims++) {
        switch (reply_head_read(proxy->block->data + *skip, proxy->end - *skip, x->head_request && !x->new_method.base,
                                head)) {
        case HEAD_PARTIAL:
            memmove(proxy->block->data, proxy->block->data + *skip, proxy->end - *skip);
            proxy->end -= *skip;
            if (proxy->end < BLOCK_SIZE)
                return false;
            proxy_fail(x, 502, "the service's answer has too large a head");
            return false;
        case HEAD_BAD:
            proxy_report(x, OUTCOME_BROKEN, 0);
            proxy_fail(x, 502, "the service's answer is malformed");
            return false;
        case HEAD_GOOD:
            *skip += head->size;
            if (head->status >= 200)
                return true;
            if (head->status == 101) {
                switch_protocols(x, head, *skip);
                return false;
            }
            proxy_set_deadline(x, proxy_service(x)->read_timeout);
        }
    }
    proxy_fail(x, 502, "the service's answer does not begin");
    return false;
}

static void take(struct exchange *x, size_t size)
{
    struct proxy *proxy = &x->proxy;
    bool first = !proxy->head_done;
    if (first) {
        struct reply_head head;
        size_t skip;
        proxy->end += size;
        if (!read_head(x, &head, &skip))
            return;
        start_reply(x, &head);
        size = proxy->end - skip;
        proxy->start = proxy->end = proxy->in_flight = skip;
        if (!size && (head.end == BODY_NONE || (head.end == BODY_LENGTH && !head.length)))
            proxy->complete = true;
    }
    if (size && !take_body(x, size))
        proxy->broken = true;
    if (proxy->complete || proxy->broken)
        finish_origin(x);
    pump(x, first);
}

static void closed(struct exchange *x, bool clean)
{
    struct proxy *proxy = &x->proxy;
    if (!proxy->head_done) {
        proxy_no_answer(x);
        return;
    }
    proxy->keep = false;
    if (clean && proxy->body_end == BODY_CLOSE)
        proxy->complete = true;
    else
        proxy->broken = true;
    finish_origin(x);
    pump(x, false);
}

void proxy_on_readable(void *self)
{
    struct exchange *x = self;
    struct proxy *proxy = &x->proxy;
    if (!proxy->block) {
        proxy->block = loop_block(x->loop);
        proxy->start = proxy->end = proxy->in_flight = 0;
    }
    size_t room = BLOCK_SIZE - proxy->end;
    if (!room) {
        origin_pause(proxy->origin);
        return;
    }
    ssize_t got = origin_read(proxy->origin, proxy->block->data + proxy->end, room);
    if (got == -1)
        return;
    if (got <= 0) {
        closed(x, got == 0);
        return;
    }
    /* A head that drips is one that does not come. */
    if (proxy->head_done)
        proxy_set_deadline(x, proxy->writing ? proxy_service(x)->write_timeout : proxy_service(x)->read_timeout);
    take(x, (size_t)got);
}
