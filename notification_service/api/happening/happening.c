#include "happening/happening.h"

#include "base/clock.h"
#include "base/log.h"

void happening_init(struct happening *happening, struct metrics *metrics)
{
    happening->events = metric_counter(metrics, "tonearm_notify_events_total", "events delivered to this replica",
                                       "type");
    happening->delay = metric_histogram(metrics, "tonearm_notify_event_delay_seconds", "from the write to the handler",
                                        NULL);
}

bool happening_handle(struct ctx *ctx, void *self, const struct consumed *event)
{
    struct happening *happening = self;
    sample_add(metric_sample(happening->events, event->type, NULL), 1);
    int64_t delay_ms = clock_now_ms() - event->time_ms;
    if (delay_ms >= 0) /* clocks of two machines may differ */
        sample_observe_us(metric_sample(happening->delay, NULL), delay_ms * 1000);
    log_debug(ctx, "event", "type", event->type, "id", event->id, "entity", event->entity);
    return true;
}
