/*
 * Kong's response-transformer: headers and the members of a JSON object in an
 * answer, whoever gives it. A body that is to change is held until it is whole.
 */
#include "plugins/plugins.h"

#include "base/log.h"
#include "transform/changes.h"
#include "exchange/exchange.h"
#include "exchange/forward_rules.h"
#include "must.h"

#include <ctype.h>
#include <string.h>

enum { BODY_MAX = 4 << 20 }; /* more is not held: such an answer is cut off rather than let through as it is */

struct changes {
    struct texts headers, json, json_types;
};

struct response_transformer {
    struct changes changes[CHANGES];
};

static const char *const types[] = { "string", "number", "boolean", NULL };

#define HEADERS(rule_) OPTION("headers", OPTION_TEXTS, struct changes, headers, rule_)
#define TYPES OPTION("json_types", OPTION_TEXTS, struct changes, json_types, .choices = types)
#define MAP(name_, change_, fields_)                                                                                   \
    OPTION(name_, OPTION_MAP, struct response_transformer, changes[change_], .fields = (fields_))

static const struct option remove_options[] = { HEADERS(CHANGE_HEADER),
                                                OPTION("json", OPTION_TEXTS, struct changes, json),
                                                { 0 } };
static const struct option rename_options[] = { HEADERS(CHANGE_HEADER_PAIR),
                                                OPTION("json", OPTION_TEXTS, struct changes, json, CHANGE_PAIR),
                                                { 0 } };
static const struct option value_options[] = {
    HEADERS(CHANGE_HEADER_VALUE), OPTION("json", OPTION_TEXTS, struct changes, json, CHANGE_PAIR), TYPES, { 0 }
};

static const struct option options[] = {
    MAP("remove", CHANGE_REMOVE, remove_options),  MAP("rename", CHANGE_RENAME, rename_options),
    MAP("replace", CHANGE_REPLACE, value_options), MAP("add", CHANGE_ADD, value_options),
    MAP("append", CHANGE_APPEND, value_options),   { 0 },
};

/* When the file is read */

/* The name that an item is about; of a rename the new one too. */
static bool is_ours(const char *item, enum change change)
{
    const char *colon = strchr(item, ':');
    size_t size = colon ? (size_t)(colon - item) : strlen(item);
    return reply_action(item, size) != PASS ||
           (change == CHANGE_RENAME && reply_action(colon + 1, strlen(colon + 1)) != PASS);
}

static bool is_number(const char *text)
{
    struct pairs pairs;
    struct arena arena = { 0 };
    char *end;
    bool good = strspn(text, "-+.0123456789eE") == strlen(text) && (strtod(text, &end), !*end);
    const char *whole = arena_printf(&arena, "{\"n\":%s}", text);
    good = good && pairs_read_json(&pairs, &arena, whole, strlen(whole)) && (*text == '-' || isdigit(*text));
    arena_free(&arena);
    return good;
}

static void check_change(struct faults *faults, const char *path, const struct node *map, enum change change,
                         const struct changes *changes)
{
    path = field_path(faults, path, change_names[change]);
    for (size_t i = 0; i < changes->headers.count; i++)
        if (is_ours(changes->headers.items[i], change))
            fault(faults, map->line, field_path(faults, path, "headers"),
                  "\"%s\" names a header that only the edge writes", changes->headers.items[i]);
    for (size_t i = 0; i < changes->json_types.count && i < changes->json.count; i++)
        if (strcmp(changes->json_types.items[i], "number") == 0 && !is_number(strchr(changes->json.items[i], ':') + 1))
            fault(faults, map->line, field_path(faults, path, "json"), "\"%s\" holds no number",
                  changes->json.items[i]);
}

static void check(struct faults *faults, const char *path, const struct node *node, const void *config)
{
    const struct response_transformer *transformer = config;
    for (int change = 0; change < CHANGES; change++) {
        const struct node *map = node_get(node, change_names[change]);
        if (map)
            check_change(faults, path, map, (enum change)change, &transformer->changes[change]);
    }
}

/* The body */

struct transform {
    struct body_filter filter;
    struct arena arena;
    struct buf body;
    const struct response_transformer *config;
    char request_id[REQUEST_ID_MAX + 1];
};

struct typed {
    struct arena *arena;
    const struct texts *types;
};

