#include "base/settings.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const levels[] = { "debug", "info", NULL };

struct config {
    const char *listen, *url, *off;
    int64_t workers, offset, deadline, room;
    bool loud;
    int level;
    struct secret key;
};

static const struct setting table[] = {
    SETTING("T_LISTEN", SETTING_TEXT, struct config, listen, .value = "127.0.0.1:80", .required = true, .max = 20,
            .help = "ADDR:PORT to serve HTTP on"),
    SETTING("T_URL", SETTING_TEXT, struct config, url,
            .help = "a long explanation that has to be broken into more than one line, because it is longer than "
                    "eighty columns"),
    SETTING("T_OFF", SETTING_TEXT, struct config, off, .value = "on"),
    SETTING("T_WORKERS", SETTING_INTEGER, struct config, workers, .value = "8", .min = 2, .max = 64, .unit = "threads"),
    SETTING("T_OFFSET", SETTING_INTEGER, struct config, offset, .min = -5, .max = 5),
    SETTING("T_DEADLINE", SETTING_MS, struct config, deadline, .value = "5s", .min = 100, .max = 600000),
    SETTING("T_ROOM", SETTING_BYTES, struct config, room, .value = "16M"),
    SETTING("T_LOUD", SETTING_FLAG, struct config, loud, .value = "no"),
    SETTING("T_LEVEL", SETTING_ENUM, struct config, level, .value = "info", .values = levels),
    SETTING("T_KEY", SETTING_SECRET, struct config, key, .min = 4, .max = 100),
    { 0 },
};

static struct ctx ctx;
static struct config config;
static char folder[] = "/tmp/test_settings.XXXXXX";

static void setup(void)
{
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
}

static void teardown(void)
{
    ctx_finish(&ctx);
    static const char *const names[] = { ".env", "env", "key", "key2", "listen" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(names[i]);
    rmdir(folder);
}

TestSuite(settings, .init = setup, .fini = teardown);

static void put(const char *path, const char *content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    close(fd);
}

#define LOAD(...) load((char *[]){ "/x/tonearm-test", ##__VA_ARGS__, NULL }, NULL)

static bool load(char **argv, char ***rest)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    ctx_finish(&ctx);
    config = (struct config){ 0 };
    return settings_load(&ctx, table, &config, argc, argv, "a test", rest);
}

static const char *faults(void)
{
    struct buf out = BUF(&ctx.arena);
    buf_text(&out, "");
    for (const struct violation *v = ctx.error ? ctx.error->violations : NULL; v; v = v->next)
        buf_printf(&out, "%s: %s\n", v->field, v->message);
    return out.data;
}

Test(settings, have_defaults)
{
    cr_assert(LOAD());
    cr_expect_str_eq(config.listen, "127.0.0.1:80");
    cr_expect_null(config.url);
    cr_expect_eq(config.workers, 8);
    cr_expect_eq(config.deadline, 5000);
    cr_expect_eq(config.room, 16 << 20);
    cr_expect_eq(config.level, 1);
    cr_expect_not(secret_given(&config.key));
    cr_expect_null(secret_value(&ctx, &config.key));
}

Test(settings, take_the_first_source)
{
    put(".env", "T_LISTEN=dot\nT_URL=dot\nT_OFF=dot\nT_OFF=dot2\nOTHER=x\n");
    put("env", "T_LISTEN=file\nT_URL=file\n");
    setenv("T_LISTEN", "environment", 1);
    cr_assert(LOAD("--env-file", "env"));
    cr_expect_str_eq(config.listen, "environment");
    cr_expect_str_eq(config.url, "file");
    cr_expect_str_eq(config.off, "dot2");
    cr_assert(LOAD("--env-file=env"));
    cr_expect_str_eq(config.url, "file");
    cr_assert(LOAD());
    cr_expect_str_eq(config.url, "dot");
}

