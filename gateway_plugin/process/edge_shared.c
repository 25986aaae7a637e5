#include "process/edge_shared.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/shared_memory.h"
#include "process/edge.h"
#include "admin/edge_metrics.h"
#include "member/vitals.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int bell_create(void)
{
    int bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (bell < 0)
        abort();
    return bell;
}

void bell_ring(int bell)
{
    while (eventfd_write(bell, 1) != 0 && errno == EINTR)
        continue;
}

void bell_quiet(int bell)
{
    eventfd_t rung;
    eventfd_read(bell, &rung);
}

static void make_uuid(char out[37])
{
    unsigned char b[16];
    random_bytes(b, sizeof b);
    snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-4%x%02x-%x%x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3],
             b[4], b[5], b[6] & 15, b[7], 8 | (b[8] & 3), b[8] >> 4, b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

struct edge_shared *edge_shared_create(const struct edge_settings *settings)
{
    struct edge_shared *shared = shared_memory_create(sizeof *shared);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    shared->loops = settings->threads ? (size_t)settings->threads : cores > 1 ? (size_t)cores : 1;
    shared->count = (size_t)settings->processes < shared->loops ? (size_t)settings->processes : shared->loops;
    shared->started_ms = clock_now_ms();
    make_uuid(shared->node_id);
    shared->rates = rates_create();
    shared->vitals = vitals_table_create();
    shared->counts = counts_create();
    shared->config = shared_memory_create(sizeof *shared->config);
    shared_mutex_init(&shared->config->lock);
    shared->answers = key_answers_create();
    shared->forgotten = shared_memory_create(sizeof *shared->forgotten);
    shared->kept = shared->count > 1 ? shared_answers_create((size_t)settings->cache / 2) : NULL;
    shared->bell = bell_create();
    for (size_t i = 0; i < shared->count; i++)
        shared->slots[i].bell = bell_create();
    shared->metrics = edge_metrics_create(shared);
    return shared;
}

void edge_shared_destroy(struct edge_shared *shared)
{
    for (size_t i = 0; i < shared->count; i++)
        close(shared->slots[i].bell);
    close(shared->bell);
    edge_metrics_destroy(shared->metrics);
    rates_destroy(shared->rates);
    vitals_table_destroy(shared->vitals);
    counts_destroy(shared->counts);
    key_answers_destroy(shared->answers);
    shared_answers_destroy(shared->kept);
    shared_memory_destroy(shared->forgotten, sizeof *shared->forgotten);
    shared_memory_destroy(shared->config, sizeof *shared->config);
    shared_memory_destroy(shared, sizeof *shared);
}

size_t edge_shared_cache_part(const struct edge_shared *shared, const struct edge_settings *settings)
{
    size_t bytes = (size_t)settings->cache;
    return shared->kept ? bytes / 2 / shared->count : bytes;
}

void edge_shared_empty(struct edge_shared *shared, size_t index, const struct edge_settings *settings)
{
    struct slot *slot = &shared->slots[index];
    slot->state = SLOT_EMPTY;
    slot->pid = 0;
    slot->bus_up = slot->feed_whole = false;
    slot->generation = 0;
    slot->cache.entries = slot->cache.bytes = 0;
    limits_init(&slot->limits, settings->body_max, shared->count, edge_shared_loops(shared, index));
}

size_t edge_shared_loops(const struct edge_shared *shared, size_t index)
{
    return shared->loops / shared->count + (index < shared->loops % shared->count);
}

struct edge_total edge_shared_total(const struct edge_shared *shared)
{
    struct edge_total total = { .bus_up = true, .feed_whole = true };
    for (size_t i = 0; i < shared->count; i++) {
        const struct slot *slot = &shared->slots[i];
        total.accepted += slot->limits.accepted;
        total.conns += slot->limits.conns;
        total.requests += slot->limits.requests;
        if (slot->state != SLOT_SERVING)
            continue;
        total.serving++;
        total.bus_up = total.bus_up && slot->bus_up;
        total.feed_whole = total.feed_whole && slot->feed_whole;
    }
    return total;
}

void edge_shared_put(struct edge_shared *shared, const struct config *config, bool tickets)
{
    struct shared_config *in = shared->config;
    /* Who died with the lock held had not yet said that his text is the one in force. */
    shared_mutex_lock(&in->lock);
    struct shared_text *text = &in->copies[(in->generation + 1) % 2];
    text->size = config->size;
    text->since_ms = clock_now_ms();
    memcpy(text->data, config->text, config->size);
    snprintf(text->file, sizeof text->file, "%s", config->file);
    if (tickets)
        random_bytes(&in->tickets, sizeof in->tickets);
    in->generation++;
    pthread_mutex_unlock(&in->lock);
    for (size_t i = 0; i < shared->count; i++)
        bell_ring(shared->slots[i].bell);
}

struct tls_tickets edge_shared_tickets(struct edge_shared *shared)
{
    shared_mutex_lock(&shared->config->lock);
    struct tls_tickets tickets = shared->config->tickets;
    pthread_mutex_unlock(&shared->config->lock);
    return tickets;
}

static bool all_use(const struct edge_shared *shared, uint64_t generation)
{
    for (size_t i = 0; i < shared->count; i++)
        if (shared->slots[i].state == SLOT_SERVING && shared->slots[i].generation < generation)
            return false;
    return true;
}

void edge_shared_settle(struct edge_shared *shared, int64_t ms)
{
    uint64_t generation = shared->config->generation;
    for (int64_t until = clock_ms() + ms; !all_use(shared, generation) && clock_ms() < until;)
        usleep(1000);
}

struct config *edge_shared_config(struct edge_shared *shared, uint64_t *generation)
{
    struct arena arena = { 0 };
    shared_mutex_lock(&shared->config->lock);
    *generation = shared->config->generation;
    const struct shared_text *text = &shared->config->copies[*generation % 2];
    struct faults faults = FAULTS(&arena, arena_strdup(&arena, text->file));
    size_t size = text->size;
    int64_t since_ms = text->since_ms;
    const char *data = arena_memdup(&arena, text->data, size);
    pthread_mutex_unlock(&shared->config->lock);
    struct config *config = config_read(&faults, data, size);
    if (config) {
        config->since_ms = since_ms;
        config->generation = *generation;
    } else {
        log_error(NULL, "the configuration that is in force cannot be read");
    }
    arena_free(&arena);
    return config;
}
