/* Accounts of another system, a line each. */
#include "cli_users.h"

#include "audit/deed.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 64 * 1024 };

struct import {
    struct cli *cli;
    const struct users *users;
    const char *path;
    size_t line, made, there, refused;
};

static void refuse(struct import *import, const struct error *error)
{
    import->refused++;
    fprintf(stderr, "%s:%zu: %s\n", import->path, import->line, error->message);
    for (const struct violation *v = error->violations; v; v = v->next)
        fprintf(stderr, "  %s: %s\n", v->field, v->message);
}

/* What is wrong with one line is told and no reason to stop; a store that does not answer is. */
static bool import_line(struct import *import, const char *text, size_t size)
{
    struct ctx ctx = { .request_id = "" };
    struct new_user in = { 0 };
    struct user *made = NULL;
    bool parsed = record_parse(&ctx, text, size, imported_user_fields, &in);
    bool goes_on = true;
    const char *roles = in.roles.count ? deed_list(&ctx, &in.roles) : NULL;
    if (parsed && cli_deed_in(&ctx, import->cli, "user.imported", roles) &&
        user_import(&ctx, import->users, &in, &made))
        *(made ? &import->made : &import->there) += 1;
    else {
        goes_on = ctx.error->code == ERROR_INVALID;
        refuse(import, ctx.error);
    }
    ctx_finish(&ctx);
    return goes_on;
}

static bool is_blank(const char *text, size_t size)
{
    return strspn(text, " \t\r\n") == size;
}

/* With its end, and a NUL behind it; cut off where there is no more room. A NUL within is a byte like any other, which
 * fgets() hides with all that follows it. 0: the file is at its end. */
static size_t read_line(FILE *file, char *line)
{
    size_t size = 0;
    int byte = 0;
    while (size < LINE_MAX_BYTES && byte != '\n' && (byte = getc_unlocked(file)) != EOF)
        line[size++] = (char)byte;
    line[size] = 0;
    return size;
}

static bool import_lines(struct import *import, FILE *file)
{
    char *line = malloc(LINE_MAX_BYTES + 1);
    bool goes_on = line;
    size_t size;
    while (goes_on && (size = read_line(file, line))) {
        import->line++;
        if (size == LINE_MAX_BYTES && line[size - 1] != '\n') {
            fprintf(stderr, "%s:%zu: the line is longer than 64 KiB\n", import->path, import->line);
            import->refused++;
            goes_on = false;
        } else if (!is_blank(line, size))
            goes_on = import_line(import, line, size);
    }
    free(line);
    return goes_on && !ferror(file);
}

static bool import_file(struct cli *cli, const struct users *users, const char *path)
{
    bool piped = text_equal(path, "-");
    FILE *file = piped ? stdin : fopen(path, "re");
    if (!file)
        return ctx_fail(cli->ctx, ERROR_INVALID, "%s: %s", path, strerror(errno));
    struct import import = { .cli = cli, .users = users, .path = piped ? "stdin" : path };
    bool whole = import_lines(&import, file);
    if (!piped)
        fclose(file);
    printf("%zu made, %zu there already, %zu refused\n", import.made, import.there, import.refused);
    if (!whole)
        return ctx_fail(cli->ctx, ERROR_INTERNAL,
                        "%s: stopped at line %zu; what was made stays, and it may be run again", import.path,
                        import.line);
    return !import.refused || ctx_fail(cli->ctx, ERROR_INVALID, "%zu lines were refused", import.refused);
}

bool cli_user_import(struct cli *cli, char **args)
{
    const char *path = cli_word(args);
    if (!path)
        return ctx_fail(cli->ctx, ERROR_INVALID, "user import: the file is missing ('-': stdin)");
    if (!cli_done(cli, args))
        return false;
    struct users users;
    bool done = cli_open_users(cli, &users) && import_file(cli, &users, path);
    roles_destroy(users.roles);
    return done;
}
