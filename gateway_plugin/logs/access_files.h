#pragma once
/*
 * The files that the access log's thread writes. Each has a batch in memory; one
 * that does not take it (a pipe whose reader stands still, a full disk) loses its
 * own lines, not those of the others.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct access_files;

struct access_files *access_files_create(void);
void access_files_destroy(struct access_files *files);
/* `path` may be /dev/stdout or /dev/stderr: the descriptors of this process. 0, or an errno. */
int access_files_try(struct access_files *files, const char *path);
/* false: it was lost. `follow`: the file is looked at before each batch. */
bool access_files_add(struct access_files *files, const char *path, bool follow, const char *line, size_t size);
/* Writes what they take now. false: something is left. */
bool access_files_flush(struct access_files *files);
/* Closes all: the next line opens them anew. */
void access_files_reopen(struct access_files *files);
/* Lines that were in a batch and could not be written, since the last call. */
int64_t access_files_lost(struct access_files *files);
