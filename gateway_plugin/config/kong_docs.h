#pragma once
/* The tables of docs/from-kong.md, in Markdown: every field of Kong's file and of its plugins, used or refused. */
#include "base/buf.h"

void kong_docs_write(struct buf *out);
