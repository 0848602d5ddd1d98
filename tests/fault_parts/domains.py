# SPDX-License-Identifier: LGPL-2.1-or-later
"""Watches the simulator's domains, as files, while everything else is being killed: a VM never has two."""
import ctypes
import json
import os
import select
import struct
import threading

IN_MOVED_TO, IN_DELETE, IN_Q_OVERFLOW = 0x80, 0x200, 0x4000
EVENT = struct.Struct('iIII')
LIBC = ctypes.CDLL(None, use_errno=True)


def folder_of(stack):
    """Where xenopsd's simulator keeps them, a file each."""
    return stack.folder / 'run/xenopsd/simulator/domain'


def read(folder, name):
    try:
        return json.loads((folder / name).read_text())
    except FileNotFoundError:
        return None


def living(stack):
    """-> {uuid of the VM: its domain}; while nothing changes."""
    folder = folder_of(stack)
    domains = [domain for name in os.listdir(folder) if name.isdigit() and (domain := read(folder, name))]
    by_vm = {domain['vm']: domain for domain in domains}
    assert len(by_vm) == len(domains), f'a VM with two domains: {domains}'
    return by_vm


class Watch:
    """From its making to stop(): .created is {uuid: [domid]}, .violations what must not have happened."""

    def __init__(self, stack):
        self.folder = folder_of(stack)
        self.created, self.alive, self.violations = {}, {}, []
        self.inotify = LIBC.inotify_init1(os.O_CLOEXEC)
        assert self.inotify >= 0
        watch = LIBC.inotify_add_watch(self.inotify, os.fsencode(self.folder), IN_MOVED_TO | IN_DELETE)
        assert watch >= 0, os.strerror(ctypes.get_errno())
        self.stopper, self.stopping = os.pipe()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while True:
            ready, _, _ = select.select([self.inotify, self.stopper], [], [])
            if self.inotify in ready:
                self.take(os.read(self.inotify, 1 << 16))
            elif ready:
                return

    def take(self, data):
        while data:
            _, mask, _, length = EVENT.unpack_from(data)
            name = data[EVENT.size:EVENT.size + length].rstrip(b'\0').decode()
            data = data[EVENT.size + length:]
            assert not mask & IN_Q_OVERFLOW, 'the kernel could not keep all changes'
            if not name.isdigit():
                continue                # being written
            if mask & IN_DELETE:
                self.alive.pop(name, None)
            elif name not in self.alive:
                self.appeared(name)

    def appeared(self, name):
        domain = read(self.folder, name)
        if not domain:
            return                      # gone already
        vm = domain['vm']
        others = [other for other, owner in self.alive.items() if owner == vm]
        if others:
            self.violations.append(f'{vm} has domain {name} beside {others}')
        self.alive[name] = vm
        domids = self.created.setdefault(vm, [])
        if int(name) in domids:
            self.violations.append(f'{vm} has domain {name} for the second time')
        domids.append(int(name))

    def stop(self):
        """-> the violations."""
        os.write(self.stopping, b'.')
        self.thread.join()
        for fd in (self.inotify, self.stopper, self.stopping):
            os.close(fd)
        return self.violations
