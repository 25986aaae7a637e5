#include "client/h2_names.h"

#include "client/head_check.h"

static bool is(h2o_iovec_t text, const char *word)
{
    return text.len == strlen(word) && strncasecmp(text.base, word, text.len) == 0;
}

static const char *check_request(const h2o_req_t *req)
{
    if (!is_token(req->input.method.base, req->input.method.len) || req->input.method.len > 32)
        return "the method is not a token";
    if (is(req->input.method, "TRACE") || is(req->input.method, "CONNECT"))
        return "this method is not served";
    if (!req->input.path.len || req->input.path.base[0] != '/')
        return "the path is malformed";
    /* h2o puts its own name where there is none, once it has chosen a host. */
    if ((req->hostconf && req->input.authority.base == req->hostconf->authority.hostport.base) ||
        !is_authority(req->input.authority.base, req->input.authority.len))
        return "the authority is missing or malformed";
    return NULL;
}

const char *h2_names_check(const h2o_req_t *req, int *status)
{
    *status = 400;
    const char *fault = check_request(req);
    size_t total = req->input.path.len + req->input.authority.len;
    for (size_t i = 0; !fault && i < req->headers.size; i++) {
        const h2o_header_t *header = &req->headers.entries[i];
        total += header->name->len + header->value.len + 32; /* as RFC 9113 counts them */
        if (!h2o_iovec_is_token(header->name) && !is_token(header->name->base, header->name->len))
            fault = "a header name is not a token";
        else if (!is_field_value(header->value.base, header->value.len))
            fault = "a header value holds control characters";
    }
    if (!fault && (total > HEAD_MAX + HEADERS_MAX * 32 || req->headers.size > HEADERS_MAX)) {
        *status = 431;
        fault = "the head is too large";
    }
    return fault;
}
