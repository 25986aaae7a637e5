#include "proxy.h"

#include "base/clock.h"
#include "base/log.h"

enum { SLICE = 256 * 1024, INTERIM_MAX = 16 };

static void on_connected(void *self, bool failed);
static void on_readable(void *self);
static void on_written(void *self, bool failed);

static const struct origin_user callbacks = { on_connected, on_readable, on_written };

static const struct kong_service *service_of(const struct exchange *x)
{
    return x->route->service;
}

static void set_deadline(struct exchange *x, int64_t timeout_ms)
{
    x->proxy.deadline = clock_ms() + timeout_ms;
}

static void close_origin(struct exchange *x)
{
    if (x->proxy.origin)
        origin_close(x->proxy.origin);
    x->proxy.origin = NULL;
    x->proxy.deadline = 0;
}

static void drop_member(struct exchange *x)
{
    member_unref(x->proxy.member);
    x->proxy.member = NULL;
}

static void report(struct exchange *x, enum outcome outcome, int status)
{
    member_report(x->proxy.member, outcome, status, clock_ms());
}

void proxy_finish(struct exchange *x)
{
    close_origin(x);
    drop_member(x);
    if (x->proxy.block)
        loop_block_free(x->loop, x->proxy.block);
    x->proxy.block = NULL;
}

/* Sending */

static void write_slice(struct exchange *x)
{
    struct proxy *proxy = &x->proxy;
    h2o_iovec_t parts[2];
    size_t count = 0, left = x->req->entity.len - proxy->body_sent, slice = left < SLICE ? left : SLICE;
    if (proxy->head.len)
        parts[count++] = proxy->head;
    if (slice)
        parts[count++] = h2o_iovec_init(x->req->entity.base + proxy->body_sent, slice);
    proxy->head.len = 0;
    proxy->body_sent += slice;
    proxy->all_sent = slice == left;
    proxy->writing = true;
    set_deadline(x, service_of(x)->write_timeout);
    origin_write(proxy->origin, parts, count);
}

static void send_request(struct exchange *x)
{
    struct proxy *proxy = &x->proxy;
    proxy->connecting = false;
    proxy->body_sent = 0;
    proxy->stopped = false;
    proxy->start = proxy->end = proxy->in_flight = 0;
    proxy->head = forward_request(x, proxy->member);
    write_slice(x);
}

static void on_written(void *self, bool failed)
{
    struct exchange *x = self;
    struct proxy *proxy = &x->proxy;
    proxy->writing = false;
    /* The member may have answered before it closed: what can be read decides. */
    if (failed)
        proxy->stopped = true;
    if (proxy->all_sent || proxy->stopped)
        set_deadline(x, service_of(x)->read_timeout);
    else
        write_slice(x);
}

/* Whom to ask */

static void fail(struct exchange *x, int status, const char *message)
{
    log_warn(NULL, message, "requestId", x->request_id, "service", service_of(x)->name, "member",
             x->proxy.member ? x->proxy.member->name : "none");
    proxy_finish(x);
    exchange_refuse(x, status, message);
}

static bool connect_member(struct exchange *x, bool fresh)
{
    struct proxy *proxy = &x->proxy;
    if (!fresh)
        proxy->origin = origin_take(x->loop, proxy->member, !x->idempotent, &callbacks, x);
    if (proxy->origin) {
        send_request(x);
        return true;
    }
    proxy->origin = origin_connect(x->loop, proxy->member, &callbacks, x);
    proxy->connecting = proxy->origin;
    set_deadline(x, service_of(x)->connect_timeout);
    return proxy->origin;
}

/* The balancer's next pick, and the next, until one can be connected to or at least tried. */
static void ask_next(struct exchange *x, int status, const char *message)
{
    struct proxy *proxy = &x->proxy;
    while (proxy->attempts <= service_of(x)->retries && proxy->tried_count < TRIED_MAX) {
        drop_member(x);
        proxy->member = upstream_pick(service_of(x)->upstream->live, x->loop->index, proxy->tried, proxy->tried_count, clock_ms());
        if (!proxy->member)
            break;
        proxy->tried[proxy->tried_count++] = proxy->member;
        proxy->attempts++;
        if (connect_member(x, false))
            return;
        report(x, OUTCOME_CONNECT_FAILED, 0);
    }
    fail(x, status, message);
}

void proxy_start(struct exchange *x)
{
    ask_next(x, 503, "the service has no member that can be asked");
}

static void connect_failed(struct exchange *x)
{
    report(x, OUTCOME_CONNECT_FAILED, 0);
    close_origin(x);
    ask_next(x, 503, "the service cannot be reached");
}

static void on_connected(void *self, bool failed)
{
    struct exchange *x = self;
    if (failed)
        connect_failed(x);
    else
        send_request(x);
}

