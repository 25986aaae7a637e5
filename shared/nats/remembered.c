#include "nats/remembered.h"

#include "base/clock.h"
#include "base/lru.h"
#include "base/text.h"
#include "nats/bus_parts.h"

#include <string.h>
#include <unistd.h>

enum { REFUSAL_MS = 2000, WAIT_MS = 2000 };

struct memory {
    struct arena arena;
    void *value;
    struct grounds grounds;
    int64_t asked_ms; /* before the question went out */
    uint64_t generation, era;
};

struct refusal {
    enum error_code code;
    char message[200];
};

/* A question under way: by the first who asked it, for all who want its answer. */
struct flight {
    struct flight *next;
    const char *key;
    size_t holders;
    bool landed;
    struct refusal failure; /* message "" = none */
};

struct remembered {
    struct remembered_options options;
    pthread_mutex_t mutex;
    pthread_cond_t landed;
    struct lru *good, *bad;
    struct flight *flights;
};

enum verdict { HOLDS, ASK_AGAIN, REVOKED };

static void memory_free(void *value)
{
    struct memory *memory = value;
    arena_free(&memory->arena);
    free(memory);
}

struct remembered *remembered_create(const struct remembered_options *options)
{
    struct remembered *remembered = calloc(1, sizeof *remembered);
    if (!remembered)
        abort();
    remembered->options = *options;
    pthread_mutex_init(&remembered->mutex, NULL);
    cond_init(&remembered->landed);
    remembered->good = lru_create(options->capacity, memory_free);
    remembered->bad = lru_create(options->capacity, free);
    return remembered;
}

void remembered_destroy(struct remembered *remembered)
{
    if (!remembered)
        return;
    lru_destroy(remembered->good);
    lru_destroy(remembered->bad);
    free(remembered);
}

static uint64_t era_of(const struct remembered *remembered)
{
    return __atomic_load_n(remembered->options.era, __ATOMIC_ACQUIRE);
}

static bool has_ended(struct feed *feed, const struct grounds *grounds)
{
    return (grounds->session && feed_revoked(feed, REVOKED_SESSION, grounds->session, 0)) ||
           (grounds->apikey && feed_revoked(feed, REVOKED_APIKEY, grounds->apikey, 0));
}

/* Everything that was revoked until then, the answer knows or the feed does. */
static int64_t vouched_ms(const struct remembered *remembered, const struct memory *memory)
{
    int64_t known = feed_known_ms(remembered->options.feed);
    return known > memory->asked_ms ? known : memory->asked_ms;
}

static bool is_vouched(const struct remembered *remembered, const struct memory *memory)
{
    int64_t now = clock_ms(), fresh = remembered->options.fresh_ms;
    if (feed_whole(remembered->options.feed))
        return !fresh || now - memory->asked_ms < fresh;
    return now - vouched_ms(remembered, memory) < remembered->options.blind_ms;
}

static bool is_of_now(const struct remembered *remembered, const struct memory *memory)
{
    struct feed *feed = remembered->options.feed;
    const struct grounds *grounds = &memory->grounds;
    if (memory->generation != feed_generation(feed) || memory->era != era_of(remembered))
        return false;
    if (grounds->until_ms && clock_ms() >= grounds->until_ms)
        return false;
    if (grounds->roles_version && feed_roles_newer(feed, grounds->roles_version))
        return false;
    return !grounds->user || !feed_revoked(feed, CHANGED_USER, grounds->user, grounds->user_version);
}

static enum verdict judge(const struct remembered *remembered, const struct memory *memory)
{
    if (has_ended(remembered->options.feed, &memory->grounds))
        return REVOKED;
    return is_of_now(remembered, memory) ? HOLDS : ASK_AGAIN;
}

static void *revoked(struct ctx *ctx)
{
    return ctx_fail(ctx, ERROR_UNAUTHORIZED, "it has been revoked");
}

