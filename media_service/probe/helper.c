/*
 * tonearm-probe: reads hostile media in a process that can do nothing but that.
 * Started by probe.c with a socket on descriptor 3; `--check` shows what the
 * sandbox refuses.
 */
#include "base/buf.h"
#include "base/text.h"
#include "probe/decode.h"
#include "probe/picture.h"
#include "probe/protocol.h"
#include "probe/sandbox.h"
#include "probe/tags.h"

#include <errno.h>
#include <fcntl.h>
#include <libavcodec/avcodec.h>
#include <libavutil/log.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { PICTURE_FILE_MAX = 16 << 20 };

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

static bool send_all(const void *data, size_t size)
{
    for (const char *at = data; size > 0;) {
        ssize_t sent = send(PROBE_SOCKET, at, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool answer(enum probe_verdict verdict, const struct buf *facts, const struct picture *picture)
{
    struct probe_answer head = { .verdict = verdict };
    if (facts && facts->size <= FACTS_JSON_MAX)
        head.facts_size = (uint32_t)facts->size;
    if (picture && picture->packet)
        head.cover_size = (uint32_t)picture->packet->size;
    return send_all(&head, sizeof head) && (!head.facts_size || send_all(facts->data, head.facts_size)) &&
           (!head.cover_size || send_all(picture->packet->data, head.cover_size));
}

static bool describe(struct arena *arena, struct audio_facts *facts, const struct picture *picture)
{
    if (picture->packet) {
        facts->cover_type = picture->type;
        facts->cover_width = picture->width;
        facts->cover_height = picture->height;
    }
    struct buf json = BUF(arena);
    record_json(&json, audio_facts_fields, facts);
    return answer(PROBE_DONE, &json, picture);
}

static bool audio_job(struct arena *arena, int fd, int edge)
{
    struct decoded decoded = { .arena = arena };
    struct picture picture = { 0 };
    bool sent;
    if (decode_audio(fd, &decoded)) {
        read_tags(arena, fd, &decoded);
        pair_ids(&decoded.facts);
        /* A picture that is none costs the track its cover, not its life. */
        if (decoded.cover && !picture_make(decoded.cover, edge, &picture))
            picture_finish(&picture);
        sent = describe(arena, &decoded.facts, &picture);
    } else {
        sent = answer(PROBE_REFUSED, NULL, NULL);
    }
    picture_finish(&picture);
    decoded_finish(&decoded);
    return sent;
}

static AVPacket *picture_file(int fd)
{
    struct stat file;
    AVPacket *packet = av_packet_alloc();
    if (fstat(fd, &file) < 0 || file.st_size <= 0 || file.st_size > PICTURE_FILE_MAX ||
        av_new_packet(packet, (int)file.st_size) < 0 ||
        pread(fd, packet->data, (size_t)file.st_size, 0) != file.st_size)
        av_packet_free(&packet);
    return packet;
}

static bool picture_job(struct arena *arena, int fd, int edge)
{
    struct audio_facts facts = { 0 };
    struct picture picture = { 0 };
    AVPacket *packet = picture_file(fd);
    bool sent = packet && picture_make(packet, edge, &picture) ? describe(arena, &facts, &picture)
                                                               : answer(PROBE_REFUSED, NULL, NULL);
    picture_finish(&picture);
    av_packet_free(&packet);
    return sent;
}

/* Waits for a question; false at the end of the socket. */
static bool next_question(struct probe_question *question, int *fd)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec into = { question, sizeof *question };
    struct msghdr message = {
        .msg_iov = &into, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    if (recvmsg(PROBE_SOCKET, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL) != sizeof *question)
        return false;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (!head || head->cmsg_type != SCM_RIGHTS || head->cmsg_len != CMSG_LEN(sizeof(int)))
        return false;
    memcpy(fd, CMSG_DATA(head), sizeof *fd);
    return true;
}

static void serve(void)
{
    struct probe_question question;
    int fd;
    while (next_question(&question, &fd)) {
        struct arena arena = { 0 };
        /* The parent counts too; this ends a helper whose parent is gone. */
        alarm(question.seconds);
        bool sent = question.kind == PROBE_AUDIO ? audio_job(&arena, fd, (int)question.edge)
                                                 : picture_job(&arena, fd, (int)question.edge);
        alarm(0);
        close(fd);
        arena_free(&arena);
        if (!sent)
            return;
    }
}

int main(int argc, char **argv)
{
    av_log_set_level(AV_LOG_QUIET);
    if (!sandbox_enter())
        return 71;
    if (argc == 2 && !strcmp(argv[1], "--check"))
        _exit(sandbox_check(stdout) ? 0 : 1);
    serve();
    _exit(0);
}
