#include "base/workers.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <unistd.h>

struct task {
    struct job job;
    sem_t *hold; /* waits for it; NULL: does not */
    atomic_int *done;
    int order;
};

static void run(struct job *job)
{
    struct task *task = (struct task *)job;
    if (task->hold)
        sem_wait(task->hold);
    task->order = atomic_fetch_add(task->done, 1);
}

static atomic_int done;
static sem_t hold;

static void setup(void)
{
    sem_init(&hold, 0, 0);
}

static struct task *task(bool held)
{
    struct task *made = calloc(1, sizeof *made);
    *made = (struct task){ .job.run = run, .hold = held ? &hold : NULL, .done = &done };
    return made;
}

static void wait_until_waiting(struct workers *workers, enum lane lane, size_t count)
{
    for (int i = 0; workers_waiting(workers, lane) != count; i++) {
        cr_assert_lt(i, 5000, "%zu wait", workers_waiting(workers, lane));
        usleep(1000);
    }
}

TestSuite(workers, .init = setup);

Test(workers, runs_what_is_pushed)
{
    struct workers *workers = workers_create(4, 1, 1000);
    struct task *tasks[500];
    for (int i = 0; i < 500; i++)
        cr_assert(workers_push(workers, i % 2 ? LANE_NATS : LANE_HTTP, &(tasks[i] = task(false))->job));
    cr_expect(workers_drain(workers, 5000));
    cr_expect_eq(atomic_load(&done), 500);
    cr_expect_not(workers_push(workers, LANE_HTTP, &tasks[0]->job), "drained ones take no more");
    workers_destroy(workers);
    for (int i = 0; i < 500; i++)
        free(tasks[i]);
}

Test(workers, refuse_when_a_lane_is_full)
{
    struct workers *workers = workers_create(1, 0, 2);
    struct task *tasks[4] = { task(true), task(true), task(true), task(true) };
    cr_assert(workers_push(workers, LANE_HTTP, &tasks[0]->job));
    wait_until_waiting(workers, LANE_HTTP, 0);
    cr_expect(workers_push(workers, LANE_HTTP, &tasks[1]->job));
    cr_expect(workers_push(workers, LANE_HTTP, &tasks[2]->job));
    cr_expect_not(workers_push(workers, LANE_HTTP, &tasks[3]->job));
    cr_expect(workers_push(workers, LANE_NATS, &tasks[3]->job), "the other lane has room");
    for (int i = 0; i < 4; i++)
        sem_post(&hold);
    workers_destroy(workers); /* runs what waits */
    cr_expect_eq(atomic_load(&done), 4);
    cr_expect_eq(tasks[3]->order, 1, "from NATS first");
    for (int i = 0; i < 4; i++)
        free(tasks[i]);
}

Test(workers, keep_some_for_nats)
{
    struct workers *workers = workers_create(4, 2, 100);
    struct task *slow[10], *quick = task(false);
    for (int i = 0; i < 10; i++)
        cr_assert(workers_push(workers, LANE_HTTP, &(slow[i] = task(true))->job));
    wait_until_waiting(workers, LANE_HTTP, 8); /* two run, two are kept */
    cr_assert(workers_push(workers, LANE_NATS, &quick->job));
    for (int i = 0; !atomic_load(&done); i++) {
        cr_assert_lt(i, 5000);
        usleep(1000);
    }
    cr_expect_eq(workers_waiting(workers, LANE_HTTP), 8);
    for (int i = 0; i < 10; i++)
        sem_post(&hold);
    cr_expect(workers_drain(workers, 5000));
    workers_destroy(workers);
    for (int i = 0; i < 10; i++)
        free(slow[i]);
    free(quick);
}

Test(workers, say_when_they_are_not_done_in_time)
{
    struct workers *workers = workers_create(2, 5, 10); /* of which one at least is for HTTP */
    struct task *slow = task(true);
    cr_assert(workers_push(workers, LANE_HTTP, &slow->job));
    int64_t start = clock_ms();
    cr_expect_not(workers_drain(workers, 50));
    cr_expect_geq(clock_ms() - start, 50);
    cr_expect_not(workers_drain(workers, 0));
    sem_post(&hold);
    cr_expect(workers_drain(workers, 5000));
    workers_destroy(workers);
    free(slow);
}

struct pusher {
    struct workers *workers;
    atomic_int *ran;
    int pushed;
};

static void count(struct job *job)
{
    struct task *counted = (struct task *)job;
    atomic_fetch_add(counted->done, 1);
    free(counted);
}

static void *push_many(void *self)
{
    struct pusher *pusher = self;
    for (int i = 0; i < 5000; i++) {
        struct task *one = task(false);
        one->job.run = count;
        one->done = pusher->ran;
        if (workers_push(pusher->workers, i % 3 ? LANE_HTTP : LANE_NATS, &one->job))
            pusher->pushed++;
        else
            free(one);
    }
    return NULL;
}

Test(workers, lose_nothing_that_many_threads_push)
{
    atomic_int ran = 0;
    struct workers *workers = workers_create(3, 1, 64);
    struct pusher pushers[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        pushers[i] = (struct pusher){ .workers = workers, .ran = &ran };
        pthread_create(&threads[i], NULL, push_many, &pushers[i]);
    }
    int pushed = 0;
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        pushed += pushers[i].pushed;
    }
    cr_expect(workers_drain(workers, 10000));
    cr_expect_eq(atomic_load(&ran), pushed);
    cr_expect_gt(pushed, 64);
    workers_destroy(workers);
}

Test(workers, end_without_having_worked)
{
    struct workers *workers = workers_create(2, 1, 4);
    cr_expect(workers_drain(workers, 1000), "nothing was pushed");
    workers_destroy(workers);
    workers_destroy(NULL);
}
