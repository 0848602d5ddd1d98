# SPDX-License-Identifier: LGPL-2.1-or-later
"""HTTP clients that misbehave, by the thousand: they hold what they can and give nothing back."""
import concurrent.futures
import json
import random
import resource
import socket
import threading
import urllib.parse

from harness.client import tls_context

CONNECT_SEC = 60
OPENERS = 8             # connections are opened by so many threads
DRIP_SEC = 1.0
SPARE_FILES = 300
LONG_POLL_SEC = 3600.0


def room_for(connections):
    """-> as many of them as this process may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(connections, hard - SPARE_FILES)


def connect(url):
    parts = urllib.parse.urlsplit(url)
    plain = socket.create_connection((parts.hostname, parts.port), CONNECT_SEC)
    try:
        return tls_context().wrap_socket(plain)
    except BaseException:
        plain.close()
        raise


def connect_many(url, n):
    with concurrent.futures.ThreadPoolExecutor(OPENERS) as pool:
        return list(pool.map(lambda _: connect(url), range(n)))


def request(method, params=(), length=None):
    body = json.dumps({'jsonrpc': '2.0', 'id': 1, 'method': method, 'params': list(params)}).encode()
    head = f'POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n' \
           f'Content-Length: {length or len(body)}\r\n\r\n'
    return head.encode() + body


class Idle:
    """Connected, and silent."""

    def __init__(self, url, n):
        self.sockets = connect_many(url, n)

    def close(self):
        for connection in self.sockets:
            connection.close()


class LongPolls(Idle):
    def __init__(self, url, n, session):
        super().__init__(url, n)
        for connection in self.sockets:
            # A class of which nothing happens.
            connection.sendall(request('event.from', [session, ['pool_patch'], '', LONG_POLL_SEC]))


class Slow:
    """A byte a second of a head; bodies that never end; replies that are never read. Whoever is thrown out for it comes
    again at once, until close()."""

    def __init__(self, url, n):
        self.url, self.stop = url, threading.Event()
        self.again = 0
        self.slots = [(connection, n % 3) for n, connection in enumerate(connect_many(url, n))]
        for connection, habit in self.slots:
            self.begin(connection, habit)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    @staticmethod
    def begin(connection, habit):
        connection.settimeout(0)
        if habit == 1:
            Slow.push(connection, request('VM.get_all', ['x'], length=1 << 20))
        elif habit == 2:
            Slow.push(connection, request('system.listMethods') * 200)

    @staticmethod
    def push(connection, data):
        """-> whether the connection is still there."""
        try:
            connection.send(data)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            # Full is not gone: TLS says so with an error of its own.
            return 'write operation did not complete' in str(error)
        return True

    @staticmethod
    def is_open(connection, habit):
        if habit == 2:
            return True                 # to look would be to read
        try:
            return bool(connection.recv(4096))
        except OSError as error:
            return 'did not complete' in str(error)

    def run(self):
        head = b'POST /jsonrpc HTTP/1.1\r\nHost: x\r\nX-Slow: ' + b'z' * 100_000
        tick = 0
        while not self.stop.wait(DRIP_SEC):
            for index, (connection, habit) in enumerate(self.slots):
                data = request('system.listMethods') if habit == 2 else head[tick % len(head):][:1]
                if self.stop.is_set():
                    return
                if not self.is_open(connection, habit) or not self.push(connection, data):
                    connection.close()
                    self.again += 1
                    fresh = connect(self.url)
                    self.begin(fresh, habit)
                    self.slots[index] = (fresh, habit)
            tick += 1

    def close(self):
        self.stop.set()
        self.thread.join()
        for connection, _ in self.slots:
            connection.close()


class Junk:
    """What is almost a request, again and again: bytes changed, cut off, repeated."""

    def __init__(self, url, seed):
        self.url, self.random, self.stop = url, random.Random(seed), threading.Event()
        self.sent = 0
        self.failure = None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def mutate(self, data):
        data = bytearray(data)
        for _ in range(self.random.randrange(1, 8)):
            at = self.random.randrange(len(data))
            end = min(len(data), at + self.random.randrange(1, 40))
            choice = self.random.randrange(4)
            if choice == 0:
                data[at] = self.random.randrange(256)
            elif choice == 1:
                del data[at:end]
            elif choice == 2:
                data[at:at] = data[at:end] * self.random.randrange(1, 50)
            else:
                data[at:at] = self.random.choice([b'\r\n', b'\0', b'[' * 2000, b'\xff\xfe', b'<!DOCTYPE a [', b'%s%n',
                                                  b'-1', b'99999999999999999999', b'Transfer-Encoding: chunked\r\n'])
            if not data:
                break
        return bytes(data)

    def run(self):
        seeds = [request('VM.get_all', ['OpaqueRef:none']), request('session.login_with_password', ['root', 'x']),
                 b'POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 103\r\n\r\n'
                 b'<?xml version="1.0"?><methodCall><methodName>VM.get_all</methodName><params></params></methodCall>     ',
                 b'GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n']
        try:
            while not self.stop.is_set():
                with connect(self.url) as connection:
                    connection.settimeout(0.05)
                    try:
                        for _ in range(self.random.randrange(1, 4)):
                            connection.sendall(self.mutate(self.random.choice(seeds)))
                            self.sent += 1
                        connection.recv(1 << 16)
                    except OSError:
                        pass            # refused, or waiting for more: either is an answer
        except Exception as error:
            self.failure = error

    def close(self):
        self.stop.set()
        self.thread.join()
        assert not self.failure, f'junk kept others from connecting: {self.failure!r}'