/* With the lock held. NULL without an error: nothing that holds. */
static void *recall(struct ctx *ctx, struct remembered *remembered, const char *key)
{
    const struct memory *memory = lru_get(remembered->good, key);
    if (memory) {
        enum verdict verdict = judge(remembered, memory);
        if (verdict == REVOKED)
            return revoked(ctx);
        if (verdict == HOLDS && is_vouched(remembered, memory))
            return remembered->options.copy(&ctx->arena, memory->value);
    }
    const struct refusal *refusal = lru_get(remembered->bad, key);
    return refusal ? ctx_fail(ctx, refusal->code, "%s", refusal->message) : NULL;
}

/* With the lock held: what is old, but better than nothing while auth does not answer. */
static void *recall_old(struct ctx *ctx, struct remembered *remembered, const char *key)
{
    const struct memory *memory = lru_get(remembered->good, key);
    if (!memory || judge(remembered, memory) != HOLDS)
        return NULL;
    bool good = clock_ms() - vouched_ms(remembered, memory) < remembered->options.away_ms;
    return good ? remembered->options.copy(&ctx->arena, memory->value) : NULL;
}

static struct memory *memory_make(const struct remembered *remembered)
{
    struct memory *memory = calloc(1, sizeof *memory);
    if (!memory)
        abort();
    memory->asked_ms = clock_ms();
    memory->generation = feed_generation(remembered->options.feed);
    memory->era = era_of(remembered);
    return memory;
}

static void memory_fill(const struct remembered *remembered, struct memory *memory, const struct grounds *grounds,
                        const void *value)
{
    struct arena *arena = &memory->arena;
    memory->grounds = *grounds;
    memory->grounds.session = arena_strdup(arena, grounds->session);
    memory->grounds.apikey = arena_strdup(arena, grounds->apikey);
    memory->grounds.user = arena_strdup(arena, grounds->user);
    memory->value = remembered->options.copy(arena, value);
}

static void insert(struct remembered *remembered, const char *key, struct memory *memory)
{
    pthread_mutex_lock(&remembered->mutex);
    lru_drop(remembered->bad, key);
    lru_put(remembered->good, key, memory, 0);
    pthread_mutex_unlock(&remembered->mutex);
}

enum asked { GOT, FAILED, OVERTAKEN };

static enum asked ask_once(struct ctx *ctx, struct remembered *remembered, const char *key, remembered_ask_fn *ask,
                           void *self, const void *question, void **value)
{
    struct grounds grounds = { 0 };
    struct memory *memory = memory_make(remembered);
    *value = ask(ctx, self, question, &grounds);
    if (*value)
        memory_fill(remembered, memory, &grounds, *value);
    enum verdict verdict = *value ? judge(remembered, memory) : ASK_AGAIN;
    if (verdict == HOLDS && !grounds.once) {
        insert(remembered, key, memory);
        return GOT;
    }
    memory_free(memory);
    if (!*value)
        return FAILED;
    if (verdict == REVOKED)
        *value = revoked(ctx);
    return verdict == ASK_AGAIN && !grounds.once ? OVERTAKEN : *value ? GOT : FAILED;
}

/* Asks until the answer is one of now: a revocation may overtake the answer that was sent before it. */
static void *ask_anew(struct ctx *ctx, struct remembered *remembered, const char *key, remembered_ask_fn *ask,
                      void *self, const void *question)
{
    static const unsigned wait_us[] = { 5000, 50000, 200000 }; /* until every replica of auth has heard of it */
    for (size_t i = 0; i <= sizeof wait_us / sizeof *wait_us; i++) {
        void *value = NULL;
        enum asked asked = ask_once(ctx, remembered, key, ask, self, question, &value);
        if (asked == GOT || asked == FAILED)
            return value;
        if (i < sizeof wait_us / sizeof *wait_us)
            usleep(wait_us[i]);
    }
    return ctx_fail(ctx, ERROR_UNAVAILABLE, "the answer changes faster than it can be asked for");
}

/* With the lock held. */
static struct flight *flight_of(const struct remembered *remembered, const char *key)
{
    struct flight *flight = remembered->flights;
    while (flight && !text_equal(flight->key, key))
        flight = flight->next;
    return flight;
}

static void flight_release(struct flight *flight)
{
    if (--flight->holders == 0)
        free(flight);
}

