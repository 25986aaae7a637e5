#include "base/shared_memory.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

struct common {
    pthread_mutex_t lock;
    long count;
    atomic_bool held;
};

static struct common *common;

static void setup(void)
{
    common = shared_memory_create(sizeof *common);
    shared_mutex_init(&common->lock);
}

static void teardown(void)
{
    shared_memory_destroy(common, sizeof *common);
}

TestSuite(shared_memory, .init = setup, .fini = teardown, .timeout = 30);

static pid_t in_a_child(void (*run)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        run();
        _exit(0);
    }
    return pid;
}

static void count(void)
{
    for (int i = 0; i < 10000; i++) {
        shared_mutex_lock(&common->lock);
        common->count++;
        pthread_mutex_unlock(&common->lock);
    }
}

Test(shared_memory, is_one_for_all_processes_and_its_lock_too)
{
    pid_t children[3];
    for (int i = 0; i < 3; i++)
        children[i] = in_a_child(count);
    for (int i = 0; i < 3; i++)
        waitpid(children[i], NULL, 0);
    cr_expect_eq(common->count, 30000);
}

static void hold(void)
{
    shared_mutex_lock(&common->lock);
    common->held = true;
    pause();
}

Test(shared_memory, who_dies_with_the_lock_leaves_it_to_the_next)
{
    pid_t child = in_a_child(hold);
    while (!common->held)
        usleep(1000);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    cr_expect_not(shared_mutex_lock(&common->lock), "nobody was told");
    pthread_mutex_unlock(&common->lock);
    cr_expect(shared_mutex_lock(&common->lock));
    pthread_mutex_unlock(&common->lock);
}
