/*
 * The writer's thread. Callers queue tickets and wait; the thread commits what
 * has gathered in one transaction, so that one sync serves many.
 *
 * Between processes two file locks make the queue: who wants to write takes
 * the gate, waits there for the writer's lock, and leaves the gate to the next.
 * With SQLite's own busy-waiting two processes starve each other for seconds.
 */
#include "base/log.h"
#include "store/embedded.h"
#include "store/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

enum {
    GROUP_MAX = 512,      /* changes in one transaction */
    QUEUE_MAX = 16384,    /* changes waiting */
    OPEN_WAIT_MS = 10000, /* for other processes, while opening */
    CLOSE_WAIT_S = 5,
};

enum ticket_state { WAITING, TAKEN, DONE };

/* What one caller wants written; on its stack. Once it is TAKEN its memory is the thread's until it is DONE. */
struct ticket {
    struct ctx *ctx;
    struct change *changes;
    size_t count;
    bool (*run)(struct ctx *ctx, struct connection *connection, void *self); /* instead of changes */
    void *self;
    enum ticket_state state;
    bool ok;
    pthread_cond_t done;
    struct ticket *next;
};

struct writer {
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    struct ticket *first, **last;
    size_t waiting; /* changes in the queue */
    bool stopping;
    pthread_t thread;

    /* The thread's own. */
    int gate, file;
    struct connection *connection;
    const uint32_t *wal_index; /* read by all threads */
    const struct tables *tables;
    int64_t generation;
    struct ctx declared_ctx; /* owns `declared` */
    struct declarations declared[COLLECTIONS_MAX];
};

static void lock_file(int fd)
{
    while (flock(fd, LOCK_EX) != 0 && errno == EINTR)
        continue;
}

static void files_lock(const struct writer *writer)
{
    lock_file(writer->gate);
    lock_file(writer->file);
    flock(writer->gate, LOCK_UN);
}

static void files_unlock(const struct writer *writer)
{
    flock(writer->file, LOCK_UN);
}

/* Declarations are read again when any process has made one. */
static bool declared_refresh(struct ctx *ctx, struct writer *writer)
{
    int64_t generation;
    if (!schema_generation(ctx, writer->connection, &generation))
        return false;
    if (generation == writer->generation)
        return true;
    ctx_finish(&writer->declared_ctx);
    writer->generation = 0;
    for (size_t i = 0; i < writer->tables->count; i++)
        if (!schema_declared(&writer->declared_ctx, writer->connection, writer->tables->items[i].of->name,
                             &writer->declared[i]))
            return false;
    writer->generation = generation;
    return true;
}

static bool run_ticket(struct writer *writer, struct ticket *ticket)
{
    struct connection *connection = writer->connection;
    struct ctx *ctx = ticket->ctx;
    if (!statement_run(ctx, connection, statement_of(ctx, connection, "SAVEPOINT run")))
        return false;
    ticket->ok = ticket->run(ctx, connection, ticket->self);
    if (connection->broken)
        return false;
    struct error *why = ctx->error;
    bool ended = (ticket->ok || statement_run(ctx, connection, statement_of(ctx, connection, "ROLLBACK TO run"))) &&
                 statement_run(ctx, connection, statement_of(ctx, connection, "RELEASE run"));
    if (ended)
        ctx->error = why;
    return ended && declared_refresh(ctx, writer); /* it may have declared something */
}

/* false: the transaction is lost. A refused change has its error and leaves no trace. */
static bool apply_ticket(struct writer *writer, struct ticket *ticket)
{
    if (ticket->run)
        return run_ticket(writer, ticket);
    for (size_t i = 0; i < ticket->count; i++) {
        struct change *change = &ticket->changes[i];
        struct error *before = ticket->ctx->error;
        if (!apply_change(ticket->ctx, writer->connection, &writer->declared[change->table->number], change)) {
            if (writer->connection->broken)
                return false;
            change->error = ticket->ctx->error;
            ticket->ctx->error = before;
        }
    }
    ticket->ok = true;
    return true;
}

