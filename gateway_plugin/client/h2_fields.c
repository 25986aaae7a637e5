#include "client/h2_fields.h"

enum step {
    FIELD,
    INDEX, /* the rest of an index, or of a size of the table */
    NAME,  /* its length */
    VALUE, /* its length */
    LENGTH /* the rest of a length */
};

enum { INDEXED = 0x80, ADDED = 0x40, RESIZED = 0x20, MORE = 0x80, SHIFT_MAX = 21 };

/* An index that fills its prefix goes on in the next bytes. */
static void begin_field(struct h2_fields *fields, unsigned char byte)
{
    unsigned prefix = byte & INDEXED ? 0x7f : byte & ADDED ? 0x3f : byte & RESIZED ? 0x1f : 0x0f;
    fields->count++;
    if (byte & INDEXED || (byte & (ADDED | RESIZED)) == RESIZED)
        fields->next = FIELD;
    else
        fields->next = byte & prefix ? VALUE : NAME;
    fields->step = (byte & prefix) == prefix ? INDEX : fields->next;
}

static void begin_string(struct h2_fields *fields, uint32_t length)
{
    fields->left = length;
    fields->step = fields->next;
}

static void one_byte(struct h2_fields *fields, unsigned char byte)
{
    switch ((enum step)fields->step) {
    case FIELD:
        begin_field(fields, byte);
        break;
    case INDEX:
        if (!(byte & MORE))
            fields->step = fields->next;
        break;
    case NAME:
    case VALUE:
        fields->next = fields->step == NAME ? VALUE : FIELD;
        fields->number = byte & 0x7f;
        fields->shift = 0;
        if (fields->number == 0x7f)
            fields->step = LENGTH;
        else
            begin_string(fields, fields->number);
        break;
    case LENGTH:
        if (fields->shift <= SHIFT_MAX)
            fields->number += (uint32_t)(byte & 0x7f) << fields->shift;
        fields->shift = (uint8_t)(fields->shift + 7);
        if (!(byte & MORE))
            begin_string(fields, fields->number);
    }
}

void h2_fields_read(struct h2_fields *fields, const unsigned char *data, size_t size)
{
    while (size) {
        if (fields->left) {
            size_t part = size < fields->left ? size : fields->left;
            fields->left -= (uint32_t)part;
            data += part;
            size -= part;
        } else {
            one_byte(fields, *data++);
            size--;
        }
    }
}
