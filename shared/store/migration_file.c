#include "store/migration_file.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

/* 0001_name.json */
static bool is_migration(const char *name)
{
    return strspn(name, "0123456789") == 4 && name[4] == '_' &&
           strspn(name + 5, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(name + 5) - strlen(".json");
}

static int wanted(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && text_ends(entry->d_name, ".json");
}

static void closefile(FILE **file)
{
    if (*file)
        fclose(*file);
}

static const char *read_whole(struct ctx *ctx, const char *dir, const char *name, size_t *size)
{
    _cleanup_(closefile) FILE *file = fopen(arena_printf(&ctx->arena, "%s/%s", dir, name), "re");
    if (!file)
        return ctx_fail(ctx, ERROR_INVALID, "%s: %s", name, strerror(errno));
    char *text = arena_alloc(&ctx->arena, MIGRATION_BYTES + 1);
    *size = fread(text, 1, MIGRATION_BYTES + 1, file);
    if (ferror(file) || *size > MIGRATION_BYTES)
        return ctx_fail(ctx, ERROR_INVALID, "%s: cannot be read, or is larger than %d bytes", name, MIGRATION_BYTES);
    return text;
}

static bool read_one(struct ctx *ctx, const char *dir, const char *name, struct migration_files *out)
{
    size_t size = 0;
    if (!is_migration(name))
        return ctx_fail(ctx, ERROR_INVALID, "%s: a migration is called 0001_name.json", name);
    const char *text = read_whole(ctx, dir, name, &size);
    if (!text)
        return false;
    json_error_t why;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(root)) {
        json_decref(root);
        return ctx_fail(ctx, ERROR_INVALID, "%s:%d: %s", name, root ? 1 : why.line, root ? "no object" : why.text);
    }
    json_array_append_new(out->roots, root);

    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int digest_size = 0;
    if (!EVP_Digest(text, size, digest, &digest_size, EVP_sha256(), NULL))
        abort();
    out->items[out->count++] = (struct migration_file){
        .name = arena_memdup(&ctx->arena, name, strlen(name) - strlen(".json")),
        .checksum = hex_encode(&ctx->arena, digest, digest_size),
        .root = root,
    };
    return true;
}

bool migration_files_read(struct ctx *ctx, const char *dir, struct migration_files *out)
{
    struct dirent **names = NULL;
    int count = scandir(dir, &names, wanted, alphasort);
    if (count < 0)
        return ctx_fail(ctx, ERROR_INVALID, "%s: %s", dir, strerror(errno));
    *out = (struct migration_files){ .items = arena_array(&ctx->arena, struct migration_file, (size_t)count),
                                     .roots = json_array() };
    bool ok = count <= MIGRATIONS_MAX || ctx_fail(ctx, ERROR_INVALID, "%s: more than %d files", dir, MIGRATIONS_MAX);
    for (int i = 0; i < count; i++) {
        ok = ok && read_one(ctx, dir, names[i]->d_name, out);
        free(names[i]);
    }
    free(names);
    if (!ok)
        migration_files_free(out);
    return ok;
}

void migration_files_free(struct migration_files *files)
{
    json_decref(files->roots);
    *files = (struct migration_files){ 0 };
}
