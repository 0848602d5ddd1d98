#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Starts, shutdowns, suspends and resumes beside `xl` with the same configuration, taking turns; the medians of the
rounds. `xl` has its devices plugged by the program that xenopsd uses: Xen's own are shell scripts, which take longer.
In Xen's control domain. Arguments as those of test_hypervisor.py --xen; in the environment ROUNDS, and FIGURES, a file that
gets every round's seconds as JSON: [{"kind": ..., "what": ..., "peer": ..., "rounds": [[ours, peer's], ...]}, ...]."""
import json
import os
import statistics
import sys
import time
import unittest
from pathlib import Path

import test_hypervisor as hypervisor
from test_fixture import CLI, XENOPSD

ROUNDS = int(os.environ.get('ROUNDS', 7))
XL_NAME = 'beside'
PAIRS = ('VM.start', 'xl create'), ('VM.shutdown', 'xl destroy'), ('VM.suspend', 'xl save'), ('VM.resume', 'xl restore')


class Bench(hypervisor.Daemons):
    def runTest(self):
        self.times, self.figures = {}, []
        for kind in 'PVH', 'PV':
            disk = self.hypervisor.disk(kind)
            vm, config = self.make(kind, disk), self.xl_config(kind, disk)
            self.measure_starts(kind, vm, config)
            self.measure_images(kind, vm)
            for ours, theirs in PAIRS:
                self.show(kind, ours, theirs)
        if 'FIGURES' in os.environ:
            Path(os.environ['FIGURES']).write_text(json.dumps(self.figures))

    def show(self, kind, ours, theirs):
        rounds = list(zip(self.times[ours, kind], self.times[theirs, kind]))
        self.figures.append({'kind': kind, 'what': ours, 'peer': theirs, 'rounds': rounds})
        a, b, ratio = map(statistics.median, (*zip(*rounds), (a / b for a, b in rounds)))
        print(f'{kind:4} {ours:12} {a:7.3f} s   {theirs:12} {b:7.3f} s   {ratio:5.2f}', flush=True)

    def time(self, name, kind, function, *arguments, **named):
        begun = time.monotonic()
        result = function(*arguments, **named)
        self.times.setdefault((name, kind), []).append(time.monotonic() - begun)
        return result

    def cli(self, *arguments):
        return self.hypervisor.run(CLI, '--switch-path', self.path, *arguments)

    def xl(self, *arguments):
        return self.hypervisor.run('xl', *arguments, quiet=True)

    def xl_config(self, kind, disk):
        path, script = os.path.join(self.folder, f'{kind}.cfg'), Path(XENOPSD).with_name('xen-hotplug')
        with open(path, 'w') as file:
            file.write(f'name="{XL_NAME}"\ntype="{kind.lower()}"\nmemory={hypervisor.MEMORY >> 20}\nkernel="{hypervisor.KERNEL}"\n'
                       f'ramdisk="{hypervisor.RAMDISK}"\nextra="console=hvc0 panic=-1"\n'
                       f'disk=["format=raw,vdev=xvda,access=rw,backendtype=phy,script={script},target={disk}"]\n'
                       f'vif=["mac=00:16:3e:00:00:77,bridge={hypervisor.BRIDGE},script={script}"]\n')
        return path

    def make(self, kind, disk):
        vm = self.create(ty=[kind, {'boot': self.hypervisor.boot()}])
        self.add_disk(vm, '0', disk)
        self.add_interface(vm, '0')
        return vm

    def measure_starts(self, kind, vm, config):
        for _ in range(ROUNDS):
            self.time('xl create', kind, self.xl, 'create', '-q', '-p', config)
            self.time('xl destroy', kind, self.xl, 'destroy', XL_NAME)
            self.time('VM.start', kind, self.cli, 'start', '--paused', vm)
            self.time('VM.shutdown', kind, self.cli, 'shutdown', vm)

    def measure_images(self, kind, vm):
        """Of two guests that have booted, which takes longest, and so they do it again and again."""
        ours, theirs = (os.path.join(self.folder, name) for name in ('ours', 'theirs'))
        with open(ours, 'w') as file:
            file.truncate(hypervisor.SUSPEND_BYTES)
        other = self.xl_config(kind, self.hypervisor.disk(f'{kind}-other'))
        self.xl('create', '-q', other)
        self.hypervisor.await_ready(self.xl('domid', XL_NAME))
        self.cli('start', vm)
        self.hypervisor.await_guest(vm)
        for _ in range(ROUNDS):
            self.time('xl save', kind, self.xl, 'save', XL_NAME, theirs)
            self.time('xl restore', kind, self.xl, 'restore', theirs)
            self.time('VM.suspend', kind, self.cli, 'suspend', '--disk', ours, vm)
            self.time('VM.resume', kind, self.cli, 'resume', '--disk', ours, vm)
        self.xl('destroy', XL_NAME)
        self.cli('shutdown', vm)


if __name__ == '__main__':
    sys.exit(not unittest.TextTestRunner().run(Bench()).wasSuccessful())
