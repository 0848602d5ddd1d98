/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "codec.h"

#define DAY_SECONDS      86400
#define FIRST_SECOND     (-62167219200LL) /* 0000-01-01T00:00:00Z */
#define LAST_SECOND      253402300799LL   /* 9999-12-31T23:59:59Z */
#define ZONE_MAX_MINUTES (24 * 60)

/* Days from 1970-01-01, of the proleptic Gregorian calendar; years begin in March so that leap days come last. */
static int64_t days_of_date(int64_t year, int64_t month, int64_t day)
{
        year -= month <= 2;
        int64_t era = (year >= 0 ? year : year - 399) / 400;
        int64_t year_of_era = year - era * 400;
        int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
        return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void date_of_days(int64_t days, int64_t *ret_year, int64_t *ret_month, int64_t *ret_day)
{
        days += 719468;
        int64_t era = (days >= 0 ? days : days - 146096) / 146097;
        int64_t day_of_era = days - era * 146097;
        int64_t year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
        int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        int64_t month = (5 * day_of_year + 2) / 153;
        *ret_day = day_of_year - (153 * month + 2) / 5 + 1;
        *ret_month = month + (month < 10 ? 3 : -9);
        *ret_year = year_of_era + era * 400 + (*ret_month <= 2);
}

void datetime_format(int64_t seconds, char text[DATETIME_TEXT_BYTES])
{
        seconds = seconds < FIRST_SECOND ? FIRST_SECOND : seconds > LAST_SECOND ? LAST_SECOND : seconds;
        int64_t days = (seconds >= 0 ? seconds : seconds - (DAY_SECONDS - 1)) / DAY_SECONDS;
        int64_t second_of_day = seconds - days * DAY_SECONDS;
        int64_t year, month, day;
        date_of_days(days, &year, &month, &day);
        snprintf(text, DATETIME_TEXT_BYTES, "%04u%02u%02uT%02u:%02u:%02uZ", (unsigned)year % 10000u,
                 (unsigned)month % 100u, (unsigned)day % 100u, (unsigned)(second_of_day / 3600) % 100u,
                 (unsigned)(second_of_day / 60 % 60), (unsigned)(second_of_day % 60));
}

/* Exactly n digits at *at. */
static bool take_number(const char **at, int n, int *ret)
{
        int value = 0;
        for (int i = 0; i < n; i++, (*at)++) {
                if (**at < '0' || **at > '9')
                        return false;
                value = value * 10 + (**at - '0');
        }
        *ret = value;
        return true;
}

static bool take_char(const char **at, char c)
{
        if (**at != c)
                return false;
        (*at)++;
        return true;
}

static bool take_zone(const char **at, int *ret_minutes)
{
        *ret_minutes = 0;
        if (**at == '\0' || take_char(at, 'Z') || take_char(at, 'z'))
                return true;
        int sign = **at == '-' ? -1 : 1;
        if (!take_char(at, '+') && !take_char(at, '-'))
                return false;
        int hours, minutes = 0;
        if (!take_number(at, 2, &hours))
                return false;
        if (take_char(at, ':') || **at)
                if (!take_number(at, 2, &minutes))
                        return false;
        *ret_minutes = sign * (hours * 60 + minutes);
        return minutes < 60 && hours * 60 + minutes <= ZONE_MAX_MINUTES;
}

bool datetime_parse(const char *text, int64_t *ret_seconds)
{
        static const int month_days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        const char *at = text;
        int year, month, day, hour, minute, second, zone;
        if (!take_number(&at, 4, &year))
                return false;
        bool dashes = take_char(&at, '-');
        if (!take_number(&at, 2, &month) || (dashes && !take_char(&at, '-')) || !take_number(&at, 2, &day))
                return false;
        if (!take_char(&at, 'T') && !take_char(&at, 't') && !take_char(&at, ' '))
                return false;
        if (!take_number(&at, 2, &hour))
                return false;
        bool colons = take_char(&at, ':');
        if (!take_number(&at, 2, &minute) || (colons && !take_char(&at, ':')) ||
            !take_number(&at, 2, &second))
                return false;
        if (take_char(&at, '.') || take_char(&at, ',')) {
                size_t digits = strspn(at, "0123456789");
                if (digits == 0)
                        return false;
                at += digits;
        }
        if (!take_zone(&at, &zone) || *at)
                return false;
        if (month < 1 || month > 12 || day < 1 || day > month_days[month - 1] || hour > 23 || minute > 59 ||
            second > 60)
                return false;
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        if (month == 2 && day == 29 && !leap)
                return false;
        *ret_seconds =
            days_of_date(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second - zone * 60;
        return true;
}
