# SPDX-License-Identifier: LGPL-2.1-or-later
"""Any daemon may be killed, in any order, while clients are connected."""
import http.client
import itertools
import random
import signal
import threading

from harness.client import XapiError, eventually
from harness.stack import xapi_try
from integration.test_vm_copies import log_in, xenops

SANITIZED = True
DAEMONS = ['message-switch', 'xapi-helper', 'xenopsd', 'squeezed', 'networkd', 'sm-daemon', 'rrdd', 'xapi-core']
SEED = 20240131         # the orders in which daemons are killed are the same in every run


class Patient:
    """A client that goes on: connects again when its connection is gone, and logs in again when its session is."""

    def __init__(self, stack):
        self.stack, self.xapi = stack, None

    def call(self, method, *params):
        def attempt():
            try:
                self.xapi = self.xapi or self.stack.json()
                return [self.xapi.call(method, *params)]
            except (OSError, http.client.HTTPException):
                self.drop()
            except XapiError as error:
                if error.code != 'SESSION_INVALID':
                    raise
                self.drop()
        return eventually(attempt, 60)[0]

    def drop(self):
        if self.xapi:
            self.xapi.close()
        self.xapi = None

    def start(self, vm):
        """Until it runs; an attempt that a restart spoilt is made again."""
        def attempt():
            try:
                if self.call('VM.get_power_state', vm) != 'Running':
                    self.call('VM.start', vm, False, False)
            except XapiError:
                pass            # spoilt, or under way already
            return self.call('VM.get_power_state', vm) == 'Running'
        eventually(attempt, 60)


def no_task_pends(client):
    def settled():
        return not [r for r in client.call('task.get_all_records').values() if r['status'] in ('pending', 'cancelling')]
    eventually(settled, 60)


def running_vm(client, name='survivor'):
    client.call('pool.get_all')
    vm = client.xapi.make_vm(name, disks=1, interfaces=1)
    client.xapi.call('VM.start', vm, False, False)
    return vm, client.call('VM.get_domid', vm)


def test_each_daemon_alone(fresh):
    """What was acknowledged stays, running VMs go on, and the stack does its whole job again."""
    client = Patient(fresh)
    vm, domid = running_vm(client)
    for daemon in DAEMONS:
        client.call('VM.set_name_description', vm, f'before {daemon}')
        fresh.kill(daemon)
        assert client.call('VM.get_name_description', vm) == f'before {daemon}'
        assert client.call('VM.get_power_state', vm) == 'Running'
        other = client.call('VM.clone', client.xapi.template('Diskless'), f'after {daemon}')
        client.call('VM.provision', other)
        client.start(other)
        client.call('VM.hard_shutdown', other)
        client.call('VM.destroy', other)
        assert client.call('VM.get_domid', vm) == domid, f'{daemon}: the running VM was started again'
    no_task_pends(client)


def test_pairs_in_any_order(fresh):
    client = Patient(fresh)
    vm, domid = running_vm(client)
    pairs = list(itertools.permutations(['message-switch', 'xenopsd', 'sm-daemon', 'xapi-core'], 2))
    random.Random(SEED).shuffle(pairs)
    for first, second in pairs:
        fresh.kill(first)
        fresh.kill(second)
        assert client.call('VM.get_power_state', vm) == 'Running'
        assert client.call('VM.get_domid', vm) == domid
    client.call('VM.hard_shutdown', vm)
    no_task_pends(client)


def test_everything_at_once(fresh):
    client = Patient(fresh)
    vm, domid = running_vm(client)
    for daemon in random.Random(SEED).sample(DAEMONS, len(DAEMONS)):
        fresh.kill(daemon)
    assert (client.call('VM.get_power_state', vm), client.call('VM.get_domid', vm)) == ('Running', domid)
    client.call('VM.hard_shutdown', vm)
    assert client.call('VM.get_power_state', vm) == 'Halted'


def test_stopped_and_started_again(fresh):
    """A whole stop in between: references, uuids and events' tokens go on."""
    client = Patient(fresh)
    pool, = client.call('pool.get_all')
    uuid = client.call('pool.get_uuid', pool)
    vm = client.xapi.make_vm('kept', disks=1)
    record = client.call('VM.get_record', vm)
    token = client.call('event.from', ['vm'], '', 20.0)['token']
    gone = client.xapi.make_vm('gone')
    client.call('VM.destroy', gone)
    client.drop()
    xapi_try('down', '--state', fresh.folder)
    fresh.up()
    assert client.call('pool.get_uuid', pool) == uuid
    assert client.call('VM.get_record', vm) == record
    client.call('VM.set_name_description', vm, 'after the restart')
    batch = client.call('event.from', ['vm'], token, 20.0)
    assert batch['token'] > token
    assert any(e['ref'] == vm and e['snapshot']['name_description'] == 'after the restart'
               for e in batch['events'] if e['operation'] != 'del')


