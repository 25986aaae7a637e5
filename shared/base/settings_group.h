#pragma once
/* Settings of which there are as many as the operator names: a provider's, an issuer's. */
#include "base/settings.h"

/* What a SETTING_GROUP fills: structs of group->size. Lives as long as what settings_load() gave. */
struct setting_items {
    void *items;
    size_t count;
};

/*
 * A table of settings for each of some names that the operator chooses: "google" of the group AUTH_OIDC_ has
 * AUTH_OIDC_GOOGLE_CLIENT_ID where the table says CLIENT_ID. Names are ^[a-z][a-z0-9-]{0,31}$, 16 at most.
 */
struct setting_group {
    const char *prefix;
    const struct setting *settings; /* of one item; none is a group */
    size_t size;                    /* of the item's struct, whose first member is its name: const char * */
    /* A default in the place of the row's, for an item of this name; NULL: the row's. May be NULL. */
    const char *(*preset)(const char *item, const char *setting);
};
