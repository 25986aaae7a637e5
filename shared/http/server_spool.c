#include "http/server_parts.h"

#include "base/disk.h"

#include <errno.h>
#include <fcntl.h>

enum { STEP = 1 << 20 }; /* what the loop writes before it looks after others */

struct spool {
    h2o_timeout_entry_t next;
    struct http_job *job;
    size_t written;
};

static void fail(struct http_job *job, int error)
{
    if (error == ENOSPC || error == EDQUOT)
        ctx_fail(&job->req.ctx, ERROR_DISK_FULL, "there is no room for the file");
    else
        ctx_fail(&job->req.ctx, ERROR_INTERNAL, "the file could not be taken (error %d)", error);
    answer_error(job);
}

static void step(struct spool *spool)
{
    struct http_job *job = spool->job;
    const h2o_iovec_t entity = job->h2o->entity;
    size_t end = entity.len - spool->written < STEP ? entity.len : spool->written + STEP;
    while (spool->written < end) {
        ssize_t put = write(job->req.body_fd, entity.base + spool->written, end - spool->written);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0) {
            fail(job, errno);
            return;
        }
        spool->written += (size_t)put;
    }
    if (spool->written < entity.len)
        h2o_timeout_link(job->loop->evloop, &job->loop->context.zero_timeout, &spool->next);
    else if (lseek(job->req.body_fd, 0, SEEK_SET) != 0)
        fail(job, errno);
    else
        job_push(job);
}

static void on_next(h2o_timeout_entry_t *entry)
{
    step(H2O_STRUCT_FROM_MEMBER(struct spool, next, entry));
}

void spool_start(struct http_job *job)
{
    struct spool *spool = arena_new(&job->req.ctx.arena, struct spool);
    spool->job = job;
    spool->next.cb = on_next;
    job->spool = spool;
    job->req.body_fd = open(job->loop->server->options.spool_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (job->req.body_fd < 0)
        fail(job, errno);
    else
        step(spool);
}

/* h2o's file grows by doubling; the one for the handler is beside it. */
bool spool_has_room(const struct server *server, int64_t size, bool to_file)
{
    const char *dir = server->options.spool_dir;
    return size < SPOOLED_FROM || disk_has_room(dir ? dir : "/tmp", (uint64_t)size * (to_file ? 3 : 2));
}

void spool_finish(struct http_job *job)
{
    if (job->spool)
        h2o_timeout_unlink(&job->spool->next);
}
