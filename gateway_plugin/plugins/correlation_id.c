/*
 * Kong's correlation-id: one more header with an id of the request. X-Request-Id
 * is on every request and answer anyhow; this is for services that look for another.
 */
#include "plugins/plugins.h"

#include "base/clock.h"
#include "base/text.h"
#include "exchange/exchange.h"

#include <arpa/inet.h>
#include <unistd.h>

struct correlation_id {
    const char *header_name, *lower; /* lower: the same in small letters */
    int generator;
    bool echo_downstream;
};

static bool is_header_name(const char *text)
{
    return is_token(text, strlen(text)) && strlen(text) <= 64;
}

enum { COUNTER, UUID, TRACKER };
static const char *const generators[] = { "uuid#counter", "uuid", "tracker", NULL };

static const struct option options[] = {
    OPTION("header_name", OPTION_TEXT, struct correlation_id, header_name, .valid = is_header_name,
           .rule = "is no header name"),
    OPTION("generator", OPTION_CHOICE, struct correlation_id, generator, .choices = generators),
    OPTION("echo_downstream", OPTION_FLAG, struct correlation_id, echo_downstream),
    { 0 },
};

static void defaults(void *config)
{
    *(struct correlation_id *)config = (struct correlation_id){ .header_name = "Kong-Request-ID" };
}

static void prepare(struct arena *arena, const struct kong_plugin *row, void *config)
{
    struct correlation_id *id = config;
    (void)row;
    id->lower = text_lower(arena, id->header_name);
}

static bool built_in(const struct correlation_id *id)
{
    return strcasecmp(id->header_name, "x-request-id") == 0;
}

static const char *make_uuid(struct exchange *x)
{
    char *out = h2o_mem_alloc_pool(&x->req->pool, UUID_TEXT + 1);
    loop_uuid(x->loop, out);
    return out;
}

/* Where it came to and from which connection, with the time: address-port-process-connection-request-seconds. */
static const char *make_tracker(struct exchange *x)
{
    struct sockaddr_storage own = { 0 };
    char address[INET6_ADDRSTRLEN] = "unknown";
    const struct sockaddr_in *four = (const void *)&own;
    const struct sockaddr_in6 *six = (const void *)&own;
    h2o_socket_getsockname(x->conn->sock, (struct sockaddr *)&own);
    if (own.ss_family == AF_INET)
        inet_ntop(AF_INET, &four->sin_addr, address, sizeof address);
    else
        inet_ntop(AF_INET6, &six->sin6_addr, address, sizeof address);
    int64_t now = clock_now_ms();
    return exchange_printf(x, "%s-%d-%d-%llu-%llu-%lld.%03d", address,
                           ntohs(own.ss_family == AF_INET ? four->sin_port : six->sin6_port), (int)getpid(),
                           (unsigned long long)x->conn->serial, (unsigned long long)x->conn->served,
                           (long long)(now / 1000), (int)(now % 1000));
}

static const char *make_id(struct exchange *x, int generator)
{
    if (generator == UUID)
        return make_uuid(x);
    if (generator == TRACKER)
        return make_tracker(x);
    h2o_iovec_t number = exchange_digits(x, ++x->loop->ids);
    return h2o_concat(&x->req->pool, h2o_iovec_init(x->loop->uuid, UUID_TEXT), h2o_iovec_init(H2O_STRLIT("#")), number)
        .base;
}

static h2o_header_t *find(struct exchange *x, const struct correlation_id *id)
{
    h2o_headers_t *headers = &x->req->headers;
    size_t size = strlen(id->lower);
    for (size_t i = 0; i < headers->size; i++)
        if (headers->entries[i].name->len == size && memcmp(headers->entries[i].name->base, id->lower, size) == 0)
            return &headers->entries[i];
    return NULL;
}

static enum verdict access_id(struct exchange *x, const void *config)
{
    const struct correlation_id *id = config;
    h2o_header_t *sent = find(x, id);
    if (built_in(id) || (sent && sent->value.len))
        return VERDICT_NEXT;
    const char *value = make_id(x, id->generator);
    size_t size = strlen(value);
    if (sent)
        sent->value = h2o_iovec_init(value, size);
    else
        h2o_add_header_by_str(&x->req->pool, &x->req->headers, id->lower, strlen(id->lower), 0, NULL, value, size);
    return VERDICT_NEXT;
}

static void head_of_answer(struct exchange *x, const void *config)
{
    const struct correlation_id *id = config;
    const h2o_header_t *header = id->echo_downstream && !built_in(id) ? find(x, id) : NULL;
    if (header)
        exchange_set_header(x, id->lower, exchange_text(x, header->value));
}

const struct plugin correlation_id_plugin = {
    .name = "correlation-id",
    .no_consumer = true,
    .config_size = sizeof(struct correlation_id),
    .options = options,
    .defaults = defaults,
    .prepare = prepare,
    .access = access_id,
    .header = head_of_answer,
};
