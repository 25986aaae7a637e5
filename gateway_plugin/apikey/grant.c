#include "apikey/grant.h"

#include "contract/messages.h"
#include "client/head_check.h"
#include "must.h"

#include <stdlib.h>
#include <string.h>

void grant_unref(struct grant *grant)
{
    if (!grant || atomic_fetch_sub(&grant->references, 1) != 1)
        return;
    free(grant);
}

struct grant *grant_ref(struct grant *grant)
{
    atomic_fetch_add_explicit(&grant->references, 1, memory_order_relaxed);
    return grant;
}

static char *put_text(char **at, const char *text)
{
    char *out = *at;
    size_t size = strlen(text) + 1;
    memcpy(out, text, size);
    *at += size;
    return out;
}

/* One piece of memory: the grant, its list of scopes, its texts. */
struct grant *grant_create(const struct valid_apikey *valid)
{
    /* The name is somebody's choice: it must not end a line. */
    const char *name = valid->name && is_field_value(valid->name, strlen(valid->name)) ? valid->name : "";
    const char *const *scopes = valid->scopes.items;
    size_t size = sizeof(struct grant) + (valid->scopes.count + 1) * sizeof(char *) + strlen(valid->id) + strlen(name) +
                  2;
    for (size_t i = 0; i < valid->scopes.count; i++)
        size += strlen(scopes[i]) + 1;
    struct grant *grant = must(calloc(1, size));
    const char **list = (const char **)(grant + 1);
    char *text = (char *)(list + valid->scopes.count + 1);
    atomic_init(&grant->references, 1);
    grant->id = put_text(&text, valid->id);
    grant->name = put_text(&text, name);
    for (size_t i = 0; i < valid->scopes.count; i++)
        list[i] = put_text(&text, scopes[i]);
    grant->scopes = list;
    grant->groups = (struct texts){ list, valid->scopes.count };
    grant->per_minute = valid->rate;
    grant->expires_ms = valid->expires_at;
    return grant;
}

struct grant *grant_read(const char *data, size_t size)
{
    struct ctx ctx = { 0 };
    struct valid_apikey valid = { 0 };
    bool good = record_parse(&ctx, data, size, valid_apikey_fields, &valid);
    struct grant *grant = good ? grant_create(&valid) : NULL;
    ctx_finish(&ctx);
    return grant;
}

bool grant_reaches(const struct grant *grant, const char *path, size_t size)
{
    for (const char *const *scope = grant->scopes; *scope; scope++) {
        size_t length = strlen(*scope);
        if (strcmp(*scope, "GENERAL") == 0)
            return true;
        while (length > 1 && (*scope)[length - 1] == '/')
            length--;
        if (**scope == '/' && length <= size && memcmp(*scope, path, length) == 0 &&
            (length == 1 || length == size || path[length] == '/'))
            return true;
    }
    return false;
}

bool grant_take(const struct grant *grant, int64_t now_ms, int64_t *remaining, int64_t *reset_s)
{
    return rates_take(grant->rates, grant->rate, grant->per_minute, now_ms / 1000, remaining, reset_s);
}

void grant_join(struct grant *grant, struct rates *rates)
{
    grant->rates = rates;
    grant->rate = rate_id_of(grant->id);
}
