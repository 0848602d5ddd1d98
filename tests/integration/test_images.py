# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks that come and go with operations of VMs, images of memory among them: none stays that no VM needs."""
import contextlib
import http.client
import threading

from harness.client import NULL, eventually
from integration.test_vm_copies import log_in, xenops

SANITIZED = True


def images(xapi):
    return [ref for ref, record in xapi.call('VDI.get_all_records').items() if record['type'] == 'suspend']


def begin(stack, xapi, vm, step, message, *arguments):
    """-> a task that takes as long as it takes to end it."""
    xenops(stack, 'inject', vm=xapi.call('VM.get_uuid', vm), step=step, latency=1, count=1)
    task = xapi.call(f'Async.{message}', vm, *arguments)
    eventually(lambda: ' pending ' in xenops(stack, 'tasks'))
    return task


def test_suspend_that_a_hard_shutdown_ends(fresh):
    xapi = fresh.json()
    vm = xapi.make_vm('hasty')
    for message, arguments in (('VM.suspend', ()), ('VM.checkpoint', ('never',))):
        xapi.call('VM.start', vm, False, False)
        task = begin(fresh, xapi, vm, 'save', message, *arguments)
        xapi.call('VM.hard_shutdown', vm)
        assert xapi.wait_task(task)['status'] == 'failure'
        assert (xapi.call('VM.get_power_state', vm), xapi.call('VM.get_suspend_VDI', vm)) == ('Halted', NULL)
        assert images(xapi) == []


def test_suspended_vm_is_halted(fresh):
    """Its image goes, be it one that it was suspended to or one that a revert brought."""
    xapi = fresh.json()
    vm = xapi.make_vm('asleep')
    xapi.call('VM.start', vm, False, False)
    snapshot = xapi.call('VM.checkpoint', vm, 'awake')
    kept = xapi.call('VM.get_suspend_VDI', snapshot)
    xapi.call('VM.suspend', vm)
    xapi.call('VM.revert', snapshot)
    assert xapi.call('VM.get_power_state', vm) == 'Suspended'
    assert sorted(images(xapi)) == sorted([kept, xapi.call('VM.get_suspend_VDI', vm)])
    xapi.call('VM.hard_shutdown', vm)
    assert images(xapi) == [kept]
    xapi.call('VM.destroy', snapshot)
    assert images(xapi) == []


def test_snapshot_whose_caller_waited(fresh):
    """In a call that is no task of the client's, the server is killed: what had been made goes all the same."""
    xapi, other = fresh.json(), fresh.json()
    vm = xapi.make_vm('taken', disks=1)
    folder, = fresh.folder.glob('xapi-core/sr')
    before = sorted(folder.glob('*.json'))

    def snapshot():
        with contextlib.suppress(OSError, http.client.HTTPException):
            other.call('VM.snapshot', vm, 'never')
    caller = threading.Thread(target=snapshot)
    caller.start()
    eventually(lambda: sorted(folder.glob('*.json')) != before)       # the volume is whole, and nothing else is under way
    fresh.kill('xapi-core')
    caller.join()
    xapi = eventually(lambda: log_in(fresh))
    if not xapi.call('VM.get_snapshots', vm):
        eventually(lambda: sorted(folder.glob('*.json')) == before, 60)
