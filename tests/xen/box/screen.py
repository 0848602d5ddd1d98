# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest's screen, as a client sees it that speaks RFB 3.8 (RFC 6143)."""
import struct

VERSION = b'RFB 003.008\n'
NO_SECURITY, RAW = 1, 0
SET_ENCODINGS, UPDATE_REQUEST, UPDATE = 2, 3, 0


class Screen:
    """Over a connected socket: .width and .height are as the server says at first, .name is what it calls the screen."""

    def __init__(self, connection):
        self.connection = connection
        assert self.read(len(VERSION)) == VERSION
        connection.sendall(VERSION)
        kinds = self.read(self.read(1)[0])
        assert NO_SECURITY in kinds, kinds
        connection.sendall(bytes([NO_SECURITY]))
        assert self.read(4) == bytes(4)
        connection.sendall(b'\1')           # others may look, too
        self.width, self.height, pixel, length = struct.unpack('>HH16sI', self.read(24))
        self.pixel_bytes = pixel[0] // 8
        self.name = self.read(length).decode()
        connection.sendall(struct.pack('>BxHi', SET_ENCODINGS, 1, RAW))

    def read(self, length):
        data = b''
        while len(data) < length:
            part = self.connection.recv(length - len(data))
            assert part, f'the screen ended after {data!r}'
            data += part
        return data

    def picture(self):
        """-> the pixels of all that is seen now, a rectangle after another."""
        self.connection.sendall(struct.pack('>BBHHHH', UPDATE_REQUEST, 0, 0, 0, self.width, self.height))
        kind, count = struct.unpack('>BxH', self.read(4))
        assert kind == UPDATE, kind
        pixels = b''
        for _ in range(count):
            width, height, encoding = struct.unpack('>4xHHi', self.read(12))
            assert encoding == RAW, encoding
            pixels += self.read(width * height * self.pixel_bytes)
        return pixels
