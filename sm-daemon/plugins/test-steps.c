/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-steps.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>

Record *steps;         /* shared with the child */
static bool recording; /* in the child */
static char *kept;     /* where files go that were synced, named by inode */

int __real_openat64(int directory, const char *name, int flags, ...);
int __wrap_openat64(int directory, const char *name, int flags, ...);
int __real_linkat(int from_directory, const char *from, int to_directory, const char *to, int flags);
int __wrap_linkat(int from_directory, const char *from, int to_directory, const char *to, int flags);
int __real_renameat(int from_directory, const char *from, int to_directory, const char *to);
int __wrap_renameat(int from_directory, const char *from, int to_directory, const char *to);
int __real_unlinkat(int directory, const char *name, int flags);
int __wrap_unlinkat(int directory, const char *name, int flags);
ssize_t __real_pwrite64(int fd, const void *data, size_t n, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t n, off_t offset);
ssize_t __real_write(int fd, const void *data, size_t n);
ssize_t __wrap_write(int fd, const void *data, size_t n);
int __real_ftruncate64(int fd, off_t size);
int __wrap_ftruncate64(int fd, off_t size);
int __wrap_fsync(int fd);

static void note(StepKind kind, ino_t inode, const char *from, const char *to)
{
        Step *step;

        if (!recording)
                return;
        g_assert_cmpuint(steps->n, <, STEPS_MAX);
        step = &steps->steps[steps->n++];
        step->kind = kind;
        step->inode = inode;
        g_strlcpy(step->from, from, NAME_SIZE);
        g_strlcpy(step->to, to, NAME_SIZE);
        if (steps->n == steps->end_after)
                _exit(0);
}

static ino_t inode_at(int directory, const char *name)
{
        struct stat st = { 0 };

        fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW);
        return st.st_ino;
}

static void note_write(int fd)
{
        struct stat st;

        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
                note(STEP_WRITE, st.st_ino, "", "");
}

int __wrap_openat64(int directory, const char *name, int flags, ...)
{
        bool fresh = (flags & O_CREAT) && faccessat(directory, name, F_OK, 0) < 0;
        va_list ap;
        mode_t mode;
        int fd;

        va_start(ap, flags);
        mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
        va_end(ap);
        fd = __real_openat64(directory, name, flags, mode);
        if (fd >= 0 && fresh)
                note(STEP_CREATE, inode_at(directory, name), "", name);
        return fd;
}

int __wrap_linkat(int from_directory, const char *from, int to_directory, const char *to, int flags)
{
        int r = __real_linkat(from_directory, from, to_directory, to, flags);

        if (r == 0)
                note(STEP_LINK, inode_at(to_directory, to), from, to);
        return r;
}

int __wrap_renameat(int from_directory, const char *from, int to_directory, const char *to)
{
        int r = __real_renameat(from_directory, from, to_directory, to);

        if (r == 0)
                note(STEP_RENAME, inode_at(to_directory, to), from, to);
        return r;
}

int __wrap_unlinkat(int directory, const char *name, int flags)
{
        int r = __real_unlinkat(directory, name, flags);

        if (r == 0)
                note(STEP_UNLINK, 0, name, "");
        return r;
}

ssize_t __wrap_pwrite64(int fd, const void *data, size_t n, off_t offset)
{
        ssize_t r = __real_pwrite64(fd, data, n, offset);

        note_write(fd);
        return r;
}

ssize_t __wrap_write(int fd, const void *data, size_t n)
{
        ssize_t r = __real_write(fd, data, n);

        note_write(fd);
        return r;
}

int __wrap_ftruncate64(int fd, off_t size)
{
        int r = __real_ftruncate64(fd, size);

        note_write(fd);
        return r;
}

/* Sparse as it is: what the file holds at this moment, under its inode's number. */
static void keep(int fd, const struct stat *st)
{
        g_autofree char *path = g_strdup_printf("%s/%lu", kept, (unsigned long)st->st_ino),
                        *own = g_strdup_printf("/proc/self/fd/%d", fd);
        int from = __real_openat64(AT_FDCWD, own, O_RDONLY | O_CLOEXEC);
        int to = __real_openat64(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        off_t at = 0, end;

        g_assert_cmpint(to, >=, 0);
        g_assert_cmpint(__real_ftruncate64(to, st->st_size), ==, 0);
        while ((at = lseek(from, at, SEEK_DATA)) >= 0) {
                char bytes[65536];
                ssize_t n;

                for (end = lseek(from, at, SEEK_HOLE); at < end; at += n) {
                        n = pread(from, bytes, (size_t)MIN(end - at, (off_t)sizeof(bytes)), at);
                        g_assert_cmpint(n, >, 0);
                        g_assert_cmpint(__real_pwrite64(to, bytes, (size_t)n, at), ==, n);
                }
        }
        close(from);
        close(to);
}

int __wrap_fsync(int fd)
{
        struct stat st;

        /* What it would do is what is tried out here, not left to this machine's disk. */
        if (!recording || fstat(fd, &st) < 0)
                return 0;
        if (!S_ISREG(st.st_mode)) {
                note(STEP_SYNC_DIRECTORY, 0, "", "");
                return 0;
        }
        keep(fd, &st);
        note(STEP_SYNC, st.st_ino, "", "");
        return 0;
}

void steps_begin(const char *folder)
{
        steps = mmap(NULL, sizeof(*steps), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        g_assert_true(steps != MAP_FAILED);
        kept = g_strdup(folder);
        g_assert_cmpint(g_mkdir(kept, 0700), ==, 0);
}

void steps_end(void)
{
        munmap(steps, sizeof(*steps));
        g_clear_pointer(&kept, g_free);
}

void steps_record(void (*act)(void *data), void *data, size_t end_after)
{
        int status;
        pid_t pid;

        memset(steps, 0, sizeof(*steps));
        steps->end_after = end_after;
        pid = fork();
        if (pid == 0) {
                recording = true;
                act(data);
                _exit(0);
        }
        waitpid(pid, &status, 0);
        g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

char *steps_bytes(ino_t inode, size_t n)
{
        bool synced = false;

        for (size_t i = 0; i < n; i++) {
                if (steps->steps[i].inode != inode)
                        continue;
                if (steps->steps[i].kind == STEP_SYNC)
                        synced = true;
                else if (steps->steps[i].kind == STEP_WRITE)
                        synced = false;
        }
        return synced ? g_strdup_printf("%s/%lu", kept, (unsigned long)inode) : NULL;
}
