#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xenopsd and xenops-cli over a switch of the test's own. Arguments: the switch, xenopsd, xenops-cli."""
import os
import random
import signal
import sys
import unittest
import uuid

from test_fixture import Daemon


class Xenopsd(Daemon):
    def test_life(self):
        vm = self.create()
        self.assertIn('Halted', self.cli('list'))
        self.cli('start', vm)
        state = self.state(vm)
        self.assertEqual(state['power_state'], 'Running')
        self.assertEqual(len(state['domids']), 1)
        self.assertEqual(state['guest_agent']['control/feature-shutdown'], '1')
        self.cli('pause', vm)
        self.assertEqual(self.state(vm)['power_state'], 'Paused')
        self.cli('unpause', vm)
        self.cli('reboot', vm, '--timeout', '30')
        self.assertNotEqual(self.state(vm)['domids'], state['domids'])
        self.cli('shutdown', vm, '--timeout', '30')
        self.assertEqual(self.state(vm)['power_state'], 'Halted')
        self.assertIn('Bad_power_state', self.cli('pause', vm, status=1))
        self.cli('remove', vm)
        self.assertEqual(self.cli('list'), '')
        self.assertEqual(self.cli('tasks'), '')

    def test_stat_whole(self):
        vm = self.create()
        self.call('VBD.add', vbd={'id': [vm, '3'], 'ty': 'CDROM'})
        for device in '01':
            self.call('VIF.add', vif={'id': [vm, device], 'mac': '00:16:3e:00:00:01'})
        for change in ('start', 'shutdown'):
            self.cli(change, vm)
            self.assertEqual(self.call('VM.stat_whole', id=vm), {
                'vm': self.call('VM.stat', id=vm), 'vbds': self.call('VBD.list', id=vm),
                'vifs': self.call('VIF.list', id=vm)})
        self.assertEqual(len(self.call('VM.stat_whole', id=vm)['vifs']), 2)
        self.assertIn('Does_not_exist', self.cli('call', 'VM.stat_whole', '--id', 'none', status=1))

    def test_suspend(self):
        vm, disk = self.create(), os.path.join(self.folder, 'disk')
        with open(disk, 'w') as file:
            file.truncate(1 << 20)
        self.cli('start', vm)
        self.cli('suspend', vm, '--disk', disk)
        self.assertEqual(self.state(vm)['power_state'], 'Suspended')
        self.kill()
        self.up()
        self.assertEqual(self.state(vm)['power_state'], 'Suspended')
        self.cli('resume', vm, '--disk', disk)
        self.assertEqual(self.state(vm)['power_state'], 'Running')

    def test_domains_outlive_xenopsd(self):
        vms = [self.create() for _ in range(3)]
        self.cli('start', *vms)
        before = [self.state(vm) for vm in vms]
        last = self.call('UPDATES.last_id')
        self.kill()
        self.up()
        self.assertEqual([self.state(vm) for vm in vms], before)
        # Whoever lost its place hears of every VM, and numbers go on growing.
        _, events, following = self.call('UPDATES.get', last_id=last, timeout=30)
        self.assertGreater(following, last)
        self.assertEqual({id for kind, id in events if kind == 'Vm'}, set(vms))

    def test_killed_in_the_middle_of_a_start(self):
        vm = self.create()
        for step in 'create', 'memory', 'build', 'device-model', 'unpause':
            self.cli('inject', '--vm', vm, '--step', step, '--latency', '3600')
            starting = self.begin('start', vm)
            self.eventually(lambda: 'pending' in self.cli('tasks'))
            self.assertEqual(self.state(vm)['power_state'], 'Halted')
            task = self.cli('tasks').split()[0]
            self.kill()
            self.up()
            self.end(starting, status=1)
            self.cli('forget')
            self.assertEqual(self.state(vm)['power_state'], 'Halted')
            self.assertIn('Does_not_exist', self.cli('call', 'Task.stat', '--id', task, status=1))
            self.cli('start', vm)  # waits for what is undone, and is not in its way
            self.cli('shutdown', vm)
            self.assertIn('simulator: 0 domains', self.cli('diagnostics'))

    def test_killed_in_the_middle_of_a_reboot(self):
        vm = self.create()
        self.cli('start', vm)
        self.cli('inject', '--vm', vm, '--step', 'build', '--latency', '3600', '--count', '1')
        rebooting = self.begin('reboot', vm)
        self.eventually(lambda: '"faults": []' in self.cli('diagnostics'))
        self.assertEqual(self.state(vm)['power_state'], 'Running')
        self.kill()
        self.up()
        self.end(rebooting, status=1)
        self.await_state(vm, 'Running')
        self.eventually(lambda: self.state(vm)['domids'])

    def test_ends_at_once(self):
        vm = self.create()
        self.cli('inject', '--vm', vm, '--step', 'build', '--latency', '3600', '--count', '1')
        starting = self.begin('start', vm)
        self.eventually(lambda: 'pending' in self.cli('tasks'))
        self.stop('xenopsd')
        self.up()
        self.end(starting, status=1)
        self.cli('forget')      # it may have been stopped before that step
        self.cli('start', vm)

    def test_guest_ends_while_xenopsd_is_dead(self):
        vm = self.create()
        self.cli('start', vm)
        self.cli('guest', vm, 'poweroff', '--after', '0.2')
        self.kill()
        self.up()
        self.await_state(vm, 'Halted')

    def test_failing_steps(self):
        vm = self.create()
        self.cli('inject', '--vm', vm, '--step', 'build', '--fail', 'on purpose', '--count', '1')
        self.assertIn('on purpose', self.cli('start', vm, status=1))
        self.assertIn('simulator: 0 domains', self.cli('diagnostics'))
        self.cli('start', vm)
        self.assertIn('no argument', self.cli('call', 'DEBUG.trigger', '--cmd', 'inject', '--args', '["x=1"]',
                                              status=1))

    def test_silent_guests(self):
        vms = [self.create() for _ in range(20)]
        other = self.create()
        self.cli('behave', '--acknowledges', 'false')
        self.cli('start', *vms)
        asking = [self.begin('shutdown', vm, '--timeout', '3600') for vm in vms]
        self.eventually(lambda: self.cli('tasks').count('pending') == len(vms))
        self.cli('start', other)
        self.cli('shutdown', *vms)
        for process in asking:
            self.assertIn('Cancelled', self.end(process, status=1))
        self.assertEqual({self.state(vm)['power_state'] for vm in vms}, {'Halted'})
        asking = self.begin('shutdown', other, '--timeout', '3600')
        self.eventually(lambda: 'pending' in self.cli('tasks'))
        self.cli('task-cancel', [line.split()[0] for line in self.cli('tasks').splitlines() if 'pending' in line][0])
        self.assertIn('Cancelled', self.end(asking, status=1))

    def test_guests_act(self):
        vm = self.create()
        self.cli('start', vm)
        before = self.state(vm)['domids']
        self.cli('guest', vm, 'reboot')
        self.eventually(lambda: self.state(vm)['domids'] not in (before, []))
        self.cli('guest', vm, 'crash')
        self.await_state(vm, 'Halted')

    def test_repeated_operation(self):
        vm = self.create()
        params = {'debug_info': 'start\n' + str(uuid.uuid4()), 'id': vm, 'paused': False}
        first = self.call('VM.start', **params)
        self.assertEqual(self.call('VM.start', **params), first)

    def test_disk_without_storage(self):
        vm = self.create()
        self.call('VBD.add', vbd={'id': [vm, '0'], 'backend': ['VDI', 'sr/vdi']})
        error = self.cli('start', vm, status=1)
        self.assertIn('Storage_backend_error', error)
        self.assertIn('simulator: 0 domains', self.cli('diagnostics'))

    def test_storm_of_kills(self):
        vms = [self.create() for _ in range(8)]
        random.seed(1)
        for _ in range(12):
            working = [self.begin(random.choice(['start', 'shutdown', 'reboot']), vm) for vm in vms]
            working[0].wait(timeout=60)
            self.kill()
            self.up()
            for process in working:
                process.communicate(timeout=60)
        self.cli('shutdown', *vms)
        self.assertEqual({self.state(vm)['power_state'] for vm in vms}, {'Halted'})
        self.assertIn('simulator: 0 domains', self.cli('diagnostics'))
        self.cli('start', *vms)
        domids = [self.state(vm)['domids'][0] for vm in vms]
        self.assertEqual(len(set(domids)), len(vms))


if __name__ == '__main__':
    signal.alarm(300)
    unittest.main(argv=[sys.argv[0], '-v', *sys.argv[4:]])
