/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qcow2.h"
#include "raw.h"

#define QEMU_IMG          "/usr/bin/qemu-img"
#define STATUS_NO_PROGRAM 127 /* as a shell has it */

static const char *const format_names[] = { [IMAGE_RAW] = "raw", [IMAGE_QCOW2] = "qcow2" };

bool image_key_valid(const char *key)
{
        for (size_t i = 0; i < IMAGE_KEY_LEN; i++) {
                bool dash = i == 8 || i == 13 || i == 18 || i == 23;

                if (dash ? key[i] != '-' : key[i] == '\0' || strchr("0123456789abcdef", key[i]) == NULL)
                        return false;
        }
        return key[IMAGE_KEY_LEN] == '\0';
}

void image_name(char name[IMAGE_NAME_SIZE], const char *key, ImageFormat format)
{
        snprintf(name, IMAGE_NAME_SIZE, "%.*s.%s", (int)IMAGE_KEY_LEN, key, format_names[format]);
}

bool image_format_parse(const char *name, ImageFormat *ret)
{
        for (size_t i = 0; i < sizeof(format_names) / sizeof(format_names[0]); i++)
                if (strcmp(format_names[i], name) == 0) {
                        *ret = (ImageFormat)i;
                        return true;
                }
        return false;
}

const char *image_format_name(ImageFormat format)
{
        return format_names[format];
}

bool image_name_parse(const char *name, char key[IMAGE_KEY_LEN + 1], ImageFormat *ret_format)
{
        if (strlen(name) <= IMAGE_KEY_LEN || name[IMAGE_KEY_LEN] != '.')
                return false;
        memcpy(key, name, IMAGE_KEY_LEN);
        key[IMAGE_KEY_LEN] = '\0';
        return image_key_valid(key) && image_format_parse(name + IMAGE_KEY_LEN + 1, ret_format);
}

int image_size_round(int64_t size_bytes, int64_t *ret_bytes)
{
        if (size_bytes < 1 || size_bytes > IMAGE_SIZE_MAX)
                return -EINVAL;
        *ret_bytes = (size_bytes + IMAGE_SECTOR_BYTES - 1) / IMAGE_SECTOR_BYTES * IMAGE_SECTOR_BYTES;
        return 0;
}

static int close_with(int fd, int r)
{
        if (close(fd) < 0 && r == 0)
                return -errno;
        return r;
}

int image_create(int directory, const char *name, ImageFormat format, int64_t size_bytes,
                 const Image *backing)
{
        int fd, r;

        if (format == IMAGE_RAW)
                return backing == NULL ? raw_create(directory, name, size_bytes) : -EINVAL;
        fd = openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = qcow2_write(fd, size_bytes, backing != NULL ? backing->name : NULL,
                        backing != NULL && backing->format == IMAGE_RAW);
        if (r == 0 && fsync(fd) < 0)
                r = -errno;
        return close_with(fd, r);
}

/* In the child. Names are relative, as backing files are. Repairs tell of each cluster: nobody wants to read that. */
static _Noreturn void exec_qemu_img(int directory, const char *const *argv)
{
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        if (fchdir(directory) < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
            (strcmp(argv[1], "check") == 0 && dup2(null, STDERR_FILENO) < 0))
                _exit(1);
        execv(QEMU_IMG, (char *const *)argv);
        _exit(errno == ENOENT ? STATUS_NO_PROGRAM : 1);
}

static int qemu_img(int directory, const char *const *argv)
{
        int status;
        pid_t pid;

        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                exec_qemu_img(directory, argv);
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0;
        return WIFEXITED(status) && WEXITSTATUS(status) == STATUS_NO_PROGRAM ? -EOPNOTSUPP : -EIO;
}

int image_grow(int directory, const Image *image, int64_t size_bytes)
{
        char size[24];
        const char *const argv[] = { "qemu-img", "resize", "-q", "-f", "qcow2", image->name, size, NULL };

        if (image->format == IMAGE_RAW)
                return raw_grow(directory, image->name, size_bytes);
        if (size_bytes == image->virtual_bytes)
                return 0;
        if (size_bytes < image->virtual_bytes)
                return -EINVAL;
        snprintf(size, sizeof(size), "%lld", (long long)size_bytes);
        return qemu_img(directory, argv);
}

int image_convert(const char *source, ImageFormat source_format, int directory, const char *name,
                  ImageFormat format)
{
        const char *const argv[] = {
                "qemu-img",           "convert", "-q", "-W", "-f", format_names[source_format], "-O",
                format_names[format], source,    name, NULL
        };

        return qemu_img(directory, argv);
}

int image_commit(int directory, const Image *image)
{
        const char *const commit[] = { "qemu-img", "commit", "-q", "-d", "-f", "qcow2", image->name, NULL };
        /* What an earlier attempt, which was killed, had allocated but not made use of. */
        const char *const repair[] = { "qemu-img", "check", "-q",           "-r", "leaks",
                                       "-f",       "qcow2", image->backing, NULL };
        char key[IMAGE_KEY_LEN + 1];
        ImageFormat format;
        int r = 0;

        if (image_name_parse(image->backing, key, &format) && format == IMAGE_QCOW2)
                r = qemu_img(directory, repair);
        return r < 0 ? r : qemu_img(directory, commit);
}

static int read_header(int directory, const struct stat *st, Image *image)
{
        char key[IMAGE_KEY_LEN + 1];
        ImageFormat format;
        Qcow2Header header;
        int fd, r;

        fd = openat(directory, image->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = qcow2_read(fd, &header);
        close(fd);
        if (r < 0)
                return r;
        image->virtual_bytes = header.virtual_bytes;
        if (header.backing[0] == '\0')
                return 0;
        if (!image_name_parse(header.backing, key, &format) || header.backing_is_raw != (format == IMAGE_RAW))
                return -EBADMSG;
        strcpy(image->backing, header.backing);
        image->empty = st->st_size <= header.empty_bytes;
        return 0;
}

int image_stat(int directory, const char *name, Image *ret)
{
        char key[IMAGE_KEY_LEN + 1];
        struct stat st;
        int r = 0;

        *ret = (Image){ 0 };
        if (!image_name_parse(name, key, &ret->format))
                return -EBADMSG;
        image_name(ret->name, key, ret->format);
        if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EBADMSG;
        ret->inode = st.st_ino;
        ret->physical_bytes = (int64_t)st.st_blocks * 512;
        if (ret->format == IMAGE_QCOW2)
                r = read_header(directory, &st, ret);
        else
                ret->virtual_bytes = st.st_size;
        if (r < 0)
                ret->virtual_bytes = 0;
        return r;
}

int image_find(int directory, const char *key, Image *ret)
{
        char name[IMAGE_NAME_SIZE];
        int r;

        image_name(name, key, IMAGE_QCOW2);
        r = image_stat(directory, name, ret);
        if (r != -ENOENT)
                return r;
        image_name(name, key, IMAGE_RAW);
        return image_stat(directory, name, ret);
}