def test_long_poll_goes_on_over_a_restart_behind_it(fresh):
    """The switch and xenopsd go and come; a client that waits for events does not notice."""
    client, watcher = Patient(fresh), fresh.json()
    vm, _ = running_vm(client)
    token = watcher.call('event.from', [f'vm/{vm}'], '', 20.0)['token']
    fresh.kill('message-switch')
    fresh.kill('xenopsd')
    client.call('VM.set_name_description', vm, 'seen')
    while True:
        batch = watcher.call('event.from', [f'vm/{vm}'], token, 30.0)
        token = batch['token']
        assert batch['events']
        if batch['events'][-1]['snapshot']['name_description'] == 'seen':
            return


def test_operation_under_way_ends_truthfully(fresh):
    """Killed in the middle of a start: the task ends, and what it says agrees with the VM."""
    client = Patient(fresh)
    client.call('pool.get_all')
    for daemon in ('xenopsd', 'message-switch', 'sm-daemon', 'xapi-core'):
        vm = client.xapi.make_vm(f'under way when {daemon} dies', disks=1)
        task = client.call('Async.VM.start', vm, False, False)
        fresh.kill(daemon)
        no_task_pends(client)
        try:
            status = client.call('task.get_status', task)
        except XapiError as error:
            assert error.code == 'HANDLE_INVALID'       # tasks need not outlive xapi-core
            status = None
        if status == 'success':
            assert client.call('VM.get_power_state', vm) == 'Running', daemon
        client.start(vm)
        client.call('VM.hard_shutdown', vm)


def test_nothing_acknowledged_is_lost_in_a_storm_of_edits(fresh):
    """Each of several clients writes its own field, on and on, while xapi-core is killed."""
    first = Patient(fresh)
    first.call('pool.get_all')
    vms = [first.xapi.make_vm(f'edited {n}') for n in range(4)]
    acknowledged, stop = {}, threading.Event()

    def edit(vm):
        client = Patient(fresh)
        for n in itertools.count():
            if stop.is_set():
                return
            client.call('VM.set_name_description', vm, str(n))
            acknowledged[vm] = n
    threads = [threading.Thread(target=edit, args=(vm,)) for vm in vms]
    for thread in threads:
        thread.start()
    for _ in range(3):
        before = dict(acknowledged)
        eventually(lambda: all(acknowledged.get(vm, 0) > before.get(vm, 0) + 5 for vm in vms), 60)
        fresh.kill('xapi-core')
    stop.set()
    for thread in threads:
        thread.join(60)
    for vm in vms:
        assert int(first.call('VM.get_name_description', vm)) >= acknowledged[vm]


def test_ends_cleanly_with_calls_under_way(fresh):
    """Told to end while an answer is held back, a poll waits and a guest takes its time: nobody is left to wait."""
    xapi, poller, worker = fresh.json(), fresh.json(), fresh.json()
    vm = xapi.make_vm('under way')
    xapi.call('VM.start', vm, False, False)
    token = poller.call('event.from', ['sr'], '', 20.0)['token']
    outcomes = {}

    def run(name, function, *arguments):
        try:
            function(*arguments)
            outcomes[name] = 'a value'
        except XapiError as error:
            outcomes[name] = error.code
        except (OSError, http.client.HTTPException):
            outcomes[name] = 'cut'
    threads = [threading.Thread(target=run, args=args) for args in (
        ('login', fresh.json, fresh.url, 'root', 'wrong'),
        ('poll', poller.call, 'event.from', ['sr'], token, 60.0),
        ('shutdown', worker.call, 'VM.clean_shutdown', vm))]
    for thread in threads:
        thread.start()
    eventually(lambda: xapi.call('VM.get_current_operations', vm) or 'shutdown' in outcomes)
    pid = fresh.pid('xapi-core')
    fresh.kill('xapi-core', signal.SIGTERM)
    for thread in threads:
        thread.join(20)
    assert f'xapi-core (pid {pid}) ended with status 0' in fresh.log('supervisor')
    assert set(outcomes) == {'login', 'poll', 'shutdown'}, outcomes
    client = Patient(fresh)
    eventually(lambda: client.call('VM.get_power_state', vm) == 'Halted')
    no_task_pends(client)


def test_vm_that_starts_while_nobody_looks_is_not_destroyed(fresh):
    """There is no domain of which the XenAPI does not tell."""
    xapi = fresh.json()
    vm = xapi.make_vm('unseen', disks=1)
    xenops(fresh, 'inject', vm=xapi.call('VM.get_uuid', vm), step='build', latency=1, count=1)
    xapi.call('Async.VM.start', vm, False, False)
    eventually(lambda: ' pending ' in xenops(fresh, 'tasks'))
    fresh.kill('xapi-core')
    xapi = eventually(lambda: log_in(fresh))
    try:
        xapi.call('VM.destroy', vm)
        raise AssertionError('a VM was destroyed whose domain was being built')
    except XapiError as error:
        assert error.code in ('INTERNAL_ERROR', 'VM_BAD_POWER_STATE', 'OTHER_OPERATION_IN_PROGRESS'), error
    xapi.wait_for('VM', vm, lambda record: record['power_state'] == 'Running' and not record['current_operations'])
    vdi = xapi.call('VBD.get_VDI', xapi.call('VM.get_VBDs', vm)[0])
    xapi.call('VM.hard_shutdown', vm)
    xapi.call('VM.destroy', vm)
    xapi.call('VDI.destroy', vdi)
