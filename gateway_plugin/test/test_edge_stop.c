/* SIGTERM: who was heard is answered, and who is about to speak is told to go elsewhere. */
#include "base/calm_clock.h"
#include "edge_one.h"
#include "edge_h2.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void setup(void)
{
    static const char *const environment[] = { "DRAIN=30s", NULL };
    one_start(environment, one_config);
}

TestSuite(edge_stop, .timeout = 60);

static void expect_last_answer(int fd)
{
    say(fd, "POST /one/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
    char *answer = hear_all(fd, 30000, NULL);
    cr_expect(status_of(answer) == 200 && has(answer, "onnection: close\r\n"), "%s", answer);
    free(answer);
    close(fd);
}

EDGE_TEST(edge_stop, answers_a_request_that_was_on_its_way)
{
    int kept = dial(edge.port), silent = dial(edge.port);
    say(kept, "GET /one/ HTTP/1.1\r\nHost: x\r\n\r\n");
    free(hear_one(kept));
    edge_process_signal(&edge, SIGTERM);
    usleep(150000);
    expect_last_answer(kept);
    expect_last_answer(silent);
}

EDGE_TEST(edge_stop, closes_idle_connections_soon)
{
    int kept = dial(edge.port);
    say(kept, "GET /one/ HTTP/1.1\r\nHost: x\r\n\r\n");
    free(hear_one(kept));
    edge_process_signal(&edge, SIGTERM);
    int64_t begun = calm_ms();
    free(hear_all(kept, 10000, NULL));
    cr_expect_lt(calm_ms() - begun, 5000);
    close(kept);
}

/* It was accepted before the stop and found out to be HTTP/2 after it: nobody has told it of the end yet. */
EDGE_TEST(edge_stop, says_goaway_to_who_begins_late)
{
    struct h2_frame frame;
    bool told = false;
    int late = dial(edge.port);
    usleep(50000);
    edge_process_signal(&edge, SIGTERM);
    usleep(150000);
    say(late, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    h2_send(late, H2_SETTINGS, 0, 0, NULL, 0);
    h2_get(late, 1, "/one/");
    int64_t begun = calm_ms();
    bool answered = false;
    while (h2_read(late, &frame)) {
        told |= frame.type == H2_GOAWAY;
        answered |= frame.type == H2_HEADERS && frame.stream == 1 && h2_status(&frame) == 200;
    }
    cr_expect(answered);
    cr_expect(told);
    cr_expect_lt(calm_ms() - begun, 9000, "an idle connection holds the stop up");
    close(late);
}

/* The kernel has completed their handshakes: a listener that is closed resets them. */
EDGE_TEST(edge_stop, answers_who_waits_to_be_accepted)
{
    enum { CLIENTS = 300 };
    int fds[CLIENTS], answered = 0;
    edge_process_signal(&edge, SIGSTOP);
    for (size_t i = 0; i < CLIENTS; i++) {
        fds[i] = dial(edge.port);
        say(fds[i], "GET /one/ HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    edge_process_signal(&edge, SIGTERM);
    edge_process_signal(&edge, SIGCONT);
    for (size_t i = 0; i < CLIENTS; i++) {
        char *answer = hear_all(fds[i], 10000, NULL);
        answered += status_of(answer) == 200;
        free(answer);
        close(fds[i]);
    }
    cr_expect_eq(answered, CLIENTS, "%d of %d", answered, CLIENTS);
}
