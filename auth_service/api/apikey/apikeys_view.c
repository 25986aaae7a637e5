#include "apikey/apikeys_view.h"

struct valid_apikey *apikey_view(struct ctx *ctx, const struct api_key *key)
{
    struct valid_apikey *view = arena_new(&ctx->arena, struct valid_apikey);
    *view = (struct valid_apikey){ .id = key->id, .name = key->name, .rate = key->rate, .expires_at = key->expires_at };
    view->scopes.items = (void *)key->scopes;
    while (key->scopes[view->scopes.count])
        view->scopes.count++;
    return view;
}
