#include "member/replicas.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/lru.h"
#include "must.h"

#include <string.h>

enum {
    SILENT_ROUNDS = 2,
    REPLICAS_MAX = 256, /* of one name */
    LEFT_MAX = 256,
    LEFT_MS = 10000, /* a late answer does not bring back who has left */
    TOLD_MAX = 256,
    TOLD_MS = 60000,
};

struct name {
    struct name *next;
    struct replica *first;
    size_t count;
    bool answered; /* somebody did, in this round */
    bool wanted;
    char text[];
};

struct replicas {
    struct nets nets;
    struct name *names;
    struct lru *left;
    struct lru *told; /* addresses that were refused */
};

struct replicas *replicas_create(const struct nets *nets)
{
    struct replicas *replicas = must(calloc(1, sizeof *replicas));
    replicas->nets = *nets;
    replicas->left = lru_create(LEFT_MAX, NULL);
    replicas->told = lru_create(TOLD_MAX, NULL);
    return replicas;
}

static void replica_free(struct replica *replica)
{
    free(replica->id);
    free(replica->http);
    free(replica);
}

static void name_free(struct name *name)
{
    while (name->first) {
        struct replica *one = name->first;
        name->first = one->next;
        replica_free(one);
    }
    free(name);
}

void replicas_destroy(struct replicas *replicas)
{
    replicas_mark(replicas);
    replicas_sweep(replicas);
    lru_destroy(replicas->left);
    lru_destroy(replicas->told);
    free(replicas);
}

static struct name *find(const struct replicas *replicas, const char *text)
{
    for (struct name *name = replicas->names; name; name = name->next)
        if (strcmp(name->text, text) == 0)
            return name;
    return NULL;
}

void replicas_want(struct replicas *replicas, const char *text)
{
    struct name *name = find(replicas, text);
    if (!name) {
        name = must(calloc(1, sizeof *name + strlen(text) + 1));
        strcpy(name->text, text);
        name->next = replicas->names;
        replicas->names = name;
    }
    name->wanted = true;
}

void replicas_mark(struct replicas *replicas)
{
    for (struct name *name = replicas->names; name; name = name->next)
        name->wanted = false;
}

void replicas_sweep(struct replicas *replicas)
{
    for (struct name **slot = &replicas->names, *name; (name = *slot);) {
        if (name->wanted) {
            slot = &name->next;
            continue;
        }
        *slot = name->next;
        name_free(name);
    }
}

void replicas_names(const struct replicas *replicas, void (*each)(void *self, const char *name), void *self)
{
    for (const struct name *name = replicas->names; name; name = name->next)
        each(self, name->text);
}

const struct replica *replicas_of(const struct replicas *replicas, const char *text)
{
    const struct name *name = find(replicas, text);
    return name ? name->first : NULL;
}

/* It answers again in each round, and is told of once in a while. */
static bool refuse(struct replicas *replicas, const struct name *name, const char *http, const char *why)
{
    if (lru_get(replicas->told, http))
        return false;
    lru_put(replicas->told, http, replicas, clock_ms() + TOLD_MS);
    log_warn(NULL, "a member was not taken", "service", name->text, "http", http, "why", why);
    return false;
}

static bool add(struct replicas *replicas, struct name *name, const char *id, const char *http)
{
    struct address address;
    if (!hostport_parse(http, &address) || !nets_hold(&replicas->nets, &address))
        return refuse(replicas, name, http, "its address is malformed or not in EDGE_MEMBER_NETS");
    if (name->count >= REPLICAS_MAX)
        return refuse(replicas, name, http, "there are too many");
    struct replica *replica = must(calloc(1, sizeof *replica));
    *replica = (struct replica){
        .next = name->first, .address = address, .answered = true, .id = must(strdup(id)), .http = must(strdup(http))
    };
    name->first = replica;
    name->count++;
    log_info(NULL, "a member has come", "service", name->text, "http", http, "id", id);
    return true;
}

bool replicas_answer(struct replicas *replicas, const char *text, const char *id, const char *http)
{
    struct name *name = find(replicas, text);
    if (!name)
        return false;
    name->answered = true;
    if (lru_get(replicas->left, id))
        return false;
    for (struct replica *one = name->first; one; one = one->next) {
        if (strcmp(one->id, id) == 0 && strcmp(one->http, http) == 0) {
            one->answered = true;
            one->silent = 0;
            return false;
        }
    }
    return add(replicas, name, id, http);
}

/* Those for whom `gone` is true. */
static bool remove_from(struct name *name, bool (*gone)(const struct replica *one, const void *self), const void *self)
{
    bool changed = false;
    for (struct replica **slot = &name->first, *one; (one = *slot);) {
        if (!gone(one, self)) {
            slot = &one->next;
            continue;
        }
        log_info(NULL, "a member has gone", "service", name->text, "http", one->http, "id", one->id);
        *slot = one->next;
        name->count--;
        replica_free(one);
        changed = true;
    }
    return changed;
}

static bool has_id(const struct replica *one, const void *id)
{
    return strcmp(one->id, id) == 0;
}

bool replicas_leave(struct replicas *replicas, const char *id)
{
    bool changed = false;
    lru_put(replicas->left, id, replicas, clock_ms() + LEFT_MS);
    for (struct name *name = replicas->names; name; name = name->next)
        changed |= remove_from(name, has_id, id);
    return changed;
}

static bool silent_too_long(const struct replica *one, const void *self)
{
    (void)self;
    return one->silent >= SILENT_ROUNDS;
}

bool replicas_end_round(struct replicas *replicas)
{
    bool changed = false;
    for (struct name *name = replicas->names; name; name = name->next) {
        for (struct replica *one = name->first; one; one = one->next) {
            if (!one->answered && name->answered)
                one->silent++;
            one->answered = false;
        }
        name->answered = false;
        changed |= remove_from(name, silent_too_long, NULL);
    }
    return changed;
}
