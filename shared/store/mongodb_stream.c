/*
 * libmongoc knows one socket timeout for all calls of a client. These streams
 * stand around its own and wait no longer than the call at hand may, so that a
 * server that hangs costs a caller its own deadline and not five seconds.
 */
#include "base/clock.h"
#include "store/mongodb.h"

struct limited {
    mongoc_stream_t base;
    mongoc_stream_t *inner;
    const struct limit *limit;
};

/* Exported by libmongoc 1.23, though no header of it says so: how it connects (names, TLS, Unix sockets) by itself. */
mongoc_stream_t *mongoc_client_default_stream_initiator(const mongoc_uri_t *uri, const mongoc_host_list_t *host,
                                                        void *client, bson_error_t *error);

enum { LIMITED_STREAM = 1000 }; /* a type that libmongoc does not know */

/* What is left, whatever libmongoc would have waited. */
static int32_t left_ms(const struct limited *self)
{
    int64_t left = self->limit->until_ms - clock_ms();
    return left < 1 ? 1 : (int32_t)left;
}

static void limited_destroy(mongoc_stream_t *stream)
{
    mongoc_stream_destroy(((struct limited *)stream)->inner);
    bson_free(stream);
}

static void limited_failed(mongoc_stream_t *stream)
{
    mongoc_stream_failed(((struct limited *)stream)->inner);
    bson_free(stream);
}

static int limited_close(mongoc_stream_t *stream)
{
    return mongoc_stream_close(((struct limited *)stream)->inner);
}

static int limited_flush(mongoc_stream_t *stream)
{
    return mongoc_stream_flush(((struct limited *)stream)->inner);
}

static ssize_t limited_writev(mongoc_stream_t *stream, mongoc_iovec_t *iov, size_t count, int32_t timeout_ms)
{
    (void)timeout_ms;
    struct limited *self = (struct limited *)stream;
    return mongoc_stream_writev(self->inner, iov, count, left_ms(self));
}

static ssize_t limited_readv(mongoc_stream_t *stream, mongoc_iovec_t *iov, size_t count, size_t least,
                             int32_t timeout_ms)
{
    (void)timeout_ms;
    struct limited *self = (struct limited *)stream;
    return mongoc_stream_readv(self->inner, iov, count, least, left_ms(self));
}

static int limited_setsockopt(mongoc_stream_t *stream, int level, int name, void *value, mongoc_socklen_t size)
{
    return mongoc_stream_setsockopt(((struct limited *)stream)->inner, level, name, value, size);
}

static mongoc_stream_t *limited_base(mongoc_stream_t *stream)
{
    return ((struct limited *)stream)->inner;
}

static bool limited_check_closed(mongoc_stream_t *stream)
{
    return mongoc_stream_check_closed(((struct limited *)stream)->inner);
}

static bool limited_timed_out(mongoc_stream_t *stream)
{
    return mongoc_stream_timed_out(((struct limited *)stream)->inner);
}

static bool limited_should_retry(mongoc_stream_t *stream)
{
    return mongoc_stream_should_retry(((struct limited *)stream)->inner);
}

static ssize_t limited_poll(mongoc_stream_poll_t *streams, size_t count, int32_t timeout_ms)
{
    mongoc_stream_poll_t *inner = bson_malloc0(count * sizeof *inner);
    for (size_t i = 0; i < count; i++)
        inner[i] = (mongoc_stream_poll_t){ ((struct limited *)streams[i].stream)->inner, streams[i].events, 0 };
    ssize_t ready = mongoc_stream_poll(inner, count, timeout_ms);
    for (size_t i = 0; i < count; i++)
        streams[i].revents = inner[i].revents;
    bson_free(inner);
    return ready;
}

/* Connects within the time that is left, too. */
static mongoc_stream_t *connect_limited(const mongoc_uri_t *uri, const mongoc_host_list_t *host, void *self,
                                        bson_error_t *error)
{
    struct limit *limit = self;
    int64_t left = limit->until_ms - clock_ms();
    mongoc_uri_t *hurried = mongoc_uri_copy(uri);
    mongoc_uri_set_option_as_int32(hurried, MONGOC_URI_CONNECTTIMEOUTMS,
                                   (int32_t)(left < 1            ? 1
                                             : left < CONNECT_MS ? left
                                                                 : CONNECT_MS));
    mongoc_stream_t *inner = mongoc_client_default_stream_initiator(hurried, host, limit->client, error);
    mongoc_uri_destroy(hurried);
    if (!inner)
        return NULL;
    struct limited *stream = bson_malloc0(sizeof *stream);
    stream->base = (mongoc_stream_t){
        .type = LIMITED_STREAM,
        .destroy = limited_destroy,
        .close = limited_close,
        .flush = limited_flush,
        .writev = limited_writev,
        .readv = limited_readv,
        .setsockopt = limited_setsockopt,
        .get_base_stream = limited_base,
        .check_closed = limited_check_closed,
        .poll = limited_poll,
        .failed = limited_failed,
        .timed_out = limited_timed_out,
        .should_retry = limited_should_retry,
    };
    stream->inner = inner;
    stream->limit = limit;
    return &stream->base;
}

void limit_streams(mongoc_client_t *client, struct limit *limit)
{
    limit->client = client;
    mongoc_client_set_stream_initiator(client, connect_limited, limit);
}
