#include "store/embedded.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

static const char *embedded_kind(const struct backend *self)
{
    (void)self;
    return "embedded";
}

static void embedded_close(struct backend *self)
{
    struct embedded *embedded = (struct embedded *)self;
    writer_destroy(embedded->writer);
    readers_destroy(embedded->readers);
    arena_free(&embedded->arena);
    free(embedded);
}

static bool embedded_ping(struct ctx *ctx, struct backend *self)
{
    struct embedded *embedded = (struct embedded *)self;
    struct connection *connection = readers_take(ctx, embedded->readers);
    if (!connection)
        return false;
    bool ok = statement_run(ctx, connection, statement_of(ctx, connection, "SELECT 1 FROM collections LIMIT 1"));
    readers_give(embedded->readers, connection);
    return ok;
}

static bool embedded_write(struct ctx *ctx, struct backend *self, struct change *changes, size_t count)
{
    return writer_write(ctx, ((struct embedded *)self)->writer, changes, count);
}

static bool embedded_declared(struct ctx *ctx, struct backend *self, const char *collection, struct declarations *out)
{
    struct embedded *embedded = (struct embedded *)self;
    struct connection *connection = readers_take(ctx, embedded->readers);
    if (!connection)
        return false;
    bool ok = schema_declared(ctx, connection, collection, out);
    readers_give(embedded->readers, connection);
    return ok;
}

static bool embedded_stamp(const struct backend *self, struct store_stamp *out)
{
    return writer_stamp(((const struct embedded *)self)->writer, out);
}

static const struct backend_type embedded_type = {
    .kind = embedded_kind,
    .close = embedded_close,
    .ping = embedded_ping,
    .get = embedded_get,
    .scan = embedded_scan,
    .write = embedded_write,
    .declared = embedded_declared,
    .declare = embedded_declare,
    .stamp = embedded_stamp,
    .outbox_read = embedded_outbox_read,
    .outbox_done = embedded_outbox_done,
    .outbox_log = embedded_outbox_log,
    .outbox_sweep = embedded_outbox_sweep,
};

/* Magic numbers of statfs(2): where locks or shared memory between machines do not hold what SQLite's log needs. */
static const struct remote {
    uint32_t magic;
    const char *name;
} remotes[] = {
    { 0x6969, "NFS" },      { 0xff534d42, "CIFS" }, { 0xfe534d42, "SMB2" },   { 0x517b, "SMB" },
    { 0x01021997, "9p" },   { 0x00c36400, "Ceph" }, { 0x5346414f, "AFS" },    { 0x6b414653, "AFS" },
    { 0x73757245, "Coda" }, { 0x564c, "NCP" },      { 0x0bd00bd0, "Lustre" }, { 0x7461636f, "OCFS2" },
    { 0x01161970, "GFS2" }, { 0x47504653, "GPFS" }, { 0x65735546, "FUSE" },   { 0x013661, "SMB" },
};

static bool check_local(struct ctx *ctx, const char *dir)
{
    struct statfs about;
    if (statfs(dir, &about) != 0)
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "%s: %s", dir, strerror(errno));
    for (size_t i = 0; i < sizeof remotes / sizeof *remotes; i++)
        if ((uint32_t)about.f_type == remotes[i].magic)
            return ctx_fail(ctx, ERROR_INVALID,
                            "%s is on %s: an embedded store needs a local disk, several machines need mongodb://", dir,
                            remotes[i].name);
    return true;
}

static bool make_dir(struct ctx *ctx, const char *dir)
{
    char *path = arena_strdup(&ctx->arena, dir);
    for (char *slash = path; (slash = strchr(slash + 1, '/')) != NULL; *slash = '/') {
        *slash = 0;
        mkdir(path, 0700);
    }
    struct stat about;
    if ((mkdir(path, 0700) != 0 && errno != EEXIST) || stat(path, &about) != 0)
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "%s: %s", dir, strerror(errno));
    return S_ISDIR(about.st_mode) || ctx_fail(ctx, ERROR_INVALID, "%s is no directory", dir);
}

struct backend *embedded_open(struct ctx *ctx, const char *dir, const char *service, const struct tables *tables)
{
    if (!*dir)
        return ctx_fail(ctx, ERROR_INVALID, "embedded: names no directory");
    if (!make_dir(ctx, dir) || !check_local(ctx, dir))
        return NULL;
    struct embedded *embedded = calloc(1, sizeof *embedded);
    if (!embedded)
        abort();
    embedded->base.type = &embedded_type;
    embedded->path = arena_printf(&embedded->arena, "%s/%s.db", dir, service);
    embedded->tables = tables;
    embedded->writer = writer_create(ctx, embedded->path, tables);
    if (embedded->writer) {
        embedded->readers = readers_create(embedded->path);
        return &embedded->base;
    }
    arena_free(&embedded->arena);
    free(embedded);
    return NULL;
}
