#pragma once
/* The spans of one request as OTLP's JSON, with the names of OpenTelemetry's conventions for HTTP. */
#include <stddef.h>

struct exchange;

/* How many bytes it wrote. What does not fit is left out, attribute by attribute. Credentials never stand in it. */
size_t spans_write(const struct exchange *x, char *out, size_t room);
