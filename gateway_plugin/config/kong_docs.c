#include "config/kong_docs.h"

#include "config/kong.h"
#include "config/kong_refused.h"
#include "config/options_json.h"

#include <stdlib.h>
#include <string.h>

/* What stands in a cell must not end it. */
static void put_cell(struct buf *out, const char *text)
{
    for (; *text; text++)
        if (*text == '|')
            buf_text(out, "\\|");
        else
            buf_char(out, *text == '\n' ? ' ' : *text);
}

static void put_instead(struct buf *out, const struct option *option)
{
    if (!option->instead)
        return;
    buf_text(out, ": ");
    put_cell(out, option->instead);
}

static void put_choices(struct buf *out, const char *const *choices)
{
    for (size_t i = 0; choices[i]; i++)
        buf_printf(out, "%s`%s`", i ? ", " : "", choices[i]);
}

static void put_only(struct buf *out, const char *only)
{
    for (const char *at = only; *at; at += strcspn(at, ","), at += *at == ',')
        buf_printf(out, "%s`%.*s`", at == only ? "" : ", ", (int)strcspn(at, ","), at);
}

static void put_numbers(struct buf *out, const struct option *option, int64_t unit)
{
    buf_printf(out, "%lld to %lld", (long long)(option->min / unit), (long long)(option->max / unit));
}

static void put_kind(struct buf *out, const struct option *option)
{
    switch (option->kind) {
    case OPTION_TEXT:
        buf_text(out, "text");
        break;
    case OPTION_INTEGER:
        put_numbers(out, option, 1);
        break;
    case OPTION_SECONDS:
        put_numbers(out, option, 1000);
        buf_text(out, " (seconds)");
        break;
    case OPTION_FLAG:
        buf_text(out, "`true`, `false`");
        break;
    case OPTION_TEXTS:
        buf_text(out, option->choices ? "list of: " : "list");
        if (option->choices)
            put_choices(out, option->choices);
        break;
    case OPTION_INTEGERS:
        buf_text(out, "list of numbers, ");
        put_numbers(out, option, 1);
        break;
    case OPTION_CHOICE:
        put_choices(out, option->choices);
        put_instead(out, option);
        break;
    case OPTION_FIXED:
        buf_text(out, "only ");
        put_only(out, option->only);
        put_instead(out, option);
        break;
    case OPTION_NOTE:
        buf_text(out, "taken; the edge makes nothing of it");
        break;
    case OPTION_REFUSED:
        buf_text(out, "**refused**");
        put_instead(out, option);
        break;
    case OPTION_PART:
        buf_text(out, "0 to 1");
        break;
    case OPTION_NAMED:
        buf_text(out, "map of names to texts");
        break;
    default:
        buf_text(out, "yes");
    }
}

static void put_default(struct buf *out, const struct option *option, const json_t *value)
{
    bool has_default = option->kind != OPTION_REFUSED && option->kind != OPTION_NOTE && option->kind != OPTION_FIXED;
    char *text = value && has_default && !json_is_null(value) ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT)
                                                              : NULL;
    if (option->required)
        buf_text(out, "required");
    else if (text) {
        buf_char(out, '`');
        put_cell(out, text);
        buf_char(out, '`');
    }
    free(text);
}

/* `values`: the defaults; NULL: they are not in a struct. Fields of fields have their path before them. */
static void put_rows(struct buf *out, const char *path, const struct option *options, const json_t *values)
{
    for (const struct option *option = options; option->name; option++) {
        const json_t *value = json_object_get(values, option->name);
        if (option->kind == OPTION_MAP) {
            put_rows(out, arena_printf(out->arena, "%s%s.", path, option->name), option->fields, value);
            continue;
        }
        buf_printf(out, "| `%s%s` | ", path, option->name);
        put_kind(out, option);
        if (option->ours)
            buf_printf(out, "; not Kong's: %s", option->ours);
        if (values) {
            buf_text(out, " | ");
            put_default(out, option, value);
        }
        buf_text(out, " |\n");
    }
}

static void put_entity(struct buf *out, const char *title, const char *path, const struct option *options)
{
    if (title)
        buf_printf(out, "\n### %s\n\n| field | here |\n|---|---|\n", title);
    put_rows(out, path, options, NULL);
}

static void put_entities(struct buf *out)
{
    put_entity(out, "The file", "", root_options);
    put_entity(out, NULL, "_info.", info_options);
    put_entity(out, "services", "", service_options);
    put_entity(out, "routes", "", route_options);
    put_entity(out, "upstreams", "", upstream_options);
    put_entity(out, "targets", "", target_options);
    put_entity(out, "consumers", "", consumer_options);
    put_entity(out, "keyauth_credentials", "", key_options);
    put_entity(out, "acls", "", acl_options);
    put_entity(out, "jwt_secrets", "", signer_options);
    put_entity(out, "certificates", "", certificate_options);
    put_entity(out, "snis", "", sni_options);
    put_entity(out, "ca_certificates", "", ca_options);
    put_entity(out, "plugins (what all have)", "", plugin_options);
}

static void put_plugin(struct buf *out, const struct plugin *plugin)
{
    void *config = arena_alloc(out->arena, plugin->config_size ? plugin->config_size : 1);
    if (plugin->defaults)
        plugin->defaults(config);
    json_t *values = options_json(plugin->options, config);
    buf_printf(out, "\n### %s\n\n| field of `config` | here | default |\n|---|---|---|\n", plugin->name);
    put_rows(out, "", plugin->options, values);
    json_decref(values);
}

static void put_refused(struct buf *out)
{
    buf_text(out, "\n### Plugins that are not here\n\n| plugin | instead |\n|---|---|\n");
    for (const struct kong_refused *row = refused_plugins; row->name; row++) {
        buf_printf(out, "| %s | ", row->name);
        put_cell(out, row->instead);
        buf_text(out, " |\n");
    }
}

void kong_docs_write(struct buf *out)
{
    buf_text(out, "## Entities, field by field\n");
    put_entities(out);
    buf_text(out,
             "\n## Plugins, field by field\n\nIn the order in which they run, which is that of Kong's priorities.\n");
    for (size_t i = 0; plugins[i]; i++)
        put_plugin(out, plugins[i]);
    put_refused(out);
}
