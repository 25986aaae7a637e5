/* Accounts, from the command line. */
#include "cli.h"

#include "base/text.h"
#include "user/common_password.h"
#include "audit/deed.h"
#include "cli_users.h"
#include "role/role_store.h"

#include <stdlib.h>
#include <string.h>

enum { SECRET_MAX = 1024 };

bool cli_open_users(struct cli *cli, struct users *users)
{
    struct store *store = cli_store(cli);
    *users = (struct users){ .store = store, .cost = { .operations = 2, .memory = 19 << 20 } };
    if (store)
        users->roles = roles_create(store, NULL);
    return store != NULL;
}

/* A password never stands in argv: a file, or a line of stdin. */
static char *read_password(struct cli *cli, const char *path)
{
    char line[SECRET_MAX] = "";
    FILE *file = path ? fopen(path, "re") : stdin;
    if (!file || !fgets(line, sizeof line, file)) {
        if (file && path)
            fclose(file);
        return ctx_fail(cli->ctx, ERROR_INVALID, "no password in %s", path ? path : "stdin");
    }
    if (path)
        fclose(file);
    line[strcspn(line, "\n")] = 0;
    return arena_strdup(&cli->ctx->arena, line);
}

static bool create(struct cli *cli, const struct users *users, struct new_user *in, bool if_missing)
{
    struct user *user = if_missing ? user_find(cli->ctx, users, in->email) : NULL;
    if (if_missing && !user && !ctx_forgive(cli->ctx, ERROR_NOT_FOUND))
        return false;
    if (!user && !cli_deed(cli, "user.created", in->roles.count ? deed_list(cli->ctx, &in->roles) : NULL))
        return false;
    user = user ? user : user_create(cli->ctx, users, in);
    if (!user && if_missing && ctx_forgive(cli->ctx, ERROR_CONFLICT))
        user = user_find(cli->ctx, users, in->email); /* another was faster */
    if (user)
        printf("%s  %s\n", user->doc.id, user->email);
    return user != NULL;
}

bool cli_user_create(struct cli *cli, char **args)
{
    struct new_user in = { .email = cli_option(args, "--email"), .name = cli_option(args, "--name") };
    const char *role = cli_option(args, "--role"), *path = cli_option(args, "--password-file");
    bool if_missing = cli_flag(args, "--if-missing");
    if (!cli_done(cli, args))
        return false;
    if (!in.email || !is_email(in.email) || !in.name)
        return ctx_fail(cli->ctx, ERROR_INVALID, "user create: --email and --name are needed");
    in.password = read_password(cli, path);
    if (!in.password)
        return false;
    size_t length = utf8_count(in.password);
    if (length < 8 || length > 128)
        return ctx_fail(cli->ctx, ERROR_INVALID, "a password has 8 to 128 characters");
    if (!is_uncommon_password(in.password))
        return ctx_fail(cli->ctx, ERROR_INVALID, "this is one of the 10,000 commonest passwords");
    if (role)
        in.roles = (struct list){ &role, 1 };
    struct users users;
    bool done = cli_open_users(cli, &users) && create(cli, &users, &in, if_missing);
    roles_destroy(users.roles);
    return done;
}

static bool print_user(struct cli *cli, const struct users *users, const struct user *user)
{
    struct list roles;
    if (!roles_refs(cli->ctx, users->roles, &user->roles, &roles, NULL))
        return false;
    printf("%s  %-9s  %-32s  %s ", user->doc.id, user_statuses[user->status], user->email, user->name);
    const struct role_ref *refs = roles.items;
    for (size_t i = 0; i < roles.count; i++)
        printf(" %s", refs[i].code);
    printf("\n");
    return true;
}

static bool list(struct cli *cli, const struct users *users, const struct user_filter *filter, int64_t limit)
{
    const char *cursor = NULL;
    int64_t left = limit;
    do {
        struct page page;
        if (!user_store_page(cli->ctx, users->store, filter, left < 100 ? (size_t)left : 100, cursor, &page))
            return false;
        const struct user *found = page.items;
        for (size_t i = 0; i < page.count; i++)
            if (!print_user(cli, users, &found[i]))
                return false;
        left -= (int64_t)page.count;
        cursor = page.next;
    } while (cursor && left > 0);
    if (cursor)
        printf("... there are more: --limit N\n");
    return true;
}

static bool role_id(struct cli *cli, const struct users *users, const char *code, const char **id)
{
    const struct role *role = code ? role_store_find(cli->ctx, users->store, code) : NULL;
    *id = role ? role->doc.id : NULL;
    return !code || role;
}

bool cli_user_list(struct cli *cli, char **args)
{
    const char *text = cli_option(args, "--limit"), *code = cli_option(args, "--role");
    struct user_filter filter = { .status = cli_option(args, "--status") };
    int64_t limit = 1000;
    if (!cli_done(cli, args))
        return false;
    if (text && (!text_number(text, 1000000, &limit) || !limit))
        return ctx_fail(cli->ctx, ERROR_INVALID, "--limit is 1 to 1000000");
    struct users users;
    bool done = cli_open_users(cli, &users) && role_id(cli, &users, code, &filter.role) &&
                list(cli, &users, &filter, limit);
    roles_destroy(users.roles);
    return done;
}

static struct user *named(struct cli *cli, const struct users *users, const char *name)
{
    return strchr(name, '@') ? user_find(cli->ctx, users, name) : user_get(cli->ctx, users, name);
}

bool cli_user_roles(struct cli *cli, char **args)
{
    const char *name = cli_word(args);
    if (!name)
        return ctx_fail(cli->ctx, ERROR_INVALID, "user roles: whose?");
    const char *codes[ROLES_MAX];
    size_t count = 0;
    while (count < ROLES_MAX && (codes[count] = cli_word(args)))
        count++;
    if (!cli_done(cli, args))
        return false;
    struct users users;
    struct user *user = cli_open_users(cli, &users) ? named(cli, &users, name) : NULL;
    if (user && !cli_deed(cli, "user.roles", deed_list(cli->ctx, &(struct list){ codes, count })))
        user = NULL;
    user = user ? user_set_roles(cli->ctx, &users, user->doc.id, &(struct list){ codes, count }) : NULL;
    bool done = user && print_user(cli, &users, user);
    roles_destroy(users.roles);
    return done;
}

bool cli_user_status(struct cli *cli, char **args)
{
    const char *name = cli_word(args), *status = cli_word(args);
    bool active = text_equal(status, "active");
    if (!name || !status || (!active && !text_equal(status, "suspended")))
        return ctx_fail(cli->ctx, ERROR_INVALID, "user status EMAIL|ID active|suspended");
    if (!cli_done(cli, args))
        return false;
    struct users users;
    struct user *user = cli_open_users(cli, &users) ? named(cli, &users, name) : NULL;
    if (user && !cli_deed(cli, "user.status", active ? "ACTIVE" : "SUSPENDED"))
        user = NULL;
    user = user ? user_set_status(cli->ctx, &users, user->doc.id, active ? USER_ACTIVE : USER_SUSPENDED) : NULL;
    bool done = user && print_user(cli, &users, user);
    roles_destroy(users.roles);
    return done;
}
