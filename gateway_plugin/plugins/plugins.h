#pragma once
/* Every plugin that there is. A new one is a file here and a row in plugin.c. */
#include "plugin.h"

extern const struct plugin acl_plugin;
extern const struct plugin apikey_auth_plugin;
extern const struct plugin correlation_id_plugin;
extern const struct plugin cors_plugin;
extern const struct plugin ip_restriction_plugin;
extern const struct plugin file_log_plugin;
extern const struct plugin jwt_plugin;
extern const struct plugin key_auth_plugin;
extern const struct plugin opentelemetry_plugin;
extern const struct plugin prometheus_plugin;
extern const struct plugin rate_limiting_plugin;
extern const struct plugin proxy_cache_plugin;
extern const struct plugin request_size_plugin;
extern const struct plugin request_transformer_plugin;
extern const struct plugin response_transformer_plugin;
