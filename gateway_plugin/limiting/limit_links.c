/* Which links there are: one for each Redis that a configuration names, as long as one does. */
#include "base/clock.h"
#include "base/text.h"
#include "limiting/limit_link_parts.h"
#include "limiting/limit_sync.h"
#include "must.h"

enum { STOP_S = 1 };

struct limit_links {
    struct limit_link *first;
    struct counts *counts;
};

struct limit_links *limit_links_create(struct counts *counts)
{
    struct limit_links *links = must(calloc(1, sizeof *links));
    links->counts = counts;
    return links;
}

static bool same(const struct redis_options *a, const struct redis_options *b)
{
    return text_equal(a->host, b->host) && a->port == b->port && a->database == b->database &&
           text_equal(a->username, b->username) && text_equal(a->password, b->password) &&
           a->timeout_ms == b->timeout_ms && a->sync_ms == b->sync_ms;
}

static const char *keep(struct arena *arena, const char *text)
{
    return text ? arena_strdup(arena, text) : NULL;
}

/* The texts are the configuration's, which goes before the link. */
static struct limit_link *link_create(const struct redis_options *options, struct counts *counts)
{
    struct limit_link *link = must(calloc(1, sizeof *link));
    link->options = *options;
    link->options.host = keep(&link->arena, options->host);
    link->options.username = keep(&link->arena, options->username);
    link->options.password = keep(&link->arena, options->password);
    link->address = (struct redis_address){ .host = link->options.host,
                                            .port = (int)options->port,
                                            .user = link->options.username,
                                            .password = link->options.password,
                                            .db = options->database };
    link->last = &link->first;
    link->sync = options->sync_ms ? limit_sync_create(counts) : NULL;
    pthread_mutex_init(&link->lock, NULL);
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&link->work, &clock);
    pthread_condattr_destroy(&clock);
    if (pthread_create(&link->thread, NULL, limit_link_run, link) != 0)
        abort();
    return link;
}

/* A thread that hangs in the look-up of a name is left to itself, with its link: nobody waits in its queue. */
static void link_stop(struct limit_link *link)
{
    pthread_mutex_lock(&link->lock);
    bool stopped = link->stopping;
    link->stopping = true;
    pthread_cond_signal(&link->work);
    pthread_mutex_unlock(&link->lock);
    if (stopped)
        return;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += STOP_S;
    link->ended = pthread_timedjoin_np(link->thread, NULL, &until) == 0;
    if (!link->ended)
        pthread_detach(link->thread);
}

static void link_free(struct limit_link *link)
{
    link_stop(link);
    if (!link->ended)
        return;
    limit_sync_destroy(link->sync);
    pthread_cond_destroy(&link->work);
    pthread_mutex_destroy(&link->lock);
    arena_free(&link->arena);
    free(link);
}

struct limit_link *limit_links_take(struct limit_links *links, const struct redis_options *options)
{
    struct limit_link *link = links->first;
    while (link && !same(&link->options, options))
        link = link->next;
    if (!link) {
        link = link_create(options, links->counts);
        link->next = links->first;
        links->first = link;
    }
    atomic_fetch_add(&link->references, 1);
    return link;
}

void limit_link_give(struct limit_link *link)
{
    if (link)
        atomic_fetch_sub(&link->references, 1);
}

void limit_links_sweep(struct limit_links *links)
{
    for (struct limit_link **at = &links->first; *at;) {
        struct limit_link *link = *at;
        if (atomic_load(&link->references)) {
            at = &link->next;
            continue;
        }
        *at = link->next;
        link_free(link);
    }
}

void limit_links_settle(struct limit_links *links, int64_t ms)
{
    int64_t until = clock_ms() + ms;
    for (const struct limit_link *link = links->first; link; link = link->next)
        while (!atomic_load(&link->tried) && clock_ms() < until)
            nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

void limit_links_stop(struct limit_links *links)
{
    for (struct limit_link *link = links->first; link; link = link->next)
        link_stop(link);
}

void limit_links_destroy(struct limit_links *links)
{
    while (links->first) {
        struct limit_link *link = links->first;
        links->first = link->next;
        link_free(link);
    }
    free(links);
}
