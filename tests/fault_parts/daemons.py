# SPDX-License-Identifier: LGPL-2.1-or-later
"""Killing a daemon, and how long until it serves again."""
import contextlib
import http.client
import os
import select
import signal
import sys
import time

from harness.client import JsonTransport, XapiError, eventually
from harness.stack import SOURCE
from . import frames

sys.path.insert(0, str(SOURCE / 'packaging'))
from trying.stack import MARK                               # noqa: E402

QUEUES = {
    'xapi-helper': 'org.xen.xapi.host',
    'xenopsd': 'org.xen.xapi.xenops.classic',
    'squeezed': 'org.xen.xapi.memory',
    'networkd': 'org.xen.xapi.networkd',
    'sm-daemon': 'org.xen.xapi.storage',
    'rrdd': 'org.xen.xapi.rrd',
}
ALL = ['message-switch', *QUEUES, 'xapi-core']
SERVES_SEC = 60


def switch_path(stack):
    return stack.folder / 'run/switch'


def open_process(stack, pid):
    """-> a pidfd; None when there is no such process of the stack's any more, whoever has its number now."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    try:
        with open(f'/proc/{pid}/environ', 'rb') as file:
            if f'{MARK}={stack.folder}'.encode() in file.read().split(b'\0'):
                return fd
    except OSError:
        pass
    os.close(fd)
    return None


def kill(stack, daemon):
    """-> the process that is gone now, and when it was killed."""
    pid = eventually(lambda: stack.pid(daemon), SERVES_SEC)
    fd = open_process(stack, pid)
    stack.expected_deaths.add(str(pid))
    start = time.monotonic()
    if fd is not None:                  # else it was killed a moment ago, and that has not been noticed yet
        try:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
            assert select.select([fd], [], [], SERVES_SEC)[0], f'process {pid} was killed and does not end'
        finally:
            os.close(fd)
    return pid, start


def answers_on_bus(stack, queue):
    """The switch holds the call until the queue is served: no asking again and again."""
    try:
        with frames.Client(switch_path(stack)) as client:
            reply = client.ask(queue, 'no.such.method')
            return isinstance(reply, dict)
    except (frames.Gone, OSError):
        return False


def answers_http(stack):
    transport = JsonTransport(stack.socket)
    try:
        transport.request('pool.get_all', ['OpaqueRef:none'])
    except XapiError as error:
        return error.code == 'SESSION_INVALID'
    except (OSError, http.client.HTTPException):
        return False
    finally:
        transport.close()


def serves(stack, daemon):
    if daemon == 'xapi-core':
        return answers_http(stack)
    # A switch serves again when those that it connects have found it again.
    return answers_on_bus(stack, QUEUES.get(daemon, QUEUES['xenopsd']))


def wait_serving(stack, daemon, start=None):
    """-> seconds since `start`."""
    deadline = time.monotonic() + SERVES_SEC
    while not serves(stack, daemon):
        assert time.monotonic() < deadline, f'{daemon} does not serve again after {SERVES_SEC} s'
        time.sleep(0.002)
    return time.monotonic() - (start or time.monotonic())