static struct ticket *take_tickets(struct writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    struct ticket *first = writer->first, **end = &writer->first;
    size_t changes = 0;
    while (*end && (changes == 0 || changes + (*end)->count <= GROUP_MAX)) {
        changes += (*end)->count + 1;
        writer->waiting -= (*end)->count + 1;
        (*end)->state = TAKEN;
        end = &(*end)->next;
    }
    writer->first = *end;
    if (!writer->first)
        writer->last = &writer->first;
    *end = NULL;
    pthread_mutex_unlock(&writer->lock);
    return first;
}

static void finish_tickets(struct writer *writer, struct ticket *first)
{
    pthread_mutex_lock(&writer->lock);
    for (struct ticket *ticket = first, *next; ticket; ticket = next) {
        next = ticket->next;
        ticket->state = DONE;
        pthread_cond_signal(&ticket->done);
    }
    pthread_mutex_unlock(&writer->lock);
}

/* The group is undone as a whole; each caller is told the reason. */
static void fail_tickets(struct writer *writer, struct ticket *first)
{
    struct connection *connection = writer->connection;
    if (!sqlite3_get_autocommit(connection->db))
        sqlite3_exec(connection->db, "ROLLBACK", NULL, NULL, NULL);
    for (struct ticket *ticket = first; ticket; ticket = ticket->next) {
        ticket->ok = false;
        ticket->ctx->error = NULL;
        connection_fail(ticket->ctx, connection);
    }
    connection->broken = false;
    writer->generation = 0;
}

static void write_group(struct writer *writer)
{
    struct ctx ctx = { 0 };
    struct connection *connection = writer->connection;
    bool ok = statement_run(&ctx, connection, statement_of(&ctx, connection, "BEGIN IMMEDIATE")) &&
              declared_refresh(&ctx, writer);
    struct ticket *tickets = take_tickets(writer);
    for (struct ticket *ticket = tickets; ok && ticket; ticket = ticket->next)
        ok = apply_ticket(writer, ticket);
    ok = ok && statement_run(&ctx, connection, statement_of(&ctx, connection, "COMMIT"));
    if (!ok)
        fail_tickets(writer, tickets);
    ctx_finish(&ctx);
    finish_tickets(writer, tickets);
}

/* false: stopping, and nothing is left to write. */
static bool wait_wanted(struct writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    while (!writer->first && !writer->stopping)
        pthread_cond_wait(&writer->wanted, &writer->lock);
    bool wanted = writer->first != NULL;
    pthread_mutex_unlock(&writer->lock);
    return wanted;
}

static bool is_wanted(struct writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    bool wanted = writer->first != NULL;
    pthread_mutex_unlock(&writer->lock);
    return wanted;
}

static void *writer_main(void *self)
{
    struct writer *writer = self;
    while (wait_wanted(writer)) {
        files_lock(writer);
        if (is_wanted(writer)) /* they may have been withdrawn while it waited for another process */
            write_group(writer);
        files_unlock(writer);
    }
    return NULL;
}

static void enqueue(struct writer *writer, struct ticket *ticket)
{
    *writer->last = ticket;
    writer->last = &ticket->next;
    writer->waiting += ticket->count + 1;
    pthread_cond_signal(&writer->wanted);
}

static void withdraw(struct writer *writer, struct ticket *ticket)
{
    struct ticket **at = &writer->first;
    while (*at != ticket)
        at = &(*at)->next;
    *at = ticket->next;
    if (!*at)
        writer->last = at;
    writer->waiting -= ticket->count + 1;
}

/* A ticket still waiting at the deadline is withdrawn, surely unwritten; one that was taken is waited for: its commit
 * is under way. */
