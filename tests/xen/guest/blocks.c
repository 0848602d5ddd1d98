// SPDX-License-Identifier: LGPL-2.1-or-later
#include "blocks.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCK_BYTES = 4096, BLOCKS_MAX = 65536 };
static const uint64_t MAGIC = 0x58415049424c4b31;

typedef struct Block {
        uint64_t magic, number, generation;
        uint64_t fill[BLOCK_BYTES / 8 - 4];
        uint64_t sum; // of all before
} Block;

// Shared with the writer's process.
typedef struct Acknowledged {
        _Atomic bool stop;
        _Atomic int error;
        _Atomic uint64_t writes;
        _Atomic uint64_t generation[BLOCKS_MAX];
} Acknowledged;

static Block *block;
static Acknowledged *acknowledged;
static pid_t writer;
static char writer_disk[64];
static uint64_t writer_first, writer_count;

static uint64_t sum_of(const Block *b)
{
        uint64_t sum = 0;

        for (size_t i = 0; i < sizeof *b / 8 - 1; i++)
                sum = (sum << 7 | sum >> 57) ^ ((const uint64_t *)b)[i];
        return sum;
}

static int open_disk(const char *name, int flags)
{
        char path[80];

        snprintf(path, sizeof path, "/dev/%s", name);
        if (!block)
                block = aligned_alloc(BLOCK_BYTES, BLOCK_BYTES);
        return open(path, flags | O_DIRECT | O_CLOEXEC);
}

static int write_block(int fd, uint64_t number, uint64_t generation)
{
        block->magic = MAGIC;
        block->number = number;
        block->generation = generation;
        for (size_t i = 0; i < sizeof block->fill / 8; i++)
                block->fill[i] = number * 1000003 + generation * 257 + i;
        block->sum = sum_of(block);
        if (pwrite(fd, block, BLOCK_BYTES, (off_t)(number * BLOCK_BYTES)) != BLOCK_BYTES)
                return errno ? -errno : -EIO;
        return 0;
}

// Returns the generation; 0 where there is no block, -1 where it is torn or cannot be read.
static int64_t read_block(int fd, uint64_t number)
{
        if (pread(fd, block, BLOCK_BYTES, (off_t)(number * BLOCK_BYTES)) != BLOCK_BYTES)
                return -1;
        if (block->magic != MAGIC)
                return 0;
        return block->number == number && block->sum == sum_of(block) ? (int64_t)block->generation : -1;
}

static void stamp(int fd, uint64_t first, uint64_t count, uint64_t generation)
{
        for (uint64_t i = first; i < first + count; i++) {
                int r = write_block(fd, i, generation);

                if (r) {
                        printf("stamp failed: block %lu: %s\n", i, strerror(-r));
                        return;
                }
        }
        printf("stamp ok\n");
}

static void check(int fd, uint64_t first, uint64_t count, uint64_t generation)
{
        uint64_t wrong = 0, first_wrong = 0;
        int64_t found = 0;

        for (uint64_t i = first; i < first + count; i++) {
                int64_t g = read_block(fd, i);

                if (g != (int64_t)generation && !wrong++) {
                        first_wrong = i;
                        found = g;
                }
        }
        if (wrong)
                printf("check failed: %lu blocks, the first %lu with %ld\n", wrong, first_wrong, found);
        else
                printf("check ok\n");
}

static void write_on(int fd)
{
        for (uint64_t generation = 1; !acknowledged->stop; generation++)
                for (uint64_t i = 0; i < writer_count && !acknowledged->stop; i++) {
                        int r = write_block(fd, writer_first + i, generation);

                        if (r) {
                                /* What of it reached the disk nobody knows. */
                                acknowledged->generation[i] = 0;
                                acknowledged->error = -r;
                                _exit(1);
                        }
                        acknowledged->generation[i] = generation;
                        acknowledged->writes++;
                }
        _exit(0);
}

static void start_writer(int fd, const char *disk, uint64_t first, uint64_t count)
{
        if (!acknowledged)
                acknowledged = mmap(NULL, sizeof *acknowledged, PROT_READ | PROT_WRITE,
                                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (writer || count > BLOCKS_MAX) {
                printf("writer failed: %s\n", writer ? "there is one" : "too many blocks");
                return;
        }
        memset(acknowledged, 0, sizeof *acknowledged);
        snprintf(writer_disk, sizeof writer_disk, "%s", disk);
        writer_first = first;
        writer_count = count;
        writer = fork();
        if (writer == 0)
                write_on(fd);
        printf("writer ok\n");
}

static void stop_writer(void)
{
        uint64_t wrong = 0;
        int fd;

        if (!writer) {
                printf("stop failed: there is no writer\n");
                return;
        }
        acknowledged->stop = true;
        waitpid(writer, NULL, 0);
        writer = 0;
        fd = open_disk(writer_disk, O_RDONLY);
        for (uint64_t i = 0; i < writer_count; i++)
                if (acknowledged->generation[i] &&
                    read_block(fd, writer_first + i) != (int64_t)acknowledged->generation[i])
                        wrong++;
        if (wrong)
                printf("stop failed: %lu acknowledged blocks are not there\n", wrong);
        else if (acknowledged->error)
                printf("stop failed: a write: %s\n", strerror(acknowledged->error));
        else
                printf("stop ok %lu\n", acknowledged->writes);
        close(fd);
}

static bool writer_obeys(const char *name)
{
        if (!strcmp(name, "stop"))
                stop_writer();
        else if (!strcmp(name, "written"))
                printf("written %lu\n", acknowledged ? acknowledged->writes : 0);
        else if (!strcmp(name, "error"))
                printf("error %s\n",
                       acknowledged && acknowledged->error ? strerror(acknowledged->error) : "none");
        else
                return false;
        return true;
}

bool blocks_obey(char **word)
{
        bool ranged = !strcmp(word[0], "stamp") || !strcmp(word[0], "check") || !strcmp(word[0], "writer");
        uint64_t bytes, value[3] = { 0 };
        int fd, flags;

        if (writer_obeys(word[0]))
                return true;
        if ((!ranged && strcmp(word[0], "size")) || !word[1])
                return false;
        for (int i = 0; i < 3 && ranged && word[2 + i]; i++)
                value[i] = strtoull(word[2 + i], NULL, 10);
        flags = !strcmp(word[0], "check") || !ranged ? O_RDONLY : O_RDWR;
        if (word[4] && !strcmp(word[4], "sync"))
                flags |= O_DSYNC;
        fd = open_disk(word[1], flags);
        if (fd < 0)
                printf("%s failed: %s\n", word[0], strerror(errno));
        else if (!ranged)
                printf("size %ld\n", ioctl(fd, BLKGETSIZE64, &bytes) ? -1L : (long)bytes);
        else if (!strcmp(word[0], "stamp"))
                stamp(fd, value[0], value[1], value[2]);
        else if (!strcmp(word[0], "check"))
                check(fd, value[0], value[1], value[2]);
        else
                start_writer(fd, word[1], value[0], value[1]);
        if (fd >= 0)
                close(fd);
        return true;
}
