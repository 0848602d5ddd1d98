# SPDX-License-Identifier: LGPL-2.1-or-later
"""What becomes of imports and exports whose daemons end under them."""
import signal

from harness.client import eventually
from harness.stream import Stream
from integration.test_bulk import MIB, begin_import, ended, free_again, get, make_disk, put, remove

QUICK = True
SANITIZED = True


def test_the_server_dies(fresh):
    """The client sees an end, the task says that nobody knows, and the disk is free."""
    xapi = fresh.json()
    vdi = make_disk(xapi, 64 * MIB)
    task = xapi.call('task.create', 'dies', '')
    with begin_import(fresh, xapi, vdi, 64 * MIB, task_id=task) as stream:
        stream.head()
        stream.send(bytes(3 * MIB))
        fresh.kill('xapi-core')
        assert stream.rest() == b''
    xapi = eventually(lambda: login(fresh))
    status, error = ended(xapi, task)
    assert status == 'failure' and error[0] == 'INTERNAL_ERROR' and 'restarted' in error[1], error
    eventually(lambda: free_again(xapi, vdi))


def login(stack):
    try:
        return stack.json()
    except OSError:
        return None


def test_the_storage_dies(fresh):
    """A descriptor outlives who gave it: the transfer goes on, and its datapath is let go of."""
    xapi = fresh.json()
    vdi = make_disk(xapi)
    with begin_import(fresh, xapi, vdi, 4 * MIB) as stream:
        task = stream.head()[1]['task-id']
        stream.send(b'a' * 2 * MIB)
        fresh.kill('sm-daemon', signal.SIGKILL)
        stream.send(b'b' * 2 * MIB)
        stream.rest()
    assert ended(xapi, task) == ('success', [])
    assert get(fresh, xapi, vdi)[0] == b'a' * 2 * MIB + b'b' * 2 * MIB
    remove(xapi, vdi)


def test_ends_under_way(fresh):
    """The server is told to end while transfers are under way: it does, and they end."""
    xapi = fresh.json()
    vdi, other = make_disk(xapi, 64 * MIB), make_disk(xapi, 64 * MIB)
    put(fresh, xapi, other, b'x' * 64 * MIB)
    with begin_import(fresh, xapi, vdi, 64 * MIB) as up, Stream(fresh.url) as down:
        up.head()
        down.request('GET', '/export_raw_vdi', {'session_id': xapi.session, 'vdi': other})
        down.head()
        fresh.kill('xapi-core', signal.SIGTERM)
        assert up.rest() == b''
        assert len(down.rest()) < 64 * MIB
