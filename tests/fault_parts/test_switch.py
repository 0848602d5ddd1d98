# SPDX-License-Identifier: LGPL-2.1-or-later
"""A whole stack goes on while its switch is misused.

What the switch itself promises is held by its unit tests: a client that never reads (/protocol/never-reading-caller,
-server), a frame a byte at a time (/protocol/byte-at-a-time), a queue that one may not claim (/protocol/policy),
descriptors by the hundred (/protocol/fds-by-the-hundred, /protocol/wrong-fds), two services that call each other at
their quota (/switch/mutual), 2,000 connections (/protocol/many-connections), a service that dies with
thousands of calls in flight (/protocol/count-quota, /switch/server-dies), one that never answers (/protocol/deadlines,
/switch/timeout), the size limit and one past it (/protocol/frame-limits, /switch/sizes)."""
import threading
import time

from fault_parts import frames
from fault_parts.clients import SMALL
from fault_parts.daemons import QUEUES, switch_path
from fault_parts.report import milliseconds, tell
from fault_parts.scale import scale

TEST_SEC = 300
LIVES = scale(5, 50)
CONNECTIONS = scale(200, 2000)
XENOPSD = QUEUES['xenopsd']
UNREAD = 3000               # calls whose replies are never read
BIG = 1 << 20
BURST = 500


def lives(stack):
    """VMs started and shut down meanwhile -> seconds of each life."""
    xapi, seconds = stack.json(), []
    vm = xapi.make_vm('beside', template=SMALL)
    for _ in range(LIVES):
        start = time.monotonic()
        xapi.call('VM.start', vm, False, False)
        xapi.call('VM.hard_shutdown', vm)
        seconds.append(time.monotonic() - start)
    xapi.remove_vm(vm)
    return seconds


def beside(stack, what):
    tell(f'a start and a shutdown beside {what}', **milliseconds(lives(stack)))


def client(stack):
    return frames.Client(switch_path(stack))


def test_alone(stack):
    beside(stack, 'nobody')


def test_client_that_never_reads(stack):
    with client(stack) as deaf:
        for _ in range(UNREAD):
            deaf.begin(XENOPSD, 'VM.list', ['faults', None])
        beside(stack, f'{UNREAD} calls whose replies are not read')


def flood(stack, stop, counts):
    """As fast as it can, reading what comes back only to throw it away."""
    with client(stack) as one:
        body = b'{"method":"no.such.method","params":[],"id":1}'
        burst = b''.join(frames.encode(frames.CALL, id, XENOPSD.encode(), body) for id in range(BURST))
        while not stop.is_set():
            one.socket.sendall(burst)
            for _ in range(BURST):
                one.next()
            counts.append(BURST)


def test_flood(stack):
    stop, counts = threading.Event(), []
    threads = [threading.Thread(target=flood, args=(stack, stop, counts)) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        beside(stack, 'two that flood')
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    tell('flood', calls=sum(counts))


def test_big_frames(stack):
    with client(stack) as one:
        body = b'{"method":"no.such.method","params":["' + b'x' * BIG + b'"],"id":1}'
        for id in range(20):
            one.send(frames.CALL, id, XENOPSD.encode(), body)
        beside(stack, f'frames of {BIG >> 20} MiB')
        for _ in range(20):
            one.next()


def test_connections_without_end(stack):
    clients = [client(stack) for _ in range(CONNECTIONS)]
    try:
        beside(stack, f'{CONNECTIONS} connections')
        for one in clients:
            assert isinstance(one.ask(XENOPSD, 'no.such.method'), dict)
    finally:
        for one in clients:
            one.close()


def test_service_that_never_answers(stack):
    """Its callers wait; those of other services do not."""
    with client(stack) as silent, client(stack) as caller:
        silent.serve('org.test.silent')
        ids = [caller.begin('org.test.silent', seconds=30) for _ in range(1000)]
        beside(stack, f'{len(ids)} calls that nobody answers')
        silent.close()
        for id in ids:
            assert caller.next().outcome == frames.OUTCOME_UNKNOWN


def test_queue_of_a_daemon_is_not_stolen_for_long(stack):
    """Root may take a name; its owner takes it back when it connects again, and nobody is left waiting."""
    with client(stack) as thief:
        thief.serve('org.xen.xapi.rrd')
    stack.kill('rrdd')
    with client(stack) as one:
        assert isinstance(one.ask('org.xen.xapi.rrd', 'no.such.method'), dict)
    beside(stack, 'a thief')
