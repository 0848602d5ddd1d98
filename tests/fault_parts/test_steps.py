# SPDX-License-Identifier: LGPL-2.1-or-later
"""kill -9 of each daemon while VMs stand at each step of a start and of a shutdown: every operation ends and says the truth,
all daemons agree afterwards, and the same VMs start again without anybody's help."""
import json

from harness.client import eventually
from fault_parts import daemons, domains
from fault_parts.clients import SMALL, Client
from fault_parts.report import tell
from fault_parts.storm import disagreements, no_operation_is_under_way, no_task_pends
from fault_parts.worker import POLL_SEC

TEST_SEC = 600
STARTING = ('create', 'memory', 'vbd-plug', 'vif-plug', 'build', 'device-model', 'unpause')
STOPPING = ('request', 'destroy')
HOLD_SEC = 1            # a step waits so long, unless its xenopsd is killed before
# What the operation itself is made of; the others may die without its failing.
TAKE_PART = ('xapi-core', 'xenopsd', 'sm-daemon')


def injected(stack):
    """What the simulator still has to meet."""
    text = None
    with open(stack.folder / domains.LEDGER, 'rb') as file:
        for line in file:
            _, key, value = line.decode().rstrip('\n').split(' ', 2)
            if key == 'faults':
                text = value
    return json.loads(text)['faults'] if text else []


class Steps:
    """A VM for each step of the operation, one that runs and one that is halted all the while."""

    def __init__(self, stack, operation, parameters, steps, before):
        self.stack, self.operation, self.parameters, self.before = stack, operation, parameters, before
        self.client = Client(stack)
        xapi = self.client.xapi()
        self.vms = {step: xapi.make_vm(f'{operation} {step}', 1, 1, SMALL) for step in steps}
        self.uuids = {vm: xapi.call('VM.get_uuid', vm) for vm in self.vms.values()}
        self.running, self.halted = (xapi.make_vm(f'{operation} {name}', 1, 1, SMALL) for name in ('runs', 'halted'))
        xapi.call('VM.start', self.running, False, False)
        self.domid = xapi.call('VM.get_domid', self.running)

    def state(self, vm):
        return self.client.sure('VM.get_power_state', vm)

    def all(self, method, vms, *parameters):
        for task in [self.client.call('Async.' + method, vm, *parameters) for vm in vms]:
            record = self.outcome(task)
            assert record['status'] == 'success', (method, record['error_info'])

    def outcome(self, task):
        token = ''
        while True:
            batch = self.client.sure('event.from', [f'task/{task}'], token, POLL_SEC)
            token = batch['token']
            for event in batch['events']:
                if event['operation'] != 'del' and event['snapshot']['status'] not in ('pending', 'cancelling'):
                    self.client.sure('task.destroy', task)
                    return event['snapshot']

    def prepare(self):
        """All as they are before the operation; what a round before left behind would show here."""
        up = [vm for vm in self.vms.values() if self.state(vm) != 'Halted']
        self.all('VM.hard_shutdown', up)
        if self.before == 'Running':
            self.all('VM.start', self.vms.values(), False, False)
        else:
            self.all('VM.start', self.vms.values(), True, False)
            self.all('VM.hard_shutdown', self.vms.values())

    def run(self, daemon):
        self.prepare()
        for step, vm in self.vms.items():
            self.stack.xenops_cli('inject', '--vm', self.uuids[vm], '--step', step, '--latency', HOLD_SEC, '--count', 1)
        tasks = {step: self.client.call('Async.' + self.operation, vm, *self.parameters)
                 for step, vm in self.vms.items()}
        eventually(lambda: not injected(self.stack))
        _, at = daemons.kill(self.stack, daemon)
        daemons.wait_serving(self.stack, daemon, at)
        outcomes = {step: self.outcome(task) for step, task in tasks.items()}
        self.check(daemon, outcomes)
        tell(f'{self.operation}, {daemon} killed at each step',
             failed={step: record['error_info'] for step, record in outcomes.items() if record['status'] != 'success'})

    def check(self, daemon, outcomes):
        no_task_pends(self.client)
        no_operation_is_under_way(self.client)
        assert not (found := disagreements(self.stack, self.client)), (daemon, found)
        after = 'Halted' if self.before == 'Running' else 'Running'
        for step, record in outcomes.items():
            state = self.state(self.vms[step])
            assert record['status'] != 'success' or state == after, (daemon, step, state, record)
            assert record['status'] == 'success' or daemon in TAKE_PART, (daemon, step, state, record['error_info'])
        assert self.state(self.halted) == 'Halted' and self.state(self.running) == 'Running', daemon
        assert self.client.sure('VM.get_domid', self.running) == self.domid, f'{daemon}: it was restarted'

    def end(self):
        """What a VM that is gone would still hold shows where its disk cannot be destroyed."""
        self.prepare()
        xapi = self.client.xapi()
        for vm in [*self.vms.values(), self.running, self.halted]:
            xapi.remove_vm(vm)


def each_daemon(steps):
    for daemon in daemons.ALL:
        steps.run(daemon)
    steps.end()


def test_killed_at_each_step_of_a_start(stack):
    each_daemon(Steps(stack, 'VM.start', [False, False], STARTING, 'Halted'))


def test_killed_at_each_step_of_a_shutdown(stack):
    each_daemon(Steps(stack, 'VM.clean_shutdown', [], STOPPING, 'Running'))
