/*
 * Ids of what the file gives none: UUIDs of version 5 (RFC 9562), made from what
 * an entity is named by, in Kong's namespace for this. They are the same in
 * every process, after every reload, and mostly those that Kong itself makes.
 */
#include "config/kong.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

enum { UUID_SIZE = 16 };

struct uuid {
    unsigned char bytes[UUID_SIZE];
};

static const struct uuid kong_namespace = { { 0xfd, 0x02, 0x80, 0x1f, 0x09, 0x57, 0x4a, 0x15, 0xa5, 0x5a, 0xc8, 0xd9,
                                              0x60, 0x6f, 0x30, 0xb5 } };

static struct uuid uuid_of(struct arena *arena, const struct uuid *space, const char *name)
{
    unsigned char digest[SHA_DIGEST_LENGTH];
    size_t size = strlen(name);
    unsigned char *text = arena_alloc(arena, UUID_SIZE + size);
    memcpy(text, space->bytes, UUID_SIZE);
    memcpy(text + UUID_SIZE, name, size);
    SHA1(text, UUID_SIZE + size, digest);
    struct uuid uuid;
    memcpy(uuid.bytes, digest, UUID_SIZE);
    uuid.bytes[6] = (unsigned char)((uuid.bytes[6] & 0x0f) | 0x50);
    uuid.bytes[8] = (unsigned char)((uuid.bytes[8] & 0x3f) | 0x80);
    return uuid;
}

static const char *uuid_text(struct arena *arena, const struct uuid *uuid)
{
    char text[37], *at = text;
    for (size_t i = 0; i < UUID_SIZE; i++)
        at += sprintf(at, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid->bytes[i]);
    return arena_strdup(arena, text);
}

/* `id` where the file gives it. */
static const char *id_of(struct arena *arena, const char *id, const char *entity, const char *name)
{
    if (id)
        return id;
    struct uuid space = uuid_of(arena, &kong_namespace, entity), uuid = uuid_of(arena, &space, name);
    return uuid_text(arena, &uuid);
}

static void name_targets(struct arena *arena, struct kong_upstream *upstream)
{
    for (struct kong_target *target = upstream->targets; target; target = target->next)
        target->id = id_of(arena, target->id, "targets", arena_printf(arena, "%s:%s", target->target, upstream->id));
}

void kong_ids(struct config *config)
{
    struct arena *arena = &config->arena;
    for (struct kong_service *row = config->services; row; row = row->next)
        row->id = id_of(arena, row->id, "services", row->name);
    for (struct kong_ca *row = config->authorities; row; row = row->next)
        row->id = id_of(arena, row->id, "ca_certificates", row->cert);
    for (struct kong_route *row = config->routes; row; row = row->next)
        row->id = id_of(arena, row->id, "routes", row->name);
    for (struct kong_consumer *row = config->consumers; row; row = row->next)
        row->id = id_of(arena, row->id, "consumers", row->username ? row->username : row->custom_id);
    /* Not of the key, as Kong: what is told to services and logs is not made of a secret. */
    size_t number = 0;
    for (struct kong_key *row = config->keys; row; row = row->next)
        row->id = id_of(arena, row->id, "keyauth_credentials",
                        arena_printf(arena, "%s:%zu", row->consumer->id, number++));
    for (struct kong_signer *row = config->signers; row; row = row->next)
        row->id = id_of(arena, row->id, "jwt_secrets", row->key);
    for (struct kong_certificate *row = config->certificates; row; row = row->next)
        row->id = id_of(arena, row->id, "certificates", row->cert);
    for (struct kong_sni *row = config->snis; row; row = row->next)
        row->id = id_of(arena, row->id, "snis", row->name);
    for (struct kong_upstream *row = config->upstreams; row; row = row->next) {
        row->id = id_of(arena, row->id, "upstreams", row->name);
        name_targets(arena, row);
    }
    for (struct kong_plugin *row = config->plugins; row; row = row->next)
        row->id = id_of(arena, row->id, "plugins",
                        arena_printf(arena, "plugins:%s:%s:%s:%s:", row->plugin->name, row->route ? row->route->id : "",
                                     row->service ? row->service->id : "", row->consumer ? row->consumer->id : ""));
}