Test(settings, read_env_files_as_people_write_them)
{
    put(".env", "# comment\r\n\r\n  export T_LISTEN = \"a b\\\"\\n#c\" # why\n\tT_URL='$x \\n' \nT_OFF=a#b # c\nT_KEY= "
                " four  \nT_LEVEL=debug#x \n"
                "T_LEVEL=debug");
    cr_assert(LOAD(), "%s", faults());
    cr_expect_str_eq(config.listen, "a b\"\n#c");
    cr_expect_str_eq(config.url, "$x \\n");
    cr_expect_str_eq(config.off, "a#b");
    cr_expect_str_eq(secret_value(&ctx, &config.key), "four");
    cr_expect_eq(config.level, 0);
}

Test(settings, name_every_line_that_is_none)
{
    cr_redirect_stderr();
    put(".env", "T_LISTEN=x\nnonsense\n1A=b\nT_URL=\"open\nA B=c\n=d\nT_OFF='x' y\n");
    cr_expect_not(LOAD());
    cr_expect_str_eq(faults(), ".env:2: is not NAME=value\n.env:3: is not NAME=value\n.env:4: is not NAME=value\n"
                               ".env:5: is not NAME=value\n.env:6: is not NAME=value\n.env:7: is not NAME=value\n");
    unlink(".env");
    cr_expect_not(LOAD("--env-file", "env"));
    cr_expect_str_eq(faults(), "env: No such file or directory\n");
}

Test(settings, take_values_of_every_kind)
{
    static const struct {
        const char *name, *value;
        int64_t wanted; /* -99: a fault */
        const int64_t *at;
    } cases[] = {
        { "T_WORKERS", "2", 2, &config.workers },
        { "T_WORKERS", "64", 64, &config.workers },
        { "T_WORKERS", "1", -99, NULL },
        { "T_WORKERS", "65", -99, NULL },
        { "T_WORKERS", "-3", -99, NULL },
        { "T_WORKERS", "3s", -99, NULL },
        { "T_WORKERS", "+3", -99, NULL },
        { "T_WORKERS", " 3", -99, NULL },
        { "T_WORKERS", "99999999999999999999", -99, NULL },
        { "T_WORKERS", "", 8, &config.workers }, /* empty: not given */
        { "T_OFFSET", "-5", -5, &config.offset },
        { "T_OFFSET", "-6", -99, NULL },
        { "T_OFFSET", "0", 0, &config.offset },
        { "T_DEADLINE", "250ms", 250, &config.deadline },
        { "T_DEADLINE", "10m", 600000, &config.deadline },
        { "T_DEADLINE", "11m", -99, NULL },
        { "T_DEADLINE", "99ms", -99, NULL },
        { "T_DEADLINE", "5", -99, NULL },
        { "T_DEADLINE", "5 s", -99, NULL },
        { "T_DEADLINE", "5M", -99, NULL },
        { "T_ROOM", "0", 0, &config.room },
        { "T_ROOM", "512", 512, &config.room },
        { "T_ROOM", "64k", 65536, &config.room },
        { "T_ROOM", "64K", 65536, &config.room },
        { "T_ROOM", "2G", INT64_C(2) << 30, &config.room },
        { "T_ROOM", "9223372036854775807G", -99, NULL },
        { "T_ROOM", "5s", -99, NULL },
        { "T_LEVEL", "INFO", -99, NULL },
        { "T_LOUD", "perhaps", -99, NULL },
        { "T_LISTEN", "longer than twenty characters", -99, NULL },
        { "T_LISTEN", "", -99, NULL },
    };
    cr_redirect_stderr();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        setenv(cases[i].name, cases[i].value, 1);
        bool loaded = LOAD();
        cr_expect_eq(loaded, cases[i].wanted != -99, "%s=%s", cases[i].name, cases[i].value);
        cr_expect(!loaded || *cases[i].at == cases[i].wanted, "%s=%s", cases[i].name, cases[i].value);
        unsetenv(cases[i].name);
    }
    static const char *const yes[] = { "true", "YES", "on", "1" };
    for (size_t i = 0; i < 4; i++) {
        setenv("T_LOUD", yes[i], 1);
        cr_expect(LOAD() && config.loud);
    }
    setenv("T_OFF", "", 1);
    cr_assert(LOAD());
    cr_expect_str_eq(config.off, "", "an empty text turns it off");
}

