#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What Xen alone has, or can be asked for (test_hypervisor.py says how it is called)."""
import os
import select
import signal
import subprocess
import time
import unittest

from test_hypervisor import DISK_BYTES, KERNEL, MEMORY, Daemons, main
from test_fixture import XENOPSD

DUMP_SEC = 500      # page by page, and emulation is slow
KILLS = int(os.environ.get('KILLS', 8))     # of each kind


@unittest.skipUnless(KERNEL, 'on Xen')
class Others(Daemons):
    def test_are_left_alone(self):
        config = os.path.join(self.folder, 'xl.cfg')
        with open(config, 'w') as file:
            file.write(f'name="other"\ntype="pvh"\nmemory=64\nkernel="{KERNEL}"\n')
        self.hypervisor.run('xl', 'create', '-q', '-p', config)
        self.addCleanup(self.hypervisor.run, 'xl', 'destroy', 'other')
        domid = self.hypervisor.run('xl', 'domid', 'other')
        uuid = self.hypervisor.run('xl', 'vm-list').splitlines()[-1].split()[0]
        vm = self.create()
        self.start(vm, paused=True)
        self.kill()
        self.up()
        told = self.call('get_diagnostics')
        self.assertRegex(told, f'domain {domid} {uuid} not ours')
        self.assertRegex(told, f'{vm} ours')
        self.assertRegex(told, 'domain 0 .* control domain')
        self.fails('Already_exists', 'VM.start', id=self.create(id=uuid), paused=True)
        self.do('VM.shutdown', id=uuid)
        self.assertEqual(self.hypervisor.run('xl', 'domid', 'other'), domid)

    def nothing_left(self):
        self.end_all()      # the other one is there until the test has ended


@unittest.skipUnless(KERNEL, 'on Xen')
class Stubborn(Daemons):
    def test_guest_does_not_let_go(self):
        vm = self.create()
        disk = self.add_disk(vm, '0', self.hypervisor.disk('disk'))
        self.start(vm)
        self.hypervisor.await_guest(vm)
        self.do('VM.pause', id=vm)
        self.fails('Device_detach_rejected', 'VBD.unplug', id=disk, force=False)
        self.assertTrue(self.plugged('VBD', disk))
        self.do('VBD.unplug', id=disk, force=True)
        self.assertFalse(self.plugged('VBD', disk))


