#pragma once
/* Every plugin that there is. A new one is a file here and a row in plugin.c. */
#include "plugin.h"

extern const struct plugin correlation_id_plugin;
extern const struct plugin key_auth_plugin;
extern const struct plugin prometheus_plugin;
extern const struct plugin request_size_plugin;