Test(settings, tell_all_faults_at_once_and_no_value)
{
    cr_redirect_stderr();
    setenv("T_LISTEN", "", 1);
    setenv("T_WORKERS", "hunter2", 1);
    setenv("T_DEADLINE", "hunter2", 1);
    setenv("T_LEVEL", "hunter2", 1);
    setenv("T_KEY", "abc", 1);
    cr_expect_not(LOAD("extra"));
    static const char wanted[] = "extra: is no argument of this program; see --help\n"
                                 "T_LISTEN: is required\n"
                                 "T_WORKERS: must be a whole number, 2 to 64\n"
                                 "T_DEADLINE: must be a duration such as 250ms, 5s, 10m, 2h, 7d, 100ms to 10m\n"
                                 "T_LEVEL: must be one of debug, info\n"
                                 "T_KEY: must have 4 to 100 characters\n";
    cr_expect_str_eq(faults(), wanted);
    fflush(stderr);
    cr_expect_stderr_eq_str(wanted);
}

Test(settings, leave_the_rest_of_the_arguments)
{
    char **rest;
    cr_assert(load(
        (char *[]){ "tonearm", "--env-file", "/dev/null", "apikey", "create", "--help", "--name", "x", NULL }, &rest));
    cr_expect_str_eq(rest[0], "apikey");
    cr_expect_str_eq(rest[2], "--help");
    cr_expect_str_eq(rest[4], "x");
    cr_expect_null(rest[5]);
    cr_assert(load((char *[]){ "tonearm", "--", "--version", NULL }, &rest));
    cr_expect_str_eq(rest[0], "--version");
    cr_assert(load((char *[]){ "tonearm", NULL }, &rest));
    cr_expect_null(rest[0]);
}

Test(settings, read_files_of_values)
{
    cr_redirect_stderr();
    put("key", "first secret\r\n");
    put("listen", "[::1]:80\n");
    setenv("T_KEY_FILE", "key", 1);
    setenv("T_LISTEN_FILE", "listen", 1);
    cr_assert(LOAD(), "%s", faults());
    cr_expect_str_eq(config.listen, "[::1]:80");
    cr_expect_str_eq(secret_value(&ctx, &config.key), "first secret");
    setenv("T_KEY", "both", 1);
    cr_expect_not(LOAD());
    cr_expect_str_eq(faults(), "T_KEY: is given twice: itself and as a file\n");
    unsetenv("T_KEY");
    setenv("T_KEY_FILE", "key2", 1);
    cr_expect_not(LOAD());
    cr_expect_str_eq(faults(), "T_KEY: key2: No such file or directory\n");
    put("key2", "\n");
    cr_expect_not(LOAD());
    cr_expect_str_eq(faults(), "T_KEY: key2: has too few or too many characters\n");
    setenv("T_KEY_FILE", "/dev/zero", 1);
    cr_expect_not(LOAD());
    cr_expect_str_eq(faults(), "T_KEY: /dev/zero: larger than 64 KiB\n");
}

