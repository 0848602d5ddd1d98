# SPDX-License-Identifier: LGPL-2.1-or-later
"""Connections that carry more than calls: bodies of any size and shape, consoles, WebSocket. Bytes as the test says."""
import base64
import os
import socket
import struct
import urllib.parse

from .client import TIMEOUT_SEC, tls_context


class Stream:
    """A connection to the URL of a stack, or to the path of its unix socket."""

    def __init__(self, target, timeout=TIMEOUT_SEC):
        self.ahead = b''
        if str(target).startswith('https:'):
            parts = urllib.parse.urlsplit(target)
            plain = socket.create_connection((parts.hostname, parts.port), timeout)
            self.sock = tls_context().wrap_socket(plain)
        else:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout)
            self.sock.connect(str(target))

    def send(self, data):
        self.sock.sendall(data)

    def receive(self, n=65536):
        """-> b'' at the end, however it came."""
        if self.ahead:
            data, self.ahead = self.ahead[:n], self.ahead[n:]
            return data
        try:
            return self.sock.recv(n)
        except (ConnectionError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            return b''

    def exactly(self, n):
        data = bytearray()
        while len(data) < n:
            more = self.receive(n - len(data))
            assert more, f'ended after {bytes(data)!r}'
            data += more
        return bytes(data)

    def until(self, text):
        data = b''
        while not data.endswith(text):
            data += self.exactly(1)
        return data

    def rest(self):
        return b''.join(iter(self.receive, b''))

    def request(self, method, path, query=None, headers=None, version='1.1'):
        """Sends a head."""
        text = f'{method} {path}{"?" + urllib.parse.urlencode(query) if query else ""} HTTP/{version}\r\nHost: x\r\n'
        self.send((text + ''.join(f'{k}: {v}\r\n' for k, v in (headers or {}).items()) + '\r\n').encode())

    def head(self):
        """-> status, headers (lower-case) of a reply."""
        lines = self.until(b'\r\n\r\n').decode().split('\r\n')
        return int(lines[0].split()[1]), dict((k.lower(), v.strip()) for k, v in
                                              (line.split(':', 1) for line in lines[1:] if line))

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def basic(user, password):
    return {'Authorization': 'Basic ' + base64.b64encode(f'{user}:{password}'.encode()).decode()}


class WebSocket:
    """A client of RFC 6455 on a stream: messages of bytes."""

    def __init__(self, stream, path, query=None, headers=None, protocol='binary'):
        self.stream = stream
        stream.request('GET', path, query, {
            'Upgrade': 'websocket', 'Connection': 'Upgrade', 'Sec-WebSocket-Version': '13',
            'Sec-WebSocket-Key': base64.b64encode(os.urandom(16)).decode(),
            **({'Sec-WebSocket-Protocol': protocol} if protocol else {}), **(headers or {})})
        self.status, self.headers = stream.head()

    def frame(self, first, payload):
        n, mask = len(payload), os.urandom(4)
        length = bytes([0x80 | n]) if n < 126 else bytes([0xfe]) + struct.pack('>H', n) if n < 65536 \
            else bytes([0xff]) + struct.pack('>Q', n)
        self.stream.send(bytes([first]) + length + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))

    def send(self, data):
        self.frame(0x82, data)

    def receive(self):
        """-> opcode, payload."""
        first, length = self.stream.exactly(2)
        assert first & 0xf0 == 0x80 and length < 0x80, (first, length)
        if length == 126:
            length, = struct.unpack('>H', self.stream.exactly(2))
        elif length == 127:
            length, = struct.unpack('>Q', self.stream.exactly(8))
        return first & 0x0f, self.stream.exactly(length)

    def until(self, text):
        data = b''
        while not data.endswith(text):
            opcode, more = self.receive()
            assert opcode == 2, (opcode, more, data)
            data += more
        return data
