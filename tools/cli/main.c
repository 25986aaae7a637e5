/* tonearm: the table of commands, and how a line finds its command. */
#include "cli.h"

#include "base/log.h"
#include "base/text.h"
#include "key/signing_key.h"

#include <string.h>

static const struct setting settings[] = {
    STORE_SETTINGS(struct cli_settings, store, "auth"),
    SETTING("AUTH_MASTER_SECRET", SETTING_SECRET, struct cli_settings, master, .help = "seals what auth stores"),
    SETTING("AUTH_SIGNING_KEY_FILE", SETTING_TEXT, struct cli_settings, signing_key,
            .help = "the first signing key (PEM)"),
    SETTING("AUTH_SIGNING_ALG", SETTING_ENUM, struct cli_settings, signing_alg, .value = "RS256",
            .values = signing_algs, .help = "of the keys that are generated"),
    SETTING("TONEARM_RUN", SETTING_TEXT, struct cli_settings, run, .value = "run",
            .help = "where ./dev keeps its system"),
    { 0 },
};

const struct command commands[] = {
    { "apikey", "create", "--name NAME [--scopes A,B] [--rate N] [--expires TIME] [--quiet]",
      "makes an API key and prints it, once", cli_apikey_create },
    { "apikey", "list", "", "all API keys, without their secrets", cli_apikey_list },
    { "apikey", "revoke", "ID", "ends an API key, everywhere within a second", cli_apikey_revoke },
    { "user", "create", "--email E --name N [--role CODE] [--password-file F] [--if-missing]",
      "makes an account; without a file the password is read from stdin", cli_user_create },
    { "user", "import", "FILE|-",
      "accounts of another system: a JSON object a line (docs/from-gomicro.md); those that are there already stay",
      cli_user_import },
    { "user", "list", "[--role CODE] [--status S] [--limit N]", "all accounts, or those that have it", cli_user_list },
    { "user", "roles", "EMAIL|ID CODE ...", "gives an account these roles and no others", cli_user_roles },
    { "user", "status", "EMAIL|ID active|suspended", "suspends an account (its sessions end) or lets it in again",
      cli_user_status },
    { "keys", "list", "", "the keys that sign tokens, and what state each is in", cli_keys_list },
    { "keys", "rotate", "[--in 10m] [--alg RS256|ES256]",
      "makes the next key, which signs when everybody knows it; nobody notices", cli_keys_rotate },
    { "keys", "revoke", "KID", "ends a key and all tokens that it signed, everywhere within a second",
      cli_keys_revoke },
    { "keygen", NULL, "DIR", "makes DIR/master.key and DIR/signing.pem where they are missing", cli_keygen },
    { "env", NULL, "[auth|media|notify|edge]", "every setting of a process, as an .env file to start from", cli_env },
    { "migrate", NULL, "[auth|media]", "applies what is missing in migrations/SERVICE to STORE_URL", cli_migrate },
    { "status", NULL, "", "what runs here and whether it is ready", cli_status },
    { "docs", NULL, "", "docs/api.md, from the tables of routes and subjects", cli_docs },
    { 0 },
};

const char *cli_option(char **args, const char *name)
{
    for (char **arg = args; arg[0]; arg++) {
        if (strcmp(arg[0], name) != 0 || !arg[1])
            continue;
        const char *value = arg[1];
        do
            arg[0] = arg[2];
        while (*arg++);
        return value;
    }
    return NULL;
}

bool cli_flag(char **args, const char *name)
{
    for (char **arg = args; *arg; arg++) {
        if (strcmp(*arg, name) != 0)
            continue;
        do
            arg[0] = arg[1];
        while (*arg++);
        return true;
    }
    return false;
}

const char *cli_word(char **args)
{
    for (char **arg = args; *arg; arg++) {
        if (text_starts(*arg, "--"))
            continue;
        const char *word = *arg;
        do
            arg[0] = arg[1];
        while (*arg++);
        return word;
    }
    return NULL;
}

bool cli_done(struct cli *cli, char **args)
{
    return !*args || ctx_fail(cli->ctx, ERROR_INVALID, "'%s' is not taken here; tonearm --help", *args);
}

static void usage(FILE *out)
{
    fprintf(out, "usage: tonearm [--env-file FILE] COMMAND\n\n");
    for (const struct command *command = commands; command->group; command++)
        fprintf(out, "  %s%s%s %s\n      %s\n", command->group, command->name ? " " : "",
                command->name ? command->name : "", command->arguments, command->help);
    fprintf(out, "\nSettings (`tonearm --settings` explains them):");
    for (const struct setting *setting = settings; setting->name; setting++)
        fprintf(out, " %s", setting->name);
    fprintf(out, "\n");
}

static const struct command *find(char ***args)
{
    char **words = *args;
    for (const struct command *command = commands; command->group; command++) {
        if (!words[0] || strcmp(words[0], command->group) != 0)
            continue;
        if (!command->name)
            return *args += 1, command;
        if (words[1] && strcmp(words[1], command->name) == 0)
            return *args += 2, command;
    }
    return NULL;
}

/* settings_load() answers --help with the settings: ours is about commands, and comes first. */
static bool answered_help(int argc, char **argv)
{
    static char help[] = "--help";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "help") == 0) {
            usage(stdout);
            return true;
        }
        if (strcmp(argv[i], "--settings") == 0)
            argv[i] = help;
    }
    return false;
}

static int run(struct cli *cli, const struct command *command, char **args)
{
    bool done = command->run(cli, args);
    if (!done && cli->ctx->error) {
        fprintf(stderr, "tonearm: %s\n", cli->ctx->error->message);
        for (const struct error *cause = cli->ctx->error->cause; cause; cause = cause->cause)
            fprintf(stderr, "  %s\n", cause->message);
        for (const struct violation *v = cli->ctx->error->violations; v; v = v->next)
            fprintf(stderr, "  %s: %s\n", v->field, v->message);
    }
    if (cli->store)
        store_close(cli->store);
    return done ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (answered_help(argc, argv))
        return 0;
    struct ctx ctx = { .request_id = "" };
    struct cli_settings set = { 0 };
    char **args = NULL;
    log_start("tonearm", LOG_ERROR);
    if (!settings_load(&ctx, settings, &set, argc, argv, "tonearm: the operator's command line", &args))
        return 78;
    const struct command *command = find(&args);
    struct cli cli = { .ctx = &ctx, .set = &set };
    int status = command ? run(&cli, command, args) : 64;
    if (!command)
        usage(stderr);
    ctx_finish(&ctx);
    return status;
}
