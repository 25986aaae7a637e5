#include "base/shared_memory.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

void *shared_memory_create(size_t size)
{
    void *out = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (out == MAP_FAILED)
        abort();
    return out;
}

void shared_memory_destroy(void *memory, size_t size)
{
    if (memory)
        munmap(memory, size);
}

void shared_mutex_init(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(mutex, &kind);
    pthread_mutexattr_destroy(&kind);
}

bool shared_mutex_lock(pthread_mutex_t *mutex)
{
    if (pthread_mutex_lock(mutex) != EOWNERDEAD)
        return true;
    pthread_mutex_consistent(mutex);
    return false;
}
