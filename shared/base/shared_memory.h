#pragma once
/*
 * Memory that a process has in common with those it forks: it lies at the same
 * place in all of them and outlives each. Its locks outlive who dies with one
 * held: what is written under a lock must be good after every single store.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* Zeroes; never NULL. What is never touched takes no memory. Before the processes are forked. */
void *shared_memory_create(size_t size);
/* NULL is fine. The memory of the others stays. */
void shared_memory_destroy(void *memory, size_t size);

/* `mutex` lies in such memory. */
void shared_mutex_init(pthread_mutex_t *mutex);
/* false: who held it has died meanwhile. It is held either way. */
bool shared_mutex_lock(pthread_mutex_t *mutex);
