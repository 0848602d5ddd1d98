# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory of a host that has little of it: shared by squeezed, and refused clearly."""
import os
import re
import signal
import subprocess

from harness.client import XapiError, eventually, expect_error
from harness.stack import Stack, build_folder

QUICK = True
SANITIZED = True
MIB = 1 << 20
HOST_MIB, RESERVED_MIB = 1000, 16
SETTINGS = {
    'xenopsd': {'simulator-memory-mib': HOST_MIB, 'simulator-guest-delay-ms': 20, 'figures-interval-ms': 50},
    'squeezed': {'reserved-mib': RESERVED_MIB, 'balloon-timeout-ms': 300, 'interval-ms': 50},
}


def make_vm(xapi, name, min_mib, max_mib):
    vm = xapi.make_vm(name)
    xapi.call('VM.set_memory_limits', vm, 16 * MIB, max_mib * MIB, min_mib * MIB, max_mib * MIB)
    return vm


def actual_mib(stack, xapi, vm):
    """What the hypervisor says."""
    text = ask(stack, 'squeezed-cli', 'get_diagnostics')
    return int(re.search(rf'domain {xapi.call("VM.get_domid", vm)}: has (\d+) KiB', text)[1]) // 1024


def ask(stack, cli, *words):
    program = next(build_folder().glob(f'*/{cli}'))
    return subprocess.run([program, '--switch-path', str(stack.folder / 'run/switch'), *words], check=True, text=True,
                          stdout=subprocess.PIPE, env={**os.environ, 'LSAN_OPTIONS': 'detect_leaks=0'}).stdout


class small_host:
    def __enter__(self):
        self.stack = Stack(settings=SETTINGS)
        return self.stack, self.stack.json()

    def __exit__(self, *failure):
        faults = self.stack.down()
        assert failure[0] or not faults, faults


def test_memory_is_shared():
    with small_host() as (stack, xapi):
        first = make_vm(xapi, 'first', 200, 800)
        xapi.call('VM.start', first, False, False)
        assert actual_mib(stack, xapi, first) == 800
        # There is not enough for both at their maximum, but at 36.5 % of the way from minimum to maximum.
        second = make_vm(xapi, 'second', 200, 800)
        xapi.call('VM.start', second, False, False)
        eventually(lambda: actual_mib(stack, xapi, first) == actual_mib(stack, xapi, second) == 492)
        # A third is refused: 984 MiB less the minima of the two are not enough.
        third = make_vm(xapi, 'third', 600, 600)
        needed, available = expect_error('HOST_NOT_ENOUGH_FREE_MEMORY', xapi.call, 'VM.start', third, False, False)
        assert (int(needed), int(available)) == (600 * MIB, (HOST_MIB - RESERVED_MIB - 400) * MIB)
        assert xapi.call('VM.get_power_state', third) == 'Halted'
        xapi.call('VM.hard_shutdown', second)
        xapi.call('VM.start', third, False, False)
        eventually(lambda: actual_mib(stack, xapi, first) == 384)
        xapi.call('VM.hard_shutdown', third)
        eventually(lambda: actual_mib(stack, xapi, first) == 800)


def test_memory_is_moved_while_it_runs():
    with small_host() as (stack, xapi):
        vm = make_vm(xapi, 'vm', 256, 512)
        xapi.call('VM.start', vm, False, False)
        xapi.run('VM.set_memory_dynamic_range', vm, 128 * MIB, 128 * MIB)
        assert actual_mib(stack, xapi, vm) == 128
        xapi.run('VM.wait_memory_target_live', vm)
        xapi.run('VM.set_memory_dynamic_range', vm, 300 * MIB, 500 * MIB)
        assert actual_mib(stack, xapi, vm) == 500
        xapi.run('VM.suspend', vm)
        xapi.run('VM.resume', vm, False, False)
        assert actual_mib(stack, xapi, vm) == 500


