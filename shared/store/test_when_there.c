/* A process starts while its store is away, or too busy to answer. */
#include "store/store_fixture.h"
#include "store/when_there.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

struct step {
    int away; /* so many times */
    enum error_code then;
    int called;
};

static bool take(struct ctx *ctx, void *self)
{
    struct step *step = self;
    if (step->called++ < step->away)
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "the store is away");
    return !step->then || ctx_fail(ctx, step->then, "something else");
}

static void *thaw(void *server)
{
    nanosleep(&(struct timespec){ .tv_sec = 4 }, NULL); /* longer than one try of the store's */
    kill(*(int *)server, SIGCONT);
    return NULL;
}

Test(when_there, goes_on_until_it_is, .timeout = 60)
{
    struct ctx ctx = { .request_id = "" };
    struct step step = { .away = 3 };
    cr_expect(store_when_there(&ctx, take, &step));
    cr_expect_null(ctx.error);
    cr_expect_eq(step.called, 4);
    ctx_finish(&ctx);
}

Test(when_there, repeats_nothing_that_fails_for_another_reason, .timeout = 60)
{
    struct ctx ctx = { .request_id = "" };
    struct step step = { .away = 1, .then = ERROR_CONFLICT };
    cr_expect_not(store_when_there(&ctx, take, &step));
    cr_expect_eq(ctx.error->code, ERROR_CONFLICT);
    cr_expect_eq(step.called, 2);
    ctx_finish(&ctx);
}

Test(when_there, holds_up_no_stop, .timeout = 60)
{
    struct ctx ctx = { .request_id = "" };
    struct step step = { .away = 1000000 };
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    raise(SIGTERM);
    cr_expect_not(store_when_there(&ctx, take, &step));
    cr_expect_eq(ctx.error->code, ERROR_UNAVAILABLE);
    cr_expect_eq(step.called, 1);
    ctx_finish(&ctx);
}

static void migrates_when_the_server_is_thawed(struct fixture *fixture)
{
    pthread_t thread;
    fixture_migration(fixture, "0002_more", "{\"collections\":[{\"name\":\"more\",\"indexes\":[]}]}");
    kill(fixture->server, SIGSTOP);
    waitpid(fixture->server, NULL, WUNTRACED);
    cr_assert_eq(pthread_create(&thread, NULL, thaw, &fixture->server), 0);
    size_t applied = 0;
    ok(&fixture->ctx, migrate(&fixture->ctx, fixture->store, fixture_migrations(fixture), NULL, &applied));
    cr_expect_eq(applied, 1u);
    pthread_join(thread, NULL);
}

Test(when_there, migrates_when_the_server_is_thawed, .timeout = 120)
{
    with_ferretdb(migrates_when_the_server_is_thawed);
}
