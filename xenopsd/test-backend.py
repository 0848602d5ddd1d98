#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a back end of xenopsd has to do: the same on the simulator and on Xen (test_hypervisor.py says how it is called)."""
import os
import time
import uuid

from test_hypervisor import KERNEL, MEMORY, PATIENCE_SEC, SUSPEND_BYTES, Daemons, Failed, main


class Conformance(Daemons):

    def test_power_states(self):
        vm = self.create()
        self.assertEqual((self.power(vm), self.state(vm)['domids']), ('Halted', []))
        for method in 'VM.pause', 'VM.unpause':
            self.fails('Bad_power_state', method, id=vm)
        self.fails('Bad_power_state', 'VM.reboot', id=vm, delay=None)
        before = time.time()
        self.start(vm, paused=True)
        state = self.state(vm)
        self.assertEqual((state['power_state'], len(state['domids'])), ('Paused', 1))
        self.assertGreaterEqual(state['memory_actual'], MEMORY)
        self.assertTrue(before - 1 <= state['last_start_time'] <= time.time() + 1, state)
        self.assertEqual(state['vcpu_target'], 1)
        self.start(vm, paused=True)
        self.assertEqual(self.state(vm)['domids'], state['domids'])
        self.fails('Bad_power_state', 'VM.start', id=vm, paused=False)
        self.fails('Bad_power_state', 'VM.pause', id=vm)
        self.do('VM.unpause', id=vm)
        self.assertEqual(self.power(vm), 'Running')
        self.fails('Bad_power_state', 'VM.unpause', id=vm)
        with self.assertRaises(Failed):
            self.call('VM.remove', id=vm)
        self.do('VM.pause', id=vm)
        self.assertEqual(self.power(vm), 'Paused')
        self.do('VM.reboot', id=vm, delay=None)
        self.assertEqual(self.power(vm), 'Running')
        self.assertNotEqual(self.state(vm)['domids'], state['domids'])
        self.do('VM.shutdown', id=vm, delay=None)
        self.assertEqual((self.power(vm), self.state(vm)['domids']), ('Halted', []))
        self.do('VM.shutdown', id=vm, delay=None)
        self.call('VM.remove', id=vm)
        self.assertFalse(self.call('VM.exists', id=vm))

    def test_hard_shutdown_goes_before(self):
        vm = self.create()
        self.start(vm)
        self.do('VM.pause', id=vm)      # and so it answers nothing
        asking = self.call('VM.shutdown', id=vm, delay=3600)
        self.do('VM.shutdown', id=vm)
        with self.assertRaisesRegex(Failed, 'Cancelled'):
            self.end(asking)
        self.assertEqual(self.power(vm), 'Halted')

    def test_data(self):
        vm = self.create(xsdata={'vm-data/a': '1', 'vm-data/b': '2', 'elsewhere': '3'})
        self.start(vm, paused=True)
        self.hypervisor.check_data(vm, {'vm-data/a': '1', 'vm-data/b': '2'})
        self.do('VM.set_xsdata', id=vm, xsdata={'vm-data/b': '4', 'vm-data/c': '5'})
        self.hypervisor.check_data(vm, {'vm-data/b': '4', 'vm-data/c': '5'})
        self.assertEqual(self.state(vm)['xsdata_state'], {'vm-data/b': '4', 'vm-data/c': '5'})

    def test_unknown(self):
        self.fails('Does_not_exist', 'VM.start', id=str(uuid.uuid4()), paused=False)
        vm = self.create()
        for kind in 'VBD', 'VIF':
            self.fails('Does_not_exist', f'{kind}.plug', id=[vm, '7'])

    def test_guest_is_asked(self):
        """Every way in which a guest ends and goes on, in one life, for it takes time to boot."""
        vm, disk = self.create(), os.path.join(self.folder, 'suspend')
        with open(disk, 'w') as file:
            file.truncate(SUSPEND_BYTES)
        self.start(vm)
        self.hypervisor.await_guest(vm)
        first = self.state(vm)
        self.do('VM.suspend', id=vm, suspend_vdi=['Local', disk])
        state = self.state(vm)
        self.assertEqual((state['power_state'], state['domids']), ('Suspended', []))
        self.fails('Bad_power_state', 'VM.pause', id=vm)
        self.kill()
        self.up()
        self.assertEqual(self.power(vm), 'Suspended')
        self.do('VM.resume', id=vm, suspend_vdi=['Local', disk])
        self.assertEqual(self.power(vm), 'Paused')
        self.assertNotEqual(self.state(vm)['domids'], first['domids'])
        self.do('VM.unpause', id=vm)
        self.do('VM.reboot', id=vm, delay=PATIENCE_SEC)     # and so it hears us after the resume
        self.assertEqual(self.power(vm), 'Running')
        self.hypervisor.await_guest(vm)
        self.do('VM.shutdown', id=vm, delay=PATIENCE_SEC)
        self.assertEqual(self.power(vm), 'Halted')

    def test_guest_does_it_by_itself(self):
        vm = self.create()
        self.start(vm)
        self.hypervisor.await_guest(vm)
        before = self.state(vm)['domids']
        self.hypervisor.does(vm, 'reboot')
        self.eventually(lambda: self.state(vm)['domids'] not in (before, []), 'the next domain')
        self.hypervisor.await_guest(vm)
        self.hypervisor.does(vm, 'crash')
        self.eventually(lambda: self.power(vm) == 'Halted', 'the end of a crashed guest')
        self.start(vm)
        self.hypervisor.await_guest(vm)
        domid, = self.state(vm)['domids']
        self.kill()
        self.hypervisor.does(vm, 'poweroff', domid) if KERNEL else None
        self.up()
        self.hypervisor.does(vm, 'poweroff') if not KERNEL else None
        self.eventually(lambda: self.power(vm) == 'Halted', 'the end of a guest that switched itself off')

    def test_destroyed_behind_our_back(self):
        vm = self.create()
        device = self.add_disk(vm, '0', self.hypervisor.disk('disk'))
        self.start(vm, paused=True)
        self.hypervisor.destroyed(vm)
        self.eventually(lambda: self.power(vm) == 'Halted', 'the end of a domain that was taken away')
        self.assertEqual(self.hypervisor.left(), [])
        self.assertFalse(self.plugged('VBD', device))
        self.start(vm, paused=True)

    def test_devices_from_the_start(self):
        vm = self.create()
        disk = self.add_disk(vm, '0', self.hypervisor.disk('disk'))
        interface = self.add_interface(vm, '0')
        self.assertFalse(self.plugged('VBD', disk) or self.plugged('VIF', interface))
        self.fails('Bad_power_state', 'VBD.plug', id=disk)
        self.do('VBD.unplug', id=disk, force=False)
        self.start(vm, paused=True)
        self.assertTrue(self.plugged('VBD', disk) and self.plugged('VIF', interface))
        self.kill()
        self.up()
        self.assertTrue(self.plugged('VBD', disk) and self.plugged('VIF', interface))
        self.assertEqual(self.power(vm), 'Paused')
        self.do('VBD.unplug', id=disk, force=True)
        self.do('VIF.unplug', id=interface, force=True)
        self.assertFalse(self.plugged('VBD', disk) or self.plugged('VIF', interface))
        self.do('VBD.plug', id=disk)
        self.do('VIF.plug', id=interface)
        self.assertTrue(self.plugged('VBD', disk) and self.plugged('VIF', interface))

    def test_guest_ejects(self):
        """What is in a drive goes, however often it is said; what is no drive stays."""
        vm = self.create(ty=['HVM', {}])
        disk = self.add_disk(vm, '0', self.hypervisor.disk('disk'), position=['Ide', 0, 0])
        drive = self.add_disk(vm, '3', self.disc('disc'), position=['Ide', 3, 0], ty='CDROM', mode='ReadOnly')
        self.start(vm, paused=bool(KERNEL))     # there nothing would boot
        for _ in range(2):
            self.hypervisor.ejects(vm, '0', '3', '3')
            self.eventually(lambda: not self.call('VBD.stat', id=drive)[0].get('backend'), 'an empty drive')
            self.assertTrue(self.call('VBD.stat', id=disk)[0].get('backend'))
            self.assertTrue(self.plugged('VBD', drive) and self.plugged('VBD', disk))
            self.kill()
            self.up()
            self.do('VBD.insert', id=drive, disk=['Local', self.disc('another')])
        self.do('VM.shutdown', id=vm, delay=None)

    def test_devices_while_it_runs(self):
        vm = self.create()
        self.start(vm)
        self.hypervisor.await_guest(vm)
        disk = self.add_disk(vm, '1', self.hypervisor.disk('disk'))
        interface = self.add_interface(vm, '1')
        for _ in range(2):
            self.do('VBD.plug', id=disk)
            self.do('VIF.plug', id=interface)
            self.assertTrue(self.plugged('VBD', disk) and self.plugged('VIF', interface))
            self.do('VBD.plug', id=disk)    # again is no error
            self.do('VBD.unplug', id=disk, force=False)
            self.do('VIF.unplug', id=interface, force=False)
            self.assertFalse(self.plugged('VBD', disk) or self.plugged('VIF', interface))
        self.do('VIF.plug', id=interface)
        self.do('VIF.set_carrier', id=interface, carrier=False)
        self.assertFalse(self.call('VIF.stat', id=interface)[1]['media_present'])
        self.do('VIF.set_carrier', id=interface, carrier=True)
        for mode in ['Disabled'], ['Locked', {'ipv4': [], 'ipv6': []}], ['Unlocked']:
            self.do('VIF.set_locking_mode', id=interface, locking_mode=mode)
        self.do('VIF.move', id=interface, network=['Local', self.hypervisor.bridge])

    def test_nothing_is_left_of_a_start_that_failed(self):
        too_much = self.call('HOST.get_total_memory_mib') << 21
        vm = self.create(memory_static_max=too_much, memory_dynamic_max=too_much, memory_dynamic_min=too_much)
        self.fails('Cannot_free_this_much_memory', 'VM.start', id=vm, paused=True)
        self.assertEqual((self.power(vm), self.hypervisor.left()), ('Halted', []))
        vm = self.create()
        self.add_disk(vm, '0', os.path.join(self.folder, 'there-is-none'))
        self.fails('there-is-none', 'VM.start', id=vm, paused=True)
        self.assertEqual((self.power(vm), self.hypervisor.left()), ('Halted', []))
        with self.assertRaises(Failed):
            self.create(vcpus=2)

    def test_many_at_a_time(self):
        vms = [self.create() for _ in range(2)]
        for vm in vms:
            self.add_disk(vm, '0', self.hypervisor.disk(vm))
            self.add_interface(vm, '0')
        for method, params, wanted in (('VM.start', {'paused': True}, 'Paused'), ('VM.reboot', {}, 'Running'),
                                       ('VM.shutdown', {}, 'Halted')):
            for task in [self.call(method, id=vm, **params) for vm in vms]:
                self.end(task)
            self.assertEqual({self.power(vm) for vm in vms}, {wanted})

    def test_restart_finds_again(self):
        vms = [self.create() for _ in range(2)]
        for vm in vms:
            self.start(vm, paused=True)
        before = [self.state(vm) for vm in vms]
        self.kill()
        self.up()
        self.eventually(lambda: [self.state(vm) for vm in vms] == before, 'what was known of them')
        self.do('VM.unpause', id=vms[0])
        self.assertEqual(self.power(vms[0]), 'Running')
        self.do('VM.shutdown', id=vms[0], delay=None)


if __name__ == '__main__':
    main()
