/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qcow2.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define MAGIC             0x514649fbu
#define VERSION           3u
#define CLUSTER_BITS      16u
#define CLUSTER_BYTES     (INT64_C(1) << CLUSTER_BITS)
#define L2_BITS           (CLUSTER_BITS - 3u)
#define REFCOUNT_ORDER    4u /* 16 bits a cluster */
#define HEADER_BYTES      104u
#define EXTENSION_END     0u
#define EXTENSION_BACKING 0xe2792acau /* the backing file's format */
#define EXTENSIONS_MAX    16u
#define FIRST_BYTES       4096u /* of a header with its extensions and the backing file's name, as written here */
#define L1_ENTRIES_MAX    (INT64_C(1) << 22)

/* As in the file: big-endian, without gaps. */
struct header {
        uint32_t magic, version;
        uint64_t backing_offset;
        uint32_t backing_bytes, cluster_bits;
        uint64_t virtual_bytes;
        uint32_t crypt_method, l1_entries;
        uint64_t l1_offset, refcount_table_offset;
        uint32_t refcount_table_clusters, snapshots;
        uint64_t snapshots_offset, incompatible, compatible, autoclear;
        uint32_t refcount_order, header_bytes;
};

struct extension {
        uint32_t type, bytes;
};

_Static_assert(sizeof(struct header) == HEADER_BYTES, "as in the file");

static int write_at(int fd, const void *data, size_t bytes, off_t offset)
{
        ssize_t n;

        do
                n = pwrite(fd, data, bytes, offset);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        return (size_t)n == bytes ? 0 : -ENOSPC;
}

static int64_t divide_up(int64_t a, int64_t b)
{
        return (a + b - 1) / b;
}

static int64_t l1_entries_for(int64_t virtual_bytes)
{
        return divide_up(virtual_bytes, CLUSTER_BYTES << L2_BITS);
}

/* The header's cluster, then the refcount table, one block of refcounts, the L1 table. */
static int64_t clusters_for(int64_t l1_entries)
{
        return 3 + divide_up(l1_entries * 8, CLUSTER_BYTES);
}

static size_t put_extension(char *room, uint32_t type, const char *text)
{
        struct extension extension = { .type = htobe32(type), .bytes = htobe32((uint32_t)strlen(text)) };

        memcpy(room, &extension, sizeof(extension));
        memcpy(room + sizeof(extension), text, strlen(text));
        return sizeof(extension) + (strlen(text) + 7) / 8 * 8;
}

static int write_header(int fd, int64_t virtual_bytes, int64_t l1_entries, const char *backing,
                        bool backing_is_raw)
{
        char first[FIRST_BYTES] = { 0 };
        struct header header = {
                .magic = htobe32(MAGIC),
                .version = htobe32(VERSION),
                .cluster_bits = htobe32(CLUSTER_BITS),
                .virtual_bytes = htobe64((uint64_t)virtual_bytes),
                .l1_entries = htobe32((uint32_t)l1_entries),
                .l1_offset = htobe64(3 * CLUSTER_BYTES),
                .refcount_table_offset = htobe64(CLUSTER_BYTES),
                .refcount_table_clusters = htobe32(1),
                .refcount_order = htobe32(REFCOUNT_ORDER),
                .header_bytes = htobe32(HEADER_BYTES),
        };
        size_t at = HEADER_BYTES;

        if (backing != NULL) {
                at += put_extension(first + at, EXTENSION_BACKING, backing_is_raw ? "raw" : "qcow2");
                at += put_extension(first + at, EXTENSION_END, "");
                header.backing_offset = htobe64(at);
                header.backing_bytes = htobe32((uint32_t)strlen(backing));
                memcpy(first + at, backing, strlen(backing));
        }
        memcpy(first, &header, sizeof(header));
        return write_at(fd, first, sizeof(first), 0);
}

