/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Headers, and what the reader makes of what the writer sends. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "frame-reader.h"
#include "frame-writer.h"

#define SPACE_BYTES (64u << 10)

static FrameHeader call_header(uint32_t body_len)
{
        return (FrameHeader){ .magic = FRAME_MAGIC,
                              .kind = FRAME_CALL,
                              .name_len = 1,
                              .body_len = body_len,
                              .id = UINT64_C(0x1122334455667788),
                              .deadline_usec = 99,
                              .traceparent = "00-ab" };
}

static void test_layout(void)
{
        unsigned char bytes[FRAME_HEADER_SIZE];
        FrameHeader header = call_header(0x01020304), again;
        header.n_fds = 2;
        header.body_len = 0x010203;
        frame_header_encode(&header, bytes);
        static const unsigned char expected[] = { 'X',  'S',  'F',  '1',  3,    0,    2, 0,    3,
                                                  2,    1,    0,    1,    0,    0,    0, 0x88, 0x77,
                                                  0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 99 };
        g_assert_cmpmem(bytes, sizeof expected, expected, sizeof expected);
        g_assert_cmpstr((char *)bytes + 32, ==, "00-ab");
        g_assert_cmpint(frame_header_decode(bytes, &again), ==, 0);
        g_assert_cmpmem(&again, sizeof again, &header, sizeof header);
}

static int decode(FrameHeader header)
{
        char bytes[FRAME_HEADER_SIZE];
        frame_header_encode(&header, bytes);
        return frame_header_decode(bytes, &header);
}

static void test_limits(void)
{
        FrameHeader header = call_header(FRAME_BODY_MAX);
        header.name_len = FRAME_NAME_MAX;
        header.n_fds = FRAME_FDS_MAX;
        g_assert_cmpint(decode(header), ==, 0);
        FrameHeader past = header;
        past.body_len++;
        g_assert_cmpint(decode(past), ==, -EMSGSIZE);
        past = header;
        past.name_len++;
        g_assert_cmpint(decode(past), ==, -EMSGSIZE);
        past = header;
        past.n_fds++;
        g_assert_cmpint(decode(past), ==, -EMSGSIZE);
        past = header;
        past.magic++;
        g_assert_cmpint(decode(past), ==, -EPROTO);
        past = header;
        past.name_len = 0;
        g_assert_cmpint(decode(past), ==, -EPROTO);
        past = header;
        past.kind = FRAME_CONTROL + 1;
        g_assert_cmpint(decode(past), ==, -EPROTO);
        past = header;
        memset(past.traceparent, 'x', sizeof past.traceparent);
        g_assert_cmpint(decode(past), ==, -EPROTO);
        past = (FrameHeader){ .magic = FRAME_MAGIC, .kind = FRAME_CANCEL, .body_len = 1 };
        g_assert_cmpint(decode(past), ==, -EPROTO);
}

static void test_names(void)
{
        g_autofree char *name = g_strnfill(FRAME_NAME_MAX + 1, 'n');
        g_assert_true(frame_name_valid(name, FRAME_NAME_MAX));
        g_assert_false(frame_name_valid(name, FRAME_NAME_MAX + 1));
        g_assert_false(frame_name_valid("", 0));
        g_assert_true(frame_name_valid("org.xen.xapi.xenops.classic", 27));
        g_assert_false(frame_name_valid("a b", 3));
        g_assert_false(frame_name_valid("a\n", 2));
        g_assert_false(frame_name_valid("\xc3\xa9", 2));
        for (BusOutcome outcome = 0; outcome <= BUS_CANCELLED + 1; outcome++)
                g_assert_cmpuint(strlen(bus_outcome_text(outcome)), >, 0);
}

typedef struct Pipe {
        int ends[2];
        FrameWriter writer;
        FrameReader reader;
        char *space;
} Pipe;

static void pipe_open(Pipe *p)
{
        *p = (Pipe){ .space = g_malloc(SPACE_BYTES) };
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->ends), ==, 0);
}

static void pipe_close(Pipe *p)
{
        frame_writer_clear(&p->writer);
        frame_reader_clear(&p->reader);
        close(p->ends[0]);
        close(p->ends[1]);
        g_free(p->space);
}

static void pipe_add(Pipe *p, uint64_t id, uint32_t body_len, const int *fds, size_t n_fds)
{
        auto_buffer frame = { 0 };
        FrameHeader header = call_header(body_len);
        header.id = id;
        header.n_fds = (uint16_t)n_fds;
        frame_header_encode(&header, buffer_reserve(&frame, frame_length(&header)));
        memset(frame.data + FRAME_HEADER_SIZE, (int)('a' + id % 26),
               frame_length(&header) - FRAME_HEADER_SIZE);
        frame_writer_add_fds(&p->writer, fds, n_fds);
        frame_writer_add(&p->writer, frame.data, frame_length(&header));
        frame_writer_keep(&p->writer);
}

