/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A simulated guest's screen, by RFB (RFC 6143): versions 3.3, 3.7 and 3.8, security None, encoding Raw. The screen
 * shows bars of colour, which move by one with each key that is pressed. */
#include <endian.h>
#include <stdbool.h>

#include <glib.h>

#include "sim-console.h"

#define WIDTH         160u
#define HEIGHT        100u
#define BARS          8u
#define VERSION_BYTES 12u
#define CUT_TEXT_MAX  (SIM_CONSOLE_INPUT_MAX - 8)

typedef enum Step { STEP_VERSION, STEP_SECURITY, STEP_INIT, STEP_MESSAGES } Step;

/* RFC 6143, 7.4. */
typedef struct Format {
        uint8_t bytes; /* a pixel's: 1, 2 or 4 */
        bool big_endian;
        uint16_t max[3]; /* red, green, blue */
        uint8_t shift[3];
} Format;

typedef struct Rfb {
        Step step;
        int minor; /* of version 3 */
        Format format;
        unsigned moved; /* bars */
        bool wanted;    /* an update was asked for, and nothing has changed since the last */
        bool dirty;
        char *name;
} Rfb;

static void put8(Buffer *out, uint8_t value)
{
        buffer_append(out, &value, 1);
}

static void put16(Buffer *out, uint16_t value)
{
        value = htobe16(value);
        buffer_append(out, &value, sizeof value);
}

static void put32(Buffer *out, uint32_t value)
{
        value = htobe32(value);
        buffer_append(out, &value, sizeof value);
}

static uint16_t get16(const char *bytes)
{
        const uint8_t *b = (const uint8_t *)bytes;
        return (uint16_t)(b[0] << 8 | b[1]);
}

static uint32_t get32(const char *bytes)
{
        return (uint32_t)get16(bytes) << 16 | get16(bytes + 2);
}

static void rfb_begin(void *state, const char *name, Buffer *out)
{
        Rfb *rfb = state;
        rfb->format = (Format){ 4, false, { 255, 255, 255 }, { 16, 8, 0 } };
        rfb->name = g_strndup(name, 256);
        buffer_append_literal(out, "RFB 003.008\n");
}

static void put_init(Rfb *rfb, Buffer *out)
{
        static const char format[16] = { 32, 24, 0, 1, 0, (char)255, 0, (char)255, 0, (char)255, 16, 8, 0 };
        put16(out, WIDTH);
        put16(out, HEIGHT);
        buffer_append(out, format, sizeof format);
        put32(out, (uint32_t)strlen(rfb->name));
        buffer_append_text(out, rfb->name);
        g_clear_pointer(&rfb->name, g_free);
}

static bool take_version(Rfb *rfb, const char *text, Buffer *out)
{
        if (memcmp(text, "RFB 003.", 8) != 0 || text[11] != '\n' || text[8] != '0' || text[9] != '0')
                return false;
        rfb->minor = text[10] == '8' || text[10] == '7' ? text[10] - '0' : 3; /* RFC 6143, 7.1.1 */
        if (rfb->minor == 3) {
                put32(out, 1);
                rfb->step = STEP_INIT;
        } else {
                buffer_append(out, "\x01\x01", 2); /* one type: None */
                rfb->step = STEP_SECURITY;
        }
        return true;
}

static bool take_security(Rfb *rfb, char type, Buffer *out)
{
        if (type != 1)
                return false;
        if (rfb->minor == 8)
                put32(out, 0);
        rfb->step = STEP_INIT;
        return true;
}

static bool take_format(Rfb *rfb, const char *m)
{
        Format format = { .bytes = (uint8_t)m[4] / 8, .big_endian = m[6] };
        for (unsigned i = 0; i < 3; i++) {
                format.max[i] = get16(m + 8 + 2 * i);
                format.shift[i] = (uint8_t)m[14 + i];
                if (format.shift[i] > 31)
                        return false;
        }
        if (!m[7] || (m[4] != 8 && m[4] != 16 && m[4] != 32)) /* palettes are not shown here */
                return false;
        rfb->format = format;
        return true;
}

