#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

int64_t clock_ms(void)
{
    return clock_us() / 1000;
}

int64_t clock_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* RFC 3339 has years of four digits. */
#define FIRST_MS INT64_C(-62167219200000) /* 0000-01-01T00:00:00.000Z */
#define LAST_MS INT64_C(253402300799999)  /* 9999-12-31T23:59:59.999Z */

char *clock_format(struct arena *arena, int64_t unix_ms)
{
    unix_ms = unix_ms < FIRST_MS ? FIRST_MS : unix_ms > LAST_MS ? LAST_MS : unix_ms;
    int64_t seconds = unix_ms / 1000, rest = unix_ms % 1000;
    if (rest < 0) {
        seconds--;
        rest += 1000;
    }
    time_t at = seconds;
    struct tm utc;
    gmtime_r(&at, &utc);
    return arena_printf(arena, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                        utc.tm_hour, utc.tm_min, utc.tm_sec, (int)rest);
}

/* "Z" or "+hh:mm": minutes east of UTC. */
static bool parse_offset(const char *text, int *minutes)
{
    if ((text[0] == 'Z' || text[0] == 'z') && !text[1])
        return *minutes = 0, true;
    unsigned hour, minute;
    int end = 0;
    if ((text[0] != '+' && text[0] != '-') || !isdigit((unsigned char)text[1]) ||
        sscanf(text + 1, "%2u:%2u%n", &hour, &minute, &end) != 2 || end != 5 || text[6] || hour > 23 || minute > 59)
        return false;
    *minutes = (int)(hour * 60 + minute) * (text[0] == '-' ? -1 : 1);
    return true;
}

bool clock_parse(const char *text, int64_t *unix_ms)
{
    struct tm utc = { 0 };
    char separator;
    int end = 0;
    for (int i = 0; i < 19; i++) /* sscanf would take signs and spaces */
        if (!text[i] || ("dddd-dd-ddTdd:dd:dd"[i] == 'd' && !isdigit((unsigned char)text[i])))
            return false;
    if (sscanf(text, "%4d-%2d-%2d%c%2d:%2d:%2d%n", &utc.tm_year, &utc.tm_mon, &utc.tm_mday, &separator, &utc.tm_hour,
               &utc.tm_min, &utc.tm_sec, &end) != 7 ||
        end != 19 || !strchr("Tt ", separator))
        return false;
    if (utc.tm_mon < 1 || utc.tm_mon > 12 || utc.tm_mday < 1 || utc.tm_hour > 23 || utc.tm_min > 59 || utc.tm_sec > 60)
        return false;
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (utc.tm_year % 4 == 0 && utc.tm_year % 100 != 0) || utc.tm_year % 400 == 0;
    if (utc.tm_mday > days[utc.tm_mon - 1] + (utc.tm_mon == 2 && leap))
        return false;

    int64_t ms = 0, unit = 100;
    const char *rest = text + end;
    if (*rest == '.') {
        if (!isdigit((unsigned char)*++rest))
            return false;
        for (int i = 0; isdigit((unsigned char)*rest); rest++, unit /= 10)
            if (++i > 9)
                return false;
            else
                ms += unit * (*rest - '0');
    }
    int offset;
    if (!parse_offset(rest, &offset))
        return false;
    utc.tm_year -= 1900;
    utc.tm_mon -= 1;
    *unix_ms = (timegm(&utc) - offset * INT64_C(60)) * 1000 + ms;
    return *unix_ms >= FIRST_MS && *unix_ms <= LAST_MS;
}
