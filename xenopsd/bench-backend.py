#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""VM.start and VM.shutdown beside `xl` with the same configuration, taking turns; the median of the rounds. In Xen's control domain. Arguments as those of test-backend.py --xen; ROUNDS in the environment."""
import importlib.util
import os
import statistics
import sys
import time
from pathlib import Path

spec = importlib.util.spec_from_file_location('backend', Path(__file__).with_name('test-backend.py'))
backend = importlib.util.module_from_spec(spec)
spec.loader.exec_module(backend)

ROUNDS = int(os.environ.get('ROUNDS', 7))
XL_NAME = 'beside'


class Bench(backend.Daemons):
    def runTest(self):
        self.times = {}
        for kind in 'PVH', 'PV':
            self.measure_starts(kind)
            self.show(kind, 'VM.start', 'xl create')
            self.show(kind, 'VM.shutdown', 'xl destroy')

    def show(self, kind, ours, theirs):
        a, b = (statistics.median(self.times[name, kind]) for name in (ours, theirs))
        print(f'{kind:4} {ours:12} {a:7.3f} s   {theirs:12} {b:7.3f} s   {a / b:5.2f}', flush=True)

    def time(self, name, kind, function, *arguments, **named):
        begun = time.monotonic()
        result = function(*arguments, **named)
        self.times.setdefault((name, kind), []).append(time.monotonic() - begun)
        return result

    def cli(self, *arguments):
        return self.hypervisor.run(backend.CLI, '--switch-path', self.path, *arguments)

    def xl(self, *arguments):
        return self.hypervisor.run('xl', *arguments, quiet=True)

    def xl_config(self, kind, disk):
        path = os.path.join(self.folder, f'{kind}.cfg')
        with open(path, 'w') as file:
            file.write(f'name="{XL_NAME}"\ntype="{kind.lower()}"\nmemory={backend.MEMORY >> 20}\nkernel="{backend.KERNEL}"\n'
                       f'ramdisk="{backend.RAMDISK}"\nextra="console=hvc0 panic=-1"\ndisk=["phy:{disk},xvda,w"]\n'
                       f'vif=["mac=00:16:3e:00:00:77,bridge={backend.BRIDGE}"]\n')
        return path

    def make(self, kind, disk):
        vm = self.create(ty=[kind, {'boot': self.hypervisor.boot()}])
        self.add_disk(vm, '0', disk)
        self.add_interface(vm, '0')
        return vm

    def measure_starts(self, kind):
        disk = self.hypervisor.disk(kind)
        vm, config = self.make(kind, disk), self.xl_config(kind, disk)
        for _ in range(ROUNDS):
            self.time('xl create', kind, self.xl, 'create', '-q', '-p', config)
            self.time('xl destroy', kind, self.xl, 'destroy', XL_NAME)
            self.time('VM.start', kind, self.cli, 'start', '--paused', vm)
            self.time('VM.shutdown', kind, self.cli, 'shutdown', vm)


if __name__ == '__main__':
    sys.exit(not backend.unittest.TextTestRunner().run(Bench()).wasSuccessful())
