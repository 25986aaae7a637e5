#include "member/srv_records.h"

#include "must.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD = 12, QUESTION_TAIL = 4, ANSWER_HEAD = 10 };

static unsigned number16(const unsigned char *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

/* Past a name; NULL: it does not end within the answer. */
static const unsigned char *skip_name(const unsigned char *at, const unsigned char *data, int size)
{
    char *name = NULL;
    long length = 0;
    if (at >= data + size || ares_expand_name(at, data, size, &name, &length) != ARES_SUCCESS)
        return NULL;
    ares_free_string(name);
    return at + length;
}

/* c-ares' own reading of these records leaves their TTL out. */
static int64_t least_ttl(const unsigned char *data, int size)
{
    const unsigned char *end = data + size, *at = data + HEAD;
    int64_t least = INT64_MAX;
    unsigned questions = size >= HEAD ? number16(data + 4) : 0, answers = size >= HEAD ? number16(data + 6) : 0;
    for (; at && questions; questions--) {
        at = skip_name(at, data, size);
        at = at && end - at >= QUESTION_TAIL ? at + QUESTION_TAIL : NULL;
    }
    for (; at && answers; answers--) {
        at = skip_name(at, data, size);
        if (!at || end - at < ANSWER_HEAD)
            break;
        int64_t ttl = (int64_t)number16(at + 4) << 16 | number16(at + 6);
        least = ttl < least ? ttl : least;
        size_t length = number16(at + 8);
        at += ANSWER_HEAD;
        at = (size_t)(end - at) >= length ? at + length : NULL;
    }
    return least == INT64_MAX ? 0 : least;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct srv_record *)a)->target, ((const struct srv_record *)b)->target);
}

/* A host `.` says that there is no such service. */
static void add(struct srv_records *out, const struct ares_srv_reply *one)
{
    char target[300];
    if (!*one->host || strcmp(one->host, ".") == 0 || !one->port || out->count == SRV_MAX)
        return;
    snprintf(target, sizeof target, "%.255s:%u", one->host, one->port);
    out->items[out->count++] = (struct srv_record){ must(strdup(target)), one->weight ? one->weight : 1 };
}

int64_t srv_records_read(const unsigned char *data, int size, struct srv_records *out)
{
    struct ares_srv_reply *list = NULL;
    unsigned first = UINT16_MAX;
    *out = (struct srv_records){ 0 };
    if (ares_parse_srv_reply(data, size, &list) != ARES_SUCCESS)
        return 0;
    for (const struct ares_srv_reply *one = list; one; one = one->next)
        first = one->priority < first ? one->priority : first;
    for (const struct ares_srv_reply *one = list; one; one = one->next)
        if (one->priority == first)
            add(out, one);
    ares_free_data(list);
    qsort(out->items, out->count, sizeof *out->items, compare);
    return least_ttl(data, size);
}

bool srv_records_same(const struct srv_records *a, const struct srv_records *b)
{
    for (size_t i = 0; i < a->count && a->count == b->count; i++)
        if (strcmp(a->items[i].target, b->items[i].target) != 0 || a->items[i].weight != b->items[i].weight)
            return false;
    return a->count == b->count;
}

void srv_records_free(struct srv_records *records)
{
    for (size_t i = 0; i < records->count; i++)
        free(records->items[i].target);
    records->count = 0;
}
