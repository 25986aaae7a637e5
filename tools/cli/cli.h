#pragma once
/*
 * `tonearm`: the operator's command line. It works on auth's store as auth
 * does (the same functions), so it needs no running service; a running auth
 * finds what changed and broadcasts it.
 */
#include "contract/process.h"
#include "store/store.h"

struct cli_settings {
    struct store_settings store;
    struct secret master;
    const char *signing_key;
    int signing_alg; /* index into signing_algs */
    const char *run; /* the folder ./dev keeps its system in */
};

struct cli {
    struct ctx *ctx;
    struct cli_settings *set;
    struct store *store; /* opened by cli_store() */
};

/* A command or a group's member: `tonearm apikey create --name x`. */
struct command {
    const char *group, *name; /* name NULL: the group is the command */
    const char *arguments;    /* for --help */
    const char *help;
    /* args[0] is the first after the names; ends with NULL. false: ctx->error says why. */
    bool (*run)(struct cli *cli, char **args);
};

extern const struct command commands[]; /* ends with {0} */

/* `--name VALUE` taken out of args; NULL where it is not there. */
const char *cli_option(char **args, const char *name);
bool cli_flag(char **args, const char *name);
/* The next word that is no option; taken out. NULL: none. */
const char *cli_word(char **args);
/* Refuses what is left over. */
bool cli_done(struct cli *cli, char **args);

/* The next write is somebody's who has a shell here: for the trail, by no account. */
bool cli_deed(struct cli *cli, const char *action, const char *detail);
/* The same of another ctx. */
bool cli_deed_in(struct ctx *ctx, struct cli *cli, const char *action, const char *detail);
/* auth's store, open and migrated; waits half a minute for one that does not answer. */
struct store *cli_store(struct cli *cli);
bool cli_apikey_create(struct cli *cli, char **args);
bool cli_apikey_list(struct cli *cli, char **args);
bool cli_apikey_revoke(struct cli *cli, char **args);
bool cli_user_create(struct cli *cli, char **args);
bool cli_user_list(struct cli *cli, char **args);
bool cli_user_import(struct cli *cli, char **args);
bool cli_user_roles(struct cli *cli, char **args);
bool cli_user_status(struct cli *cli, char **args);
bool cli_keys_list(struct cli *cli, char **args);
bool cli_keys_rotate(struct cli *cli, char **args);
bool cli_keys_revoke(struct cli *cli, char **args);
bool cli_keygen(struct cli *cli, char **args);
bool cli_env(struct cli *cli, char **args);
bool cli_migrate(struct cli *cli, char **args);
bool cli_status(struct cli *cli, char **args);
bool cli_docs(struct cli *cli, char **args);