Test(settings, read_a_secret_again_when_its_file_changes)
{
    put("key", "first secret");
    setenv("T_KEY_FILE", "key", 1);
    cr_assert(LOAD());
    put("key2", "second secret\n");
    cr_assert_eq(rename("key2", "key"), 0);
    cr_expect_str_eq(secret_value(&ctx, &config.key), "first secret", "looked at once a second");
    usleep(1050 * 1000);
    cr_expect_str_eq(secret_value(&ctx, &config.key), "second secret");
    put("key", "");
    usleep(1050 * 1000);
    cr_expect_null(secret_value(&ctx, &config.key));
    cr_assert_not_null(ctx.error);
    cr_expect_eq(ctx.error->code, ERROR_UNAVAILABLE);
    put("key", "third secret");
    cr_expect_str_eq(secret_value(&ctx, &config.key), "third secret", "looked at again at once");
}

static void *ask_many(void *unused)
{
    struct ctx own = { 0 };
    bool good = true;
    (void)unused;
    for (int64_t until = clock_ms() + 1300; clock_ms() < until && good; ctx_finish(&own)) {
        const char *value = secret_value(&own, &config.key);
        good = value && (text_equal(value, "first secret") || text_equal(value, "second secret"));
    }
    return good ? NULL : "bad";
}

Test(settings, may_be_asked_for_a_secret_by_any_thread)
{
    put("key", "first secret");
    put("key2", "second secret");
    setenv("T_KEY_FILE", "key", 1);
    cr_assert(LOAD());
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, ask_many, NULL);
    cr_expect_eq(rename("key2", "key"), 0);
    for (int i = 0; i < 4; i++) {
        void *bad;
        pthread_join(threads[i], &bad);
        cr_expect_null(bad);
    }
    cr_expect_str_eq(secret_value(&ctx, &config.key), "second secret");
}

Test(settings, may_be_asked_for_by_hand)
{
    put("key", "by hand\n");
    struct secret secret = { .name = "X", .path = "key" };
    cr_expect_str_eq(secret_value(&ctx, &secret), "by hand");
    secret = (struct secret){ .fixed = "fixed" };
    cr_expect_str_eq(secret_value(&ctx, &secret), "fixed");
}

/* What the program prints before it ends with success. */
static const char *printed(char *argument)
{
    static char text[16384];
    int ends[2], status = -1;
    cr_assert_eq(pipe(ends), 0);
    pid_t child = fork();
    if (!child) {
        dup2(ends[1], STDOUT_FILENO);
        LOAD(argument);
        _exit(99);
    }
    close(ends[1]);
    size_t size = 0;
    for (ssize_t n; (n = read(ends[0], text + size, sizeof text - 1 - size)) > 0;)
        size += (size_t)n;
    close(ends[0]);
    waitpid(child, &status, 0);
    cr_expect_eq(status, 0);
    return text;
}

Test(settings, print_help_and_version)
{
    cr_expect_str_eq(printed("--version"), "tonearm-test " TONEARM_VERSION "\n");
    const char *help = printed("--help");
    cr_expect_not_null(strstr(help, "usage: tonearm-test [--env-file FILE]\n"));
    cr_expect_not_null(strstr(help, "\n  T_WORKERS\n      (number, 2 to 64 threads; default 8)\n"), "%s", help);
    cr_expect_not_null(strstr(help, "\n  T_LEVEL\n      (one of debug, info; default info)\n"));
    cr_expect_not_null(strstr(
        help, "\n      a long explanation that has to be broken into more than one line, because\n      it is longer"));
}

Test(settings, write_an_example_that_can_be_read)
{
    FILE *out = fopen("env", "w");
    settings_write_example(table, out);
    fclose(out);
    char text[8192] = "";
    int fd = open("env", O_RDONLY);
    cr_assert_gt(read(fd, text, sizeof text - 1), 0);
    close(fd);
    cr_expect_not_null(strstr(text, "# duration, 100ms to 10m; default 5s\n#T_DEADLINE=5s\n"), "%s", text);
    cr_expect_not_null(strstr(text, "#T_KEY_FILE=\n"), "%s", text);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        cr_expect(*line == '#' && strlen(line) <= 82, "%s", line);
    cr_expect(LOAD("--env-file", "env"), "%s", faults());
}
