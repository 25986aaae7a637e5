/* API keys: garbage is refused, whatever has the form and the right checksum is taken, and no letter may change. */
#include "crypto/apikey.h"
#include "fuzz.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

enum { BODY = APIKEY_LENGTH - 6 };

/* CRC-32 by its definition (ISO 3309), a bit at a time: not the library that the keys are made with. */
static uint32_t checksum(const char *text, size_t size)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= (unsigned char)text[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    return ~crc;
}

static void put_checksum(char *key)
{
    uint32_t rest = checksum(key, BODY);
    for (int i = APIKEY_LENGTH; i-- > BODY; rest /= 62)
        key[i] = letters[rest % 62];
}

static bool has_form(const char *key)
{
    if (strlen(key) != APIKEY_LENGTH || strncmp(key, "ta_", 3) != 0 || key[27] != '_')
        return false;
    for (int i = 3; i < 27; i++)
        if (!isdigit((unsigned char)key[i]) && (key[i] < 'a' || key[i] > 'f'))
            return false;
    for (int i = 28; i < APIKEY_LENGTH; i++)
        if (!strchr(letters, key[i]))
            return false;
    return true;
}

static bool is_right(const char *key)
{
    char wanted[APIKEY_LENGTH + 1];
    if (!has_form(key))
        return false;
    memcpy(wanted, key, sizeof wanted);
    put_checksum(wanted);
    return strcmp(wanted, key) == 0;
}

static void check(const char *key)
{
    char id[25] = "untouched";
    bool taken = apikey_plausible(key, id);
    must_hold(taken == is_right(key), "form and checksum, and nothing else");
    must_hold(taken == apikey_plausible(key, NULL), "the id does not matter");
    must_hold(!taken || (strlen(id) == 24 && strncmp(id, key + 3, 24) == 0), "the id is the one in it");
    must_hold(taken || strcmp(id, "untouched") == 0, "what is refused has none");
}

static void check_change(char *key, size_t place, char letter)
{
    if (!letter || key[place] == letter)
        return;
    key[place] = letter;
    check(key);
    must_hold(!apikey_plausible(key, NULL), "one letter changes it all");
}

/* As it is, or as the body of a key whose checksum is made right, and then with one letter changed. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = INPUT(data, size);
    unsigned place = input_byte(&input), letter = input_byte(&input);
    char *text = input_text(&input);
    check(text);
    if (strlen(text) >= BODY) {
        char *key = malloc(APIKEY_LENGTH + 1);
        if (!key)
            abort();
        memcpy(key, text, BODY);
        key[APIKEY_LENGTH] = 0;
        put_checksum(key);
        check(key);
        must_hold(apikey_plausible(key, NULL) == has_form(key), "with the right checksum the form decides");
        if (has_form(key))
            check_change(key, place % APIKEY_LENGTH, (char)letter);
        free(key);
    }
    free(text);
    return 0;
}
