#pragma once
#include "issuer/issuer.h"

/* What an issuer tells about itself, checked: it is who was asked, its addresses are to be asked, and an https issuer
 * tells https addresses. In `arena`. ERROR_UNAVAILABLE. */
bool issuer_document_read(struct ctx *ctx, struct arena *arena, const char *url, const char *json, size_t size,
                          struct issuer_document *out);
/* The strings too. */
struct issuer_document issuer_document_copy(struct arena *arena, const struct issuer_document *document);
