/* The files of the access log: moved, full, read by nobody, written by two. */
#include "base/clock.h"
#include "log_fixture.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const json_log[] = { "EDGE_ACCESS_LOG=access.log", NULL };

TestSuite(edge_log_files, .timeout = 60);

static int64_t metric(const char *name)
{
    char *page = get(edge.admin_port, "/metrics", ""), line[128];
    snprintf(line, sizeof line, "\n%s ", name);
    const char *at = strstr(page, line);
    int64_t out = at ? strtoll(at + strlen(line), NULL, 10) : -1;
    free(page);
    return out;
}

static void rename_file(const char *from, const char *to)
{
    char old[128], new[128];
    snprintf(old, sizeof old, "%s/%s", edge.dir, from);
    snprintf(new, sizeof new, "%s/%s", edge.dir, to);
    cr_assert_eq(rename(old, new), 0);
}

/* Requests until the file is there. */
static void ask_until_there(const char *path, const char *name)
{
    for (int64_t until = clock_ms() + 30000;;) {
        free(get(edge.port, path, ""));
        char *text = log_read(name);
        int lines = count_lines(text);
        free(text);
        if (lines)
            return;
        cr_assert_lt(clock_ms(), until, "%s was not opened anew", name);
    }
}

static int lines_of(const char *name)
{
    char *text = log_read(name);
    int lines = count_lines(text);
    free(text);
    return lines;
}

/* Whether twenty requests in a row are told of there: each of two processes opens its own when it hears of it. */
static bool takes_twenty(const char *name)
{
    int lines = lines_of(name) + 20;
    for (int i = 0; i < 20; i++)
        free(get(edge.port, "/a", ""));
    int64_t until = clock_ms() + 3000;
    while (lines_of(name) < lines && clock_ms() < until)
        usleep(1000);
    return lines_of(name) >= lines;
}

Test(edge_log_files, opens_its_file_anew_on_sighup_even_with_a_broken_configuration)
{
    static const char *const environment[] = { "EDGE_ACCESS_LOG=access.log", "EDGE_PROCESSES=2", NULL };
    log_start(environment);
    free(get(edge.port, "/a", ""));
    free(log_wait("access.log", 1));
    rename_file("access.log", "access.log.1");
    edge_process_write(&edge, "nonsense");
    edge_process_signal(&edge, SIGHUP);
    ask_until_there("/a", "access.log");
    bool whole = false;
    for (int64_t until = clock_ms() + 30000; !whole && clock_ms() < until;)
        whole = takes_twenty("access.log");
    cr_expect(whole, "one process still writes to the file that was moved");
    teardown();
}

Test(edge_log_files, follows_a_file_of_file_log_that_was_moved)
{
    log_start(NULL);
    free(get(edge.port, "/f", ""));
    free(get(edge.port, "/a", ""));
    char *text = log_wait("followed.log", 1);
    cr_expect_eq(count_lines(text), 1, "the other route has no file-log");
    free(text);
    rename_file("followed.log", "moved.log");
    free(get(edge.port, "/f?again=1", ""));
    text = log_wait("followed.log", 1);
    cr_expect(has(text, "/f?again=1"));
    free(text);
    teardown();
}

