/* Consumers, what they are known by, and how they are found. */
#include "config/kong.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static bool is_called(const struct kong_consumer *consumer, const char *name)
{
    return text_equal(consumer->username, name) || text_equal(consumer->id, name);
}

struct kong_consumer *read_consumer_of(struct kong_reader *reader, const char *path, const struct node *node,
                                       struct kong_consumer *above)
{
    struct faults *faults = reader->faults;
    const char *field = field_path(faults, path, "consumer");
    const char *name = read_reference_by(reader, path, node, "consumer", "username");
    if (above && name && !is_called(above, name))
        fault(faults, node->line, field, "names another than the one below which it stands");
    if (above)
        return above;
    struct kong_consumer *named = name ? config_consumer(reader->config, name) : NULL;
    if (!name)
        fault(faults, node->line, field, "is required");
    else if (!named)
        fault(faults, node->line, field, "\"%s\" is no consumer of this file", name);
    return named;
}

static void read_key(struct kong_reader *reader, const char *path, const struct node *node, void *parent)
{
    struct kong_key *key = arena_new(reader->faults->arena, struct kong_key);
    options_read(reader->faults, path, node, key_options, key);
    key->consumer = read_consumer_of(reader, path, node, parent);
    if (!key->key || !key->consumer)
        return;
    key->line = node->line;
    key->next = reader->config->keys;
    reader->config->keys = key;
}

static void read_acl(struct kong_reader *reader, const char *path, const struct node *node, void *parent)
{
    struct kong_acl *acl = arena_new(reader->faults->arena, struct kong_acl);
    options_read(reader->faults, path, node, acl_options, acl);
    acl->consumer = read_consumer_of(reader, path, node, parent);
    if (!acl->group || !acl->consumer)
        return;
    acl->next = reader->config->acls;
    reader->config->acls = acl;
}

static const struct {
    const char *name;
    read_item_fn *read;
} belongings[] = { { "keyauth_credentials", read_key }, { "acls", read_acl }, { "jwt_secrets", kong_read_signer } };

enum { BELONGINGS = sizeof belongings / sizeof *belongings };

static void read_consumer(struct kong_reader *reader, const char *path, const struct node *node, void *parent)
{
    (void)parent;
    struct kong_consumer *consumer = arena_new(reader->faults->arena, struct kong_consumer);
    consumer->line = node->line;
    options_read(reader->faults, path, node, consumer_options, consumer);
    if (!consumer->username && !consumer->custom_id)
        fault(reader->faults, node->line, field_path(reader->faults, path, "username"), "is required (or custom_id)");
    for (size_t i = 0; i < BELONGINGS; i++)
        read_list(reader, path, node, belongings[i].name, belongings[i].read, consumer);
    struct kong_plugin within = { .consumer_name = consumer->username ? consumer->username : consumer->custom_id };
    read_list(reader, path, node, "plugins", read_plugin, &within);
    *reader->last_consumer = consumer;
    reader->last_consumer = &consumer->next;
}

/* By name, and of one name by line. */
static int compare_names(const void *a, const void *b)
{
    const struct kong_name *one = a, *other = b;
    int order = strcmp(one->name, other->name);
    return order ? order : one->line - other->line;
}

void names_add(struct kong_names *names, const char *name, void *what, int line)
{
    if (name)
        names->items[names->count++] = (struct kong_name){ name, what, line };
}

void names_sort(struct kong_reader *reader, struct kong_names *names, const char *field, const char *reason)
{
    qsort(names->items, names->count, sizeof *names->items, compare_names);
    for (size_t i = 1; i < names->count; i++)
        if (strcmp(names->items[i].name, names->items[i - 1].name) == 0)
            fault(reader->faults, names->items[i].line, field, reason, names->items[i - 1].line);
}

static int compare_name(const void *name, const void *item)
{
    return strcmp(name, ((const struct kong_name *)item)->name);
}

void *names_find(const struct kong_names *names, const char *name)
{
    if (!names->count)
        return NULL;
    const struct kong_name *found = bsearch(name, names->items, names->count, sizeof *names->items, compare_name);
    return found ? found->what : NULL;
}

static void sort_consumers(struct kong_reader *reader)
{
    struct config *config = reader->config;
    struct arena *arena = reader->faults->arena;
    size_t count = 0;
    for (const struct kong_consumer *consumer = config->consumers; consumer; consumer = consumer->next)
        count++;
    config->usernames.items = arena_array(arena, struct kong_name, count + 1);
    config->consumer_ids.items = arena_array(arena, struct kong_name, count + 1);
    config->custom_ids.items = arena_array(arena, struct kong_name, count + 1);
    for (struct kong_consumer *consumer = config->consumers; consumer; consumer = consumer->next) {
        /* What has no username is named by its custom_id where something stands below it. */
        names_add(&config->usernames, consumer->username ? consumer->username : consumer->custom_id, consumer,
                  consumer->line);
        names_add(&config->consumer_ids, consumer->id, consumer, consumer->line);
        names_add(&config->custom_ids, consumer->custom_id, consumer, consumer->line);
    }
    names_sort(reader, &config->usernames, "consumers.username", "is that of the consumer on line %d too");
    names_sort(reader, &config->consumer_ids, "consumers.id", "is that of the consumer on line %d too");
    names_sort(reader, &config->custom_ids, "consumers.custom_id", "is that of the consumer on line %d too");
}

void kong_read_consumers(struct kong_reader *reader, const struct node *root)
{
    read_list(reader, "", root, "consumers", read_consumer, NULL);
    sort_consumers(reader);
    for (size_t i = 0; i < BELONGINGS; i++)
        read_list(reader, "", root, belongings[i].name, belongings[i].read, NULL);
}

static void sort_keys(struct kong_reader *reader)
{
    struct config *config = reader->config;
    size_t count = 0;
    for (const struct kong_key *key = config->keys; key; key = key->next)
        count++;
    config->sorted_keys.items = arena_array(reader->faults->arena, struct kong_name, count + 1);
    for (struct kong_key *key = config->keys; key; key = key->next)
        names_add(&config->sorted_keys, key->key, key, key->line);
    names_sort(reader, &config->sorted_keys, "consumers.keyauth_credentials.key", "stands on line %d too");
}

/* Each consumer's groups, in the order of the file. */
static void gather_groups(struct kong_reader *reader)
{
    for (const struct kong_acl *acl = reader->config->acls; acl; acl = acl->next)
        acl->consumer->groups.count++;
    for (const struct kong_acl *acl = reader->config->acls; acl; acl = acl->next) {
        struct texts *groups = &acl->consumer->groups;
        if (!groups->items) {
            groups->items = arena_array(reader->faults->arena, const char *, groups->count + 1);
            groups->items += groups->count;
        }
        *--groups->items = acl->group;
    }
}

void kong_link_consumers(struct kong_reader *reader)
{
    sort_keys(reader);
    kong_link_signers(reader);
    gather_groups(reader);
}

const struct kong_key *config_key(const struct config *config, const char *key)
{
    return names_find(&config->sorted_keys, key);
}

struct kong_consumer *config_consumer(const struct config *config, const char *name)
{
    struct kong_consumer *consumer = names_find(&config->usernames, name);
    return consumer ? consumer : names_find(&config->consumer_ids, name);
}

struct kong_consumer *config_consumer_known_as(const struct config *config, const char *custom_id)
{
    return names_find(&config->custom_ids, custom_id);
}
