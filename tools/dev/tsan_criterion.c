/*
 * Criterion (boxfort) picks the address of its arena with rand_r(), mostly where
 * TSan forbids a mapping. Test programs built with TSan link this one instead,
 * which stays below the 8 TiB that TSan leaves to the application.
 */
#include <stdlib.h>

int rand_r(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return (int)(0x350000u + (*seed >> 8) % 0x17000u);
}
