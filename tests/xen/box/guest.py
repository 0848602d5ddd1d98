# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests of tests/xen: the program in tests/xen/guest as the first process of Debian's cloud kernel, on a disk of its own
that boots by GRUB; and conversations with it over its console."""
import functools
import gzip
import re
import shutil
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from . import states

SOURCES = states.HERE.parent / 'guest'
KERNEL_OPTIONS = 'quiet panic=-1 mitigations=off nokaslr'
CONSOLES = {'pvh': 'console=hvc0', 'pv': 'console=hvc0', 'hvm': 'console=tty0 console=ttyS0'}
DISK_MIB, FILES_MIB = 64, 40        # what is behind the files is for the tests to write to
BLOCK_BYTES = 4096
FREE_BLOCK = (FILES_MIB << 20) // BLOCK_BYTES
BOOT_LOADER_MIB = 63                # where that of an HVM guest's disk is
SECTOR_BYTES = 512
GRUB, GRUB_MODULES = Path('/usr/lib/grub/i386-pc'), ('biosdisk', 'configfile', 'ext2', 'gzio', 'linux', 'normal')
ANSWER_SEC, UP_SEC = 120, 900


@functools.cache
def program():
    """-> the path of the compiled program."""
    path = states.BUILD / 'guest-init'
    subprocess.run(['gcc', '-std=gnu17', '-D_GNU_SOURCE', '-O2', '-static', '-o', path, *sorted(SOURCES.glob('*.c'))],
                   check=True, stdin=subprocess.DEVNULL)
    return path


def make_initrd(modules, to):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shutil.copy(program(), root / 'init')
        (root / 'sbin').mkdir()
        for name in ('poweroff', 'reboot'):
            (root / 'sbin' / name).symlink_to('/init')
        shutil.copytree(modules, root / 'modules')
        (root / 'dev').mkdir()
        names = '\n'.join(str(path.relative_to(root)) for path in sorted(root.rglob('*')))
        done = subprocess.run(['cpio', '--quiet', '-o', '-H', 'newc', '-R', '0:0'], input=names.encode(), cwd=root,
                              stdout=subprocess.PIPE, check=True)
    Path(to).write_bytes(gzip.compress(done.stdout))


def put_kernel(kind, to):
    """Compressed: every byte that a BIOS reads is dear. (What the kernel unpacks itself, GRUB cannot for PV.)"""
    kernel = states.named('installed').image / ('guest-vmlinux' if kind == 'pv' else 'guest-vmlinuz')
    to.write_bytes(gzip.compress(kernel.read_bytes(), 6))


def put_boot_loader(path):
    """The GRUB of a BIOS: its first sector is the disk's, which the file system leaves free; the rest is where the first
    is told that it is."""
    first = (BOOT_LOADER_MIB << 20) // SECTOR_BYTES
    boot = bytearray((GRUB / 'boot.img').read_bytes())
    struct.pack_into('<Q', boot, 0x5c, first)
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(['grub-mkimage', '-O', GRUB.name, '-p', '(hd0)/boot/grub', '-o', file.name, *GRUB_MODULES],
                       check=True, stdin=subprocess.DEVNULL)
        core = bytearray(file.read())
    assert len(core) < (DISK_MIB - BOOT_LOADER_MIB) << 20
    struct.pack_into('<Q', core, SECTOR_BYTES - 12, first + 1)
    with open(path, 'r+b') as file:
        file.write(boot)
        file.seek(first * SECTOR_BYTES)
        file.write(core)


def make_disk(to, kind, options):
    """A disk with a file system, in it the kernel and what GRUB needs to start it with these options as a guest of this
    kind: "pvh" and "pv", for which GRUB comes from the host, or "hvm", which finds it on the disk."""
    with tempfile.TemporaryDirectory() as folder:
        boot = Path(folder) / 'boot'
        (boot / 'grub').mkdir(parents=True)
        put_kernel(kind, boot / 'kernel')
        make_initrd(states.named('installed').image / 'guest-modules', boot / 'initrd')
        (boot / 'grub/grub.cfg').write_text(f'linux /boot/kernel {CONSOLES[kind]} {KERNEL_OPTIONS} {options}\n'
                                            'initrd /boot/initrd\nboot\n')
        subprocess.run(['mke2fs', '-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-m', '0', '-d', folder, to,
                        f'{FILES_MIB}M'], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    with open(to, 'r+b') as file:
        file.truncate(DISK_MIB << 20)
    if kind == 'hvm':
        put_boot_loader(to)


class Console:
    """A guest's serial console, over anything with recv and send."""

    def __init__(self, connection):
        self.connection, self.text = connection, ''
        connection.settimeout(1)

    def read(self):
        try:
            data = self.connection.recv(65536)
        except TimeoutError:
            return
        if not data:
            raise EOFError(f'the console ended; it said:\n{self.text[-2000:]}')
        self.text += data.decode(errors='replace').replace('\r', '')

    def expect(self, pattern, seconds=ANSWER_SEC):
        """Reads until a line matches -> the match; what was before it is forgotten."""
        deadline = time.monotonic() + seconds
        while not (match := re.search(rf'^(?:{pattern})[^\n]*\n', self.text, re.M)):
            assert time.monotonic() < deadline, f'no {pattern!r} within {seconds} s; the console says:\n{self.text[-3000:]}'
            self.read()
        self.text = self.text[match.end():]
        return match

    def ask(self, line, seconds=ANSWER_SEC):
        """A command -> what the guest answers, without the command's name."""
        self.connection.sendall(line.encode() + b'\n')
        return self.expect(rf'{line.split()[0]} (?P<answer>[^\n]*)', seconds)['answer']
