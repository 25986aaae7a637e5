#include "contract/process.h"

#include "base/random.h"
#include "base/text.h"

#include <signal.h>
#include <sys/resource.h>

const char *const log_level_names[] = { "debug", "info", "warn", "error", NULL };

static sigset_t stop_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    return set;
}

void process_begin(void)
{
    sigset_t set = stop_signals();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

int process_wait(void)
{
    sigset_t set = stop_signals();
    int signal_number = 0;
    while (sigwait(&set, &signal_number) != 0)
        continue;
    return signal_number;
}

char *process_instance(struct arena *arena)
{
    unsigned char id[6];
    random_bytes(id, sizeof id);
    return hex_encode(arena, id, sizeof id);
}
