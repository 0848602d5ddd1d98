/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* jansson's own reader takes the last of equal keys, refuses strings that are not UTF-8, is not bounded in the number of
 * values, and goes from character to character; so does its writer. These fill and walk jansson's trees. */
#include "json-text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#define NUMBER_MAX       127u /* characters of a number */
#define SMALL_DIGITS     18u  /* characters of an integer that fits whatever they are */
#define FLOAT_TEXT_BYTES 40   /* more than a float with 16 digits needs */

typedef struct Reader {
        const char *at, *end;
        const JsonLimits *limits;
        unsigned depth, n_values;
        bool dirty;
        Buffer scratch; /* a string with escapes */
} Reader;

/* Sixteen characters at a time; unaligned, as they lie. */
typedef signed char Sixteen __attribute__((vector_size(16)));

/* How many characters at the front are plain ASCII, which needs no escape: most strings are nothing else. */
static size_t plain_run(const char *text, size_t n)
{
        size_t i = 0;

        for (Sixteen some; n - i >= sizeof(some); i += sizeof(some)) {
                uint64_t found[2];
                memcpy(&some, text + i, sizeof(some));
                Sixteen special = (some < ' ') | (some == '"') | (some == '\\'); /* bytes from 0x80: < 0 */
                memcpy(found, &special, sizeof(found));
                if (found[0] | found[1])
                        break;
        }
        while (i < n && (signed char)text[i] >= ' ' && text[i] != '"' && text[i] != '\\')
                i++;
        return i;
}

bool json_text_is_clean(const char *text, size_t n)
{
        unsigned char high = 0;

        for (size_t i = 0; i < n; i++) {
                unsigned char c = (unsigned char)text[i];
                if (c < ' ' && c != '\t' && c != '\n' && c != '\r')
                        return false;
                high |= c;
        }
        return high < 0x80 || g_utf8_validate_len(text, n, NULL);
}

bool json_text_is_utf8(const char *text, size_t n)
{
        const char *end = text + n;

        while (!g_utf8_validate_len(text, (size_t)(end - text), &text)) {
                if (*text != '\0')
                        return false;
                text++;
        }
        return true;
}

static json_t *read_value(Reader *r);

static void skip_blanks(Reader *r)
{
        while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
                r->at++;
}

static bool take(Reader *r, char c)
{
        if (r->at == r->end || *r->at != c)
                return false;
        r->at++;
        return true;
}

static bool take_word(Reader *r, const char *word)
{
        size_t n = strlen(word);
        if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0)
                return false;
        r->at += n;
        return true;
}

/* Four hexadecimal digits; -1: not there. */
static int32_t read_hex4(Reader *r)
{
        int32_t code = 0;

        if (r->end - r->at < 4)
                return -1;
        for (int i = 0; i < 4; i++) {
                int digit = g_ascii_xdigit_value(*r->at++);
                if (digit < 0)
                        return -1;
                code = code << 4 | digit;
        }
        return code;
}

