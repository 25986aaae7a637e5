#include "base/sockets.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FORGOTTEN_AT_ONCE = 1 << 20 };

bool socket_has_unread(int fd)
{
    int waiting = 0;
    return ioctl(fd, FIONREAD, &waiting) == 0 && waiting > 0;
}

int socket_unsent(int fd)
{
    int unsent = 0;
    return ioctl(fd, SIOCOUTQ, &unsent) == 0 ? unsent : 0;
}

bool socket_forget_unread(int fd)
{
    /* tcp(7). Not by recv(): ThreadSanitizer takes it that the bytes are written to where NULL points. */
    long got = syscall(SYS_recvfrom, fd, NULL, FORGOTTEN_AT_ONCE, MSG_TRUNC | MSG_DONTWAIT, NULL, NULL);
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}
