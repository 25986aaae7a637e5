#include "probe/describe.h"

#include "base/buf.h"
#include "base/text.h"
#include "probe/tags.h"

#include <fcntl.h>
#include <string.h>
#include <strings.h>

/* Where the values of a tag go. */
static const struct tag {
    const char *key;      /* TagLib's */
    const char *fallback; /* libavformat's */
    enum { TAG_TEXT, TAG_LIST, TAG_NUMBER, TAG_YEAR } kind;
    size_t offset;
} known_tags[] = {
#define TAG(key_, fallback_, kind_, member_)                                                                           \
    {                                                                                                                  \
        key_, fallback_, kind_, offsetof(struct audio_facts, member_)                                                  \
    }
    TAG("TITLE", "title", TAG_TEXT, title),
    TAG("ARTIST", "artist", TAG_LIST, artists),
    TAG("ALBUM", "album", TAG_TEXT, album),
    TAG("ALBUMARTIST", "album_artist", TAG_LIST, album_artists),
    TAG("GENRE", "genre", TAG_LIST, genres),
    TAG("ALBUM ARTIST", NULL, TAG_LIST, album_artists),
    TAG("DATE", "date", TAG_YEAR, year),
    TAG("YEAR", "year", TAG_YEAR, year),
    TAG("TRACKNUMBER", "track", TAG_NUMBER, track_number),
    TAG("DISCNUMBER", "disc", TAG_NUMBER, disc_number),
    TAG("MUSICBRAINZ_ARTISTID", NULL, TAG_LIST, artist_ids),
    TAG("MUSICBRAINZ_ALBUMID", NULL, TAG_TEXT, album_id),
    TAG("MUSICBRAINZ_ALBUMARTISTID", NULL, TAG_LIST, album_artist_ids),
    TAG("MUSICBRAINZ_TRACKID", NULL, TAG_TEXT, recording_id),
#undef TAG
};

struct reading {
    struct arena *arena;
    struct audio_facts *facts;
};

/* One line of clean UTF-8: runs of spaces and control characters become one space; NULL when nothing is left. */
static const char *clean(struct arena *arena, const char *text)
{
    struct buf out = BUF(arena);
    size_t characters = 0;
    while (*text && characters < FACTS_NAME_MAX) {
        const char *from = text;
        uint32_t c = utf8_next(&text);
        bool space = c <= ' ' || (c >= 0x7f && c <= 0xa0) || c == 0x2028 || c == 0x2029;
        if (space && (out.size == 0 || out.data[out.size - 1] == ' '))
            continue;
        characters++;
        if (space)
            buf_char(&out, ' ');
        else if (c == 0xfffd)
            buf_text(&out, "\xef\xbf\xbd");
        else
            buf_add(&out, from, (size_t)(text - from));
    }
    if (out.size > 0 && out.data[out.size - 1] == ' ')
        out.data[--out.size] = '\0';
    return out.size > 0 ? out.data : NULL;
}

static void list_add(struct reading *reading, struct list *list, const char *value)
{
    const char **items = list->items;
    for (size_t i = 0; i < list->count; i++)
        if (!strcmp(items[i], value))
            return;
    if (list->count >= FACTS_LIST_MAX)
        return;
    if (!items)
        items = list->items = arena_array(reading->arena, const char *, FACTS_LIST_MAX);
    items[list->count++] = value;
}

/* "3/12" is 3; "1999-05-01" is 1999. */
static int64_t leading_number(const char *text, int64_t most)
{
    int64_t number = 0;
    for (; *text >= '0' && *text <= '9' && number <= most; text++)
        number = number * 10 + (*text - '0');
    return number <= most ? number : 0;
}

static void take(struct reading *reading, const struct tag *tag, const char *text)
{
    void *member = (char *)reading->facts + tag->offset;
    const char *value = clean(reading->arena, text);
    if (!value)
        return;
    if (tag->kind == TAG_LIST)
        list_add(reading, member, value);
    else if (tag->kind == TAG_TEXT && !*(const char **)member)
        *(const char **)member = value;
    else if (tag->kind == TAG_NUMBER && !*(int64_t *)member)
        *(int64_t *)member = leading_number(value, 99999);
    else if (tag->kind == TAG_YEAR && !*(int64_t *)member)
        *(int64_t *)member = leading_number(value, 9999);
}

static void take_tag(void *self, const char *key, const char *value)
{
    for (size_t i = 0; i < sizeof known_tags / sizeof *known_tags; i++)
        if (!strcmp(known_tags[i].key, key))
            take(self, &known_tags[i], value);
}

static bool is_empty(const struct audio_facts *facts, const struct tag *tag)
{
    const void *member = (const char *)facts + tag->offset;
    switch (tag->kind) {
    case TAG_LIST:
        return ((const struct list *)member)->count == 0;
    case TAG_TEXT:
        return !*(const char *const *)member;
    default:
        return !*(const int64_t *)member;
    }
}

/* What TagLib did not find, as libavformat has it. */
static void fill_up(struct reading *reading, const struct decoded *decoded)
{
    for (size_t i = 0; i < sizeof known_tags / sizeof *known_tags; i++) {
        const struct tag *tag = &known_tags[i];
        if (!tag->fallback || !is_empty(reading->facts, tag))
            continue;
        for (size_t j = 0; j < decoded->tags; j++)
            if (!strcasecmp(tag->fallback, decoded->keys[j]))
                take(reading, tag, decoded->values[j]);
    }
}

static void read_tags(struct arena *arena, int fd, struct decoded *decoded)
{
    struct reading reading = { .arena = arena, .facts = &decoded->facts };
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own >= 0)
        tags_read(own, decoded->demuxer, decoded->facts.codec, take_tag, &reading);
    fill_up(&reading, decoded);
}

/* The ids say who the artists are only where there is one for each. */
static void pair_ids(struct audio_facts *facts)
{
    if (facts->artist_ids.count != facts->artists.count)
        facts->artist_ids.count = 0;
    if (facts->album_artist_ids.count != facts->album_artists.count)
        facts->album_artist_ids.count = 0;
}

/* By the rules that the service reads them by: a header may say anything of rates and lengths. */
static bool is_credible(const struct audio_facts *facts)
{
    struct ctx ctx = { .request_id = "" };
    bool out = record_check(&ctx, audio_facts_fields, facts);
    ctx_finish(&ctx);
    return out;
}

bool audio_describe(int fd, struct decoded *out)
{
    if (!decode_audio(fd, out))
        return false;
    read_tags(out->arena, fd, out);
    pair_ids(&out->facts);
    return is_credible(&out->facts);
}