static bool submit(struct ctx *ctx, struct writer *writer, struct ticket *ticket)
{
    struct timespec until = wait_until(ctx);
    wait_condition(&ticket->done);
    pthread_mutex_lock(&writer->lock);
    bool in = !writer->stopping && writer->waiting + ticket->count < QUEUE_MAX && ctx_left_ms(ctx, 1) > 0;
    if (in)
        enqueue(writer, ticket);
    int waited = 0;
    while (in && ticket->state != DONE && !(ticket->state == WAITING && waited == ETIMEDOUT))
        waited = ticket->state == TAKEN ? pthread_cond_wait(&ticket->done, &writer->lock)
                                        : pthread_cond_timedwait(&ticket->done, &writer->lock, &until);
    bool done = in && ticket->state == DONE;
    if (in && !done)
        withdraw(writer, ticket);
    pthread_mutex_unlock(&writer->lock);
    pthread_cond_destroy(&ticket->done);
    if (!done)
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "the store did not answer in time");
    return ticket->ok;
}

bool writer_write(struct ctx *ctx, struct writer *writer, struct change *changes, size_t count)
{
    return submit(ctx, writer, &(struct ticket){ .ctx = ctx, .changes = changes, .count = count });
}

bool writer_run(struct ctx *ctx, struct writer *writer,
                bool (*run)(struct ctx *ctx, struct connection *connection, void *self), void *self)
{
    return submit(ctx, writer, &(struct ticket){ .ctx = ctx, .run = run, .self = self });
}

bool writer_stamp(const struct writer *writer, struct store_stamp *out)
{
    return wal_index_stamp(writer->wal_index, out);
}

static bool lock_file_by(struct ctx *ctx, int fd)
{
    int64_t wait = 0, limit = ctx_left_ms(ctx, OPEN_WAIT_MS);
    for (; flock(fd, LOCK_EX | LOCK_NB) != 0; wait += 5) {
        if (wait >= limit)
            return ctx_fail(ctx, ERROR_UNAVAILABLE, "another process holds the store");
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    }
    return true;
}

static bool open_locked(struct ctx *ctx, struct writer *writer, const char *path)
{
    writer->connection = connection_open(ctx, path, true);
    return writer->connection && schema_create(ctx, writer->connection, writer->tables);
}

/* The file is made, or its tables, while no other process writes. */
static bool writer_open(struct ctx *ctx, struct writer *writer, const char *path)
{
    writer->gate = open(arena_printf(&ctx->arena, "%s.gate", path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    writer->file = open(arena_printf(&ctx->arena, "%s.writer", path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (writer->gate < 0 || writer->file < 0)
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "%s: %s", path, strerror(errno));
    if (!lock_file_by(ctx, writer->gate))
        return false;
    bool ok = lock_file_by(ctx, writer->file) && open_locked(ctx, writer, path);
    writer->wal_index = ok ? connection_wal_index(writer->connection) : NULL;
    flock(writer->gate, LOCK_UN);
    flock(writer->file, LOCK_UN);
    return ok;
}

static void writer_free(struct writer *writer)
{
    connection_close(writer->connection);
    closep(&writer->gate);
    closep(&writer->file);
    ctx_finish(&writer->declared_ctx);
    pthread_cond_destroy(&writer->wanted);
    pthread_mutex_destroy(&writer->lock);
    free(writer);
}

struct writer *writer_create(struct ctx *ctx, const char *path, const struct tables *tables)
{
    struct writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        abort();
    writer->gate = writer->file = -1;
    writer->last = &writer->first;
    writer->tables = tables;
    pthread_mutex_init(&writer->lock, NULL);
    wait_condition(&writer->wanted);
    if (writer_open(ctx, writer, path)) {
        if (pthread_create(&writer->thread, NULL, writer_main, writer) == 0)
            return writer;
        ctx_fail(ctx, ERROR_UNAVAILABLE, "no thread to write with");
    }
    writer_free(writer);
    return NULL;
}

void writer_destroy(struct writer *writer)
{
    if (!writer)
        return;
    pthread_mutex_lock(&writer->lock);
    writer->stopping = true;
    pthread_cond_signal(&writer->wanted);
    pthread_mutex_unlock(&writer->lock);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CLOSE_WAIT_S;
    if (pthread_timedjoin_np(writer->thread, NULL, &until) == 0)
        writer_free(writer);
    else /* it waits for a process that holds the lock and hangs; this one is about to end */
        log_warn(NULL, "the store's writer still waits for another process");
}
