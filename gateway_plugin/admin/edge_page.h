#pragma once
/* The operator's page: page/page.html, which the build makes a part of the binary. */
#include <stddef.h>

extern const char edge_page[];
extern const size_t edge_page_size;