/* Closed without an answer. */
static void no_answer(struct exchange *x)
{
    struct proxy *proxy = &x->proxy;
    bool kept = origin_used(proxy->origin);
    if (kept)
        proxy->member->keeps = false;
    else
        report(x, OUTCOME_BROKEN, 0);
    close_origin(x);
    if (!x->idempotent) {
        fail(x, 502, "the service closed the connection without an answer");
    } else if (kept) {
        if (!connect_member(x, true))
            connect_failed(x);
    } else {
        ask_next(x, 502, "the service closed the connection without an answer");
    }
}

void proxy_timeout(struct exchange *x)
{
    struct proxy *proxy = &x->proxy;
    if (proxy->connecting) {
        connect_failed(x);
        return;
    }
    report(x, OUTCOME_TIMED_OUT, 0);
    if (!x->started) {
        fail(x, 504, "the service did not answer in time");
        return;
    }
    close_origin(x);
    proxy->broken = true;
    if (!x->sending)
        exchange_send(x, NULL, 0, H2O_SEND_STATE_ERROR);
}

/* Answering */

static void finish_origin(struct exchange *x)
{
    struct proxy *proxy = &x->proxy;
    if (!proxy->origin)
        return;
    if (proxy->complete && proxy->keep && proxy->all_sent && !proxy->writing)
        origin_keep(proxy->origin);
    else
        origin_close(proxy->origin);
    proxy->origin = NULL;
    proxy->deadline = 0;
}

static size_t put_chunk(struct exchange *x, h2o_iovec_t *parts, size_t size)
{
    struct proxy *proxy = &x->proxy;
    static const char end[] = "\r\n0\r\n\r\n";
    size_t count = 0;
    if (size) {
        int line = snprintf(proxy->chunk_line, sizeof proxy->chunk_line, "%zx\r\n", size);
        parts[count++] = h2o_iovec_init(proxy->chunk_line, (size_t)line);
        parts[count++] = h2o_iovec_init(proxy->block->data + proxy->start, size);
        parts[count++] = h2o_iovec_init(end, proxy->complete ? sizeof end - 1 : 2);
    } else if (proxy->complete) {
        parts[count++] = h2o_iovec_init(end + 2, sizeof end - 3);
    }
    return count;
}

static size_t put_parts(struct exchange *x, h2o_iovec_t *parts)
{
    struct proxy *proxy = &x->proxy;
    size_t size = proxy->end - proxy->start;
    if (x->chunk_out)
        return put_chunk(x, parts, size);
    parts[0] = h2o_iovec_init(proxy->block ? proxy->block->data + proxy->start : NULL, size);
    return size ? 1 : 0;
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
    h2o_iovec_t parts[3];
    size_t count = put_parts(x, parts);
    proxy->in_flight = proxy->end;
    exchange_send(x, parts, count,
                  proxy->broken     ? H2O_SEND_STATE_ERROR
                  : proxy->complete ? H2O_SEND_STATE_FINAL
                                    : H2O_SEND_STATE_IN_PROGRESS);
}

void proxy_proceed(struct exchange *x)
{
    struct proxy *proxy = &x->proxy;
    proxy->start = proxy->in_flight;
    if (proxy->start == proxy->end)
        proxy->start = proxy->end = proxy->in_flight = 0;
    if (proxy->origin) {
        /* Time that the client took is not the member's. */
        set_deadline(x, service_of(x)->read_timeout);
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
    report(x, OUTCOME_STATUS, head->status);
    set_deadline(x, service_of(x)->read_timeout);
    forward_reply(x, head);
    exchange_start(x);
}

/* The block holds `end` bytes from the first of the head on. false: more must come, or the exchange has failed. */
static bool read_head(struct exchange *x, struct reply_head *head, size_t *skip)
{
    struct proxy *proxy = &x->proxy;
    *skip = 0;
    for (int interim = 0; interim < INTERIM_MAX; interim++) {
        switch (reply_head_read(proxy->block->data + *skip, proxy->end - *skip, x->head_request, head)) {
        case HEAD_PARTIAL:
            memmove(proxy->block->data, proxy->block->data + *skip, proxy->end - *skip);
            proxy->end -= *skip;
            if (proxy->end < BLOCK_SIZE)
                return false;
            fail(x, 502, "the service's answer has too large a head");
            return false;
        case HEAD_BAD:
            report(x, OUTCOME_BROKEN, 0);
            fail(x, 502, "the service's answer is malformed");
            return false;
        case HEAD_GOOD:
            *skip += head->size;
            if (head->status >= 200)
                return true;
            if (head->status == 101) {
                fail(x, 502, "the service switched protocols unasked");
                return false;
            }
        }
    }
    fail(x, 502, "the service's answer does not begin");
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
        no_answer(x);
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

static void on_readable(void *self)
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
    set_deadline(x, proxy->writing ? service_of(x)->write_timeout : service_of(x)->read_timeout);
    take(x, (size_t)got);
}
