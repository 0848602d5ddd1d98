/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzzes what comes over the switch's socket: first the reader alone, then a whole switch with one connection that sends
 * the input, in pieces whose size is the input's first byte. */
#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "daemon.h"
#include "peer.h"

#define FUZZ_INPUT_MAX   (128u << 10)
#define FUZZ_SPACE_BYTES (64u << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_socketpair(int *ends)
{
        int r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends);
        assert(r == 0);
        (void)r;
}

static void fuzz_check(const Frame *frame)
{
        char again[FRAME_HEADER_SIZE];
        frame_header_encode(&frame->header, again);
        assert(memcmp(again, frame->start, sizeof again) == 0);
        assert(frame->header.name_len <= FRAME_NAME_MAX && frame->header.body_len <= FRAME_BODY_MAX);
        assert(frame->header.n_fds == 0); /* none were sent */
        volatile char last = frame->body[-1];
        if (frame->header.body_len)
                last = frame->body[frame->header.body_len - 1];
        (void)last;
}

static bool fuzz_walk(FrameReader *reader)
{
        Frame frame;
        int r;
        while ((r = frame_reader_next(reader, &frame)) > 0)
                fuzz_check(&frame);
        return r == 0 && frame_reader_end(reader) == 0;
}

static void fuzz_reader(const uint8_t *data, size_t size, size_t piece)
{
        static char space[FUZZ_SPACE_BYTES];
        FrameReader reader = { 0 };
        int ends[2];
        bool good = true;
        fuzz_socketpair(ends);
        for (size_t at = 0; at < size && good; at += piece) {
                ssize_t sent = send(ends[0], data + at, MIN(piece, size - at), MSG_NOSIGNAL);
                assert(sent > 0);
                while (good && frame_reader_receive(&reader, ends[1], space, sizeof space) > 0)
                        good = fuzz_walk(&reader);
        }
        frame_reader_clear(&reader);
        close(ends[0]);
        close(ends[1]);
}

static void fuzz_turn(Loop *loop)
{
        uv_run(loop_uv(loop), UV_RUN_NOWAIT);
}

/* Made once; a connection that the input serves a queue by, or calls by, leaves nothing behind but names. */
static Manager *fuzz_manager(Loop **ret_loop)
{
        static Manager *manager;
        static Loop *loop;
        if (!manager) {
                g_autofree char *folder = g_dir_make_tmp("fuzz-frame-XXXXXX", NULL);
                g_autofree char *socket_path = g_build_filename(folder, "sock", NULL);
                g_autofree char *lock_path = g_build_filename(folder, "sock.lock", NULL);
                g_autofree char *names_path = g_build_filename(folder, "names", NULL);
                g_autofree char *error = NULL;
                log_setup("fuzz-frame", "error");
                loop = loop_new();
                manager = manager_new(
                    loop, &(ManagerOptions){ .socket_path = socket_path, .names_path = names_path }, &error);
                assert(manager);
                g_unlink(socket_path);
                g_unlink(lock_path);
                g_unlink(names_path);
                g_rmdir(folder);
        }
        *ret_loop = loop;
        return manager;
}

static void fuzz_drain(int socket)
{
        char bytes[4096];
        while (recv(socket, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
                ;
}

static void fuzz_switch(const uint8_t *data, size_t size, size_t piece)
{
        Loop *loop;
        Manager *manager = fuzz_manager(&loop);
        int ends[2];
        fuzz_socketpair(ends);
        peer_new(manager, ends[1]);
        for (size_t at = 0; at < size && manager->n_peers; at += piece) {
                if (send(ends[0], data + at, MIN(piece, size - at), MSG_NOSIGNAL) < 0)
                        break;
                fuzz_turn(loop);
                fuzz_drain(ends[0]);
        }
        close(ends[0]);
        while (manager->n_peers)
                fuzz_turn(loop);
        assert(manager->calls.n_used == 0 && manager->held_bytes == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size < 1 || size > FUZZ_INPUT_MAX)
                return 0;
        size_t piece = data[0] ? data[0] * 8u : size;
        fuzz_reader(data + 1, size - 1, piece);
        fuzz_switch(data + 1, size - 1, piece);
        return 0;
}
