#include "caching/cache_rules.h"

#include "base/text.h"
#include "exchange/forward_rules.h"
#include "must.h"

#include <h2o.h>
#include <string.h>
#include <time.h>

/* Directives */

static bool is_name(const char *name, size_t size, const char *word)
{
    return size == strlen(word) && same_text(name, word, size);
}

/* -1: malformed, which no directive may be taken for a long life. */
static int64_t seconds(const char *text, size_t size)
{
    int64_t out = 0;
    if (size >= 2 && text[0] == '"' && text[size - 1] == '"') {
        text++;
        size -= 2;
    }
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        out = out * 10 + (text[i] - '0');
        out = out > AGE_MAX ? AGE_MAX : out;
    }
    return out;
}

static void take_directive(struct directives *out, const char *name, size_t size, const char *value, size_t value_size)
{
    const struct {
        const char *name;
        bool *flag;
        int64_t *seconds;
        int64_t without; /* the value that there is none of */
    } rows[] = {
        { "no-store", &out->no_store, NULL, 0 },
        { "no-cache", &out->no_cache, NULL, 0 },
        { "private", &out->private, NULL, 0 },
        { "public", &out->public, NULL, 0 },
        { "must-revalidate", &out->must_revalidate, NULL, 0 },
        { "proxy-revalidate", &out->must_revalidate, NULL, 0 },
        { "only-if-cached", &out->only_if_cached, NULL, 0 },
        { "max-age", NULL, &out->max_age, 0 },
        { "s-maxage", NULL, &out->s_maxage, 0 },
        { "max-stale", NULL, &out->max_stale, AGE_MAX },
        { "min-fresh", NULL, &out->min_fresh, 0 },
        { "stale-while-revalidate", NULL, &out->stale_while_revalidate, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!is_name(name, size, rows[i].name))
            continue;
        if (rows[i].flag)
            *rows[i].flag = true;
        else
            *rows[i].seconds = value ? seconds(value, value_size) : rows[i].without;
    }
}

static const char *item_end(const char *at, const char *end)
{
    bool quoted = false;
    for (; at < end && (quoted || *at != ','); at++)
        if (*at == '"')
            quoted = !quoted;
    return at;
}

void directives_read(struct directives *directives, const char *value, size_t size)
{
    for (const char *at = value, *end = value + size, *stop; at < end; at = stop + 1) {
        stop = item_end(at, end);
        const char *from = at, *to = stop;
        while (from < to && (*from == ' ' || *from == '\t'))
            from++;
        while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
            to--;
        const char *equal = memchr(from, '=', (size_t)(to - from));
        take_directive(directives, from, (size_t)((equal ? equal : to) - from), equal ? equal + 1 : NULL,
                       equal ? (size_t)(to - equal - 1) : 0);
    }
}

/* The answer */

static bool is(const struct reply_field *field, const char *name)
{
    return is_name(field->name, field->name_size, name);
}

/* 0: it is no date. */
static int64_t date(const struct reply_field *field)
{
    struct tm tm = { 0 };
    if (!field || h2o_time_parse_rfc1123(field->value, field->value_size, &tm) != 0)
        return 0;
    return (int64_t)timegm(&tm);
}

static const struct reply_field *field_of(const struct reply_head *head, const char *name)
{
    for (size_t i = 0; i < head->count; i++)
        if (is(&head->fields[i], name))
            return &head->fields[i];
    return NULL;
}

/* Seconds. */
static int64_t lifetime(const struct directives *directives, const struct reply_head *head, int64_t now_s)
{
    if (directives->s_maxage >= 0)
        return directives->s_maxage;
    if (directives->max_age >= 0)
        return directives->max_age;
    int64_t expires = date(field_of(head, "expires")), said = date(field_of(head, "date"));
    return expires ? expires - (said ? said : now_s) : 0;
}

/* The names of all Vary headers, by comma and in small letters. false: it varies by what nobody knows. */
static bool read_vary(struct cached *cached, const struct reply_head *head)
{
    size_t size = 0;
    char *vary = must(malloc(1));
    for (size_t i = 0; i < head->count; i++) {
        const struct reply_field *field = &head->fields[i];
        if (!is(field, "vary"))
            continue;
        vary = must(realloc(vary, size + field->value_size + 2));
        if (size)
            vary[size++] = ',';
        for (size_t j = 0; j < field->value_size; j++) {
            char c = field->value[j];
            vary[size] = lower_char(c);
            size += c != ' ' && c != '\t';
        }
    }
    vary[size] = 0;
    if (!size || strchr(vary, '*')) {
        free(vary);
        return !size;
    }
    cached->vary = vary;
    return true;
}

static void set_times(struct cached *cached, const struct reply_head *head, const struct directives *directives,
                      const struct cache_policy *policy, int64_t now_s)
{
    const struct reply_field *age = field_of(head, "age");
    int64_t fresh = policy->obey ? lifetime(directives, head, now_s) : policy->ttl_s;
    int64_t stale = directives->stale_while_revalidate > 0 && !directives->must_revalidate
                        ? directives->stale_while_revalidate
                        : 0;
    fresh = fresh < AGE_MAX ? fresh : AGE_MAX;
    cached->age_ms = (age ? seconds(age->value, age->value_size) : 0) * 1000;
    cached->fresh_ms = fresh * 1000;
    cached->stale_ms = stale * 1000;
    cached->keep_ms = (policy->storage_s > fresh + stale ? policy->storage_s : fresh + stale) * 1000;
    cached->shared = directives->public || directives->s_maxage >= 0 || directives->must_revalidate;
    cached->strict = directives->must_revalidate || directives->s_maxage >= 0;
    if (!policy->obey)
        cached->age_ms = 0;
}

bool cache_judge(struct cached *cached, const struct reply_head *head, const struct cache_policy *policy, int64_t now_s)
{
    struct directives directives = DIRECTIVES;
    for (size_t i = 0; i < head->count; i++)
        if (is(&head->fields[i], "cache-control"))
            directives_read(&directives, head->fields[i].value, head->fields[i].value_size);
    /* What is one client's own, or a part, is nobody else's, whatever the file says. */
    if (directives.no_store || directives.private || head->status == 206 || head->status == 304 ||
        field_of(head, "set-cookie") || field_of(head, "content-range") || head->events)
        return false;
    set_times(cached, head, &directives, policy, now_s);
    if (policy->obey && (directives.no_cache || cached->fresh_ms <= cached->age_ms))
        return false;
    if (policy->authorized && !cached->shared)
        return false;
    return read_vary(cached, head);
}
