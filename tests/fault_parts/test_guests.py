# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that never answer a clean shutdown hold up nobody but themselves."""
import time

from harness.client import eventually
from fault_parts.clients import SMALL, Client
from fault_parts.report import milliseconds, tell
from fault_parts.scale import scale
from fault_parts.storm import no_task_pends

TEST_SEC = scale(300, 1800)
GUESTS = scale(50, 500)
LOOKED_AT = 5           # of them are shut down hard, and cancelled, and as many others are started


def pending(xapi, tasks):
    records = xapi.call('task.get_all_records')
    return [task for task in tasks if task in records and records[task]['status'] == 'pending']


def run_all(xapi, method, vms, *parameters):
    for task in [xapi.call('Async.' + method, vm, *parameters) for vm in vms]:
        record = xapi.wait_task(task)
        assert record['status'] == 'success', (method, record['error_info'])
        xapi.call('task.destroy', task)


def timed(function, *arguments):
    start = time.monotonic()
    function(*arguments)
    return time.monotonic() - start


def test_guests_that_never_answer(fresh):
    xapi = Client(fresh).xapi()
    vms = [xapi.make_vm(f'deaf {n}', template=SMALL) for n in range(GUESTS)]
    others = [xapi.make_vm(f'other {n}', template=SMALL) for n in range(LOOKED_AT)]
    run_all(xapi, 'VM.start', vms, False, False)
    fresh.xenops_cli('behave', '--answers', 'false')
    tasks = {vm: xapi.call('Async.VM.clean_shutdown', vm) for vm in vms}
    for vm in vms:
        eventually(lambda: 'clean_shutdown' in xapi.call('VM.get_current_operations', vm).values())
    hard, cancelled, left = vms[:LOOKED_AT], vms[LOOKED_AT:2 * LOOKED_AT], vms[2 * LOOKED_AT:]
    starts = [timed(xapi.call, 'VM.start', vm, False, False) for vm in others]
    stops = [timed(xapi.call, 'VM.hard_shutdown', vm) for vm in hard]
    cancels = [timed(cancel, xapi, tasks[vm]) for vm in cancelled]
    reads = [timed(xapi.call, 'VM.get_record', vm) for vm in vms]
    assert len(pending(xapi, [tasks[vm] for vm in left])) == len(left), 'it was them that was waited for'
    assert {xapi.call('VM.get_power_state', vm) for vm in hard} == {'Halted'}
    assert {xapi.call('VM.get_power_state', vm) for vm in cancelled} == {'Running'}
    tell(f'beside {len(left)} guests that do not answer, a start', **milliseconds(starts))
    tell('a hard shutdown', **milliseconds(stops))
    tell('a cancel, to the end of the task', **milliseconds(cancels))
    tell('VM.get_record', **milliseconds(reads))
    run_all(xapi, 'VM.hard_shutdown', [*left, *cancelled, *others])
    no_task_pends(Client(fresh))
    assert not [vm for vm in vms if xapi.call('VM.get_power_state', vm) != 'Halted']


def cancel(xapi, task):
    xapi.call('task.cancel', task)
    assert xapi.wait_task(task)['status'] == 'cancelled'


def test_guests_that_do_not_even_acknowledge(fresh):
    """Nothing in them listens: the others go on, and these end when they are told to in the hard way."""
    xapi = Client(fresh).xapi()
    vms = [xapi.make_vm(f'dead {n}', template=SMALL) for n in range(LOOKED_AT)]
    run_all(xapi, 'VM.start', vms, False, False)
    fresh.xenops_cli('behave', '--acknowledges', 'false')
    tasks = [xapi.call('Async.VM.clean_reboot', vm) for vm in vms]
    for vm, task in zip(vms, tasks):
        xapi.call('VM.hard_shutdown', vm)
        assert xapi.wait_task(task)['status'] != 'pending'
        assert xapi.call('VM.get_power_state', vm) == 'Halted'
