#include "cli.h"

#include "audit/deed.h"

#include <unistd.h>

bool cli_deed(struct cli *cli, const char *action, const char *detail)
{
    return cli_deed_in(cli->ctx, cli, action, detail);
}

bool cli_deed_in(struct ctx *ctx, struct cli *cli, const char *action, const char *detail)
{
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    const struct whence whence = { .device = arena_printf(&ctx->arena, "tonearm, uid %u at %s", getuid(), host) };
    const struct vault vault = vault_of_secret(&cli->set->master);
    const struct deed deed = { .actor = ACTOR_OPERATOR, .action = action, .detail = detail };
    return deed_of(ctx, secret_given(&cli->set->master) ? &vault : NULL, deed, &whence);
}
