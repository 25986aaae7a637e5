/*
 * What the store holds, told by the head of SQLite's WAL-index (sqlite.org/walformat.html): 48 bytes, twice, which
 * every commit of every process changes before it is done. A writer writes the second copy first and a reader reads it
 * last, so two equal copies are no mixture. It lies in memory that all processes share: no system call, no lock.
 */
#include "store/embedded.h"

#include <string.h>

enum {
    WAL_INDEX_REGION = 32768, /* as SQLite maps it */
    WAL_INDEX_VERSION = 3007000,
    WORDS = sizeof(struct store_stamp) / sizeof(uint32_t),
};

/* Through SQLite's own file: opening and closing it here would drop the locks that this process holds on it. */
const uint32_t *connection_wal_index(struct connection *connection)
{
    sqlite3_file *file = NULL;
    void volatile *region = NULL;
    if (sqlite3_file_control(connection->db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || !file ||
        !file->pMethods || file->pMethods->iVersion < 2 ||
        file->pMethods->xShmMap(file, 0, WAL_INDEX_REGION, 0, &region) != SQLITE_OK)
        return NULL;
    return (const uint32_t *)region;
}

bool wal_index_stamp(const uint32_t *wal_index, struct store_stamp *out)
{
    if (!wal_index)
        return false;
    uint32_t copies[2 * WORDS];
    for (size_t i = 0; i < 2 * WORDS; i++) /* in this order */
        copies[i] = __atomic_load_n(&wal_index[i], __ATOMIC_ACQUIRE);
    memcpy(out->is, copies, sizeof out->is);
    return copies[0] == WAL_INDEX_VERSION && memcmp(copies, copies + WORDS, sizeof out->is) == 0;
}
