#pragma once
/* HTTP/1 in bytes, for tests and the bench: what is said as it is told, right or wrong. Knows no test framework. */
#include <stdbool.h>
#include <stddef.h>

/* A connection to 127.0.0.1, with a time limit of 10 s for each call. -1: it was not taken. */
int dial(int port);
void say(int fd, const char *text);
/* false: not all of it was taken. */
bool say_bytes(int fd, const void *data, size_t size);
/* All until the other side closes (or `ms` pass without a byte). From malloc, ended by NUL. */
char *hear_all(int fd, int ms, size_t *size);
/* One answer with Content-Length or chunks; the connection stays open. From malloc. */
char *hear_one(int fd);
/* A connection of its own: says, hears all, closes. The text must ask for `Connection: close`. */
char *ask(int port, const char *text);
/* "GET path" with further header lines ("A: b\r\n"), Connection: close. */
char *get(int port, const char *path, const char *headers);
int status_of(const char *answer);
/* The body of an answer. */
const char *body_of(const char *answer);
bool has(const char *answer, const char *text);
