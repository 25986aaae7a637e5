#include "exchange/forward.h"

#include "base/text.h"
#include "exchange/answer.h"
#include "exchange/exchange.h"
#include "exchange/forward_rules.h"

static bool is_connection(const struct reply_field *field)
{
    return field->name_size == 10 && same_text(field->name, "connection", 10);
}

static bool names_any(const struct reply_head *head)
{
    for (size_t i = 0; i < head->count; i++)
        if (is_connection(&head->fields[i]) && connection_names(head->fields[i].value, head->fields[i].value_size))
            return true;
    return false;
}

/* What the answer's Connection names. */
static bool is_named(const struct reply_head *head, const struct reply_field *field)
{
    for (size_t i = 0; i < head->count; i++)
        if (is_connection(&head->fields[i]) &&
            list_names(head->fields[i].value, head->fields[i].value_size, field->name, field->name_size))
            return true;
    return false;
}

/* HTTP/2 knows small letters only. Names that h2o knows need no memory. */
static void add_lower(h2o_req_t *req, const struct reply_field *field)
{
    char small[64], *name = field->name_size <= sizeof small ? small : h2o_mem_alloc_pool(&req->pool, field->name_size);
    lower_copy(name, field->name, field->name_size);
    const h2o_token_t *token = h2o_lookup_token(name, field->name_size);
    if (token) {
        h2o_add_header(&req->pool, &req->res.headers, token, NULL, field->value, field->value_size);
        return;
    }
    if (name == small)
        name = h2o_strdup(&req->pool, small, field->name_size).base;
    h2o_add_header_by_str(&req->pool, &req->res.headers, name, field->name_size, 0, NULL, field->value,
                          field->value_size);
}

void forward_reply(struct exchange *x, const struct reply_head *head)
{
    h2o_req_t *req = x->req;
    req->res.status = head->status;
    req->res.reason = reason_phrase(head->status);
    req->res.content_length = head->length == UINT64_MAX || head->status == 204 ? SIZE_MAX : head->length;
    bool any = names_any(head);
    h2o_vector_reserve(&req->pool, &req->res.headers, req->res.headers.size + head->count + 2);
    for (size_t i = 0; i < head->count; i++) {
        const struct reply_field *field = &head->fields[i];
        if (reply_action(field->name, field->name_size) != PASS || (any && is_named(head, field)))
            continue;
        if (req->version >= 0x200)
            add_lower(req, field);
        else
            h2o_add_header_by_str(&req->pool, &req->res.headers, field->name, field->name_size, 0, NULL, field->value,
                                  field->value_size);
    }
}
