# SPDX-License-Identifier: LGPL-2.1-or-later
"""A start, a storm of a hundred VMs, and a stop, without a report of a sanitizer or of valgrind in any log."""
import threading

from fault_parts.clients import SMALL, Client
from fault_parts.storm import disagreements, no_operation_is_under_way, no_task_pends
from fault_parts.worker import PENDING_SEC

SANITIZED = True
TEST_SEC = 900          # valgrind runs one thread at a time, slowly
VMS = 100
CLIENTS = 5


def live(stack, number, failures):
    """Its part of the VMs: all at once up, changed, down and gone, while the others do the same."""
    try:
        client = Client(stack, Client.kinds[number % len(Client.kinds)])
        xapi = client.xapi()
        vms = [xapi.make_vm(f'hundred {number}-{n}', n % 2, 1, SMALL) for n in range(VMS // CLIENTS)]
        disks = [xapi.call('VBD.get_VDI', vbd) for vm in vms for vbd in xapi.call('VM.get_VBDs', vm)]
        for method, *parameters in (('VM.start', False, False), ('VM.clean_reboot',), ('VM.hard_shutdown',),
                                    ('VM.destroy',)):
            if method == 'VM.hard_shutdown':
                for vm in vms:
                    xapi.call('VM.set_name_description', vm, 'changed')
                    assert xapi.call('VM.get_name_description', vm) == 'changed'
            tasks = [xapi.call('Async.' + method, vm, *parameters) for vm in vms]
            for task in tasks:
                record = wait_task(xapi, task)
                assert record['status'] == 'success', (method, record['error_info'])
                xapi.call('task.destroy', task)
        for disk in disks:
            xapi.call('VDI.destroy', disk)
        client.close()
    except Exception as error:
        failures.append(error)


def wait_task(xapi, task):
    """As the harness's, for servers that are slow."""
    token = ''
    while True:
        batch = xapi.call('event.from', [f'task/{task}'], token, float(PENDING_SEC))
        token = batch['token']
        assert batch['events'], f'{task} does not end'
        for event in batch['events']:
            if event['operation'] != 'del' and event['snapshot']['status'] not in ('pending', 'cancelling'):
                return event['snapshot']


def test_a_hundred_vms(fresh):
    failures, stop = [], threading.Event()
    threads = [threading.Thread(target=live, args=(fresh, n, failures)) for n in range(CLIENTS)]
    watching = threading.Thread(target=watch, args=(fresh, stop, failures))
    for thread in [*threads, watching]:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    watching.join()
    assert not failures, failures
    client = Client(fresh)
    no_task_pends(client)
    no_operation_is_under_way(client)
    assert not disagreements(fresh, client)
    client.close()


def watch(stack, stop, failures):
    """A console that follows everything meanwhile."""
    try:
        client, token = Client(stack, 'json'), ''
        while not stop.is_set():
            token = client.call('event.from', ['*'], token, 1.0)['token']
        client.close()
    except Exception as error:
        failures.append(error)
