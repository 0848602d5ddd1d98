// SPDX-License-Identifier: LGPL-2.1-or-later
#include "network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TRIES = 10, TRY_MSEC = 1000, APPEAR_TRIES = 100, APPEAR_USEC = 100000 };

void network_set_up(const char *interface, const char *address)
{
        struct ifreq request = { 0 };
        struct sockaddr_in *in = (struct sockaddr_in *)&request.ifr_addr;
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
        for (int i = 0; i < APPEAR_TRIES && ioctl(fd, SIOCGIFFLAGS, &request); i++)
                usleep(APPEAR_USEC);
        in->sin_family = AF_INET;
        inet_pton(AF_INET, address, &in->sin_addr);
        if (ioctl(fd, SIOCSIFADDR, &request))
                printf("guest: address of %s: %s\n", interface, strerror(errno));
        inet_pton(AF_INET, "255.255.255.0", &in->sin_addr);
        ioctl(fd, SIOCSIFNETMASK, &request);
        request.ifr_flags = IFF_UP | IFF_RUNNING;
        if (ioctl(fd, SIOCSIFFLAGS, &request))
                printf("guest: %s up: %s\n", interface, strerror(errno));
        close(fd);
}

static unsigned short checksum(const void *data, size_t size)
{
        const unsigned short *word = data;
        unsigned long sum = 0;

        for (size_t i = 0; i < size / 2; i++)
                sum += word[i];
        sum = (sum >> 16) + (sum & 0xffff);
        return (unsigned short)~(sum + (sum >> 16));
}

bool network_ping(const char *address)
{
        struct sockaddr_in to = { .sin_family = AF_INET };
        struct icmphdr echo = { .type = ICMP_ECHO, .un.echo = { .id = 0x7861 } };
        int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
        bool answered = false;

        inet_pton(AF_INET, address, &to.sin_addr);
        for (int i = 0; i < TRIES && !answered; i++) {
                struct pollfd wait = { .fd = fd, .events = POLLIN };
                unsigned char packet[512];

                echo.un.echo.sequence = htons((unsigned short)i);
                echo.checksum = 0;
                echo.checksum = checksum(&echo, sizeof echo);
                sendto(fd, &echo, sizeof echo, 0, (struct sockaddr *)&to, sizeof to);
                while (!answered && poll(&wait, 1, TRY_MSEC) > 0) {
                        ssize_t n = recv(fd, packet, sizeof packet, 0);
                        const struct icmphdr *reply = (const struct icmphdr *)(packet + (packet[0] & 15) * 4);

                        answered =
                            n >= 28 && reply->type == ICMP_ECHOREPLY && reply->un.echo.id == echo.un.echo.id;
                }
        }
        close(fd);
        return answered;
}
