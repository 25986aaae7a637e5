#include "client/h2_ids.h"

#include "process/loop.h"
#include "must.h"

#include <dlfcn.h>

enum { FRAME_HEAD = 9, IDS = 2, STRING_MAX = 126, LITERAL_MAX = 3 + 2 * STRING_MAX };

const h2o_iovec_t h2_request_id = { (char *)"x-request-id", 12 }, h2_traceparent = { (char *)"traceparent", 11 };

h2_flatten_fn *h2_flatten_of_h2o(void)
{
    h2_flatten_fn *out;
    void *found = must(dlsym(RTLD_NEXT, "h2o_hpack_flatten_response"));
    memcpy(&out, &found, sizeof out);
    return out;
}

/* So small that it surely is one frame, also with the ids. */
static bool fits(const h2o_headers_t *headers, size_t frame_max)
{
    enum { EACH = 16, BESIDES = 512 }; /* lengths; status, date, server, content-length */
    size_t size = BESIDES;
    for (size_t i = 0; i < headers->size; i++)
        size += headers->entries[i].name->len + headers->entries[i].value.len + EACH;
    return size <= frame_max;
}

static bool has_ids(const h2o_headers_t *headers)
{
    const h2o_header_t *last = headers->entries + headers->size - IDS;
    return headers->size >= IDS && last[0].name == &h2_request_id && last[1].name == &h2_traceparent &&
           last[0].value.len <= STRING_MAX && last[1].value.len <= STRING_MAX;
}

static char *put_string(char *at, const h2o_iovec_t *text)
{
    *at++ = (char)text->len;
    memcpy(at, text->base, text->len);
    return at + text->len;
}

/* RFC 7541, 6.2.2: a literal header field without indexing, new name. */
static char *put_literal(char *at, const h2o_header_t *header)
{
    *at++ = 0;
    at = put_string(at, header->name);
    return put_string(at, &header->value);
}

/* The frame that begins at `begin` is the last in `out`, and whole. */
static void append_ids(h2o_buffer_t **out, size_t begin, const h2o_header_t *ids)
{
    char *start = h2o_buffer_reserve(out, IDS * LITERAL_MAX).base,
         *end = put_literal(put_literal(start, &ids[0]), &ids[1]);
    (*out)->size += (size_t)(end - start);
    unsigned char *head = (unsigned char *)(*out)->bytes + begin;
    size_t payload = (*out)->size - begin - FRAME_HEAD;
    head[0] = (unsigned char)(payload >> 16);
    head[1] = (unsigned char)(payload >> 8);
    head[2] = (unsigned char)payload;
}

void h2o_hpack_flatten_response(h2o_buffer_t **out, struct st_h2o_hpack_header_table_t *table, uint32_t stream,
                                size_t frame_max, h2o_res_t *res, h2o_timestamp_t *now, const h2o_iovec_t *server,
                                size_t length)
{
    h2o_req_t *req = H2O_STRUCT_FROM_MEMBER(h2o_req_t, res, res);
    const struct loop *loop = (struct loop *)req->conn->ctx;
    size_t begin = (*out)->size, ids = has_ids(&res->headers) && fits(&res->headers, frame_max) ? IDS : 0;
    res->headers.size -= ids;
    loop->flatten(out, table, stream, frame_max, res, now, server, length);
    if (ids)
        append_ids(out, begin, res->headers.entries + res->headers.size);
    res->headers.size += ids;
}