int qcow2_write(int fd, int64_t virtual_bytes, const char *backing, bool backing_is_raw)
{
        int64_t l1_entries = l1_entries_for(virtual_bytes), clusters = clusters_for(l1_entries);
        uint64_t block_offset = htobe64(2 * CLUSTER_BYTES);
        uint16_t refcounts[64];
        int r;

        if (l1_entries > L1_ENTRIES_MAX || clusters > (int64_t)(sizeof(refcounts) / sizeof(refcounts[0])))
                return -EFBIG;
        if (backing != NULL && strlen(backing) >= QCOW2_BACKING_MAX)
                return -ENAMETOOLONG;
        for (int64_t i = 0; i < clusters; i++)
                refcounts[i] = htobe16(1);
        if (ftruncate(fd, clusters * CLUSTER_BYTES) < 0)
                return -errno;
        r = write_at(fd, refcounts, (size_t)clusters * sizeof(refcounts[0]), 2 * CLUSTER_BYTES);
        if (r == 0)
                r = write_at(fd, &block_offset, sizeof(block_offset), CLUSTER_BYTES);
        return r < 0 ? r : write_header(fd, virtual_bytes, l1_entries, backing, backing_is_raw);
}

static int read_at(int fd, void *data, size_t bytes, off_t offset)
{
        ssize_t n;

        do
                n = pread(fd, data, bytes, offset);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        return (size_t)n == bytes ? 0 : -EBADMSG;
}

/* Looks for the backing file's format among the extensions. */
static int read_backing_format(const char *first, size_t at, bool *ret_raw)
{
        for (unsigned i = 0; i < EXTENSIONS_MAX; i++) {
                struct extension extension;

                if (at > FIRST_BYTES - sizeof(extension))
                        return -EBADMSG;
                memcpy(&extension, first + at, sizeof(extension));
                extension.type = be32toh(extension.type);
                extension.bytes = be32toh(extension.bytes);
                at += sizeof(extension);
                if (extension.type == EXTENSION_END || extension.bytes > FIRST_BYTES - at)
                        return -EBADMSG;
                if (extension.type == EXTENSION_BACKING) {
                        *ret_raw = extension.bytes == 3 && memcmp(first + at, "raw", 3) == 0;
                        return *ret_raw || (extension.bytes == 5 && memcmp(first + at, "qcow2", 5) == 0)
                                   ? 0
                                   : -EBADMSG;
                }
                at += (extension.bytes + 7) / 8 * 8;
        }
        return -EBADMSG;
}

static int read_backing(int fd, const struct header *header, const char *first, Qcow2Header *ret)
{
        uint64_t offset = be64toh(header->backing_offset);
        uint32_t bytes = be32toh(header->backing_bytes);
        int r;

        if (offset == 0)
                return 0;
        if (bytes == 0 || bytes >= QCOW2_BACKING_MAX || offset >= CLUSTER_BYTES)
                return -EBADMSG;
        r = read_at(fd, ret->backing, bytes, (off_t)offset);
        if (r < 0)
                return r;
        ret->backing[bytes] = '\0';
        if (strlen(ret->backing) != bytes)
                return -EBADMSG;
        return read_backing_format(first, be32toh(header->header_bytes), &ret->backing_is_raw);
}

int qcow2_read(int fd, Qcow2Header *ret)
{
        char first[FIRST_BYTES];
        struct header header;
        uint64_t virtual_bytes;
        int r;

        r = read_at(fd, first, sizeof(first), 0);
        if (r < 0)
                return r;
        memcpy(&header, first, sizeof(header));
        virtual_bytes = be64toh(header.virtual_bytes);
        if (be32toh(header.magic) != MAGIC || be32toh(header.version) != VERSION ||
            be32toh(header.cluster_bits) != CLUSTER_BITS || virtual_bytes > INT64_MAX)
                return -EBADMSG;
        *ret = (Qcow2Header){ .virtual_bytes = (int64_t)virtual_bytes,
                              .empty_bytes = clusters_for(be32toh(header.l1_entries)) * CLUSTER_BYTES };
        return read_backing(fd, &header, first, ret);
}
