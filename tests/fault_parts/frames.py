# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client of the switch that speaks its frames by hand (message-switch/lib/frame.h), so that it can misbehave."""
import array
import json
import socket
import struct
import time
from dataclasses import dataclass

HEADER = struct.Struct('<IBBHIIQQ56s')
MAGIC = 0x31465358
HELLO, SERVE, CALL, REPLY, ERROR, CANCEL, OK, CONTROL = range(1, 9)
OUTCOME_UNKNOWN, OVER_QUOTA, DENIED, TOO_LARGE = 3, 4, 5, 6
TIMEOUT = 2
BODY_MAX = 16 << 20
CALLS_MAX = 4096
TIMEOUT_SEC = 60


@dataclass
class Frame:
    kind: int
    outcome: int
    id: int
    name: bytes
    body: bytes


def encode(kind, id=0, name=b'', body=b'', outcome=0, seconds=0, n_fds=0):
    """`seconds`: the call's deadline from now; 0 leaves it to the switch."""
    deadline = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000 + int(seconds * 1e6) if seconds else 0
    return HEADER.pack(MAGIC, kind, outcome, n_fds, len(body), len(name), id, deadline, b'') + name + body


class Gone(Exception):
    """The switch ended the connection."""


class Client:
    def __init__(self, path, name='tests', timeout=TIMEOUT_SEC):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.buffer = bytearray()
        self.last_id = 0
        try:
            self.socket.connect(str(path))
            self.send(HELLO, 1, name.encode())
            self.expect(OK, 1)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, kind, id=0, name=b'', body=b'', **more):
        try:
            self.socket.sendall(encode(kind, id, name, body, **more))
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Gone(error) from None

    def read(self, length):
        while len(self.buffer) < length:
            try:
                # Descriptors that come along are closed with the array of the kernel's message.
                received, ancillary, _, _ = self.socket.recvmsg(1 << 18, socket.CMSG_SPACE(16 * 4))
            except ConnectionResetError as error:
                raise Gone(error) from None
            for level, kind, data in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    for fd in array.array('i', data[:len(data) // 4 * 4]):
                        socket.close(fd)
            if not received:
                raise Gone('end of stream')
            self.buffer += received
        taken = bytes(self.buffer[:length])
        del self.buffer[:length]
        return taken

    def next(self):
        magic, kind, outcome, _, body_len, name_len, id, _, _ = HEADER.unpack(self.read(HEADER.size))
        assert magic == MAGIC, hex(magic)
        name = self.read(name_len)
        return Frame(kind, outcome, id, name, self.read(body_len))

    def expect(self, kind, id, outcome=0):
        frame = self.next()
        assert (frame.kind, frame.id, frame.outcome) == (kind, id, outcome), frame
        return frame

    def serve(self, queue):
        self.last_id += 1
        self.send(SERVE, self.last_id, queue.encode())
        self.expect(OK, self.last_id)

    def begin(self, queue, method='tests', params=(), seconds=0):
        """Sends a call -> its id."""
        self.last_id += 1
        body = json.dumps({'method': method, 'params': list(params), 'id': self.last_id}).encode()
        self.send(CALL, self.last_id, queue.encode(), body, seconds=seconds)
        return self.last_id

    def ask(self, queue, method='tests', params=(), seconds=TIMEOUT_SEC):
        """-> the REPLY's JSON, or the ERROR frame."""
        id = self.begin(queue, method, params, seconds)
        frame = self.next()
        assert frame.id == id, frame
        return json.loads(frame.body) if frame.kind == REPLY else frame