def test_a_guest_that_does_not_balloon():
    with small_host() as (stack, xapi):
        first = make_vm(xapi, 'first', 200, 800)
        xapi.call('VM.start', first, False, False)
        ask(stack, 'xenops-cli', 'behave', '--balloons', 'false')
        second = make_vm(xapi, 'second', 300, 300)
        assert expect_error('VMS_FAILED_TO_COOPERATE', xapi.call, 'VM.start', second, False, False) == []
        assert 'does not balloon' in ask(stack, 'squeezed-cli', 'get_diagnostics')
        # It does after all.
        ask(stack, 'xenops-cli', 'behave', '--balloons', 'true')
        eventually(lambda: 'does not balloon' not in ask(stack, 'squeezed-cli', 'get_diagnostics'))
        xapi.call('VM.start', second, False, False)


def test_squeezed_is_killed_while_vms_start():
    with small_host() as (stack, xapi):
        vms = [make_vm(xapi, f'vm {i}', 50, 100) for i in range(8)]
        for _ in range(3):
            tasks = [xapi.call('Async.VM.start', vm, False, False) for vm in vms]
            stack.kill('squeezed')
            for task in tasks:
                record = xapi.wait_task(task)
                assert record['status'] == 'success', record['error_info']
                xapi.call('task.destroy', task)
            for vm in vms:
                xapi.call('VM.hard_shutdown', vm)
            # Nothing is left reserved for anybody.
            eventually(lambda: 'reservation' not in ask(stack, 'squeezed-cli', 'get_diagnostics'))


def test_squeezed_does_not_answer():
    """Who waits for it holds up nobody who does not want to wait any longer."""
    with small_host() as (stack, xapi):
        first, second = make_vm(xapi, 'first', 50, 100), make_vm(xapi, 'second', 50, 100)
        stack.kill('xenopsd')       # the next one has to ask squeezed for something before all else
        os.kill(int(stack.pid('squeezed')), signal.SIGSTOP)
        tasks = []
        for vm in (first, second):
            tasks.append(xapi.call('Async.VM.start', vm, False, False))
            eventually(lambda: f'{len(tasks)} domains' in ask(stack, 'xenops-cli', 'diagnostics'))
        xapi.call('task.cancel', tasks[1])
        assert xapi.wait_task(tasks[1])['status'] == 'cancelled'
        assert xapi.call('task.get_status', tasks[0]) == 'pending'
        os.kill(int(stack.pid('squeezed')), signal.SIGCONT)
        assert xapi.wait_task(tasks[0])['status'] == 'success'
        xapi.call('VM.start', second, False, False)


def test_xenopsd_is_killed_while_a_vm_starts():
    with small_host() as (stack, xapi):
        vm = make_vm(xapi, 'vm', 600, 600)
        for step in ('memory', 'build'):
            ask(stack, 'xenops-cli', 'inject', '--step', step, '--latency', '3600')
            task = xapi.call('Async.VM.start', vm, False, False)
            eventually(lambda: '614400 KiB' in ask(stack, 'squeezed-cli', 'get_diagnostics'))
            stack.kill('xenopsd')
            assert xapi.wait_task(task)['status'] == 'failure'
            ask(stack, 'xenops-cli', 'forget')

            def start():
                try:
                    xapi.call('VM.start', vm, False, False)
                    return True
                except XapiError as error:
                    assert error.code in ('OTHER_OPERATION_IN_PROGRESS', 'VM_BAD_POWER_STATE'), error
            eventually(start)
            xapi.call('VM.hard_shutdown', vm)


def test_figures_follow():
    with small_host() as (stack, xapi):
        host, = xapi.call('host.get_all')
        host_metrics = xapi.call('host.get_metrics', host)
        xapi.wait_for('host_metrics', host_metrics, lambda r: int(r['memory_total']) == HOST_MIB * MIB)
        first, second = make_vm(xapi, 'first', 200, 800), make_vm(xapi, 'second', 500, 500)
        xapi.call('VM.start', first, False, False)
        metrics = xapi.call('VM.get_metrics', first)
        assert int(xapi.call('VM_metrics.get_memory_actual', metrics)) == 800 * MIB
        # Squeezed takes memory from one VM while nobody asks for anything of it.
        xapi.call('VM.start', second, False, False)
        xapi.wait_for('VM_metrics', metrics, lambda r: int(r['memory_actual']) == 484 * MIB)
        xapi.wait_for('host_metrics', host_metrics, lambda r: int(r['memory_free']) == RESERVED_MIB * MIB)
