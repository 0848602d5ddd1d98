# SPDX-License-Identifier: LGPL-2.1-or-later
"""HTTP clients that misbehave, by the thousand: they hold what they can and give nothing back."""
import concurrent.futures
import json
import multiprocessing
import random
import re
import resource
import socket
import ssl
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


SLOW_HEAD, ENDLESS_BODY, UNREAD_REPLIES = range(3)


class Slot:
    """One connection of a slow client's; begun again when the server has had enough of it."""

    HEAD = b'POST /jsonrpc HTTP/1.1\r\nHost: x\r\nX-Slow: ' + b'z' * 10_000

    def __init__(self, connection, habit):
        self.connection, self.habit, self.sent = connection, habit, 0
        connection.settimeout(0)
        if habit == ENDLESS_BODY:
            self.send(request('VM.get_all', ['x'], length=1 << 20))
        elif habit == UNREAD_REPLIES:
            self.send(request('system.listMethods') * 20)

    def drip(self):
        """-> whether the connection is still there."""
        if self.habit == UNREAD_REPLIES:
            return self.send(request('system.listMethods'))         # to look whether it was closed would be to read
        self.sent += 1
        return self.send(self.HEAD[self.sent % len(self.HEAD):][:1]) and self.is_open()

    def send(self, data):
        try:
            self.connection.send(data)
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError, BlockingIOError):
            pass
        except OSError:
            return False
        return True

    def is_open(self):
        try:
            return bool(self.connection.recv(4096))
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError, BlockingIOError):
            return True
        except OSError:
            return False


class Slow:
    """A byte a second of a head; bodies that never end; replies that are never read. Whoever is thrown out for it comes
    again at once, until close()."""

    def __init__(self, url, n):
        self.url, self.stop = url, threading.Event()
        self.again, self.failure = 0, None
        self.slots = [Slot(connection, n % 3) for n, connection in enumerate(connect_many(url, n))]
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            while not self.stop.wait(DRIP_SEC):
                for index, slot in enumerate(self.slots):
                    if self.stop.is_set():
                        return
                    if not slot.drip():
                        slot.connection.close()
                        self.again += 1
                        self.slots[index] = Slot(connect(self.url), slot.habit)
        except Exception as error:
            self.failure = error

    def close(self):
        self.stop.set()
        self.thread.join()
        for slot in self.slots:
            slot.connection.close()
        assert not self.failure, f'they kept others from connecting: {self.failure!r}'

    def counts(self):
        return {'came_again': self.again}


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

    def counts(self):
        return {'requests': self.sent}


class Greedy:
    """Asks for everything, again and again, on each of its connections, and looks at nothing that comes."""

    def __init__(self, url, n, session):
        self.stop, self.replies, self.failure = threading.Event(), 0, None
        self.ask = request('VM.get_all_records', [session])
        self.threads = [threading.Thread(target=self.run, args=(connection,)) for connection in connect_many(url, n)]
        for thread in self.threads:
            thread.start()

    def run(self, connection):
        try:
            with connection:
                while not self.stop.is_set():
                    connection.sendall(self.ask)
                    self.read_reply(connection)
                    self.replies += 1
        except Exception as error:
            self.failure = error

    @staticmethod
    def read_reply(connection):
        data = connection.recv(1 << 18)
        while b'\r\n\r\n' not in data:
            more = connection.recv(1 << 18)
            assert more, f'the end after {data!r}'
            data += more
        head, _, body = data.partition(b'\r\n\r\n')
        assert head.startswith(b'HTTP/1.1 200'), head
        left = int(re.search(rb'(?i)content-length: *(\d+)', head)[1]) - len(body)
        while left > 0:
            more = connection.recv(1 << 18)
            assert more, 'the end within a reply'
            left -= len(more)

    def close(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        assert not self.failure, f'{self.failure!r}'

    def counts(self):
        return {'replies': self.replies}


class Apart:
    """One of these in a process of its own, so that what it takes is not taken from whoever measures."""

    def __init__(self, kind, *arguments):
        context = multiprocessing.get_context('spawn')
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=run_apart, args=(other, kind, arguments))
        self.process.start()
        other.close()
        self.take()

    def take(self):
        try:
            answer = self.pipe.recv()
        except EOFError:
            answer = 'it died'
        assert isinstance(answer, dict), answer
        return answer

    def close(self):
        """-> its counts."""
        self.pipe.send('end')
        try:
            return self.take()
        finally:
            self.process.join()
            self.pipe.close()


def run_apart(pipe, kind, arguments):
    try:
        room_for(0)
        pest = kind(*arguments)
        pipe.send({})
        pipe.recv()
        pest.close()
        pipe.send(pest.counts())
    except Exception as error:
        pipe.send(repr(error))
