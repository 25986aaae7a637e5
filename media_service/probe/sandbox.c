#include "probe/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MEMORY = 512 << 20, /* bytes beside what loading the libraries took */
    DESCRIPTORS = 16,
    NOBODY = 65534,
};

/* The sanitizers map terabytes, and use signal stacks. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif
#else
enum { SANITIZED = 0 };
#endif

static const int allowed[] = {
    SCMP_SYS(read),
    SCMP_SYS(pread64),
    SCMP_SYS(write),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(recvmsg),
    SCMP_SYS(recvfrom),
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(lseek),
    SCMP_SYS(dup),
    SCMP_SYS(fcntl),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(brk),
    SCMP_SYS(madvise),
    SCMP_SYS(futex),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getrandom),
    SCMP_SYS(alarm),
    SCMP_SYS(setitimer),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(sched_yield),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

static bool limit(int resource, rlim_t value)
{
    return setrlimit(resource, &(struct rlimit){ value, value }) == 0;
}

/* The address space taken so far. */
static rlim_t memory_in_use(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;
    if (file && fscanf(file, "%lu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static bool limits_set(void)
{
    rlim_t used = memory_in_use();
    if (used == 0 || (!SANITIZED && !limit(RLIMIT_AS, used + MEMORY)))
        return false;
    return limit(RLIMIT_FSIZE, 0) && limit(RLIMIT_CORE, 0) && limit(RLIMIT_NOFILE, DESCRIPTORS);
}

static bool root_dropped(void)
{
    if (geteuid() != 0)
        return true;
    return setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0;
}

static bool rules_add(scmp_filter_ctx filter)
{
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0) < 0)
            return false;
    /* fstat() of newer libraries: by descriptor alone. Memory, but none that runs. abort(), of this process alone. */
    return (!SANITIZED || seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sigaltstack), 0) == 0) &&
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                            SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid())) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
                            SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH)) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) ==
               0 &&
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) ==
               0;
}

bool sandbox_enter(void)
{
    if (!limits_set() || !root_dropped() || prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return false;
    /* Refused, not killed: what a library tries on the side then fails as it would without the right to. */
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter)
        return false;
    bool loaded = rules_add(filter) && seccomp_load(filter) == 0;
    seccomp_release(filter);
    return loaded;
}

static bool try_open(void)
{
    return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0;
}

static bool try_create(void)
{
    return open("/tmp/tonearm-probe-check", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0;
}

static bool try_socket(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0;
}

static bool try_connect_unix(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0;
}

static bool try_exec(void)
{
    return execl("/bin/true", "true", (char *)NULL) == 0;
}

static bool try_fork(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    return child > 0;
}

static bool try_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static bool try_root(void)
{
    return geteuid() == 0 || setuid(0) == 0;
}

static bool try_kill(void)
{
    return kill(getppid(), 0) == 0;
}

bool sandbox_check(FILE *out)
{
    static const struct {
        const char *what;
        bool (*works)(void);
    } tries[] = {
        { "open a file", try_open },
        { "create a file", try_create },
        { "open a network socket", try_socket },
        { "open a Unix socket", try_connect_unix },
        { "start a process", try_fork },
        { "map memory that runs", try_code },
        { "be root", try_root },
        { "signal another process", try_kill },
        { "run a program", try_exec },
    };
    bool safe = true;
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        bool works = tries[i].works();
        safe = safe && !works;
        fprintf(out, "%s: %s\n", tries[i].what, works ? "POSSIBLE" : "refused");
        fflush(out);
    }
    return safe;
}