static struct flight *flight_begin(struct remembered *remembered, const char *key)
{
    struct flight *flight = calloc(1, sizeof *flight);
    if (!flight)
        abort();
    *flight = (struct flight){ .next = remembered->flights, .key = key, .holders = 1 };
    remembered->flights = flight;
    return flight;
}

static bool is_answer(enum error_code code)
{
    return code == ERROR_UNAUTHORIZED || code == ERROR_FORBIDDEN;
}

static struct refusal refusal_of(const struct error *error)
{
    struct refusal out = { .code = error->code };
    strncpy(out.message, error->message, sizeof out.message - 1);
    return out;
}

static void remember_refusal(struct remembered *remembered, const char *key, const struct refusal *refusal)
{
    struct refusal *copy = malloc(sizeof *copy);
    if (!copy)
        abort();
    *copy = *refusal;
    lru_put(remembered->bad, key, copy, clock_ms() + REFUSAL_MS);
}

static void flight_end(struct ctx *ctx, struct remembered *remembered, struct flight *flight, bool good)
{
    pthread_mutex_lock(&remembered->mutex);
    struct flight **at = &remembered->flights;
    while (*at != flight)
        at = &(*at)->next;
    *at = flight->next;
    if (!good)
        flight->failure = refusal_of(ctx->error);
    if (!good && is_answer(ctx->error->code))
        remember_refusal(remembered, flight->key, &flight->failure);
    flight->landed = true;
    flight->key = "";
    pthread_cond_broadcast(&remembered->landed);
    flight_release(flight);
    pthread_mutex_unlock(&remembered->mutex);
}

/* With the lock held. Fails as the flight did; true: look again. */
static bool flight_wait(struct ctx *ctx, struct remembered *remembered, struct flight *flight)
{
    int64_t until = clock_ms() + ctx_left_ms(ctx, WAIT_MS);
    flight->holders++;
    while (!flight->landed && cond_wait_until(&remembered->landed, &remembered->mutex, until))
        continue;
    bool landed = flight->landed;
    if (!landed)
        ctx_fail(ctx, ERROR_UNAVAILABLE, "out of time");
    else if (*flight->failure.message)
        ctx_fail(ctx, flight->failure.code, "%s", flight->failure.message);
    bool good = landed && !*flight->failure.message;
    flight_release(flight);
    return good;
}

/* Where auth does not answer, an older answer may still do. */
static void *settle(struct ctx *ctx, struct remembered *remembered, const char *key)
{
    struct error *error = ctx->error;
    if (!error || error->code != ERROR_UNAVAILABLE || !remembered->options.away_ms)
        return NULL;
    pthread_mutex_lock(&remembered->mutex);
    void *value = recall_old(ctx, remembered, key);
    pthread_mutex_unlock(&remembered->mutex);
    if (value)
        ctx->error = NULL;
    return value;
}

/* NULL without an error: nobody knows and nobody asks, so *mine is ours to fly. */
static void *look(struct ctx *ctx, struct remembered *remembered, const char *key, struct flight **mine)
{
    void *value = NULL;
    pthread_mutex_lock(&remembered->mutex);
    for (bool again = true; again && !*mine;) {
        again = false;
        value = recall(ctx, remembered, key);
        if (value || ctx->error)
            break;
        struct flight *flight = flight_of(remembered, key);
        if (!flight)
            *mine = flight_begin(remembered, key);
        else
            again = flight_wait(ctx, remembered, flight);
    }
    pthread_mutex_unlock(&remembered->mutex);
    return value;
}

void *remembered_get(struct ctx *ctx, struct remembered *remembered, const char *key, remembered_ask_fn *ask,
                     void *self, const void *question)
{
    struct flight *mine = NULL;
    struct error *before = ctx->error;
    ctx->error = NULL;
    void *value = look(ctx, remembered, key, &mine);
    if (mine) {
        value = ask_anew(ctx, remembered, key, ask, self, question);
        flight_end(ctx, remembered, mine, value != NULL);
    }
    if (!value)
        value = settle(ctx, remembered, key);
    if (!ctx->error)
        ctx->error = before;
    return value;
}
