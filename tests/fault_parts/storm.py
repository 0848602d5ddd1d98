# SPDX-License-Identifier: LGPL-2.1-or-later
"""Daemons are killed at random while clients start, shut down, make, edit and destroy VMs."""
import itertools
import random
import threading
import time

from harness.client import eventually
from . import daemons, domains, frames
from .clients import Client
from .model import FIELDS, Model, counter
from .report import milliseconds, tell
from .worker import Reader, Watcher, Worker

VMS_A_WORKER = 4
BETWEEN_KILLS = 4           # writes acknowledged since the last one
PROGRESS_SEC = 60           # within which that must be possible
BUSIEST = ['xapi-core', 'xenopsd', 'sm-daemon', 'message-switch']     # killed twice as often
TOGETHER = 0.2              # of the kills do not wait until the daemon killed before serves again
SETTLE_SEC = 120


class Storm:
    def __init__(self, stack, generator, n_workers, n_kills):
        self.stack, self.random, self.n_kills = stack, generator, n_kills
        self.model, self.stop = Model(), threading.Event()
        self.watch = domains.Watch(stack)
        self.kills = []
        self.recoveries = {daemon: [] for daemon in daemons.ALL}
        self.threads = [Worker(stack, self.model, random.Random(generator.random()), n, VMS_A_WORKER, self.stop)
                        for n in range(n_workers)]
        self.threads += [Watcher(stack, self.model, kind, self.stop) for kind in ('json', 'xml socket')]
        self.threads.append(Reader(stack, self.model, self.stop))

    def run(self):
        start = time.monotonic()
        for thread in self.threads:
            thread.start()
        try:
            self.kill_all()
        finally:
            self.stop.set()
            for thread in self.threads:
                thread.join()
        self.tell(time.monotonic() - start)

    def kill_all(self):
        probes = []
        for _ in range(self.n_kills):
            self.wait_progress()
            daemon = self.random.choice(daemons.ALL + BUSIEST)
            pid, at = daemons.kill(self.stack, daemon)
            self.kills.append(f'{time.time():.3f} {daemon} {pid}')
            probe = threading.Thread(target=self.measure, args=(daemon, at))
            probe.start()
            probes.append(probe)
            if self.random.random() > TOGETHER:
                probe.join()
            if self.model.violations:
                break                   # what follows from it tells nothing more
        for probe in probes:
            probe.join()

    def measure(self, daemon, at):
        try:
            self.recoveries[daemon].append(daemons.wait_serving(self.stack, daemon, at))
        except Exception as error:
            self.model.violation(f'{daemon} after it was killed: {error!r}')

    def wait_progress(self):
        before = self.model.acknowledged
        deadline = time.monotonic() + PROGRESS_SEC
        while self.model.acknowledged < before + BETWEEN_KILLS and not self.model.violations:
            if time.monotonic() > deadline:
                self.model.violation(f'nothing was acknowledged for {PROGRESS_SEC} s: the clients are stuck')
            time.sleep(0.005)

    def tell(self, seconds):
        model = self.model
        tell('storm', kills=sum(map(len, self.recoveries.values())), seconds=round(seconds),
             acknowledged=model.acknowledged, observed=model.observed, vms=len(model.vms), errors=model.errors,
             logins=sum(thread.client.logins for thread in self.threads),
             connections=sum(thread.client.reconnected for thread in self.threads))
        for daemon, seconds_each in self.recoveries.items():
            tell(f'{daemon} serves again', **milliseconds(seconds_each))

    # ---- afterwards ----

    def check(self):
        """Everything at rest: what was acknowledged is there, and everybody agrees on it."""
        client = Client(self.stack)
        no_task_pends(client)
        no_operation_is_under_way(client)
        violations = self.model.violations + self.watch.stop()
        records = client.sure('VM.get_all_records')
        for vm in self.model.vms.values():
            violations += self.faults_of(vm, records.get(vm.ref))
        violations += self.lost_disks(client.sure('VDI.get_all_records'))
        violations += disagreements(self.stack, client)
        assert not violations, '\n'.join(violations[:40] + ['the last that were killed:'] + self.kills[-10:])
        usable(client, self.model)
        client.close()

    def faults_of(self, vm, record):
        if record is None:
            return [] if vm.may_be_gone else [f'{vm.ref} was acknowledged and is lost']
        if vm.gone:
            return [f'{vm.ref} was destroyed and is there']
        found = [f'{name} of {vm.ref}: {number}, of {vm.issued[name]} written {vm.floor[name]} was acknowledged'
                 for name in FIELDS if not vm.floor[name] <= (number := counter(record, name)) <= vm.issued[name]]
        if vm.power and not vm.may_be_gone:
            state, domid = record['power_state'], int(record['domid'])
            if state != vm.power or (state == 'Running' and domid != vm.domid):
                found.append(f'{vm.ref} was {vm.power} as domain {vm.domid}, is {state} as {domid}' + vm.told())
        created = self.watch.created.get(vm.uuid, [])
        if len(created) != len(set(created)):
            found.append(f'{vm.ref}: one domain made twice: {created}')
        return found

    def lost_disks(self, records):
        return [f'{vdi} of {vm.ref} was acknowledged and is lost' for vm in self.model.vms.values()
                if not vm.may_be_gone for vdi in vm.disks if vdi not in records]


