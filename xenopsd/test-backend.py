#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a back end of xenopsd has to do, asked over the bus: the same on the simulator and on Xen.

Arguments: the switch, xenopsd, xenops-cli, and for Xen (in its control domain, with `xl` there, as root):
--xen KERNEL RAMDISK BRIDGE, of a guest that is told to shut down and does."""
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

SWITCH, XENOPSD, CLI = sys.argv[1:4]
KERNEL, RAMDISK, BRIDGE = sys.argv[5:8] if sys.argv[4:5] == ['--xen'] else (None, None, None)
MEMORY = 128 << 20
PATIENCE_SEC = 120
DUMP_SEC = 500      # page by page, and emulation is slow
DISK_BYTES = 16 << 20
SUSPEND_BYTES = 256 << 20
HANG_SEC = 3600 if KERNEL else 900
KILLS = int(os.environ.get('KILLS', 8))     # of each kind


DEVIDS = {'0': 768, '3': 5696}     # of hda and hdd, in xenstore


class Failed(Exception):
    """A call's error: its name and its parameters."""


class Simulated:
    """What stands around a simulated guest."""
    settings = 'backend=simulator\nsimulator-guest-delay-ms=20\n'
    bridge = 'xenbr0'

    def __init__(self, test):
        self.test = test

    def boot(self):
        return ['Indirect', {}]

    def await_guest(self, vm):
        """Until it hears what it is asked for."""

    def does(self, vm, what, domid=None):
        self.test.call('DEBUG.trigger', cmd='guest', args=[f'vm={vm}', f'do={what}'])

    def ejects(self, vm, *devices):
        for device in devices:
            self.test.call('DEBUG.trigger', cmd='guest', args=[f'vm={vm}', 'do=eject', f'device={device}'])

    def check_data(self, vm, data):
        """No guest looks."""

    def destroyed(self, vm):
        self.test.call('DEBUG.trigger', cmd='destroy', args=[f'vm={vm}'])

    def disk(self, name):
        return self.test.disc(name)

    def left(self):
        return self.test.domains()


class Xen:
    settings = f'backend=xenlight\nkernel-folders={os.path.dirname(KERNEL or "")}\n'
    bridge = BRIDGE

    def __init__(self, test):
        self.test = test

    def boot(self):
        return ['Direct', {'kernel': KERNEL, 'ramdisk': RAMDISK, 'cmdline': 'console=hvc0 panic=-1 sysrq_always_enabled'}]

    def run(self, *command, quiet=False):
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.DEVNULL if quiet else None).stdout.strip()

    def await_guest(self, vm):
        self.await_ready(self.test.state(vm)['domids'][0])

    def await_ready(self, domid):
        path = f'/local/domain/{domid}/control/feature-poweroff'
        watch = subprocess.Popen(['stdbuf', '-oL', 'xenstore-watch', path], stdout=subprocess.PIPE, text=True)
        for _ in watch.stdout:
            if subprocess.run(['xenstore-read', path], capture_output=True, text=True).stdout.strip() == '1':
                break
        watch.kill()
        watch.wait()
        watch.stdout.close()

    def does(self, vm, what, domid=None):
        domid = str(domid or self.test.state(vm)['domids'][0])
        if what == 'crash':
            self.run('xl', 'sysrq', domid, 'c')
        else:
            self.run('xenstore-write', f'/local/domain/{domid}/control/shutdown', what)

    def ejects(self, vm, *devices):
        """As a guest's driver does it."""
        for device in devices:
            disk = f'/local/domain/{self.test.state(vm)["domids"][0]}/device/vbd/{DEVIDS[device]}'
            self.run('xenstore-read', f'{disk}/backend')
            self.run('xenstore-write', f'{disk}/eject', 'eject')

    def check_data(self, vm, data):
        base = f'/local/domain/{self.test.state(vm)["domids"][0]}/'
        listed = subprocess.run(['xenstore-ls', '-f', base + 'vm-data'], capture_output=True, text=True).stdout
        found = dict(line[len(base):].split(' = ', 1) for line in listed.splitlines())
        self.test.assertEqual({key: value.strip('"') for key, value in found.items()}, data)

    def destroyed(self, vm):
        self.run('xl', 'destroy', str(self.test.state(vm)['domids'][0]))

    def disk(self, name):
        path = os.path.join(self.test.folder, name)
        with open(path, 'w') as file:
            file.truncate(DISK_BYTES)
        device = self.run('losetup', '--find', '--show', path)
        self.test.addCleanup(self.run, 'losetup', '--detach', device)
        return device

    def left(self):
        backend = subprocess.run(['xenstore-ls', '-f', '/local/domain/0/backend'], capture_output=True, text=True).stdout
        domains = self.run('xl', 'list').splitlines()[2:]
        nodes = subprocess.run(['xenstore-ls', '-f', '/libxl'], capture_output=True, text=True).stdout
        devices = [line for line in backend.splitlines() if '/frontend-id = ' in line]
        emulators = [line for line in subprocess.run(['pgrep', '-af', 'xen-domid'], capture_output=True,
                                                     text=True).stdout.splitlines() if '-xen-domid 0 ' not in line]
        ports = [name for name in os.listdir('/sys/class/net') if name.startswith(('vif', 'tap'))]
        return [*self.test.domains(), *domains, *devices, *emulators, *ports,
                *(line for line in nodes.splitlines() if '/dm-version' in line or '/type' in line)]


