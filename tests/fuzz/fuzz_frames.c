/*
 * Between media and its helper, both ways: what a helper that was taken over
 * could answer, and what comes to the helper as a question.
 */
#include "base/clock.h"
#include "fuzz.h"
#include "probe/probe_parts.h"
#include "probe/question.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FDS = 3, WAIT_MS = 60000 };

static void pair_make(int pair[2])
{
    must_hold(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "there are sockets");
    int room = 1 << 20;
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
}

static int null_file(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    must_hold(fd >= 0, "there is /dev/null");
    return fd;
}

static void check_facts(struct ctx *ctx, const struct probe_result *result)
{
    struct cover cover;
    const struct audio_facts *facts = probe_facts(ctx, result, &cover);
    if (!facts) {
        must_hold(ctx->error && ctx->error->code == ERROR_UNPROCESSABLE, "what breaks the rules is the file's fault");
        return;
    }
    must_hold(record_check(ctx, audio_facts_fields, facts), "what was taken keeps the rules");
    must_hold(!cover.size || (cover.type && cover.data && cover.size <= COVER_BYTES_MAX), "a cover has a type");
}

/* The sizes of the head are those of what follows, or what the input says. */
static size_t answer_put(struct input *input, unsigned how, char *out)
{
    struct probe_answer head = { .verdict = input_byte(input) % 4 };
    size_t left = input_left(input);
    size_t facts = left * input_byte(input) / 256;
    left = input_left(input);
    facts = facts < left ? facts : left;
    head.facts_size = (uint32_t)facts;
    head.cover_size = (uint32_t)(left - facts);
    if (how & 2)
        head.facts_size += input_byte(input);
    if (how & 4)
        head.cover_size = (uint32_t)input_byte(input) << 24 | input_byte(input);
    memcpy(out, &head, sizeof head);
    left = input_left(input);
    if (left)
        memcpy(out + sizeof head, input->at, left);
    return sizeof head + left;
}

static void read_answer(struct input *input, unsigned how)
{
    struct ctx ctx = { .request_id = "" };
    int pair[2], fd = null_file();
    pair_make(pair);
    size_t left = input_left(input), size = left;
    char *bytes = input_copy(input->at, left), *put = malloc(left + sizeof(struct probe_answer));
    if (!put)
        abort();
    if (how & 1)
        size = answer_put(input, how, put);
    else
        memcpy(put, bytes, left);
    bool sent = send(pair[1], put, size, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size;
    shutdown(pair[1], SHUT_WR);
    struct child child = { .socket = pair[0] };
    struct probe_question question = { .kind = PROBE_AUDIO, .edge = COVER_EDGE, .seconds = 1 };
    struct probe_result result = { 0 };
    enum exchange done = child_ask(&ctx, &child, &question, fd, clock_ms() + WAIT_MS, &result.answer, &result.facts,
                                   &result.cover);
    must_hold(done != EXCHANGE_LATE || !sent, "an end is not waited for");
    if (done == EXCHANGE_DONE) {
        must_hold(result.answer.facts_size <= FACTS_JSON_MAX && result.answer.cover_size <= COVER_BYTES_MAX, "bounded");
        must_hold(sizeof result.answer + result.answer.facts_size + result.answer.cover_size <= size, "all was there");
        check_facts(&ctx, &result);
    }
    close(pair[0]);
    close(pair[1]);
    close(fd);
    free(bytes);
    free(put);
    ctx_finish(&ctx);
}

static void question_put(int socket, int fd, struct input *input, size_t count)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(FDS * sizeof(int))];
    } control = { 0 };
    size_t left = input_left(input);
    char *bytes = input_copy(input->at, left);
    struct iovec from = { bytes, left };
    struct msghdr message = { .msg_iov = &from, .msg_iovlen = 1 };
    if (count) {
        int fds[FDS] = { fd, fd, fd };
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        *head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(count * sizeof(int)),
                                  .cmsg_level = SOL_SOCKET,
                                  .cmsg_type = SCM_RIGHTS };
        memcpy(CMSG_DATA(head), fds, count * sizeof(int));
    }
    sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(socket, SHUT_WR);
    free(bytes);
}

static int lowest_free(void)
{
    int fd = dup(STDERR_FILENO);
    close(fd);
    return fd;
}

static void read_question(struct input *input, unsigned how)
{
    struct probe_question question = { 0 };
    int pair[2], fd = null_file(), got = -1;
    size_t count = how / 2 % (FDS + 1), left = input_left(input);
    pair_make(pair);
    question_put(pair[1], fd, input, count);
    int before = lowest_free();
    bool taken = question_next(pair[0], &question, &got);
    must_hold(taken == (count == 1 && left >= sizeof question), "a question is whole and has one descriptor");
    must_hold(!taken || (fcntl(got, F_GETFD) & FD_CLOEXEC), "which nobody inherits");
    if (taken)
        close(got);
    must_hold(lowest_free() == before, "no descriptor is left open");
    close(pair[0]);
    close(pair[1]);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = INPUT(data, size);
    unsigned how = input_byte(&input);
    if (how & 8)
        read_question(&input, how);
    else
        read_answer(&input, how);
    return 0;
}
