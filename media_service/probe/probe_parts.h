#pragma once
/* How an answer of the helper is read: for probe.c and the fuzzer. */
#include "probe/child.h"
#include "probe/probe.h"

struct probe_result {
    struct probe_answer answer;
    char *facts, *cover;
};

/* The facts by the table's rules: what does not keep them did not come from our helper, and is ERROR_UNPROCESSABLE.
 * `cover` points into the result. */
struct audio_facts *probe_facts(struct ctx *ctx, const struct probe_result *result, struct cover *cover);
