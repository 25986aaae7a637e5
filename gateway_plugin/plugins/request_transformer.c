/* Kong's request-transformer: method, path, headers, query and body of what is forwarded. */
#include "plugins/plugins.h"

#include "exchange/forward_rules.h"
#include "client/head_check.h"
#include "plugins/request_transformer.h"
#include "transform/template.h"

#include <string.h>

const char *const request_methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", NULL };

static bool is_uri(const char *text)
{
    return *text == '/' && template_valid(text) && !strpbrk(text, " ?#\\");
}

#define FIELDS(headers_, rule_)                                                                                        \
    OPTION("headers", OPTION_TEXTS, struct request_changes, headers, headers_),                                        \
        OPTION("querystring", OPTION_TEXTS, struct request_changes, querystring, rule_),                               \
        OPTION("body", OPTION_TEXTS, struct request_changes, body, rule_)
#define MAP(name_, change_, fields_)                                                                                   \
    OPTION(name_, OPTION_MAP, struct request_transformer, changes[change_], .fields = (fields_))

static const struct option remove_options[] = { FIELDS(CHANGE_HEADER, .valid = NULL), { 0 } };
static const struct option rename_options[] = { FIELDS(CHANGE_HEADER_PAIR, CHANGE_PAIR), { 0 } };
static const struct option value_options[] = { FIELDS(CHANGE_HEADER_VALUE, CHANGE_PAIR), { 0 } };
/* `uri` stands beside the lists: the whole struct is its base. */
#define REPLACE(name_, member_, ...) OPTION(name_, OPTION_TEXTS, struct request_transformer, member_, ##__VA_ARGS__)
static const struct option replace_options[] = {
    REPLACE("headers", changes[CHANGE_REPLACE].headers, CHANGE_HEADER_VALUE),
    REPLACE("querystring", changes[CHANGE_REPLACE].querystring, CHANGE_PAIR),
    REPLACE("body", changes[CHANGE_REPLACE].body, CHANGE_PAIR),
    OPTION("uri", OPTION_TEXT, struct request_transformer, uri, .valid = is_uri,
           .rule = "must be a path from / on, without a query; of templates $(headers.NAME), $(query_params.NAME), "
                   "$(uri_captures.NAME), with `or` between them and 'text'"),
    { 0 },
};

static const struct option options[] = {
    MAP("remove", CHANGE_REMOVE, remove_options),
    MAP("rename", CHANGE_RENAME, rename_options),
    { .name = "replace", .kind = OPTION_MAP, .offset = 0, .fields = replace_options },
    MAP("add", CHANGE_ADD, value_options),
    MAP("append", CHANGE_APPEND, value_options),
    OPTION("http_method", OPTION_CHOICE, struct request_transformer, method, .choices = request_methods,
           .instead = "another method: a HEAD would leave a client waiting for a body"),
    { 0 },
};

static void defaults(void *config)
{
    *(struct request_transformer *)config = (struct request_transformer){ .method = -1 };
}

/* When the file is read */

/* Only the edge may say these. Host may be replaced, and nothing else. */
static bool is_ours(const char *name, size_t size, enum change change)
{
    enum action action = request_action(name, size);
    bool host = size == 4 && same_text(name, "host", 4);
    return change == CHANGE_REMOVE ? false
           : host                  ? change != CHANGE_REPLACE
                                   : action == DROP || action == DROP_PREFIX || action == NAMES;
}

static void check_headers(struct faults *faults, const char *path, int line, enum change change,
                          const struct texts *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *item = list->items[i], *colon = strchr(item, ':');
        bool ours = change == CHANGE_RENAME ? is_ours(colon + 1, strlen(colon + 1), change)
                                            : is_ours(item, colon ? (size_t)(colon - item) : strlen(item), change);
        if (ours)
            fault(faults, line, path, "\"%s\" names a header that only the edge writes", item);
        else if (!template_valid(item))
            fault(faults, line, path, "\"%s\" %s", item, TEMPLATE_RULE);
    }
}

static void check_values(struct faults *faults, const char *path, int line, const struct texts *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (!template_valid(list->items[i]))
            fault(faults, line, path, "\"%s\" %s", list->items[i], TEMPLATE_RULE);
}

static void check(struct faults *faults, const char *path, const struct node *node, const void *config)
{
    const struct request_transformer *transformer = config;
    for (int change = 0; change < CHANGES; change++) {
        const struct node *map = node_get(node, change_names[change]);
        const struct request_changes *changes = &transformer->changes[change];
        if (!map)
            continue;
        const char *field = field_path(faults, path, change_names[change]);
        check_headers(faults, field_path(faults, field, "headers"), map->line, (enum change)change, &changes->headers);
        check_values(faults, field_path(faults, field, "querystring"), map->line, &changes->querystring);
        check_values(faults, field_path(faults, field, "body"), map->line, &changes->body);
    }
}

const struct plugin request_transformer_plugin = {
    .name = "request-transformer",
    .config_size = sizeof(struct request_transformer),
    .options = options,
    .defaults = defaults,
    .check = check,
    .access = request_transform,
};