@unittest.skipUnless(KERNEL, 'on Xen')
class Cores(Daemons):
    def test_crashed_guest_is_dumped(self):
        vm = self.create(on_crash=['Coredump', 'Shutdown'])
        self.start(vm)
        self.hypervisor.await_guest(vm)
        self.hypervisor.does(vm, 'crash')
        self.eventually(lambda: self.power(vm) == 'Halted', 'the end of a crashed guest', DUMP_SEC)
        core = os.path.join(self.folder, 'state', 'cores', f'{vm}.core')
        self.assertGreater(os.stat(core).st_size, MEMORY // 2)


@unittest.skipUnless(KERNEL, 'on Xen')
class Figures(Daemons):
    """What Xen and the guest's kernel say of it."""

    def rows(self, *command):
        return [line.split() for line in self.hypervisor.run(*command).splitlines()]

    def test_share_of_processors(self):
        vm = self.create(vcpu_max=2, vcpus=2, scheduler_params={'priority': [512, 50], 'affinity': []})
        other = self.create()
        for each in vm, other:
            self.start(each, paused=True)
        domids = [str(self.state(each)['domids'][0]) for each in (vm, other)]
        shares = {row[1]: row[2:] for row in self.rows('xl', 'sched-credit2') if len(row) == 4}
        self.assertEqual([shares[domid] for domid in domids], [['512', '50'], ['256', '0']])

    def test_processors_go_and_come(self):
        vm = self.create(vcpu_max=2, vcpus=1)
        self.start(vm)
        self.hypervisor.await_guest(vm)
        domid, = self.state(vm)['domids']

        def offered():
            return self.hypervisor.run('xenstore-read', f'/local/domain/{domid}/cpu/1/availability')
        self.assertEqual(offered(), 'offline')
        self.eventually(lambda: self.state(vm)['vcpu_target'] == 1, 'the only processor')
        self.do('VM.set_vcpus', id=vm, vcpus=2)
        self.eventually(lambda: self.state(vm)['vcpu_target'] == 2, 'the second processor')
        self.do('VM.set_vcpus', id=vm, vcpus=1)
        self.assertEqual(offered(), 'offline')
        self.eventually(lambda: self.state(vm)['vcpu_target'] == 1, 'the end of the second processor')
        self.do('VM.set_vcpus', id=vm, vcpus=2)
        self.assertEqual(offered(), 'online')
        self.fails('Invalid_vcpus', 'VM.set_vcpus', id=vm, vcpus=3)

    def test_start_time_and_memory(self):
        vm = self.create()
        before = time.time()
        self.start(vm, paused=True)
        state = self.state(vm)
        self.assertTrue(before - 1 <= state['last_start_time'] <= time.time() + 1, state)
        self.assertTrue(0 <= state['memory_actual'] - MEMORY < 2 << 20, state)
        self.assertEqual(state['memory_target'], MEMORY)
        self.kill()
        self.up()
        self.assertEqual(self.state(vm)['last_start_time'], state['last_start_time'])
        self.do('VM.reboot', id=vm)
        self.assertGreater(self.state(vm)['last_start_time'], state['last_start_time'])


    def test_drivers_are_noticed(self):
        """Of a guest with emulated hardware, that says nothing else of itself."""
        vm = self.create(ty=['HVM', {}])
        self.add_interface(vm, '0')
        self.start(vm, paused=True)
        domid, = self.state(vm)['domids']
        self.assertFalse(self.state(vm)['pv_drivers_detected'])
        self.hypervisor.run('xenstore-write', f'/local/domain/{domid}/device/vif/0/state', '4')
        self.eventually(lambda: self.state(vm)['pv_drivers_detected'], 'the drivers')


@unittest.skipUnless(KERNEL, 'on Xen')
class Peers(Daemons):
    """What xenopsd needs is there and does not answer, or is not there."""

    def test_silent_bus(self):
        vm = self.create()
        path = os.path.join(self.folder, 'disk')
        with open(path, 'w') as file:
            file.truncate(DISK_BYTES)
        self.add_disk(vm, '0', path)        # which a device model serves
        pid = int(self.hypervisor.run('pidof', '-s', 'dbus-daemon'))
        os.kill(pid, signal.SIGSTOP)
        try:
            self.start(vm, paused=True)
        finally:
            os.kill(pid, signal.SIGCONT)
        self.assertEqual(self.power(vm), 'Paused')

    def test_interface_that_cannot_be_plugged(self):
        vm = self.create()
        self.start(vm, paused=True)
        interface = self.add_interface(vm, '1')
        left = self.hypervisor.left()
        hotplug = os.path.join(os.path.dirname(XENOPSD), 'xen-hotplug')
        os.rename(hotplug, hotplug + '.away')
        try:
            self.fails('cannot plug the interface', 'VIF.plug', id=interface)
        finally:
            os.rename(hotplug + '.away', hotplug)
        self.assertFalse(self.plugged('VIF', interface))
        self.assertEqual(self.hypervisor.left(), left)
        self.do('VIF.plug', id=interface)
        self.assertTrue(self.plugged('VIF', interface))


@unittest.skipUnless(KERNEL, 'on Xen')
class Names(Daemons):
    def test_name_of_a_disk_is_no_option(self):
        vm = self.create(ty=['HVM', {}])
        self.add_disk(vm, '3', self.disc('image,snapshot=on.iso'), ty='CDROM', mode='ReadOnly')
        self.fails('has a comma', 'VM.start', id=vm, paused=True)
        self.assertEqual((self.power(vm), self.hypervisor.left()), ('Halted', []))


@unittest.skipUnless(KERNEL, 'on Xen')
class FullDisk(Daemons):
    def test_crashed_guest_does_not_fill_it(self):
        cores = os.path.join(self.folder, 'state', 'cores')
        os.makedirs(cores)
        self.hypervisor.run('mount', '-t', 'tmpfs', '-o', f'size={MEMORY}', 'tmpfs', cores)
        self.addCleanup(self.hypervisor.run, 'umount', cores)
        vm = self.create(on_crash=['Coredump', 'Shutdown'])
        self.start(vm)
        self.hypervisor.await_guest(vm)
        self.hypervisor.does(vm, 'crash')
        self.eventually(lambda: self.power(vm) == 'Halted', 'the end of a crashed guest')
        self.assertIn('there is no room', self.log())
        self.assertEqual(os.listdir(cores), [])


class Changes:
    """Counts what is changed in xenstore from now on."""

    def __init__(self):
        self.watch = subprocess.Popen(['stdbuf', '-oL', 'xenstore-watch', '/local/domain'], stdout=subprocess.PIPE)
        os.read(self.watch.stdout.fileno(), 4096)       # the watch is set
        os.set_blocking(self.watch.stdout.fileno(), False)
        self.seen = 0

    def await_number(self, number, ended):
        """Until so many were seen, or ended() says that there will be no more."""
        while self.seen < number:
            if select.select([self.watch.stdout], [], [], 1)[0]:
                self.seen += os.read(self.watch.stdout.fileno(), 4096).count(b'\n')
            elif ended():
                break
        return self.seen

    def end(self):
        self.watch.kill()
        self.watch.wait()
        self.watch.stdout.close()


@unittest.skipUnless(KERNEL, 'on Xen; tests/faults does it with the simulator')
class Kills(Daemons):
    """xenopsd is killed between any two changes of xenstore that a start or a shutdown makes."""

    def make(self):
        vm = self.create()
        self.add_disk(vm, '0', self.hypervisor.disk('disk'))
        self.add_interface(vm, '0')
        return vm

    def has_ended(self, task):
        return self.call('Task.stat', id=task)['state'][0] != 'Pending'

    def count(self, method, **params):
        changes = Changes()
        task = self.call(method, **params)
        number = changes.await_number(1 << 30, lambda: self.has_ended(task))
        self.end(task)
        changes.end()
        return number

    def kill_at(self, number, method, **params):
        changes = Changes()
        task = self.call(method, **params)
        changes.await_number(number, lambda: self.has_ended(task))
        self.kill()
        changes.end()
        self.up()

    def settled(self, vm):
        return self.power(vm) == 'Halted' and 'operations: 0 queued' in self.call('get_diagnostics')

    def at_each(self, number, do):
        for i in range(KILLS):
            at = 1 + i * (number - 1) // max(KILLS - 1, 1)
            with self.subTest(change=at, of=number):
                do(at)

    def test_start(self):
        vm = self.make()
        number = self.count('VM.start', id=vm, paused=True)
        self.do('VM.shutdown', id=vm, delay=None)

        def do(at):
            self.kill_at(at, 'VM.start', id=vm, paused=True)
            self.eventually(lambda: self.settled(vm) or self.power(vm) == 'Paused', 'the end of what was half done')
            if self.power(vm) == 'Halted':
                self.assertEqual(self.hypervisor.left(), [], self.log())
            self.start(vm, paused=True)
            self.do('VM.shutdown', id=vm, delay=None)
            self.assertEqual(self.hypervisor.left(), [], self.log())
        self.at_each(number, do)

    def test_shutdown(self):
        vm = self.make()
        self.start(vm, paused=True)
        number = self.count('VM.shutdown', id=vm)

        def do(at):
            self.start(vm, paused=True)
            self.kill_at(at, 'VM.shutdown', id=vm)
            self.eventually(lambda: self.settled(vm), 'the end of what was half done')
            self.assertEqual(self.hypervisor.left(), [], self.log())
        self.at_each(number, do)


if __name__ == '__main__':
    main()
