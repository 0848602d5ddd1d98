/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 1024

void die(const char *format, ...)
{
        int error = errno;
        va_list args;
        va_start(args, format);
        vfprintf(stderr, format, args);
        va_end(args);
        fprintf(stderr, error ? ": %s\n" : "\n", strerror(error));
        exit(EXIT_FAILURE);
}

uint64_t now_nsec(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct sockaddr_un unix_address(const char *path)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        if (strlen(path) >= sizeof address.sun_path)
                die("%s is too long", path);
        strcpy(address.sun_path, path);
        return address;
}

int unix_connect(const char *path)
{
        struct sockaddr_un address = unix_address(path);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
                die("%s", path);
        return fd;
}

int unix_listen(const char *path)
{
        struct sockaddr_un address = unix_address(path);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, BACKLOG) < 0)
                die("%s", path);
        return fd;
}

int tcp_connect(const char *text, const char *port)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)number(port)) };
        int one = 1;
        if (inet_pton(AF_INET, text, &address.sin_addr) != 1)
                die("%s is no address", text);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0)
                die("%s:%s", text, port);
        return fd;
}

void set_blocking(int fd, bool is_blocking)
{
        int flags = fcntl(fd, F_GETFL);
        if (fcntl(fd, F_SETFL, is_blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK) < 0)
                die("fcntl");
}

bool write_all(int fd, const void *bytes, size_t len)
{
        for (const char *at = bytes; len > 0;) {
                ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
                if (n < 0 && errno == EAGAIN) {
                        struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };
                        poll(&poll_fd, 1, -1);
                } else if (n < 0 && errno != EINTR) {
                        return false;
                } else if (n > 0) {
                        at += n;
                        len -= (size_t)n;
                }
        }
        return true;
}

char *read_file(const char *path, size_t *ret_len)
{
        struct stat status;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &status) < 0)
                die("%s", path);
        size_t len = (size_t)status.st_size;
        char *bytes = malloc(len + 1);
        if (!bytes || read(fd, bytes, len) != (ssize_t)len)
                die("%s", path);
        bytes[len] = '\0';
        close(fd);
        *ret_len = len;
        return bytes;
}

unsigned number(const char *text)
{
        char *end;
        unsigned long value = strtoul(text, &end, 10);
        errno = 0;
        if (*end || value == 0 || value > UINT32_MAX)
                die("%s is no number", text);
        return (unsigned)value;
}
