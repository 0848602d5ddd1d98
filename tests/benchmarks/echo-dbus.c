/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* D-Bus, as much of its wire format as an echo takes (D-Bus Specification, "Message Protocol"): little-endian, method
 * calls of one string and their returns. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "echo.h"

#define DBUS_FIXED_BYTES 16u /* of the header, with the length of its fields */
#define DBUS_SENDER_MAX  64u

enum { DBUS_CALL = 1, DBUS_RETURN = 2, DBUS_ERROR = 3 };
enum {
        DBUS_PATH = 1,
        DBUS_INTERFACE,
        DBUS_MEMBER,
        DBUS_ERROR_NAME,
        DBUS_REPLY_SERIAL,
        DBUS_DESTINATION,
        DBUS_SENDER,
        DBUS_SIGNATURE
};
enum { DBUS_SERIAL_HELLO = 1, DBUS_SERIAL_NAME, DBUS_SERIAL_CALL };

typedef struct DbusFixed {
        char order;
        uint8_t type, flags, version;
        uint32_t body_len, serial, fields_len;
} DbusFixed;
_Static_assert(sizeof(DbusFixed) == DBUS_FIXED_BYTES, "the wire's layout");

static void dbus_align(Buffer *out, size_t start, size_t to)
{
        while ((out->len - start) % to)
                buffer_append(out, "", 1);
}

static void dbus_append_u32(Buffer *out, uint32_t value)
{
        buffer_append(out, &value, sizeof value);
}

static void dbus_append_string(Buffer *out, const char *text, size_t len)
{
        dbus_append_u32(out, (uint32_t)len);
        buffer_append(out, text, len);
        buffer_append(out, "", 1);
}

static void dbus_begin_field(Buffer *out, size_t start, uint8_t code, char type)
{
        dbus_align(out, start, 8);
        char head[4] = { (char)code, 1, type, 0 };
        buffer_append(out, head, sizeof head);
}

static void dbus_append_field(Buffer *out, size_t start, uint8_t code, char type, const char *text)
{
        if (!text)
                return;
        dbus_begin_field(out, start, code, type);
        if (type == 'g') {
                char len = (char)strlen(text);
                buffer_append(out, &len, 1);
                buffer_append(out, text, strlen(text) + 1);
        } else {
                dbus_append_string(out, text, strlen(text));
        }
}

/* What stands in the fields; NULL and 0: not there. */
typedef struct DbusFields {
        const char *destination, *path, *interface, *member, *signature;
        uint32_t reply_serial;
} DbusFields;

static void dbus_append(Buffer *out, DbusFixed fixed, const DbusFields *fields, const Buffer *body)
{
        size_t start = out->len;
        fixed.order = 'l';
        fixed.version = 1;
        fixed.body_len = (uint32_t)body->len;
        buffer_append(out, &fixed, sizeof fixed);
        dbus_append_field(out, start, DBUS_PATH, 'o', fields->path);
        dbus_append_field(out, start, DBUS_INTERFACE, 's', fields->interface);
        dbus_append_field(out, start, DBUS_MEMBER, 's', fields->member);
        dbus_append_field(out, start, DBUS_DESTINATION, 's', fields->destination);
        dbus_append_field(out, start, DBUS_SIGNATURE, 'g', fields->signature);
        if (fields->reply_serial) {
                dbus_begin_field(out, start, DBUS_REPLY_SERIAL, 'u');
                dbus_append_u32(out, fields->reply_serial);
        }
        uint32_t fields_len = (uint32_t)(out->len - start - DBUS_FIXED_BYTES);
        memcpy(out->data + start + offsetof(DbusFixed, fields_len), &fields_len, sizeof fields_len);
        dbus_align(out, start, 8);
        buffer_append(out, body->data, body->len);
}

static void dbus_call_driver(Buffer *out, uint32_t serial, const char *member, const char *signature,
                             const Buffer *body)
{
        DbusFields fields = { .destination = "org.freedesktop.DBus",
                              .path = "/org/freedesktop/DBus",
                              .interface = "org.freedesktop.DBus",
                              .member = member,
                              .signature = signature };
        dbus_append(out, (DbusFixed){ .type = DBUS_CALL, .serial = serial }, &fields, body);
}

