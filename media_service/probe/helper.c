/*
 * tonearm-probe: reads hostile media in a process that can do nothing but that.
 * Started by probe.c with a socket on descriptor 3; `--check` shows what the
 * sandbox refuses.
 */
#include "base/buf.h"
#include "probe/describe.h"
#include "probe/picture.h"
#include "probe/protocol.h"
#include "probe/question.h"
#include "probe/sandbox.h"

#include <libavcodec/avcodec.h>
#include <libavutil/log.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { PICTURE_FILE_MAX = 16 << 20 };

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
    if (audio_describe(fd, &decoded)) {
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

static void serve(void)
{
    struct probe_question question;
    int fd;
    while (question_next(PROBE_SOCKET, &question, &fd)) {
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
