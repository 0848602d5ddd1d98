# SPDX-License-Identifier: LGPL-2.1-or-later
"""A file system in dom0 whose disk can be taken from under it."""
import gzip
import subprocess
import tempfile

SECTOR_BYTES = 512
IMAGE, NAME = '/var/tmp/volume', 'volume'


class Volume:
    """Mounted at `path`, until `close`."""

    def __init__(self, dom0, path, mib):
        self.dom0, self.path, self.sectors = dom0, path, (mib << 20) // SECTOR_BYTES
        with tempfile.NamedTemporaryFile() as file:
            subprocess.run(['mke2fs', '-q', '-F', '-t', 'ext4', '-m', '0', file.name, f'{mib}M'], check=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            dom0.put(f'{IMAGE}.gz', gzip.compress(file.read(), 1))
        dom0.run('gunzip', f'{IMAGE}.gz')
        self.loop = dom0.run('losetup', '--find', '--show', IMAGE).strip()
        dom0.run('dmsetup', 'create', NAME, '--table', self.table('linear'))
        dom0.run('mkdir', '-p', path)
        self.mount()

    def table(self, target):
        return f'0 {self.sectors} {target}' + (f' {self.loop} 0' if target == 'linear' else '')

    def mount(self):
        self.dom0.run('mount', f'/dev/mapper/{NAME}', self.path)

    def unmount(self):
        self.dom0.run('umount', self.path)

    def switch(self, target):
        self.dom0.run('dmsetup', 'suspend', '--noflush', '--nolockfs', NAME)
        self.dom0.run('dmsetup', 'load', NAME, '--table', self.table(target))
        self.dom0.run('dmsetup', 'resume', NAME)

    def fail(self):
        """From now on nothing can be read from its disk or written there."""
        self.switch('error')

    def mend(self):
        """As an administrator does, who finds that it was the cable."""
        self.switch('linear')
        self.unmount()
        self.mount()

    def close(self):
        self.unmount()
        self.dom0.run('dmsetup', 'remove', NAME)
        self.dom0.run('losetup', '--detach', self.loop)
        self.dom0.run('rm', IMAGE)
