#include "plugins/plugins.h"

#include <string.h>

/* In the order in which they run: ids first, then who may come in, then how much they may bring. */
const struct plugin *const plugins[] = {
    &correlation_id_plugin, &key_auth_plugin, &request_size_plugin, &prometheus_plugin, NULL,
};

const struct plugin *plugin_named(const char *name)
{
    for (const struct plugin *const *plugin = plugins; *plugin; plugin++)
        if (strcmp((*plugin)->name, name) == 0)
            return *plugin;
    return NULL;
}
