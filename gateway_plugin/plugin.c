#include "plugins/plugins.h"

#include <string.h>

/*
 * In the order in which they run, which is that of Kong's priorities: ids first, then who may come in, then how much
 * they may bring. A line for each.
 */
const struct plugin *const plugins[] = {
    &opentelemetry_plugin,        /* 14 in Kong: first, for it decides what is recorded */
    &correlation_id_plugin,       /* 100001 */
    &cors_plugin,                 /* 2000 */
    &jwt_plugin,                  /* 1450 */
    &key_auth_plugin,             /* 1250 */
    &apikey_auth_plugin,          /* 1000 */
    &ip_restriction_plugin,       /* 990 */
    &request_size_plugin,         /* 951 */
    &acl_plugin,                  /* 950 */
    &rate_limiting_plugin,        /* 910 */
    &request_transformer_plugin,  /* 801 */
    &response_transformer_plugin, /* 800 */
    &proxy_cache_plugin,          /* 100 */
    &prometheus_plugin,           /* 13 */
    &file_log_plugin,             /* 9 */
    NULL,
};

const struct plugin *plugin_named(const char *name, size_t *order)
{
    for (*order = 0; plugins[*order]; ++*order)
        if (strcmp(plugins[*order]->name, name) == 0)
            return plugins[*order];
    return NULL;
}