static void dbus_open(End *end)
{
        auto_buffer name = { 0 }, body = { 0 };
        Buffer none = { 0 };
        char uid[16];
        snprintf(uid, sizeof uid, "%u", (unsigned)getuid());
        buffer_append(&end->out, "", 1);
        buffer_append_literal(&end->out, "AUTH EXTERNAL ");
        for (const char *digit = uid; *digit; digit++)
                buffer_printf(&end->out, "%02x", (unsigned)*digit);
        buffer_append_literal(&end->out, "\r\nBEGIN\r\n");
        dbus_call_driver(&end->out, DBUS_SERIAL_HELLO, "Hello", NULL, &none);
        if (end->serves) {
                dbus_append_string(&name, ECHO_NAME, strlen(ECHO_NAME));
                dbus_align(&name, 0, 4);
                dbus_append_u32(&name, 0);
                dbus_call_driver(&end->out, DBUS_SERIAL_NAME, "RequestName", "su", &name);
        }
        end->serial = DBUS_SERIAL_CALL;
        DbusFields fields = { .destination = ECHO_NAME,
                              .path = "/",
                              .interface = ECHO_NAME,
                              .member = "Echo",
                              .signature = "s" };
        dbus_append_string(&body, echo_body, sizeof echo_body);
        if (!end->serves)
                dbus_append(&end->ready, (DbusFixed){ .type = DBUS_CALL }, &fields, &body);
}

static void dbus_send(End *end)
{
        memcpy(end->ready.data + offsetof(DbusFixed, serial), &end->serial, sizeof end->serial);
        end->serial++;
        buffer_append(&end->out, end->ready.data, end->ready.len);
}

/* The text of a field of type 's' among those at `bytes`; NULL: it has none such. */
static const char *dbus_find_sender(const char *bytes, size_t len)
{
        for (size_t at = 0; at + 8 < len;) {
                uint8_t code = (uint8_t)bytes[at];
                char type = bytes[at + 2];
                uint32_t value;
                memcpy(&value, bytes + at + 4, sizeof value);
                if (code == DBUS_SENDER)
                        return bytes + at + 8;
                at += type == 'g'   ? 4 + 1 + (size_t)(uint8_t)bytes[at + 4] + 1
                      : type == 'u' ? 8
                                    : 8 + value + 1;
                at = (at + 7) & ~(size_t)7;
        }
        return NULL;
}

/* The return is made for the first call of a sender, and kept as long as the same sender calls: ours is not to measure. */
static void dbus_answer(End *end, uint32_t serial, const char *sender)
{
        if (end->ready.len == 0 || strcmp(end->reply_to, sender) != 0) {
                auto_buffer body = { 0 };
                DbusFields fields = { .destination = sender, .signature = "s", .reply_serial = serial };
                snprintf(end->reply_to, sizeof end->reply_to, "%s", sender);
                dbus_append_string(&body, echo_body, sizeof echo_body);
                end->ready.len = 0;
                dbus_append(&end->ready, (DbusFixed){ .type = DBUS_RETURN, .flags = 1 }, &fields, &body);
        }
        uint32_t fields_len;
        memcpy(&fields_len, end->ready.data + offsetof(DbusFixed, fields_len), sizeof fields_len);
        memcpy(end->ready.data + DBUS_FIXED_BYTES + fields_len - sizeof serial, &serial, sizeof serial);
        dbus_send(end);
}

static void dbus_on_message(End *end, const DbusFixed *fixed, const char *fields)
{
        if (fixed->type == DBUS_ERROR)
                die("the broker answers with an error");
        if (fixed->type == DBUS_CALL) {
                const char *sender = dbus_find_sender(fields, fixed->fields_len);
                if (!sender)
                        die("a call without a sender");
                dbus_answer(end, fixed->serial, sender);
        }
        if (fixed->type != DBUS_RETURN)
                return;
        if (end->opened) {
                end->replies++;
                end->outstanding--;
        } else if (--end->outstanding == 0) {
                end->opened = true;
        }
}

static size_t dbus_take(End *end, const char *bytes, size_t len)
{
        DbusFixed fixed;
        if (bytes[0] == 'O') { /* of SASL */
                const char *newline = memchr(bytes, '\n', len);
                end->outstanding = end->serves ? 2 : 1;
                return newline ? (size_t)(newline - bytes) + 1 : 0;
        }
        if (len < sizeof fixed)
                return 0;
        memcpy(&fixed, bytes, sizeof fixed);
        if (fixed.order != 'l')
                die("this is no message: %.20s", bytes);
        size_t whole = ((DBUS_FIXED_BYTES + fixed.fields_len + 7) & ~(size_t)7) + fixed.body_len;
        if (len < whole)
                return 0;
        dbus_on_message(end, &fixed, bytes + DBUS_FIXED_BYTES);
        return whole;
}

const EchoProtocol echo_dbus = {
        .name = "dbus", .connect = unix_connect, .open = dbus_open, .call = dbus_send, .take = dbus_take
};