static void put_pixel(const Format *format, uint32_t pixel, Buffer *out)
{
        for (unsigned i = 0; i < format->bytes; i++)
                put8(out, (uint8_t)(pixel >> 8 * (format->big_endian ? format->bytes - 1 - i : i)));
}

static uint32_t pixel_at(const Rfb *rfb, unsigned x)
{
        unsigned bar = (x * BARS / WIDTH + rfb->moved) % BARS;
        uint32_t pixel = 0;
        for (unsigned i = 0; i < 3; i++)
                if (bar >> i & 1)
                        pixel |= (uint32_t)rfb->format.max[i] << rfb->format.shift[i];
        return pixel;
}

/* The whole screen, which a server may send whatever part was asked for. */
static void put_update(Rfb *rfb, Buffer *out)
{
        put16(out, 0); /* FramebufferUpdate and its padding */
        put16(out, 1);
        put16(out, 0);
        put16(out, 0);
        put16(out, WIDTH);
        put16(out, HEIGHT);
        put32(out, 0); /* Raw */
        for (unsigned y = 0; y < HEIGHT; y++)
                for (unsigned x = 0; x < WIDTH; x++)
                        put_pixel(&rfb->format, pixel_at(rfb, x), out);
        rfb->wanted = rfb->dirty = false;
}

/* Bytes of the message that begins here; 0: not known yet; -1: none of RFB's. */
static ssize_t message_size(const char *m, size_t n)
{
        switch (m[0]) {
        case 0: /* SetPixelFormat */
                return 20;
        case 2: /* SetEncodings */
                return n < 4 ? 0 : 4 + 4 * (ssize_t)get16(m + 2);
        case 3: /* FramebufferUpdateRequest */
                return 10;
        case 4: /* KeyEvent */
                return 8;
        case 5: /* PointerEvent */
                return 6;
        case 6: /* ClientCutText */
                if (n < 8)
                        return 0;
                return get32(m + 4) > CUT_TEXT_MAX ? -1 : 8 + (ssize_t)get32(m + 4);
        default:
                return -1;
        }
}

static bool take_message(Rfb *rfb, const char *m, Buffer *out)
{
        if (m[0] == 0)
                return take_format(rfb, m);
        if (m[0] == 4 && m[1]) {
                rfb->moved++;
                rfb->dirty = true;
        } else if (m[0] == 3) {
                rfb->wanted = true;
                rfb->dirty = rfb->dirty || !m[1]; /* not incremental: it has lost what it had */
        }
        if (rfb->wanted && rfb->dirty)
                put_update(rfb, out);
        return true;
}

static ssize_t step_size(const Rfb *rfb, const Buffer *input)
{
        static const ssize_t sizes[] = {
                [STEP_VERSION] = VERSION_BYTES, [STEP_SECURITY] = 1, [STEP_INIT] = 1
        };
        return rfb->step == STEP_MESSAGES ? message_size(input->data, input->len) : sizes[rfb->step];
}

static bool take_step(Rfb *rfb, const char *bytes, Buffer *out)
{
        switch (rfb->step) {
        case STEP_VERSION:
                return take_version(rfb, bytes, out);
        case STEP_SECURITY:
                return take_security(rfb, bytes[0], out);
        case STEP_INIT:
                put_init(rfb, out);
                rfb->step = STEP_MESSAGES;
                return true;
        default:
                return take_message(rfb, bytes, out);
        }
}

static bool rfb_take(void *state, Buffer *input, Buffer *out)
{
        while (input->len > 0) {
                ssize_t size = step_size(state, input);
                if (size < 0)
                        return false;
                if (size == 0 || (size_t)size > input->len)
                        return true;
                if (!take_step(state, input->data, out))
                        return false;
                buffer_consume(input, (size_t)size);
        }
        return true;
}

static void rfb_clear(void *state)
{
        g_free(((Rfb *)state)->name);
}

const SimConsoleKind sim_rfb = {
        .size = sizeof(Rfb), .begin = rfb_begin, .take = rfb_take, .clear = rfb_clear
};
