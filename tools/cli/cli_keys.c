/* keygen, env, migrate: what a machine needs before the first start. */
#include "cli.h"

#include "auth_collections.h"
#include "base/cleanup.h"
#include "base/random.h"
#include "base/text.h"
#include "crypto/jwt.h"
#include "blob/marker.h"
#include "store/migrate.h"
#include "track/cover_store.h"
#include "track/track_store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)

/* Written whole or not at all, readable by its owner only; what is there stays. */
static bool write_secret(struct cli *cli, const char *dir, const char *name, const char *content)
{
    struct arena *arena = &cli->ctx->arena;
    const char *path = arena_printf(arena, "%s/%s", dir, name), *temporary = arena_printf(arena, "%s.new", path);
    _cleanup_(closep) int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t size = strlen(content);
    if (fd < 0 || write(fd, content, size) != (ssize_t)size || fsync(fd) != 0 || rename(temporary, path) != 0)
        return ctx_fail(cli->ctx, ERROR_INTERNAL, "%s: %s", path, strerror(errno));
    printf("%s\n", path);
    return true;
}

static bool missing(struct cli *cli, const char *dir, const char *name)
{
    struct stat info;
    return stat(arena_printf(&cli->ctx->arena, "%s/%s", dir, name), &info) != 0 || info.st_size == 0;
}

bool cli_keygen(struct cli *cli, char **args)
{
    const char *dir = cli_word(args);
    if (!dir)
        return ctx_fail(cli->ctx, ERROR_INVALID, "keygen: the folder is missing");
    if (!cli_done(cli, args))
        return false;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return ctx_fail(cli->ctx, ERROR_INTERNAL, "%s: %s", dir, strerror(errno));
    if (missing(cli, dir, "master.key") && !write_secret(cli, dir, "master.key", random_text(&cli->ctx->arena, 32)))
        return false;
    if (!missing(cli, dir, "signing.pem"))
        return true;
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = jwt_key_generate(cli->ctx, JWT_RS256);
    char *pem = key ? jwt_key_write(cli->ctx, key) : NULL;
    return pem && write_secret(cli, dir, "signing.pem", pem);
}

/* Each process knows its own settings: it is asked. */
static bool env_of(struct cli *cli, const char *process)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return ctx_fail(cli->ctx, ERROR_INTERNAL, "/proc/self/exe: %s", strerror(errno));
    self[n] = 0;
    *strrchr(self, '/') = 0;
    char *program = arena_printf(&cli->ctx->arena, "%s/tonearm-%s", self, process);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        execl(program, program, "--env-example", (char *)NULL);
        _exit(127);
    }
    int status = 1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        return ctx_fail(cli->ctx, ERROR_INTERNAL, "%s --env-example failed", program);
    return true;
}

bool cli_env(struct cli *cli, char **args)
{
    static const char *const processes[] = { "auth", "media", "notify", "edge" };
    const char *only = cli_word(args);
    bool found = !only;
    if (!cli_done(cli, args))
        return false;
    for (size_t i = 0; i < sizeof processes / sizeof *processes; i++) {
        if (only && !text_equal(only, processes[i]))
            continue;
        found = true;
        printf("%s# tonearm-%s\n\n", i && !only ? "\n" : "", processes[i]);
        if (!env_of(cli, processes[i]))
            return false;
    }
    return found || ctx_fail(cli->ctx, ERROR_INVALID, "there is no process '%s'; auth, media, notify, edge", only);
}

bool cli_migrate(struct cli *cli, char **args)
{
    const char *service = cli_word(args);
    service = service ? service : "auth";
    if (!text_equal(service, "auth") && !text_equal(service, "media"))
        return ctx_fail(cli->ctx, ERROR_INVALID, "there is no service '%s'; auth, media", service);
    if (!cli_done(cli, args))
        return false;
    const struct store_settings *set = &cli->set->store;
    static const struct collection *const media_collections[] = { &track_collection, &cover_collection,
                                                                  &marker_collection, NULL };
    cli->store = store_open(cli->ctx,
                            &(struct store_options){ .url = set->url, .service = service, .ferretdb = set->ferretdb },
                            text_equal(service, "auth") ? auth_collections : media_collections);
    size_t applied = 0;
    if (!cli->store ||
        !migrate(cli->ctx, cli->store, set->migrations, text_equal(service, "auth") ? auth_steps : NULL, &applied))
        return false;
    printf("%s: %zu applied\n", service, applied);
    return true;
}
