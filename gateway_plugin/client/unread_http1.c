#include "client/unread.h"

#include "client/conn_parts.h"
#include "exchange/exchange.h"
#include "process/edge.h"

#include <unistd.h>

/* picohttpparser, exported by libh2o without a header. */
struct phr_header {
    const char *name;
    size_t name_size;
    const char *value;
    size_t value_size;
};
int phr_parse_request(const char *data, size_t size, const char **method, size_t *method_size, const char **path,
                      size_t *path_size, int *minor, struct phr_header *headers, size_t *count, size_t seen);

struct raw_head {
    struct phr_header headers[HEADERS_MAX];
    size_t count;
};

static bool is(const struct phr_header *header, const char *name)
{
    return header->name_size == strlen(name) && strncasecmp(header->name, name, header->name_size) == 0;
}

static bool read_head(struct conn *conn, h2o_req_t *req, struct raw_head *raw)
{
    const h2o_buffer_t *input = conn->sock->input;
    const char *method, *path;
    int minor;
    raw->count = HEADERS_MAX;
    if (phr_parse_request(input->bytes, conn->head.size, &method, &req->input.method.len, &path, &req->input.path.len,
                          &minor, raw->headers, &raw->count, 0) < 0)
        return false;
    req->input.method.base = (char *)method;
    req->input.path.base = (char *)path;
    req->version = 0x100 | (minor != 0);
    return true;
}

/* As h2o will have them. false: it asks for another protocol, of which h2o alone knows what becomes. */
static bool take_headers(h2o_req_t *req, const struct raw_head *raw)
{
    h2o_vector_reserve(&req->pool, &req->headers, raw->count + 1);
    for (size_t i = 0; i < raw->count; i++) {
        const struct phr_header *header = &raw->headers[i];
        h2o_iovec_t value = h2o_iovec_init(header->value, header->value_size);
        if (is(header, "upgrade"))
            return false;
        if (is(header, "host")) {
            req->input.authority = value;
            continue;
        }
        h2o_iovec_t *name = h2o_mem_alloc_pool(&req->pool, sizeof *name);
        *name = h2o_strdup(&req->pool, header->name, header->name_size);
        h2o_strtolower(name->base, name->len);
        req->headers.entries[req->headers.size++] = (h2o_header_t){ .name = name, .value = value };
    }
    return true;
}

uint64_t unread_most(struct conn *conn)
{
    const struct config *config = conn->loop->config;
    const struct head *head = &conn->head;
    if (!config || config->least_body == UINT64_MAX ||
        (!head->chunked && (head->length < 0 || (uint64_t)head->length <= config->least_body)))
        return UINT64_MAX;
    struct raw_head raw;
    h2o_req_t req;
    memset(&req, 0, sizeof req);
    h2o_mem_init_pool(&req.pool);
    uint64_t most = UINT64_MAX;
    if (read_head(conn, &req, &raw) && take_headers(&req, &raw))
        most = exchange_body_most(conn, &req);
    h2o_mem_clear_pool(&req.pool);
    return most;
}

void unread_hide(struct conn *conn)
{
    static const char length[] = "content-length", none[] = "x-unread-bytes";
    _Static_assert(sizeof length == sizeof none, "one takes the place of the other");
    struct raw_head raw;
    h2o_req_t req;
    if (!read_head(conn, &req, &raw))
        return;
    for (size_t i = 0; i < raw.count; i++)
        if (is(&raw.headers[i], length))
            memcpy(conn->sock->input->bytes + (raw.headers[i].name - conn->sock->input->bytes), none, sizeof none - 1);
}

void unread_keep(struct conn *conn)
{
    conn->spare = dup(h2o_socket_get_fd(conn->sock));
}

void unread_linger(struct loop *loop, int fd)
{
    if (!loop_take_room(loop)) {
        close(fd);
        return;
    }
    shutdown(fd, SHUT_WR);
    struct conn *conn = conn_create(loop, h2o_evloop_socket_create(loop->ctx.loop, fd, H2O_SOCKET_FLAG_DONT_READ));
    conn_set_phase(conn, CONN_LINGER);
    h2o_socket_read_start(conn->sock, conn_on_linger);
}
