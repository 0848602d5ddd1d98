# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client of the storm: it alone changes its VMs, and what it does is written down in the model."""
import itertools
import threading
import time

from harness.client import XapiError
from .clients import SMALL, Client, Lost
from .model import KEY

PENDING_SEC = 90        # a task that has not ended after so long, with daemons back within a second, never will
POLL_SEC = 5.0
DISK_BYTES = 16 << 20
REFUSALS = ('VM_BAD_POWER_STATE', 'OPERATION_NOT_ALLOWED')
BUSY = 'OTHER_OPERATION_IN_PROGRESS'


class Worker(threading.Thread):
    """Until `stop`. An error that may not be ends it, and is kept in `failure`."""

    def __init__(self, stack, model, generator, number, n_vms, stop):
        super().__init__(name=f'worker {number}')
        self.model, self.random, self.stop_event = model, generator, stop
        self.client = Client(stack, Client.kinds[number % len(Client.kinds)])
        self.n_vms = n_vms
        self.names = (f'storm {number}-{n}' for n in itertools.count())
        self.vms = []
        self.failure = None

    def run(self):
        try:
            self.template = next(ref for ref, r in self.client.sure('VM.get_all_records').items()
                                 if r['is_a_template'] and r['name_label'].startswith(SMALL))
            self.sr = next(ref for ref, r in self.client.sure('SR.get_all_records').items()
                           if 'vdi_create' in r['allowed_operations'])
            while not self.stop_event.is_set():
                self.step()
        except Exception as error:
            self.failure = error
            self.model.violation(f'{self.name}: {error!r}')
        finally:
            self.client.close()

    def step(self):
        self.vms = [vm for vm in self.vms if not vm.may_be_gone]
        if len(self.vms) < self.n_vms:
            self.create()
            return
        vm = self.random.choice(self.vms)
        actions = [(self.edit, 5), (self.look, 2), (self.change_power, 6)]
        if vm.power == 'Halted':
            actions.append((self.destroy, 1))
        weights = [weight for _, weight in actions]
        self.random.choices([action for action, _ in actions], weights)[0](vm)

    # ---- what is only in the store: refused never, lost or done ----

    def edit(self, vm):
        name = self.random.choice(list(vm.floor))
        number = self.model.issue(vm, name)
        value = {KEY: str(number)} if name == 'other_config' else str(number)
        try:
            self.client.call(f'VM.set_{name}', vm.ref, value)
        except Lost:
            return
        self.model.acknowledge(vm, name, number)

    def look(self, vm):
        floors = self.model.floors()
        domid, power = vm.domid, vm.power
        record = self.client.sure('VM.get_record', vm.ref)
        self.model.observe(floors, vm.ref, record, self.name)
        self.check_power(vm, power, domid, record)

    def check_power(self, vm, power, domid, record):
        if power and record['power_state'] != power:
            self.model.violation(f'{self.name}: {vm.ref} is {record["power_state"]}, {power} was acknowledged', vm)
        elif power == 'Running' and int(record['domid']) != domid:
            self.model.violation(f'{self.name}: {vm.ref} ran as domain {domid}, now as {record["domid"]}', vm)

    # ---- what needs other daemons: may fail, must say the truth ----

    def create(self):
        name = next(self.names)
        try:
            ref = self.client.call('VM.clone', self.template, name)
        except Lost:
            found = self.client.sure('VM.get_by_name_label', name)
            assert len(found) <= 1, (name, found)
            if not found:
                return
            ref, = found                # it was done
        except XapiError as error:
            self.model.failed(error)
            return
        vm = self.model.add(ref, self.client.sure('VM.get_uuid', ref))
        self.vms.append(vm)
        try:
            self.client.call('VM.provision', ref)
        except Lost:
            pass                        # looked at below
        except XapiError as error:
            self.model.failed(error)
        if self.client.sure('VM.get_is_a_template', ref):
            self.destroy(vm)
            return
        if self.random.random() < 0.5:
            self.add_disk(vm)

    def add_disk(self, vm):
        try:
            vdi = self.client.call('VDI.create', {
                'name_label': 'storm', 'SR': self.sr, 'virtual_size': str(DISK_BYTES), 'type': 'user',
                'sharable': False, 'read_only': False, 'other_config': {}})
            self.model.acknowledge()
            self.client.call('VBD.create', {
                'VM': vm.ref, 'VDI': vdi, 'userdevice': '0', 'bootable': True, 'mode': 'RW', 'type': 'Disk',
                'unpluggable': True, 'empty': False, 'other_config': {}, 'qos_algorithm_type': '',
                'qos_algorithm_params': {}})
            vm.disks.append(vdi)
            self.model.acknowledge()
        except Lost:
            pass
        except XapiError as error:
            self.model.failed(error)

    def destroy(self, vm):
        vm.may_be_gone = True           # from now on, whatever becomes of the call
        try:
            self.client.call('VM.destroy', vm.ref)
        except Lost:
            return
        except XapiError as error:
            self.model.failed(error)
            return
        self.model.deleted(vm)

    def change_power(self, vm):
        """Whatever is not known is made known by an operation that ends well: what went before may still be going on."""
        going = {'Halted': ['VM.start'], 'Running': ['VM.hard_shutdown', 'VM.clean_shutdown', 'VM.hard_reboot'],
                 None: ['VM.start', 'VM.hard_shutdown']}[vm.power]
        method = self.random.choice(going)
        parameters = [False, False] if method == 'VM.start' else []
        before, vm.power = vm.power, None
        vm.note(method)
        try:
            self.operation(method, vm, parameters)
        except Lost as lost:
            vm.note('lost:', lost)
            return
        except XapiError as error:
            vm.note(error)
            self.model.failed(error)
            self.failed(vm, before, method, error)
            return
        domid = int(self.client.sure('VM.get_domid', vm.ref))
        vm.power, vm.domid = ('Halted', -1) if 'shutdown' in method else ('Running', domid)
        vm.note('done, now', vm.power, vm.domid)
        self.model.acknowledge()
        self.look(vm)

    def failed(self, vm, before, method, error):
        """A refusal says that nothing was done, and why: that must be so."""
        if before and error.code in REFUSALS:
            self.model.violation(f'{self.name}: {method} of a VM that was acknowledged as {before}: {error}', vm)
        if error.code == BUSY and before:
            self.model.violation(f'{self.name}: {method}: nothing is under way: {error}', vm)

    def operation(self, method, vm, parameters):
        """Half of them as tasks; raises Lost where nobody can say how it ended."""
        if self.random.random() < 0.5:
            self.client.call(method, vm.ref, *parameters)
            return
        task = self.client.call('Async.' + method, vm.ref, *parameters)
        vm.note('as', task)
        record = self.wait_task(task)
        self.client.sure('task.destroy', task)
        if record['status'] != 'success':
            raise XapiError(method, record['error_info'] or ['CANCELLED'])

    def wait_task(self, task):
        token, deadline = '', time.monotonic() + PENDING_SEC
        while True:
            batch = self.client.sure('event.from', [f'task/{task}'], token, POLL_SEC)
            token = batch['token']
            for event in batch['events']:
                if event['operation'] == 'del':
                    raise Lost('the task is gone')
                if event['snapshot']['status'] not in ('pending', 'cancelling'):
                    return event['snapshot']
            if time.monotonic() > deadline:
                raise AssertionError(f'pending for ever: {self.client.sure("task.get_record", task)}')


