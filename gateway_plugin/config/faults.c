#include "config/faults.h"

bool fault(struct faults *faults, int line, const char *field, const char *format, ...)
{
    if (++faults->count > FAULTS_SHOWN)
        return false;
    struct fault *fault = arena_new(faults->arena, struct fault);
    fault->line = line;
    fault->field = arena_strdup(faults->arena, field);
    va_list args;
    va_start(args, format);
    fault->reason = arena_vprintf(faults->arena, format, args);
    va_end(args);
    struct fault **place = &faults->first;
    while (*place && (*place)->line <= line)
        place = &(*place)->next;
    fault->next = *place;
    *place = fault;
    return false;
}

void faults_write(struct faults *faults, struct buf *out)
{
    for (const struct fault *fault = faults->first; fault; fault = fault->next)
        buf_printf(out, "%s:%d: %s: %s\n", faults->file, fault->line, fault->field, fault->reason);
    if (faults->count > FAULTS_SHOWN)
        buf_printf(out, "%s: and %zu more\n", faults->file, faults->count - FAULTS_SHOWN);
}