Test(edge_log_files, keeps_long_lines_short_and_whole)
{
    log_start(json_log);
    char *request = malloc(40000), *at = request;
    at += sprintf(at, "GET /a/%%c3%%a4?x=");
    memset(at, 'y', 20000);
    at += 20000;
    at += sprintf(at, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    for (int i = 0; i < 50; i++)
        at += sprintf(at, "X-Long-%d: \"\\\xc3\xa4\xff%0*d\r\n", i, 100, i);
    sprintf(at, "\r\n");
    char *answer = ask(edge.port, request);
    cr_expect_eq(status_of(answer), 200, "%s", answer);
    free(answer);
    char *text = log_wait("access.log", 1);
    json_t *line = log_line_of(text, 0);
    cr_expect_eq(log_number(line, "response", "status"), 200);
    cr_expect_eq(strncmp(log_text(line, "request", "uri"), "/a/%c3%a4?x=yyy", 15), 0);
    json_decref(line);
    free(text);
    free(request);
    teardown();
}

/* A pipe that nobody empties: requests are answered as before, lines are lost and counted. */
Test(edge_log_files, waits_for_no_reader)
{
    char path[] = "/tmp/tonearm-log-XXXXXX", fifo[64], setting[96];
    cr_assert_not_null(mkdtemp(path));
    snprintf(fifo, sizeof fifo, "%s/fifo", path);
    snprintf(setting, sizeof setting, "EDGE_ACCESS_LOG=%s", fifo);
    cr_assert_eq(mkfifo(fifo, 0600), 0);
    int reader = open(fifo, O_RDONLY | O_NONBLOCK);
    const char *const environment[] = { setting, NULL };
    log_start(environment);
    int fd = dial(edge.port);
    int64_t until = clock_ms() + 20000;
    do {
        for (int i = 0; i < 200; i++) {
            say(fd, "GET /a/status?code=200 HTTP/1.1\r\nHost: x\r\n\r\n");
            char *answer = hear_one(fd);
            cr_assert_eq(status_of(answer), 200);
            free(answer);
        }
    } while (metric("tonearm_edge_access_log_lines_lost") == 0 && clock_ms() < until);
    close(fd);
    cr_expect_gt(metric("tonearm_edge_access_log_lines_lost"), 0);
    cr_expect_gt(metric("tonearm_edge_access_log_lines"), 100);
    char *data = calloc(1, 1 << 16);
    ssize_t got = read(reader, data, (1 << 16) - 1);
    cr_expect_gt(got, 4096);
    json_decref(log_line_of(data, 0));
    json_decref(log_line_of(data, 5));
    free(data);
    close(reader);
    unlink(fifo);
    rmdir(path);
    teardown();
}

Test(edge_log_files, outlives_a_full_disk)
{
    static const char *const environment[] = { "EDGE_ACCESS_LOG=/dev/full", NULL };
    log_start(environment);
    for (int64_t until = clock_ms() + 30000; metric("tonearm_edge_access_log_lines_lost") < 3 && clock_ms() < until;) {
        char *answer = get(edge.port, "/a", "");
        cr_assert_eq(status_of(answer), 200);
        free(answer);
    }
    cr_expect_geq(metric("tonearm_edge_access_log_lines_lost"), 3);
    char *log = edge_process_log(&edge);
    cr_expect(has(log, "lines of the access log were lost"), "%s", log);
    free(log);
    teardown();
}

/* Two processes write to one pipe: each line arrives whole. */
Test(edge_log_files, does_not_mix_lines_of_processes)
{
    enum { CONNS = 16, ROUNDS = 25 };
    char path[] = "/tmp/tonearm-log-XXXXXX", fifo[64], setting[96], request[3000], pad[2000];
    cr_assert_not_null(mkdtemp(path));
    snprintf(fifo, sizeof fifo, "%s/fifo", path);
    snprintf(setting, sizeof setting, "EDGE_ACCESS_LOG=%s", fifo);
    cr_assert_eq(mkfifo(fifo, 0600), 0);
    int reader = open(fifo, O_RDONLY | O_NONBLOCK), fds[CONNS];
    const char *const environment[] = { setting, "EDGE_PROCESSES=2", NULL };
    log_start(environment);
    memset(pad, 'x', sizeof pad);
    snprintf(request, sizeof request,
             "GET /a/status?code=200 HTTP/1.1\r\nHost: x\r\nX-A: %.500s\r\nX-B: %.500s\r\n\r\n", pad, pad);
    for (int i = 0; i < CONNS; i++)
        fds[i] = dial(edge.port);
    char *data = calloc(1, 1 << 22);
    size_t size = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CONNS; i++)
            say(fds[i], request);
        for (int i = 0; i < CONNS; i++)
            free(hear_one(fds[i]));
        for (int64_t until = clock_ms() + 30000; count_lines(data) < CONNS * (round + 1) && clock_ms() < until;
             usleep(1000)) {
            ssize_t got = read(reader, data + size, (1 << 22) - 1 - size);
            size += got > 0 ? (size_t)got : 0;
        }
    }
    cr_expect_eq(count_lines(data), CONNS * ROUNDS, "%d lines, %lld lost", count_lines(data),
                 (long long)metric("tonearm_edge_access_log_lines_lost"));
    for (char *at = data; *at; at = strchr(at, '\n') + 1)
        json_decref(log_line_of(at, 0));
    for (int i = 0; i < CONNS; i++)
        close(fds[i]);
    free(data);
    close(reader);
    unlink(fifo);
    rmdir(path);
    teardown();
}
