# SPDX-License-Identifier: LGPL-2.1-or-later
"""An xenopsd with either back end, asked over the bus, and what stands around its guests. Arguments of the test: the switch,
xenopsd, xenops-cli, and for Xen (in its control domain, with `xl` there, as root): --xen KERNEL RAMDISK BRIDGE, of a guest that
is told to shut down and does."""
import json
import os
import signal
import subprocess
import sys
import time
import unittest
import uuid

from test_fixture import CLI, Stack

KERNEL, RAMDISK, BRIDGE = sys.argv[5:8] if sys.argv[4:5] == ['--xen'] else (None, None, None)
MEMORY = 128 << 20
PATIENCE_SEC = 120
DISK_BYTES = 16 << 20
SUSPEND_BYTES = 256 << 20
HANG_SEC = 3600 if KERNEL else 900
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


class Daemons(Stack):
    def setUp(self):
        self.hypervisor = (Xen if KERNEL else Simulated)(self)
        super().setUp()
        self.addCleanup(self.nothing_left)

    def configuration(self):
        return self.hypervisor.settings

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


def main():
    signal.alarm(HANG_SEC)
    unittest.main(argv=[sys.argv[0], '-v', *sys.argv[8 if KERNEL else 4:]])
