#include "limiting/limit_sync.h"

#include "limiting/limit_script.h"
#include "must.h"
#include "store/redis.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 4096, BATCH_MAX = 128 };

struct note {
    struct note *next;
    int64_t now_s; /* when the last of them came: it says which windows these are */
    int64_t news[PERIODS];
    char who[];
};

struct limit_sync {
    struct counts *counts;
    pthread_mutex_t lock; /* of all below */
    struct note *buckets[BUCKETS];
    size_t noted;
};

struct limit_sync *limit_sync_create(struct counts *counts)
{
    struct limit_sync *sync = must(calloc(1, sizeof *sync));
    sync->counts = counts;
    pthread_mutex_init(&sync->lock, NULL);
    return sync;
}

static void free_notes(struct note *notes)
{
    for (struct note *next; notes; notes = next) {
        next = notes->next;
        free(notes);
    }
}

void limit_sync_destroy(struct limit_sync *sync)
{
    if (!sync)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        free_notes(sync->buckets[i]);
    pthread_mutex_destroy(&sync->lock);
    free(sync);
}

/* With the lock held. NULL: there is no room. */
static struct note *note_of(struct limit_sync *sync, const char *who, int64_t now_s)
{
    struct rate_id id = counts_id(sync->counts, who, strlen(who));
    struct note **at = &sync->buckets[id.words[0] % BUCKETS];
    while (*at && strcmp((*at)->who, who) != 0)
        at = &(*at)->next;
    if (*at || sync->noted == SYNC_MAX)
        return *at;
    struct note *note = *at = must(calloc(1, sizeof *note + strlen(who) + 1));
    note->now_s = now_s;
    strcpy(note->who, who);
    sync->noted++;
    return note;
}

/* What was counted in a window that is over is of no more use. */
static void add(struct note *note, const int64_t news[PERIODS], int64_t now_s)
{
    bool newer = now_s > note->now_s;
    for (enum period i = 0; i < PERIODS; i++) {
        bool same = !news[i] || period_window(i, note->now_s).start == period_window(i, now_s).start;
        if (!same && newer)
            note->news[i] = 0;
        if (same || newer)
            note->news[i] += news[i];
    }
    note->now_s = newer ? now_s : note->now_s;
}

void limit_sync_note(struct limit_sync *sync, const char *who, const int64_t limits[PERIODS], int64_t now_s)
{
    int64_t news[PERIODS];
    for (enum period i = 0; i < PERIODS; i++)
        news[i] = limits[i] != 0;
    pthread_mutex_lock(&sync->lock);
    struct note *note = note_of(sync, who, now_s);
    if (note)
        add(note, news, now_s);
    pthread_mutex_unlock(&sync->lock);
}

static struct note *take_all(struct limit_sync *sync)
{
    struct note *all = NULL, **end = &all;
    pthread_mutex_lock(&sync->lock);
    for (size_t i = 0; sync->noted && i < BUCKETS; i++) {
        *end = sync->buckets[i];
        sync->buckets[i] = NULL;
        while (*end)
            end = &(*end)->next;
    }
    sync->noted = 0;
    pthread_mutex_unlock(&sync->lock);
    return all;
}

static void give_back(struct limit_sync *sync, const struct note *notes)
{
    pthread_mutex_lock(&sync->lock);
    for (; notes; notes = notes->next) {
        struct note *note = note_of(sync, notes->who, notes->now_s);
        if (note)
            add(note, notes->news, notes->now_s);
    }
    pthread_mutex_unlock(&sync->lock);
}

/* One note's answer: how many there are in all. */
static bool hear(struct limit_sync *sync, redisContext *redis, const struct note *note, int64_t until)
{
    int64_t totals[PERIODS] = { 0 };
    _cleanup_(redis_reply_freep) redisReply *reply = redis_hear(redis, until);
    if (!reply || !limit_script_read(reply, note->news, totals))
        return false;
    counts_raise(sync->counts, counts_id(sync->counts, note->who, strlen(note->who)), totals, note->now_s);
    return true;
}

/*
 * Tells the first of the list, which they leave. What was told and not answered may have been counted or not: told
 * again it might count twice, and who has done nothing would be refused.
 */
static bool tell_batch(struct limit_sync *sync, redisContext *redis, struct note **notes, int64_t until)
{
    struct note *batch = *notes, **end = &batch;
    for (size_t count = 0; *end && count < BATCH_MAX; end = &(*end)->next, count++)
        limit_script_append_news(redis, (*end)->who, (*end)->news, (*end)->now_s);
    *notes = *end;
    *end = NULL;
    bool good = redis_send(redis, until);
    for (const struct note *note = batch; good && note; note = note->next)
        good = hear(sync, redis, note, until);
    free_notes(batch);
    return good;
}

const char *limit_sync_run(struct limit_sync *sync, redisContext *redis, int64_t until)
{
    /* Nothing need be lost by finding that out. */
    if (redis_closed(redis))
        return "it closed the connection";
    struct note *notes = take_all(sync);
    bool good = true;
    while (good && notes)
        good = tell_batch(sync, redis, &notes, until);
    give_back(sync, notes);
    free_notes(notes);
    return good ? NULL : "it does not take what was counted";
}