static void check_frame(Frame *frame, uint64_t id, uint32_t body_len, size_t n_fds)
{
        g_assert_cmpuint(frame->header.id, ==, id);
        g_assert_cmpuint(frame->header.body_len, ==, body_len);
        g_assert_cmpuint(frame->header.n_fds, ==, n_fds);
        for (uint32_t i = 0; i < body_len; i++)
                g_assert_true(frame->body[i] == (char)('a' + id % 26));
        for (size_t i = 0; i < n_fds; i++)
                g_assert_cmpint(fcntl(frame->fds[i], F_GETFD), ==, FD_CLOEXEC);
        frame_close_fds(frame);
}

static uint32_t body_of(uint64_t id)
{
        return (uint32_t)(id * id * 37 % 200000);
}

static size_t fds_of(uint64_t id)
{
        return id % 5 == 0 ? id % (FRAME_FDS_MAX + 1) : 0;
}

/* Frames of all sizes with and without descriptors, through a socket that is full again and again. */
static void test_stream(void)
{
        Pipe p;
        pipe_open(&p);
        int fds[FRAME_FDS_MAX];
        const uint64_t n = 300;
        uint64_t sent = 0, received = 0;
        while (received < n) {
                for (size_t batch = 0; batch < 7 && sent < n; batch++, sent++) {
                        for (size_t i = 0; i < fds_of(sent); i++)
                                fds[i] = open("/dev/null", O_RDONLY);
                        pipe_add(&p, sent, body_of(sent), fds, fds_of(sent));
                }
                int r = frame_writer_flush(&p.writer, p.ends[0]);
                g_assert_true(r == 0 || r == -EAGAIN);
                ssize_t got = frame_reader_receive(&p.reader, p.ends[1], p.space, SPACE_BYTES);
                if (got == -EAGAIN)
                        continue;
                g_assert_cmpint(got, >, 0);
                Frame frame;
                while ((r = frame_reader_next(&p.reader, &frame)) > 0) {
                        check_frame(&frame, received, body_of(received), fds_of(received));
                        received++;
                }
                g_assert_cmpint(r, ==, 0);
                g_assert_cmpint(frame_reader_end(&p.reader), ==, 0);
        }
        g_assert_cmpuint(frame_writer_unsent(&p.writer), ==, 0);
        g_assert_cmpuint(p.writer.n_fds, ==, 0);
        pipe_close(&p);
}

/* A header that promises much gets room only for what comes. */
static void test_promises(void)
{
        Pipe p;
        char bytes[FRAME_HEADER_SIZE];
        FrameHeader header = call_header(FRAME_BODY_MAX);
        Frame frame;
        pipe_open(&p);
        frame_header_encode(&header, bytes);
        for (int i = 0; i < 2; i++) {
                g_assert_cmpint(write(p.ends[0], bytes, sizeof bytes), ==, sizeof bytes);
                g_assert_cmpint(frame_reader_receive(&p.reader, p.ends[1], p.space, SPACE_BYTES), >, 0);
                g_assert_cmpint(frame_reader_next(&p.reader, &frame), ==, 0);
                g_assert_cmpint(frame_reader_end(&p.reader), ==, 0);
        }
        g_assert_cmpuint(p.reader.kept.room, <=, 256 << 10);
        pipe_close(&p);
}

/* Descriptors that no frame asks for are closed with the reader. */
static void test_stray_fds(void)
{
        Pipe p;
        Frame frame;
        pipe_open(&p);
        int fd = open("/dev/null", O_RDONLY);
        FrameHeader header = call_header(0);
        char bytes[FRAME_HEADER_SIZE + 1] = "";
        frame_header_encode(&header, bytes);
        frame_writer_add_fds(&p.writer, &fd, 1);
        frame_writer_add(&p.writer, bytes, sizeof bytes);
        g_assert_cmpint(frame_writer_flush(&p.writer, p.ends[0]), ==, 0);
        g_assert_cmpint(frame_reader_receive(&p.reader, p.ends[1], p.space, SPACE_BYTES), ==, sizeof bytes);
        g_assert_cmpint(frame_reader_next(&p.reader, &frame), ==, 1);
        g_assert_cmpint(frame_reader_next(&p.reader, &frame), ==, 0);
        g_assert_cmpint(frame_reader_end(&p.reader), ==, -EPROTO);
        int stray = p.reader.fds[0];
        frame_reader_clear(&p.reader);
        g_assert_cmpint(fcntl(stray, F_GETFD), ==, -1);
        pipe_close(&p);
}

static void test_broken_socket(void)
{
        Pipe p;
        pipe_open(&p);
        shutdown(p.ends[1], SHUT_RDWR);
        pipe_add(&p, 1, 100, NULL, 0);
        g_assert_cmpint(frame_writer_flush(&p.writer, p.ends[0]), ==, -EPIPE);
        g_assert_cmpuint(frame_writer_unsent(&p.writer), ==, FRAME_HEADER_SIZE + 1 + 100);
        g_assert_cmpint(frame_reader_receive(&p.reader, p.ends[0], p.space, SPACE_BYTES), ==, 0);
        pipe_close(&p);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/frame/layout", test_layout);
        g_test_add_func("/frame/limits", test_limits);
        g_test_add_func("/frame/names", test_names);
        g_test_add_func("/frame/stream", test_stream);
        g_test_add_func("/frame/promises", test_promises);
        g_test_add_func("/frame/stray-fds", test_stray_fds);
        g_test_add_func("/frame/broken-socket", test_broken_socket);
        return g_test_run();
}
