/* The keys that sign tokens: in auth's store, sealed; a running auth finds what changed here within a second. */
#include "cli.h"

#include "base/clock.h"
#include "base/text.h"
#include "key/signing_key.h"

#include <string.h>

static bool open_keys(struct cli *cli, struct signing_keys *keys)
{
    if (!secret_given(&cli->set->master))
        return ctx_fail(cli->ctx, ERROR_INVALID, "keys: AUTH_MASTER_SECRET_FILE is needed, as auth has it");
    *keys = (struct signing_keys){ cli_store(cli), vault_of_secret(&cli->set->master) };
    return keys->store;
}

static void print_key(struct cli *cli, const struct signing_key *key, enum key_state state)
{
    struct arena *arena = &cli->ctx->arena;
    printf("%s  %s  %-7s  signs from %s%s%s\n", key->doc.id, signing_algs[key->alg], key_states[state],
           clock_format(arena, key->signs_from), key->until ? ", revoked " : "",
           key->until ? clock_format(arena, key->until) : "");
}

bool cli_keys_list(struct cli *cli, char **args)
{
    struct signing_keys keys;
    struct list list;
    if (!cli_done(cli, args) || !open_keys(cli, &keys) || !signing_key_list_all(cli->ctx, &keys, &list))
        return false;
    const struct signing_key *items = list.items;
    int64_t now = clock_now_ms();
    for (size_t i = 0; i < list.count; i++)
        print_key(cli, &items[i], signing_key_state(items, list.count, i, now));
    return true;
}

/* "90s", "10m", "2h". */
static bool read_span(const char *text, int64_t *ms)
{
    static const struct {
        char letter;
        int64_t ms;
    } units[] = { { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 } };
    size_t size = strlen(text);
    char number[16] = "";
    if (size < 2 || size > sizeof number)
        return false;
    memcpy(number, text, size - 1);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (text[size - 1] == units[i].letter && text_number(number, PUBLISHED_BEFORE_MAX_MS, ms))
            return *ms *= units[i].ms, *ms >= PUBLISHED_BEFORE_MIN_MS && *ms <= PUBLISHED_BEFORE_MAX_MS;
    return false;
}

static bool read_alg(const char *text, enum jwt_alg *alg)
{
    for (int i = 0; signing_algs[i]; i++)
        if (text_equal(signing_algs[i], text))
            return *alg = (enum jwt_alg)(i + 1), true;
    return false;
}

bool cli_keys_rotate(struct cli *cli, char **args)
{
    const char *in = cli_option(args, "--in"), *name = cli_option(args, "--alg");
    int64_t after_ms = PUBLISHED_BEFORE_MS;
    enum jwt_alg alg = (enum jwt_alg)(cli->set->signing_alg + 1);
    if (!cli_done(cli, args))
        return false;
    if (in && !read_span(in, &after_ms))
        return ctx_fail(cli->ctx, ERROR_INVALID, "--in is 75s to 24h: sooner, and not everybody knows the key yet");
    if (name && !read_alg(name, &alg))
        return ctx_fail(cli->ctx, ERROR_INVALID, "--alg is RS256 or ES256");
    struct signing_keys keys;
    struct signing_key *key = open_keys(cli, &keys) && cli_deed(cli, "keys.rotated", signing_algs[alg - 1])
                                  ? signing_keys_rotate(cli->ctx, &keys, alg, after_ms)
                                  : NULL;
    if (key)
        print_key(cli, key, KEY_NEXT);
    return key;
}

/* A kid may begin with "--". */
bool cli_keys_revoke(struct cli *cli, char **args)
{
    const char *kid = args[0];
    struct signing_keys keys;
    if (!kid)
        return ctx_fail(cli->ctx, ERROR_INVALID, "keys revoke: which? (tonearm keys list)");
    if (!cli_done(cli, args + 1) || !open_keys(cli, &keys) || !cli_deed(cli, "keys.revoked", NULL) ||
        !signing_keys_revoke(cli->ctx, &keys, kid))
        return false;
    printf("%s is revoked; what it signed is refused within a second\n", kid);
    return true;
}
