/*
 * Stale-while-revalidate: the client has been given what is kept, and the same
 * is asked of a member once more, for the next. One connection, no retries but
 * for a kept connection that its member has closed; what goes wrong changes
 * nothing of what is kept.
 */
#include "plugins/cache_refresh.h"

#include "base/clock.h"
#include "must.h"
#include "process/edge.h"

#include <string.h>

enum { REFRESHES_MAX = 64, HEAD_ROOM = 16 * 1024 };

struct refresh {
    h2o_linklist_t link;
    struct loop *loop;
    struct config *config; /* with a reference: `fill.config` is of it */
    const struct kong_service *service;
    struct member *member; /* with a reference */
    struct origin *origin;
    struct cached *old; /* with a reference */
    struct cache_fill fill;
    char *head; /* of the request */
    size_t head_size;
    char key[65];
    bool connecting, head_request, head_done, complete, keep;
    struct block *block;
    size_t end;
    enum body_end body_end;
    uint64_t left;
    struct chunks chunks;
    int64_t deadline;
};

static void end(struct refresh *refresh)
{
    h2o_linklist_unlink(&refresh->link);
    refresh->loop->refresh_count--;
    if (refresh->origin && refresh->complete && refresh->keep)
        origin_keep(refresh->origin);
    else if (refresh->origin)
        origin_close(refresh->origin);
    if (refresh->fill.cached && refresh->complete)
        cache_fill_commit(&refresh->fill, refresh->key, loop_now(refresh->loop));
    else
        cache_fill_drop(&refresh->fill);
    answer_cache_let_go(refresh->fill.cache, refresh->key);
    atomic_store(&refresh->old->refreshing, false);
    cached_unref(refresh->old);
    member_unref(refresh->member);
    loop_block_free(refresh->loop, refresh->block);
    config_unref(refresh->config);
    free(refresh->head);
    free(refresh);
}

static void set_deadline(struct refresh *refresh, int64_t ms)
{
    refresh->deadline = loop_now(refresh->loop) + ms;
}

/* The answer */

/* It is not to be kept any more: nor is what is kept of it. A fault of the service's is not an answer. */
static void give_up_old(struct refresh *refresh, int status)
{
    if (status < 500)
        answer_cache_drop(refresh->fill.cache, refresh->key);
}

static bool take_head(struct refresh *refresh, const struct reply_head *head)
{
    if (!cache_fill_begin(&refresh->fill, head)) {
        give_up_old(refresh, head->status);
        return false;
    }
    /* It differs by other headers now: which ones the next request shows. */
    const char *old = refresh->old->vary, *vary = refresh->fill.cached->vary;
    if (strcmp(old ? old : "", vary ? vary : "") != 0) {
        give_up_old(refresh, head->status);
        return false;
    }
    refresh->head_done = true;
    refresh->body_end = head->end;
    refresh->left = head->length;
    refresh->keep = head->keep;
    refresh->complete = head->end == BODY_NONE || (head->end == BODY_LENGTH && !head->length);
    return true;
}

/* `size` bytes of the body at `data`. false: it is broken, or too large. */
static bool take_body(struct refresh *refresh, char *data, size_t size)
{
    size_t used = size, payload = size;
    if (refresh->body_end == BODY_LENGTH) {
        used = payload = size < refresh->left ? size : (size_t)refresh->left;
        refresh->left -= payload;
        refresh->complete = !refresh->left;
    } else if (refresh->body_end == BODY_CHUNKS) {
        enum chunks_state state = chunks_read(&refresh->chunks, data, size, &used, data, &payload);
        if (state == CHUNKS_BAD)
            return false;
        refresh->complete = state == CHUNKS_END;
    }
    if (used < size)
        refresh->keep = false;
    return !payload || cache_fill_add(&refresh->fill, data, payload);
}

/* The block holds `end` bytes that nobody has looked at. false: it is over. */
static bool take(struct refresh *refresh)
{
    struct reply_head head;
    size_t skip = 0;
    while (!refresh->head_done) {
        enum head_state state = reply_head_read(refresh->block->data + skip, refresh->end - skip, refresh->head_request,
                                                &head);
        if (state == HEAD_PARTIAL && !skip)
            return refresh->end < BLOCK_SIZE;
        if (state != HEAD_GOOD || head.status == 101)
            return false;
        skip += head.size;
        if (head.status >= 200 && !take_head(refresh, &head))
            return false;
    }
    size_t size = refresh->end - skip;
    refresh->end = 0;
    if (size && !refresh->complete && !take_body(refresh, refresh->block->data + skip, size))
        return false;
    return !refresh->complete;
}

