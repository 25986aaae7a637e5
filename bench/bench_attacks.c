/*
 * bench_attacks NAME PORT SECONDS: two clients do what costs them nothing to the edge on PORT of loopback, and come
 * back when they are cut off. Last a line for bench/attacks.sh: RESULT, connections, bursts.
 */
#include "edge_attack.h"
#include "edge_wire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 2, SLOW_CONNECTIONS = 1000, STEP_MS = 100 };

static const struct h2_attack *const attacks[] = {
    &h2_rapid_resets, &h2_made_resets, &h2_empty_continuations, &h2_pings,       &h2_settings,     &h2_priorities,
    &h2_empty_data,   &h2_padding,     &h2_data_on_closed,      &h2_bad_windows, &h2_header_bombs,
};

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

static bool besiege(const char *name, int port, long seconds)
{
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        if (strcmp(attacks[i]->name, name) != 0)
            continue;
        static struct h2_siege siege;
        h2_siege_begin(&siege, attacks[i], port, CLIENTS);
        sleep_ms(seconds * 1000);
        h2_siege_end(&siege);
        printf("RESULT %ld %ld\n", siege.connections, siege.bursts);
        return true;
    }
    return false;
}

/* Heads that never end: a character on each connection every 100 ms, and a new connection for each that is closed. */
static void dawdle(int port, long seconds)
{
    int fds[SLOW_CONNECTIONS];
    long dialled = 0, sent = 0;
    memset(fds, -1, sizeof fds);
    for (long turn = 0; turn < seconds * 1000 / STEP_MS; turn++) {
        for (size_t i = 0; i < SLOW_CONNECTIONS; i++) {
            if (fds[i] < 0) {
                fds[i] = dial(port);
                dialled += fds[i] >= 0;
            }
            const char *text = turn ? "a" : "GET /answer.json HTTP/1.1\r\nHost: a\r\nX-";
            if (fds[i] < 0 || say_bytes(fds[i], text, strlen(text))) {
                sent += fds[i] >= 0;
                continue;
            }
            close(fds[i]);
            fds[i] = -1;
        }
        sleep_ms(STEP_MS);
    }
    printf("RESULT %ld %ld\n", dialled, sent);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bench_attacks NAME PORT SECONDS\n");
        return 64;
    }
    signal(SIGPIPE, SIG_IGN);
    int port = atoi(argv[2]);
    long seconds = atol(argv[3]);
    if (strcmp(argv[1], "slow heads") == 0) {
        dawdle(port, seconds);
        return 0;
    }
    return besiege(argv[1], port, seconds) ? 0 : 64;
}
