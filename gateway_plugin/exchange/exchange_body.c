/* The body of an answer on its way to h2o: through the filters, and in chunks where HTTP/1.1 needs them. */
#include "exchange/exchange.h"

bool exchange_has_body(const struct exchange *x)
{
    int status = x->req->res.status;
    return !x->head_request && status >= 200 && status != 204 && status != 304;
}

void exchange_filter(struct exchange *x, struct body_filter *filter)
{
    x->req->res.content_length = SIZE_MAX;
    if (exchange_has_body(x))
        x->flow = flow_add(x->flow, filter);
    else
        filter->free(filter);
}

static size_t put_parts(struct exchange *x, h2o_iovec_t *parts, const char *data, size_t size, bool last)
{
    static const char end[] = "\r\n0\r\n\r\n";
    size_t count = 0;
    if (!size && !(x->chunk_out && last))
        return 0;
    if (x->chunk_out && size) {
        int line = snprintf(x->chunk_line, sizeof x->chunk_line, "%zx\r\n", size);
        parts[count++] = h2o_iovec_init(x->chunk_line, (size_t)line);
    }
    if (size)
        parts[count++] = h2o_iovec_init(data, size);
    if (x->chunk_out)
        parts[count++] = h2o_iovec_init(size ? end : end + 2, (size ? 2 : 0) + (last ? sizeof end - 3 : 0));
    return count;
}

static void send_piece(struct exchange *x, const char *data, size_t size, h2o_send_state_t state)
{
    h2o_iovec_t parts[3];
    exchange_send(x, parts, put_parts(x, parts, data, size, state == H2O_SEND_STATE_FINAL), state);
}

bool exchange_drain(struct exchange *x)
{
    const char *out;
    size_t size;
    bool last;
    switch (flow_next(x->flow, &out, &size, &last)) {
    case FLOW_OUT:
        send_piece(x, out, size, last ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
        return true;
    case FLOW_BROKEN:
        send_piece(x, NULL, 0, H2O_SEND_STATE_ERROR);
        return true;
    default:
        return false;
    }
}

bool exchange_put(struct exchange *x, const char *data, size_t size, h2o_send_state_t state)
{
    if (!x->flow || state == H2O_SEND_STATE_ERROR) {
        send_piece(x, data, x->head_request ? 0 : size, state);
        return true;
    }
    flow_give(x->flow, data, size, state == H2O_SEND_STATE_FINAL);
    return exchange_drain(x);
}

void exchange_give(struct exchange *x, const char *body, size_t size)
{
    /* 204 and 304 end with their head, and 204 has not even a length. */
    bool bodyless = x->req->res.status == 204 || x->req->res.status == 304;
    x->req->res.content_length = bodyless ? SIZE_MAX : size;
    exchange_start(x);
    exchange_put(x, body, bodyless ? 0 : size, x->malformed ? H2O_SEND_STATE_ERROR : H2O_SEND_STATE_FINAL);
}
