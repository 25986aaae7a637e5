/* API keys, from the command line. */
#include "cli.h"

#include "apikey/apikeys.h"
#include "auth_collections.h"
#include "base/clock.h"
#include "base/text.h"
#include "store/migrate.h"
#include "store/when_there.h"

#include <string.h>

static bool open_once(struct ctx *ctx, void *self)
{
    struct cli *cli = self;
    const struct store_settings *set = &cli->set->store;
    if (!cli->store)
        cli->store = store_open(
            ctx, &(struct store_options){ .url = set->url, .service = "auth", .ferretdb = set->ferretdb },
            auth_collections);
    return cli->store;
}

struct store *cli_store(struct cli *cli)
{
    return store_when_there(cli->ctx, open_once, cli) &&
                   migrate(cli->ctx, cli->store, cli->set->store.migrations, auth_steps, NULL)
               ? cli->store
               : NULL;
}

static struct list split(struct arena *arena, const char *text)
{
    const char **items = arena_array(arena, const char *, SCOPES_MAX + 1);
    size_t count = 0;
    for (char *rest = arena_strdup(arena, text), *item; rest && (item = strsep(&rest, ",")) && count <= SCOPES_MAX;)
        items[count++] = item;
    return (struct list){ items, count };
}

bool cli_apikey_create(struct cli *cli, char **args)
{
    const char *scopes = cli_option(args, "--scopes"), *rate = cli_option(args, "--rate"),
               *expires = cli_option(args, "--expires");
    struct new_apikey in = { .name = cli_option(args, "--name") };
    bool quiet = cli_flag(args, "--quiet");
    if (!cli_done(cli, args))
        return false;
    in.scopes = split(&cli->ctx->arena, scopes ? scopes : SCOPE_GENERAL);
    if (rate && !text_number(rate, 1000000, &in.rate))
        return ctx_fail(cli->ctx, ERROR_INVALID, "--rate is requests a minute, up to 1000000");
    if (expires && !clock_parse(expires, &in.expires_at))
        return ctx_fail(cli->ctx, ERROR_INVALID, "--expires is a time such as 2027-01-31T00:00:00Z");
    if (!record_check(cli->ctx, new_apikey_fields, &in))
        return false;
    struct store *store = cli_store(cli);
    struct apikeys apikeys = { .store = store };
    if (store && !cli_deed(cli, "apikey.created", scopes ? scopes : SCOPE_GENERAL))
        return false;
    struct issued_apikey *issued = store ? apikey_create(cli->ctx, &apikeys, &in) : NULL;
    if (!issued)
        return false;
    if (quiet)
        printf("%s\n", issued->key);
    else
        printf("%s\n\nThis is the only time that it is shown.\n", issued->key);
    return true;
}

static const char *when(struct cli *cli, int64_t ms)
{
    return ms ? clock_format(&cli->ctx->arena, ms) : "never";
}

bool cli_apikey_list(struct cli *cli, char **args)
{
    if (!cli_done(cli, args))
        return false;
    struct apikeys apikeys = { .store = cli_store(cli) };
    if (!apikeys.store)
        return false;
    struct page page = { 0 };
    do {
        if (!apikey_list(cli->ctx, &apikeys, 100, page.next, &page))
            return false;
        const struct apikey *found = page.items;
        for (size_t i = 0; i < page.count; i++) {
            const char *const *scopes = found[i].scopes.items;
            printf("%s  %-24s  %s  expires %s  used %s ", found[i].doc.id, found[i].name,
                   clock_format(&cli->ctx->arena, found[i].created_at), when(cli, found[i].expires_at),
                   when(cli, found[i].used_at));
            for (size_t k = 0; k < found[i].scopes.count; k++)
                printf(" %s", scopes[k]);
            printf("\n");
        }
    } while (page.next);
    return true;
}

bool cli_apikey_revoke(struct cli *cli, char **args)
{
    const char *id = cli_word(args);
    if (!id)
        return ctx_fail(cli->ctx, ERROR_INVALID, "apikey revoke: which id?");
    if (!cli_done(cli, args))
        return false;
    struct apikeys apikeys = { .store = cli_store(cli) };
    return apikeys.store && cli_deed(cli, "apikey.revoked", NULL) && apikey_revoke(cli->ctx, &apikeys, id);
}
