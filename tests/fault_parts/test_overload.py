# SPDX-License-Identifier: LGPL-2.1-or-later
"""More than there is room for: what was admitted is answered, the rest is refused clearly, and nobody starves."""
import threading
import time

from harness.client import XapiError, eventually
from harness.stack import Stack
from fault_parts import pests
from fault_parts.clients import SMALL, Client
from fault_parts.report import milliseconds, tell
from fault_parts.scale import scale
from fault_parts.storm import no_operation_is_under_way, no_task_pends
from fault_parts.test_guests import pending

TEST_SEC = scale(300, 900)
WORKERS = 8
OPERATIONS = 3 * WORKERS
GREEDY = scale(8, 32)               # connections of one client that asks without end
CALLS = scale(100, 1000)            # of the modest one, meanwhile
BUSY = 'TOO_BUSY'


def small_stack():
    return Stack(settings={'xapi-core': {'workers': WORKERS, 'workers-reserve': WORKERS}})


def down(stack):
    faults = stack.down()
    assert not faults, faults


def test_more_operations_than_threads():
    stack = small_stack()
    try:
        xapi = Client(stack).xapi()
        vms = [xapi.make_vm(f'crowd {n}', template=SMALL) for n in range(OPERATIONS)]
        for vm in vms:
            xapi.call('VM.start', vm, False, False)
        stack.xenops_cli('behave', '--answers', 'false')
        tasks = {vm: xapi.call('Async.VM.clean_shutdown', vm) for vm in vms}
        admitted = settled(xapi, tasks)
        refused = [vm for vm in vms if vm not in admitted]
        assert len(admitted) == WORKERS, f'{len(admitted)} of {len(vms)} are under way, there are {WORKERS} threads'
        for vm in refused:
            record = xapi.call('task.get_record', tasks[vm])
            assert record['error_info'][0] == BUSY, record
            assert xapi.call('VM.get_current_operations', vm) == {}
        refused_at_once(xapi, refused[0])
        reserve_admits(xapi, admitted, tasks, refused)
        for vm in vms:      # one after the other: all at once would be more than the reserve, too
            if xapi.call('VM.get_power_state', vm) != 'Halted':
                xapi.call('VM.hard_shutdown', vm)
        client = Client(stack)
        no_task_pends(client)
        no_operation_is_under_way(client)
        client.close()
    except Exception as error:
        error.add_note('daemon logs:\n' + stack.tails())
        raise
    finally:
        down(stack)


def settled(xapi, tasks):
    """-> the VMs whose operation waits for the guest; those of all others have ended."""
    def look():
        waiting = pending(xapi, tasks.values())
        marked = [vm for vm in tasks if xapi.call('VM.get_current_operations', vm)]
        return marked if len(waiting) == len(marked) == WORKERS else None
    return eventually(look)


def refused_at_once(xapi, vm):
    """A synchronous one says the same."""
    try:
        xapi.call('VM.clean_shutdown', vm)
    except XapiError as error:
        assert error.code == BUSY, error
    else:
        raise AssertionError('admitted past the limit')


def reserve_admits(xapi, admitted, tasks, refused):
    """What ends the crowd is let in; what only reads or writes objects needs no thread."""
    xapi.call('VM.hard_shutdown', refused[0])
    xapi.call('VM.set_name_description', refused[1], 'written')
    assert xapi.call('VM.get_name_description', refused[1]) == 'written'
    xapi.call('task.cancel', tasks[admitted[0]])
    assert xapi.wait_task(tasks[admitted[0]])['status'] == 'cancelled'
    xapi.call('VM.hard_shutdown', admitted[1])
    assert xapi.wait_task(tasks[admitted[1]])['status'] != 'pending'
    # Two have ended, so there is room for one more.
    task = eventually(lambda: admitted_again(xapi, refused[1]))
    xapi.call('task.cancel', task)
    assert xapi.wait_task(task)['status'] == 'cancelled'


def admitted_again(xapi, vm):
    task = xapi.call('Async.VM.clean_shutdown', vm)
    eventually(lambda: xapi.call('VM.get_current_operations', vm) or
               xapi.call('task.get_status', task) != 'pending')
    return task if xapi.call('task.get_status', task) == 'pending' else None


def modest(stack):
    """-> seconds of each call of a client that asks for one thing at a time."""
    xapi, seconds = stack.json(), []
    vm = next(ref for ref, r in xapi.call('VM.get_all_records').items() if not r['is_a_template'])
    for n in range(CALLS):
        start = time.monotonic()
        assert xapi.call('VM.get_record', vm)
        if n % 10 == 0:
            xapi.call('VM.set_name_description', vm, str(n))
        seconds.append(time.monotonic() - start)
    return seconds


def beside(stack, what, function):
    """Measures the modest client while `function(stack, stop)` runs in many threads."""
    stop, failures = threading.Event(), []

    def run():
        try:
            function(stack, stop)
        except Exception as error:
            failures.append(error)
    threads = [threading.Thread(target=run) for _ in range(GREEDY)]
    for thread in threads:
        thread.start()
    try:
        tell(f'a modest client beside {what}', **milliseconds(modest(stack)))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures, failures


def start_tasks(stack, stop):
    """More of them than are ever waited for; each is answered, or refused clearly."""
    xapi = stack.json()
    vm = xapi.make_vm('greedy', template=SMALL)
    while not stop.is_set():
        for method, *parameters in (('Async.VM.start', vm, False, False), ('Async.VM.hard_shutdown', vm),
                                    ('Async.VM.clone', vm, 'copy')):
            xapi.call(method, *parameters)
    no_task_pends(Client(stack))


def write_without_end(stack, stop):
    xapi, n = stack.json(), 0
    vm = xapi.make_vm('greedy', template=SMALL)
    while not stop.is_set():
        n += 1
        xapi.call('VM.set_name_label', vm, f'greedy {n}')


STACK = {'vms': scale(100, 1000)}


def test_alone(stack):
    tell('a modest client alone', **milliseconds(modest(stack)))


def test_beside_readers_of_everything(stack):
    greedy = pests.Apart(pests.Greedy, stack.url, GREEDY, stack.json().session)
    try:
        tell(f'a modest client beside {GREEDY} connections that read everything', **milliseconds(modest(stack)))
    finally:
        counts = greedy.close()
    tell('they had', **counts)


def test_beside_writers(stack):
    beside(stack, f'{GREEDY} connections that write without end', write_without_end)


def test_beside_starters_of_tasks(stack):
    beside(stack, f'{GREEDY} connections that start tasks without end', start_tasks)