static void on_readable(void *self)
{
    struct refresh *refresh = self;
    if (!refresh->block)
        refresh->block = loop_block(refresh->loop);
    ssize_t got = origin_read(refresh->origin, refresh->block->data + refresh->end, BLOCK_SIZE - refresh->end);
    if (got == -1)
        return;
    if (got <= 0) {
        refresh->complete = !got && refresh->head_done && refresh->body_end == BODY_CLOSE;
        end(refresh);
        return;
    }
    refresh->end += (size_t)got;
    if (refresh->head_done)
        set_deadline(refresh, refresh->service->read_timeout);
    if (!take(refresh))
        end(refresh);
}

/* The question */

static void send_head(struct refresh *refresh)
{
    h2o_iovec_t head = h2o_iovec_init(refresh->head, refresh->head_size);
    refresh->connecting = false;
    set_deadline(refresh, refresh->service->read_timeout);
    origin_write(refresh->origin, &head, 1);
}

static void on_connected(void *self, bool failed)
{
    if (failed)
        end(self);
    else
        send_head(self);
}

static void on_written(void *self, bool failed)
{
    (void)self;
    (void)failed; /* which on_readable() sees */
}

static const struct origin_user callbacks = { on_connected, on_readable, on_written };

/* As the client's, but that it wants the whole answer whatever it has. */
static h2o_iovec_t make_head(struct exchange *x, const struct member *member, char *room)
{
    static const char *const dropped[] = { "if-none-match", "if-modified-since", "cache-control", "pragma" };
    h2o_headers_t *headers = &x->req->headers, before = *headers, kept = { 0 };
    h2o_vector_reserve(&x->req->pool, &kept, before.size + 1);
    for (size_t i = 0; i < before.size; i++) {
        bool drop = false;
        for (size_t j = 0; j < sizeof dropped / sizeof *dropped; j++)
            drop |= h2o_memis(before.entries[i].name->base, before.entries[i].name->len, dropped[j],
                              strlen(dropped[j]));
        if (!drop)
            kept.entries[kept.size++] = before.entries[i];
    }
    *headers = kept;
    h2o_iovec_t head = forward_request(x, member, room, HEAD_ROOM);
    *headers = before;
    return head;
}

static struct refresh *make(struct exchange *x, struct caching *caching, struct cached *old, struct member *member)
{
    char room[HEAD_ROOM];
    h2o_iovec_t head = make_head(x, member, room);
    struct refresh *refresh = must(calloc(1, sizeof *refresh));
    refresh->loop = x->loop;
    refresh->config = config_ref(x->config);
    refresh->service = x->route->service;
    refresh->member = member;
    refresh->old = cached_ref(old);
    refresh->fill = caching->fill;
    refresh->fill.cached = NULL;
    refresh->fill.held = 0;
    refresh->fill.asked_us = clock_us();
    memcpy(refresh->key, caching->key, sizeof refresh->key);
    refresh->head_request = x->head_request && !x->new_method.base;
    refresh->head = must(malloc(head.len));
    refresh->head_size = head.len;
    memcpy(refresh->head, head.base, head.len);
    h2o_linklist_insert(&x->loop->refreshes, &refresh->link);
    x->loop->refresh_count++;
    return refresh;
}

void cache_refresh_start(struct exchange *x, struct caching *caching, struct cached *old)
{
    struct wish wish = { .loop = x->loop->index, .now_ms = loop_now(x->loop) };
    if (x->req->entity.len || x->loop->refresh_count >= REFRESHES_MAX || x->loop->stopping ||
        atomic_exchange(&old->refreshing, true))
        return;
    bool claimed = answer_cache_claim(caching->fill.cache, caching->key);
    struct member *member = claimed ? upstream_pick(x->route->service->upstream->live, &wish) : NULL;
    if (!member) {
        if (claimed)
            answer_cache_let_go(caching->fill.cache, caching->key);
        atomic_store(&old->refreshing, false);
        return;
    }
    atomic_fetch_add_explicit(&x->loop->edge->slot->cache.asked_behind, 1, memory_order_relaxed);
    struct refresh *refresh = make(x, caching, old, member);
    const char *name = refresh->service->upstream->tls_name;
    struct peer peer = { member, refresh->service->tls, name ? name : member->host };
    refresh->origin = origin_take(x->loop, &peer, true, &callbacks, refresh);
    if (refresh->origin) {
        send_head(refresh);
        return;
    }
    refresh->connecting = true;
    set_deadline(refresh, refresh->service->connect_timeout);
    refresh->origin = origin_connect(x->loop, &peer, &callbacks, refresh);
    if (!refresh->origin)
        end(refresh);
}

static void end_all(struct loop *loop, int64_t now_ms)
{
    for (h2o_linklist_t *node = loop->refreshes.next, *next; node != &loop->refreshes; node = next) {
        struct refresh *refresh = H2O_STRUCT_FROM_MEMBER(struct refresh, link, node);
        next = node->next;
        if (now_ms >= refresh->deadline)
            end(refresh);
    }
}

void cache_refresh_sweep(struct loop *loop, int64_t now_ms)
{
    end_all(loop, now_ms);
}

void cache_refresh_stop(struct loop *loop)
{
    end_all(loop, INT64_MAX);
}