/* As JSON. */
static const char *json_value(void *self, const char *value, size_t index)
{
    const struct typed *typed = self;
    const char *type = index < typed->types->count ? typed->types->items[index] : "string";
    if (strcmp(type, "number") == 0)
        return value;
    if (strcmp(type, "boolean") == 0)
        return strcmp(value, "true") == 0 ? "true" : "false";
    struct buf out = BUF(typed->arena);
    buf_json(&out, value);
    return out.data;
}

static void change_body(struct transform *transform)
{
    struct pairs pairs;
    if (!transform->body.size ||
        !pairs_read_json(&pairs, &transform->arena, transform->body.data, transform->body.size)) {
        log_warn(NULL, "an answer that should be changed is no JSON object", "requestId", transform->request_id);
        return;
    }
    for (int change = 0; change < CHANGES; change++) {
        const struct changes *changes = &transform->config->changes[change];
        struct typed typed = { &transform->arena, &changes->json_types };
        change_pairs(&pairs, (enum change)change, &changes->json, json_value, &typed);
    }
    if (!pairs.changed)
        return;
    struct buf out = BUF(&transform->arena);
    pairs_write(&pairs, &out);
    transform->body = out;
}

static bool take(struct body_filter *filter, const char *data, size_t size, bool last, const char **out,
                 size_t *out_size)
{
    struct transform *self = (struct transform *)filter;
    if (self->body.size + size > BODY_MAX) {
        log_warn(NULL, "an answer is too large to be changed", "requestId", self->request_id);
        return false;
    }
    if (size)
        buf_add(&self->body, data, size);
    if (!last)
        return true;
    change_body(self);
    *out = self->body.data;
    *out_size = self->body.size;
    return true;
}

static void forget(struct body_filter *filter)
{
    struct transform *self = (struct transform *)filter;
    arena_free(&self->arena);
    free(self);
}

/* application/json, not application/json-seq. */
static bool is_json_type(h2o_iovec_t type)
{
    static const char json[] = "application/json";
    enum { SIZE = sizeof json - 1 };
    return type.len >= SIZE && same_text(type.base, json, SIZE) &&
           (type.len == SIZE || strchr("; \t,", type.base[SIZE]));
}

static bool is_json(const h2o_headers_t *headers)
{
    bool json = false;
    for (size_t i = 0; i < headers->size; i++) {
        const h2o_header_t *header = &headers->entries[i];
        if (header->name->len == 12 && same_text(header->name->base, "content-type", 12))
            json = is_json_type(header->value);
        /* What is compressed cannot be read. */
        if (header->name->len == 16 && same_text(header->name->base, "content-encoding", 16))
            return false;
    }
    return json;
}

static bool changes_json(const struct response_transformer *config)
{
    for (int change = 0; change < CHANGES; change++)
        if (config->changes[change].json.count)
            return true;
    return false;
}

static enum verdict access_transform(struct exchange *x, const void *config)
{
    x->plain_answer |= changes_json(config);
    return VERDICT_NEXT;
}

static void header(struct exchange *x, const void *config)
{
    const struct response_transformer *transformer = config;
    struct header_edit edit = { &x->req->pool, &x->req->res.headers };
    /* What the member says its body is; the headers may be changed to say something else. */
    bool body = changes_json(transformer) && is_json(edit.headers) && x->req->res.status != 206;
    for (int change = 0; change < CHANGES; change++)
        change_headers(&edit, (enum change)change, &transformer->changes[change].headers, NULL, NULL);
    if (!body)
        return;
    /* It says which bytes these are: now they are others. */
    header_edit_remove(&edit, "etag");
    header_edit_remove(&edit, "content-md5");
    header_edit_remove(&edit, "accept-ranges");
    struct transform *self = must(calloc(1, sizeof *self));
    self->filter = (struct body_filter){ take, forget };
    self->body = BUF(&self->arena);
    self->config = transformer;
    memcpy(self->request_id, x->request_id, sizeof self->request_id);
    exchange_filter(x, &self->filter);
}

const struct plugin response_transformer_plugin = {
    .name = "response-transformer",
    .config_size = sizeof(struct response_transformer),
    .options = options,
    .check = check,
    .access = access_transform,
    .header = header,
};
