/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http-text.h"
#include "http.h"

const char *http_header(const HttpRequest *r, const char *name)
{
        for (size_t i = 0; i < r->n_headers; i++)
                if (strcasecmp(r->headers[i].name, name) == 0)
                        return r->headers[i].value;
        return NULL;
}

static int hex_digit(unsigned char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c |= 0x20;
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return -1;
}

ssize_t http_percent_decode(const char *text, size_t n, bool plus_is_space, char *ret)
{
        size_t out = 0;

        for (size_t i = 0; i < n; i++) {
                unsigned char c = (unsigned char)text[i];
                if (c == '+' && plus_is_space) {
                        c = ' ';
                } else if (c == '%') {
                        int high = i + 2 < n ? hex_digit((unsigned char)text[i + 1]) : -1;
                        int low = i + 2 < n ? hex_digit((unsigned char)text[i + 2]) : -1;
                        if (high < 0 || low < 0 || (high == 0 && low == 0))
                                return -1;
                        c = (unsigned char)(high << 4 | low);
                        i += 2;
                }
                ret[out++] = (char)c;
        }
        return (ssize_t)out;
}

char *http_query_value(const HttpRequest *r, const char *name)
{
        size_t name_len = strlen(name);
        const char *pair = r->query;

        while (*pair) {
                size_t n = strcspn(pair, "&");
                if (n > name_len && memcmp(pair, name, name_len) == 0 && pair[name_len] == '=') {
                        size_t value_len = n - name_len - 1;
                        char *value = malloc(value_len + 1);
                        assert(value);
                        ssize_t decoded = http_percent_decode(pair + name_len + 1, value_len, true, value);
                        if (decoded >= 0) {
                                value[decoded] = '\0';
                                return value;
                        }
                        free(value);
                        return NULL;
                }
                pair += n;
                pair += *pair == '&';
        }
        return NULL;
}

/* RFC 6265: name=value pairs separated by "; "; upstream's clients also write "," between them. */
char *http_cookie(const HttpRequest *r, const char *name)
{
        size_t name_len = strlen(name);

        for (size_t i = 0; i < r->n_headers; i++) {
                if (strcasecmp(r->headers[i].name, "cookie") != 0)
                        continue;
                const char *pair = r->headers[i].value;
                while (*pair) {
                        pair += strspn(pair, " \t;,");
                        size_t n = strcspn(pair, ";,");
                        if (n > name_len && memcmp(pair, name, name_len) == 0 && pair[name_len] == '=') {
                                size_t value_len = n - name_len - 1;
                                const char *value = pair + name_len + 1;
                                while (value_len > 0 &&
                                       (value[value_len - 1] == ' ' || value[value_len - 1] == '\t'))
                                        value_len--;
                                char *copy = strndup(value, value_len);
                                assert(copy);
                                return copy;
                        }
                        pair += n;
                }
        }
        return NULL;
}

bool http_list_has(const char *list, const char *token)
{
        size_t token_len = strlen(token);

        while (*list) {
                list += strspn(list, " \t,");
                size_t n = strcspn(list, ",");
                size_t bare = n;
                while (bare > 0 && (list[bare - 1] == ' ' || list[bare - 1] == '\t'))
                        bare--;
                if (bare == token_len && strncasecmp(list, token, bare) == 0)
                        return true;
                list += n;
        }
        return false;
}