class Daemons(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name
        self.path = os.path.join(self.folder, 'sock')
        self.config = os.path.join(self.folder, 'config')
        self.hypervisor = (Xen if KERNEL else Simulated)(self)
        with open(self.config, 'w') as file:
            file.write('[daemon]\n' + self.hypervisor.settings)
        policy = os.path.join(self.folder, 'policy')
        with open(policy, 'w'):
            pass
        config = os.path.join(self.folder, 'switch-config')
        with open(config, 'w') as file:
            file.write('[daemon]\ngrace-msec=0\n')     # where there is no squeezed, none is waited for
        self.switch = self.spawn(SWITCH, '--policy', policy, '--config', config)
        self.addCleanup(self.stop, 'switch')
        self.up()
        self.addCleanup(self.stop, 'xenopsd')
        self.addCleanup(self.nothing_left)

    def spawn(self, program, *arguments):
        ready, wait = os.pipe()
        log = open(os.path.join(self.folder, 'log'), 'a')
        process = subprocess.Popen(
            [program, '--state', os.path.join(self.folder, 'state'), '--runtime', os.path.join(self.folder, 'run'),
             '--switch-path', self.path, '--ready-fd', str(wait), *arguments], pass_fds=[wait], stderr=log)
        log.close()
        os.close(wait)
        self.assertEqual(os.read(ready, 1), b'\n', self.log())
        os.close(ready)
        return process

    def log(self):
        with open(os.path.join(self.folder, 'log')) as file:
            return file.read()

    def up(self):
        self.xenopsd = self.spawn(XENOPSD, '--config', self.config)

    def kill(self):
        self.xenopsd.kill()
        self.xenopsd.wait()

    def stop(self, name):
        process = getattr(self, name)
        process.terminate()
        self.assertEqual(process.wait(timeout=60), 0, self.log())

    def call(self, method, **params):
        words = [word for name, value in params.items() if value is not None
                 for word in (f'--{name}', value if isinstance(value, str) else json.dumps(value))]
        done = subprocess.run([CLI, '--switch-path', self.path, 'call', method, *words], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=PATIENCE_SEC)
        if done.returncode != 0:
            raise Failed(done.stderr.strip())
        return json.loads(done.stdout) if done.stdout else None

    def end(self, task):
        """Waits for events until the task has ended."""
        last = None
        while True:
            state = self.call('Task.stat', id=task)['state']
            if state[0] != 'Pending':
                self.call('Task.destroy', id=task)
                break
            last = self.call('UPDATES.get', last_id=last, timeout=30)[2]
        if state[0] == 'Failed':
            raise Failed(json.dumps(state[1]))

    def do(self, method, **params):
        self.end(self.call(method, **params))

    def fails(self, name, method, **params):
        with self.assertRaises(Failed) as caught:
            self.do(method, **params)
        self.assertIn(name, str(caught.exception), self.log())

    def state(self, vm):
        return self.call('VM.stat', id=vm)[1]

    def power(self, vm):
        return self.state(vm)['power_state']

    def eventually(self, so, what, seconds=PATIENCE_SEC):
        """Waits for events until it is so."""
        deadline = time.monotonic() + seconds
        last = self.call('UPDATES.last_id')
        while not so():
            self.assertLess(time.monotonic(), deadline, f'{what} never came\n{self.log()}')
            last = self.call('UPDATES.get', last_id=last, timeout=5)[2]

    def domains(self):
        text = self.call('get_diagnostics')
        return [] if ': 0 domains' in text else [line for line in text.splitlines() if 'domain' in line]

    def end_all(self):
        for stat in self.call('VM.list'):
            self.do('VM.shutdown', id=stat[0]['id'])

    def nothing_left(self):
        self.end_all()
        self.assertEqual(self.hypervisor.left(), [], self.log())

    def create(self, **more):
        vm = {'id': str(uuid.uuid4()), 'name': 'vm', 'ssidref': 0, 'xsdata': {}, 'platformdata': {}, 'bios_strings': {},
              'ty': ['PVH', {'boot': self.hypervisor.boot()}], 'suppress_spurious_page_faults': False,
              'machine_address_size': None, 'memory_static_max': MEMORY, 'memory_dynamic_max': MEMORY,
              'memory_dynamic_min': MEMORY, 'vcpu_max': 1, 'vcpus': 1,
              'scheduler_params': {'priority': None, 'affinity': []}, 'on_crash': ['Shutdown'],
              'on_shutdown': ['Shutdown'], 'on_reboot': ['Start'], 'pci_msitranslate': True, 'pci_power_mgmt': False,
              'generation_id': None, **more}
        return self.call('VM.add', vm=vm)

    def start(self, vm, paused=False):
        self.do('VM.start', id=vm, paused=paused)

    def add_disk(self, vm, device, path, **more):
        self.call('VBD.add', vbd={'id': [vm, device], 'backend': ['Local', path], **more})
        return [vm, device]

    def disc(self, name):
        path = os.path.join(self.folder, name)
        with open(path, 'w') as file:
            file.truncate(DISK_BYTES)
        return path

    def add_interface(self, vm, device, bridge=None, **more):
        self.call('VIF.add', vif={'id': [vm, device], 'position': int(device), 'mac': f'00:16:3e:00:00:0{device}',
                                  'backend': ['Local', bridge or self.hypervisor.bridge], **more})
        return [vm, device]

    def plugged(self, kind, device):
        return self.call(f'{kind}.stat', id=device)[1]['plugged']


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
    signal.alarm(HANG_SEC)
    rest = sys.argv[8:] if KERNEL else sys.argv[4:]
    unittest.main(argv=[sys.argv[0], '-v', *rest])
