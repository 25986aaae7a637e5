#include "probe/question.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What came with no good question is nobody's. */
static bool refuse(struct msghdr *message)
{
    for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head)) {
        size_t count = head->cmsg_type == SCM_RIGHTS ? (head->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(head) + i * sizeof fd, sizeof fd);
            close(fd);
        }
    }
    return false;
}

bool question_next(int socket, struct probe_question *question, int *fd)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec into = { question, sizeof *question };
    struct msghdr message = {
        .msg_iov = &into, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL);
    if (got < 0)
        return false;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (got != sizeof *question || !head || head->cmsg_type != SCM_RIGHTS || head->cmsg_len != CMSG_LEN(sizeof(int)))
        return refuse(&message);
    memcpy(fd, CMSG_DATA(head), sizeof *fd);
    return true;
}