def no_task_pends(client):
    def settled():
        return not [r for r in client.sure('task.get_all_records').values()
                    if r['status'] in ('pending', 'cancelling')]
    try:
        eventually(settled, SETTLE_SEC)
    except AssertionError:
        raise AssertionError('tasks that do not end: ' + str([
            r for r in client.sure('task.get_all_records').values() if r['status'] in ('pending', 'cancelling')]))


def no_operation_is_under_way(client):
    def marked():
        return [(cls, ref, record['current_operations']) for cls in ('VM', 'VBD', 'VIF', 'VDI', 'SR')
                for ref, record in client.sure(f'{cls}.get_all_records').items() if record['current_operations']]
    try:
        eventually(lambda: not marked(), SETTLE_SEC)
    except AssertionError:
        raise AssertionError(f'marked as under way, by nobody: {marked()}')


def views(stack, client):
    """What xapi-core, xenopsd and the simulator say of each VM: (power state, domain or -1)."""
    core = {r['uuid']: (r['power_state'], int(r['domid'])) for r in client.sure('VM.get_all_records').values()
            if not r['is_a_template'] and not r['is_control_domain']}
    with frames.Client(daemons.switch_path(stack)) as bus:
        listed = bus.ask(daemons.QUEUES['xenopsd'], 'VM.list', [{'debug_info': 'faults', 'unit': None}])
    return core, result_of(listed), domains.living(stack)


def result_of(reply):
    assert isinstance(reply, dict) and not reply.get('error'), reply
    return reply['result']


def disagreements(stack, client):
    """-> texts. Events may still be on their way, so it is asked until all agree, or will not."""
    deadline = time.monotonic() + SETTLE_SEC
    while (found := compare(*views(stack, client))) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def compare(core, listed, domains_by_vm):
    found = []
    xenopsd = {stat['id']: (state['power_state'], (state['domids'] or [-1])[0]) for stat, state in listed}
    for uuid, (power, domid) in core.items():
        domain = domains_by_vm.get(uuid)
        says = xenopsd.get(uuid)
        if (power in ('Running', 'Paused')) != bool(domain):
            found.append(f'{uuid} is {power} for xapi-core, and its domain is {domain and domain["domid"]}')
        elif domain and domain['domid'] != domid:
            found.append(f'{uuid} is domain {domid} for xapi-core, {domain["domid"]} for the simulator')
        if says and (state_name(says[0]), says[1] if domain else -1) != (power, domid if domain else -1):
            found.append(f'{uuid} is {power} as {domid} for xapi-core, {says} for xenopsd')
        if domain and not says:
            found.append(f'{uuid} has domain {domain["domid"]}, and xenopsd does not know it')
    found += [f'{uuid} has a domain and xapi-core does not know it' for uuid in domains_by_vm if uuid not in core]
    return found


def state_name(value):
    return value if isinstance(value, str) else value[0]


def usable(client, model):
    """Nothing is left behind that stands in the way of the next operation."""
    for vm in itertools.islice((vm for vm in model.vms.values() if not vm.may_be_gone), 10):
        if client.sure('VM.get_power_state', vm.ref) != 'Halted':
            client.call('VM.hard_shutdown', vm.ref)
        client.call('VM.start', vm.ref, False, False)
        client.call('VM.hard_shutdown', vm.ref)
        client.call('VM.destroy', vm.ref)
