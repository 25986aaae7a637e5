/* Heads and bodies of the member that come in pieces, too short, too long, or as they should not. */
#include "edge_backend_parts.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static void do_short(struct call *call)
{
    call_send(call, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    call->close = true;
}

static void do_long(struct call *call)
{
    call_send(call,
              "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfourHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged");
}

static void do_chunked(struct call *call)
{
    call_send(call, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n");
    usleep(20000);
    call_send(call, "6;x=y\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n");
}

static void do_chunked_404(struct call *call)
{
    call_send(call, "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngone\r\n0\r\n\r\n");
}

static void do_chunked_broken(struct call *call)
{
    call_send(call, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX6\r\n world\r\n0\r\n\r\n");
}

static void do_chunked_cut(struct call *call)
{
    call_send(call, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    call->close = true;
}

static void do_until_close(struct call *call)
{
    call_send(call, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end");
    call->close = true;
}

static void do_interim(struct call *call)
{
    call_send(call, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
    usleep(20000);
    call_answer(call, "", "final");
}

/* Refuses before the body is there, and reads none of it. */
static void do_early(struct call *call)
{
    call_send(call, "HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge");
    usleep(100000);
    call->close = true;
}

static void do_big(struct call *call)
{
    static const char zeros[65536];
    char head[128];
    long size = call_number(call, "n=");
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %ld\r\n\r\n", size);
    call_send(call, head);
    for (; size > 0 && !call->backend->stopping; size -= (long)sizeof zeros)
        call_send_all(call, zeros, size < (long)sizeof zeros ? (size_t)size : sizeof zeros);
}

static void do_drip(struct call *call)
{
    call_send(call, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    for (int i = 0; i < 10; i++) {
        usleep((useconds_t)call_number(call, "ms=") * 1000);
        call_send(call, "x");
    }
}

static void do_events(struct call *call)
{
    call_send(call, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 200 && !call_peer_gone(call) && !call->backend->stopping; i++) {
        if (i % 10 == 0)
            call_send(call, "d\r\ndata: event\n\n\r\n");
        usleep(10000);
    }
    call->close = true;
}

/* Agrees, says a word at once, and then repeats what it hears. */
static void do_socket(struct call *call)
{
    char scratch[4096];
    call_send(call,
              "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: "
              "abc\r\n\r\nwelcome");
    for (ssize_t got; (got = recv(call->fd, scratch, sizeof scratch, 0)) > 0;)
        call_send_all(call, scratch, (size_t)got);
    call->close = true;
}

static void do_garbage(struct call *call)
{
    call_send(call, "SSH-2.0-OpenSSH_9.2\r\n\r\n");
    call->close = true;
}

/* More headers than one frame of HTTP/2 holds. */
static void do_wide_head(struct call *call)
{
    char value[4000];
    memset(value, '~', sizeof value); /* 13 bits in Huffman's code: it stays as it is */
    call_send(call, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n");
    for (int i = 0; i < 6; i++) {
        call_send(call, "X-Wide: ");
        call_send_all(call, value, sizeof value);
        call_send(call, "\r\n");
    }
    call_send(call, "\r\nwide");
}

static void do_huge_head(struct call *call)
{
    call_send(call, "HTTP/1.1 200 OK\r\nX: ");
    char part[1024];
    memset(part, 'x', sizeof part);
    for (int i = 0; i < 64; i++)
        call_send_all(call, part, sizeof part);
    call_send(call, "\r\nContent-Length: 0\r\n\r\n");
}

/* Says what `x-say` tells in hexadecimal digits, `times=` times, every `ms=`; then `drips=` single letters. */
static void do_say(struct call *call)
{
    char text[4096];
    size_t size = 0;
    const char *at = strcasestr(call->head, "\r\nx-say: ");
    long times = call_number(call, "times="), ms = call_number(call, "ms=");
    for (at = at ? at + 9 : "\r"; *at != '\r' && size < sizeof text; at += 2)
        text[size++] = (char)(hex_digit(at[0]) << 4 | hex_digit(at[1]));
    for (long i = 0; i < (times ? times : 1) && !call_peer_gone(call) && !call->backend->stopping; i++) {
        call_send_all(call, text, size);
        usleep((useconds_t)ms * 1000);
    }
    for (long i = call_number(call, "drips="); i > 0 && !call_peer_gone(call) && !call->backend->stopping; i--) {
        call_send(call, "x");
        usleep((useconds_t)ms * 1000);
    }
}

/* Says what `x-say` tells, and breaks off: not a last word, but none. */
static void do_reset(struct call *call)
{
    call_read_body(call);
    do_say(call);
    usleep(20000); /* what was said arrives before */
    setsockopt(call->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
    call->close = true;
}

const struct act body_acts[] = {
    { "/say", do_say },
    { "/reset", do_reset },
    { "/short", do_short },
    { "/long", do_long },
    { "/chunked-404", do_chunked_404 },
    { "/chunked-broken", do_chunked_broken },
    { "/chunked-cut", do_chunked_cut },
    { "/chunked", do_chunked },
    { "/until-close", do_until_close },
    { "/interim", do_interim },
    { "/early", do_early },
    { "/big", do_big },
    { "/drip", do_drip },
    { "/events", do_events },
    { "/garbage", do_garbage },
    { "/wide-head", do_wide_head },
    { "/huge-head", do_huge_head },
    { "/socket", do_socket },
    { 0 },
};
