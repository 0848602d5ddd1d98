# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients that misbehave, and everybody else, who must not notice."""
import contextlib
import re
import threading
import time

from harness.client import XapiError
from harness.stack import PASSWORD
from fault_parts import pests
from fault_parts.clients import Client
from fault_parts.report import milliseconds, tell
from fault_parts.scale import scale, seeded

TEST_SEC = scale(300, 900)
IDLE = scale(200, 5000)
SLOW = scale(60, 1000)
POLLS = scale(20, 200)
CALLERS = 4
CALLS = scale(150, 1500)        # of each caller, for a figure
STACK = {'vms': 20}


class Caller(threading.Thread):
    """An honest client on a connection of its own: reads, and each tenth time writes what it then reads."""

    def __init__(self, stack, number, start):
        super().__init__()
        self.stack, self.number, self.start_together = stack, number, start
        self.seconds, self.failure = [], None

    def run(self):
        try:
            xapi = self.stack.json()
            vms = [ref for ref, r in xapi.call('VM.get_all_records').items() if not r['is_a_template']]
            self.start_together.wait()
            for n in range(CALLS):
                vm = vms[(self.number + n * CALLERS) % len(vms)]
                start = time.monotonic()
                record = xapi.call('VM.get_record', vm)
                self.seconds.append(time.monotonic() - start)
                assert record['uuid'], record
                if n % 10 == 0:
                    xapi.call('VM.set_name_description', vms[self.number], str(n))
                    assert xapi.call('VM.get_name_description', vms[self.number]) == str(n)
            xapi.close()
        except Exception as error:
            self.failure = error
            self.start_together.abort()


def call_others(stack):
    """-> seconds of each call, and calls a second; anything that goes wrong fails the test."""
    together = threading.Barrier(CALLERS + 1)
    callers = [Caller(stack, n, together) for n in range(CALLERS)]
    for caller in callers:
        caller.start()
    with contextlib.suppress(threading.BrokenBarrierError):     # what broke it is told below
        together.wait()
    start = time.monotonic()
    for caller in callers:
        caller.join()
    rate = CALLERS * CALLS / (time.monotonic() - start)
    assert not [caller.failure for caller in callers if caller.failure], [caller.failure for caller in callers]
    return [seconds for caller in callers for seconds in caller.seconds], rate


def compare(stack, what):
    seconds, rate = call_others(stack)
    tell(f'VM.get_record beside {what}', a_second=round(rate), **milliseconds(seconds))


def memory_kib(stack):
    with open(f'/proc/{stack.pid("xapi-core")}/smaps_rollup') as file:
        return int(re.search(r'Pss:\s+(\d+) kB', file.read())[1])


def test_alone(stack):
    """The figures that those below are to be compared with."""
    compare(stack, 'nobody')


def test_idle_connections(stack):
    before = memory_kib(stack)
    idle = pests.Idle(stack.url, pests.room_for(IDLE))
    try:
        compare(stack, f'{len(idle.sockets)} idle TLS connections')
        tell('xapi-core has for each of them', kib=round((memory_kib(stack) - before) / len(idle.sockets), 1))
        for connection in idle.sockets[::max(1, len(idle.sockets) // 50)]:
            connection.sendall(pests.request('pool.get_all', ['OpaqueRef:none']))
            assert b'SESSION_INVALID' in connection.recv(4096), 'an idle connection is as good as a new one'
    finally:
        idle.close()


def test_slow_clients(stack):
    slow = pests.Apart(pests.Slow, stack.url, pests.room_for(SLOW))
    try:
        compare(stack, f'{SLOW} that send a byte a second, end no body, read no reply')
    finally:
        counts = slow.close()
    tell('those that were thrown out', **counts)


def test_long_polls(stack):
    xapi = Client(stack, 'json').xapi()
    polls = pests.LongPolls(stack.url, pests.room_for(POLLS), xapi.session)
    try:
        compare(stack, f'{len(polls.sockets)} long polls')
    finally:
        polls.close()
    assert xapi.call('pool.get_all')


def test_junk(stack):
    generator = seeded()
    junk = [pests.Apart(pests.Junk, stack.url, generator.random()) for _ in range(2)]
    try:
        compare(stack, 'two that send junk')
    finally:
        counts = [one.close() for one in junk]
    tell('junk', requests=sum(count['requests'] for count in counts))


def test_all_at_once_and_gone_at_once(stack):
    """What they held is given back: as many come again."""
    for _ in range(2):
        idle = pests.Idle(stack.url, pests.room_for(IDLE))
        slow = pests.Apart(pests.Slow, stack.url, pests.room_for(SLOW))
        try:
            call_others(stack)
        finally:
            slow.close()
            idle.close()


def test_wrong_passwords_hold_up_nobody(stack):
    """They are answered late, on purpose; others are not."""
    stop = threading.Event()

    def guess():
        while not stop.is_set():
            client = Client(stack, 'json')
            try:
                client.request('session.login_with_password', ['root', PASSWORD + '?', '1.0', 'faults'])
            except XapiError as error:
                assert error.code == 'SESSION_AUTHENTICATION_FAILED', error
            client.close()
    threads = [threading.Thread(target=guess) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        compare(stack, 'eight that guess passwords')
    finally:
        stop.set()
        for thread in threads:
            thread.join()
