#pragma once
/*
 * The helper processes that read media, as the service sees them: a bounded
 * pool, started again when one dies or is past its time. What comes back is
 * checked as if it came from a stranger. Any thread.
 */
#include "probe/facts.h"

struct probe;

struct probe_options {
    const char *path; /* of tonearm-probe */
    size_t helpers;   /* 1..8: as many files are read at once */
    int64_t limit_ms; /* of one file: 10,000 */
};

/* Starts the helpers; fails when one does not start. Options' text is kept. */
struct probe *probe_create(struct ctx *ctx, const struct probe_options *options);
void probe_destroy(struct probe *probe);
/* For /ready: helpers can be started. */
bool probe_ready(struct ctx *ctx, void *probe);

struct cover {
    const char *type; /* "image/jpeg", "image/png" */
    int64_t width, height;
    const void *data;
    size_t size; /* 0 = no cover */
};

/*
 * Reads the file behind `fd` (from its beginning; its offset is left alone).
 * ERROR_UNPROCESSABLE: it is no audio that decodes to samples, or it broke the
 * helper twice, or took longer than the limit. ERROR_UNAVAILABLE: no helper was
 * free in time, none can be started, or they were killed. All in ctx->arena.
 */
struct audio_facts *probe_audio(struct ctx *ctx, struct probe *probe, int fd, struct cover *cover);

/* A picture that fits `edge` pixels. Errors as above. */
bool probe_picture(struct ctx *ctx, struct probe *probe, int fd, int edge, struct cover *cover);