/* After "\u". A surrogate alone is malformed. */
static bool read_unicode_escape(Reader *r)
{
        int32_t code = read_hex4(r);
        if (code < 0 || (code >= 0xdc00 && code <= 0xdfff))
                return false;
        if (code >= 0xd800 && code <= 0xdbff) {
                if (!take_word(r, "\\u"))
                        return false;
                int32_t low = read_hex4(r);
                if (low < 0xdc00 || low > 0xdfff)
                        return false;
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
        int n = g_unichar_to_utf8((gunichar)code, buffer_reserve(&r->scratch, 6));
        r->scratch.len += (size_t)n;
        return true;
}

/* After the backslash. */
static bool read_escape(Reader *r)
{
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";

        if (r->at == r->end)
                return false;
        char c = *r->at++;
        if (c == 'u')
                return read_unicode_escape(r);
        const char *found = c ? strchr(from, c) : NULL;
        if (!found)
                return false;
        buffer_append(&r->scratch, &to[found - from], 1);
        return true;
}

/* At the opening quote. *ret_text is borrowed: from the text, or (escaped) from the scratch buffer until the next string. */
static bool read_text(Reader *r, const char **ret_text, size_t *ret_n)
{
        if (!take(r, '"'))
                return false;
        const char *run = r->at;
        bool escaped = false, plain = true;
        r->scratch.len = 0;
        for (;;) {
                r->at += plain_run(r->at, (size_t)(r->end - r->at));
                if (r->at == r->end)
                        return false;
                if (*r->at == '"')
                        break;
                plain = false;
                if (*r->at++ != '\\')
                        continue;
                buffer_append(&r->scratch, run, (size_t)(r->at - 1 - run));
                if (!read_escape(r))
                        return false;
                escaped = true;
                run = r->at;
        }
        size_t n = (size_t)(r->at - run);
        if (escaped)
                buffer_append(&r->scratch, run, n);
        *ret_text = escaped ? r->scratch.data : run;
        *ret_n = escaped ? r->scratch.len : n;
        r->at++;
        if (!plain && !json_text_is_clean(*ret_text, *ret_n))
                r->dirty = true;
        return true;
}

static json_t *read_string(Reader *r)
{
        const char *text;
        size_t n;
        return read_text(r, &text, &n) ? json_stringn_nocheck(text, n) : NULL;
}

static bool take_digits(Reader *r)
{
        const char *first = r->at;
        while (r->at < r->end && g_ascii_isdigit(*r->at))
                r->at++;
        return r->at > first;
}

static json_int_t small_integer(const char *text, size_t n)
{
        bool negative = *text == '-';
        json_int_t i = 0;

        for (size_t at = negative; at < n; at++)
                i = 10 * i + (text[at] - '0');
        return negative ? -i : i;
}

/* Integers that do not fit 64 bits and reals that are not finite are malformed, as they are upstream. */
static json_t *read_number(Reader *r)
{
        const char *first = r->at;
        char text[NUMBER_MAX + 1];
        bool real = false;

        take(r, '-');
        if (!take(r, '0') && !take_digits(r))
                return NULL;
        if (take(r, '.')) {
                real = true;
                if (!take_digits(r))
                        return NULL;
        }
        if (r->at < r->end && (*r->at | 0x20) == 'e') {
                r->at++;
                real = true;
                if (!take(r, '+'))
                        take(r, '-');
                if (!take_digits(r))
                        return NULL;
        }
        size_t n = (size_t)(r->at - first);
        if (!real && n <= SMALL_DIGITS)
                return json_integer(small_integer(first, n));
        if (n > NUMBER_MAX)
                return NULL;
        memcpy(text, first, n);
        text[n] = '\0';
        if (real)
                return json_real(g_ascii_strtod(text, NULL));
        errno = 0;
        long long i = strtoll(text, NULL, 10);
        return errno == 0 ? json_integer(i) : NULL;
}

static bool read_items(Reader *r, json_t *array)
{
        skip_blanks(r);
        if (take(r, ']'))
                return true;
        do {
                json_t *item = read_value(r);
                if (!item)
                        return false;
                json_array_append_new(array, item);
                skip_blanks(r);
        } while (take(r, ','));
        return take(r, ']');
}

/* Where members of an object go; takes the value, the key is borrowed. */
typedef void TakeMember(void *into, const char *key, size_t n, json_t *value);

static bool read_member(Reader *r, TakeMember *take_member, void *into)
{
        const char *key;
        size_t n;

        skip_blanks(r);
        if (!read_text(r, &key, &n))
                return false;
        /* What stands in the scratch buffer would not outlive a string in the value. */
        g_autofree char *copy = key == r->scratch.data ? g_memdup2(key, n) : NULL;
        skip_blanks(r);
        json_t *value = take(r, ':') ? read_value(r) : NULL;
        if (!value)
                return false;
        take_member(into, copy ? copy : key, n, value);
        return true;
}

static bool read_members(Reader *r, TakeMember *take_member, void *into)
{
        skip_blanks(r);
        if (take(r, '}'))
                return true;
        do {
                if (!read_member(r, take_member, into))
                        return false;
                skip_blanks(r);
        } while (take(r, ','));
        return take(r, '}');
}

static void take_into_object(void *into, const char *key, size_t n, json_t *value)
{
        if (json_object_getn(into, key, n))
                json_decref(value);
        else
                json_object_setn_new_nocheck(into, key, n, value);
}

static json_t *read_container(Reader *r, bool is_object)
{
        r->at++;
        if (++r->depth > r->limits->depth)
                return NULL;
        json_t *tree = is_object ? json_object() : json_array();
        if (!(is_object ? read_members(r, take_into_object, tree) : read_items(r, tree))) {
                json_decref(tree);
                return NULL;
        }
        r->depth--;
        return tree;
}

static json_t *read_value(Reader *r)
{
        skip_blanks(r);
        if (r->at == r->end || ++r->n_values > r->limits->values)
                return NULL;
        switch (*r->at) {
        case '{':
        case '[':
                return read_container(r, *r->at == '{');
        case '"':
                return read_string(r);
        case 't':
                return take_word(r, "true") ? json_true() : NULL;
        case 'f':
                return take_word(r, "false") ? json_false() : NULL;
        case 'n':
                return take_word(r, "null") ? json_null() : NULL;
        default:
                return read_number(r);
        }
}

json_t *json_text_read(const char *text, size_t n, const JsonLimits *limits, bool *ret_dirty)
{
        Reader r = { .at = text, .end = text + n, .limits = limits };
        json_t *tree = read_value(&r);

        buffer_clear(&r.scratch);
        if (ret_dirty)
                *ret_dirty = r.dirty;
        skip_blanks(&r);
        if (tree && r.at != r.end) { /* text behind the document */
                json_decref(tree);
                return NULL;
        }
        return tree;
}

typedef struct Wanted {
        JsonMember *members;
        size_t n;
} Wanted;

static void take_wanted(void *into, const char *key, size_t n, json_t *value)
{
        const Wanted *wanted = into;

        for (size_t i = 0; i < wanted->n; i++) {
                JsonMember *member = &wanted->members[i];
                if (!member->value && strlen(member->name) == n && memcmp(member->name, key, n) == 0) {
                        member->value = value;
                        return;
                }
        }
        json_decref(value);
}

bool json_text_members(const char *text, size_t n, const JsonLimits *limits, JsonMember *members,
                       size_t n_members)
{
        Reader r = { .at = text, .end = text + n, .limits = limits, .depth = 1, .n_values = 1 };
        Wanted wanted = { .members = members, .n = n_members };

        skip_blanks(&r);
        bool whole = take(&r, '{') && read_members(&r, take_wanted, &wanted);
        skip_blanks(&r);
        whole = whole && r.at == r.end;
        buffer_clear(&r.scratch);
        for (size_t i = 0; i < n_members && !whole; i++) {
                json_decref(members[i].value);
                members[i].value = NULL;
        }
        return whole;
}

/* How a byte of a string goes into JSON: 0 as it is, else the letter after the backslash ('u': \u00XX). */
static const char json_escapes[256] = {
        [0 ... 7] = 'u', ['\b'] = 'b', ['\t'] = 't',      ['\n'] = 'n', [11] = 'u',
        ['\f'] = 'f',    ['\r'] = 'r', [14 ... 31] = 'u', ['"'] = '"',  ['\\'] = '\\',
};

void json_write_bytes(Buffer *b, const char *text, size_t len)
{
        /* Room for the common case, in which nothing is escaped. */
        buffer_reserve(b, len + 2);
        buffer_append_literal(b, "\"");
        size_t from = 0;
        for (size_t i = 0; (i += plain_run(text + i, len - i)) < len; i++) {
                unsigned char c = (unsigned char)text[i];
                char escape = json_escapes[c];
                if (!escape)
                        continue;
                buffer_append(b, text + from, i - from);
                from = i + 1;
                if (escape == 'u') {
                        static const char hex[] = "0123456789abcdef";
                        char code[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
                        buffer_append(b, code, sizeof(code));
                } else {
                        char code[2] = { '\\', escape };
                        buffer_append(b, code, sizeof(code));
                }
        }
        buffer_append(b, text + from, len - from);
        buffer_append_literal(b, "\"");
}

void json_write_string(Buffer *b, const char *text)
{
        json_write_bytes(b, text, strlen(text));
}

void json_write_float(Buffer *b, double d)
{
        if (isnan(d)) {
                buffer_append_literal(b, "NaN");
        } else if (isinf(d)) {
                buffer_append_text(b, d > 0 ? "Infinity" : "-Infinity");
        } else {
                char text[FLOAT_TEXT_BYTES];
                snprintf(text, sizeof(text), "%.16g", d);
                buffer_append_text(b, text);
                if (!strpbrk(text, ".e"))
                        buffer_append_literal(b, ".0");
        }
}

static void write_array(Buffer *b, const json_t *array)
{
        size_t n = json_array_size(array);
        buffer_append_literal(b, "[");
        for (size_t i = 0; i < n; i++) {
                if (i)
                        buffer_append_literal(b, ",");
                json_text_write(b, json_array_get(array, i));
        }
        buffer_append_literal(b, "]");
}

static void write_object(Buffer *b, json_t *object)
{
        bool first = true;
        buffer_append_literal(b, "{");
        for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
                if (!first)
                        buffer_append_literal(b, ",");
                first = false;
                json_write_bytes(b, json_object_iter_key(i), json_object_iter_key_len(i));
                buffer_append_literal(b, ":");
                json_text_write(b, json_object_iter_value(i));
        }
        buffer_append_literal(b, "}");
}

void json_text_write(Buffer *b, const json_t *json)
{
        switch (json_typeof(json)) {
        case JSON_OBJECT:
                write_object(b, (json_t *)json); /* iterating does not change it */
                return;
        case JSON_ARRAY:
                write_array(b, json);
                return;
        case JSON_STRING:
                json_write_bytes(b, json_string_value(json), json_string_length(json));
                return;
        case JSON_INTEGER:
                buffer_append_int(b, json_integer_value(json));
                return;
        case JSON_REAL:
                json_write_float(b, json_real_value(json));
                return;
        case JSON_TRUE:
                buffer_append_literal(b, "true");
                return;
        case JSON_FALSE:
                buffer_append_literal(b, "false");
                return;
        case JSON_NULL:
                buffer_append_literal(b, "null");
                return;
        }
}