class Watcher(threading.Thread):
    """Follows all events over every restart: what it is shown is never older than what anybody had seen."""

    def __init__(self, stack, model, kind, stop):
        super().__init__(name=f'watcher over {kind}')
        self.model, self.stop_event = model, stop
        self.client = Client(stack, kind)
        self.failure = None

    def run(self):
        try:
            token = ''
            while not self.stop_event.is_set():
                token = self.poll(token)
        except Exception as error:
            self.failure = error
            self.model.violation(f'{self.name}: {error!r}')
        finally:
            self.client.close()

    def poll(self, token):
        floors = self.model.floors()
        try:
            batch = self.client.call('event.from', ['vm', 'task'], token, POLL_SEC)
        except Lost:
            return token
        for event in batch['events']:
            if event['class'] == 'vm':
                self.model.observe(floors, event['ref'], event.get('snapshot') if event['operation'] != 'del'
                                   else None, self.name)
        if token and number(batch['token']) < number(token):
            self.model.violation(f'{self.name}: token {batch["token"]} after {token}')
        return batch['token']


def number(token):
    """-> the generation that a token stands for: its digits before anything else."""
    return int(''.join(itertools.takewhile(str.isdigit, token.lstrip(',')))or 0)


class Reader(threading.Thread):
    """Reads, as a console that shows everything would."""

    def __init__(self, stack, model, stop):
        super().__init__(name='reader')
        self.model, self.stop_event = model, stop
        self.client = Client(stack, 'json')
        self.failure = None

    def run(self):
        try:
            while not self.stop_event.is_set():
                floors = self.model.floors()
                records = self.client.sure('VM.get_all_records')
                for ref, (_, gone) in floors.items():
                    if not gone or ref in records:
                        self.model.observe(floors, ref, records.get(ref), self.name)
                self.stop_event.wait(0.05)
        except Exception as error:
            self.failure = error
            self.model.violation(f'{self.name}: {error!r}')
        finally:
            self.client.close()
