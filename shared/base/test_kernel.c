/* What the kernel is asked about: connections and disks. */
#include "base/disk.h"
#include "base/sockets.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static void connection(int pair[2])
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert(bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 1) == 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    pair[0] = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(pair[0], (struct sockaddr *)&address, size), 0);
    pair[1] = accept(listener, NULL, NULL);
    cr_assert_geq(pair[1], 0);
    close(listener);
}

Test(kernel, tells_what_has_come)
{
    int pair[2];
    char byte;
    connection(pair);
    cr_expect_not(socket_has_unread(pair[1]));
    cr_assert_eq(write(pair[0], "x", 1), 1);
    cr_assert_eq(poll(&(struct pollfd){ .fd = pair[1], .events = POLLIN }, 1, 30000), 1);
    cr_expect(socket_has_unread(pair[1]));
    cr_assert_eq(read(pair[1], &byte, 1), 1);
    cr_expect_not(socket_has_unread(pair[1]));
    cr_expect_not(socket_has_unread(-1));
}

Test(kernel, tells_what_a_peer_has_not_taken)
{
    static const char piece[1 << 16];
    int pair[2];
    connection(pair);
    cr_expect_eq(socket_unsent(pair[0]), 0);
    /* Until both sides are full, and stay so. */
    while (send(pair[0], piece, sizeof piece, MSG_DONTWAIT) > 0 ||
           poll(&(struct pollfd){ .fd = pair[0], .events = POLLOUT }, 1, 500) == 1)
        continue;
    cr_expect_gt(socket_unsent(pair[0]), 0);
    cr_expect_eq(socket_unsent(-1), 0);
}

Test(kernel, tells_whether_a_disk_has_room)
{
    cr_expect(disk_has_room("/tmp", 0));
    cr_expect_not(disk_has_room("/tmp", UINT64_MAX));
    cr_expect(disk_has_room("/no/such/folder", UINT64_MAX), "who cannot be asked is not full");
}
