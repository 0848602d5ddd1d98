# SPDX-License-Identifier: LGPL-2.1-or-later
"""The simulator's domains as its ledger tells of them, change by change, whatever is being killed meanwhile: a VM never
has two."""
import json
import os
import threading

LEDGER = 'run/xenopsd/simulator/ledger'     # xenopsd/ledger.h: a line is a checksum, a key, and a text, empty when removed
PREFIX = 'domain/'
LOOK_SEC = 0.05


def changes(file):
    """The whole lines that have come since the last look -> [(domid, the domain; None: destroyed)]."""
    found = []
    while True:
        at = file.tell()
        line = file.readline()
        if not line.endswith(b'\n'):
            file.seek(at)               # still being written
            return found
        _, key, text = line.decode().rstrip('\n').split(' ', 2)
        if key.startswith(PREFIX):
            found.append((int(key.removeprefix(PREFIX)), json.loads(text) if text else None))


def living(stack):
    """-> {uuid of the VM: its domain}; while nothing changes."""
    domains = {}
    with open(stack.folder / LEDGER, 'rb') as file:
        domains.update(changes(file))
    alive = [{**domain, 'domid': domid} for domid, domain in domains.items() if domain]
    by_vm = {domain['vm']: domain for domain in alive}
    assert len(by_vm) == len(alive), f'a VM with two domains: {alive}'
    return by_vm


class Watch:
    """From its making to stop(): .created is {uuid: [domid]}, .violations what must not have happened."""

    def __init__(self, stack):
        self.path = stack.folder / LEDGER
        self.created, self.alive, self.violations = {}, {}, []
        self.file = open(self.path, 'rb')
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stopping.wait(LOOK_SEC):
            self.look()

    def look(self):
        with open(self.path, 'rb') as now:
            self.take(changes(self.file))
            if not same_file(now, self.file):
                self.file.close()       # written anew, without what is outdated
                self.file = open(self.path, 'rb')
                self.take(changes(self.file))

    def take(self, found):
        for domid, domain in found:
            if not domain:
                self.alive.pop(domid, None)
            elif domid not in self.alive:
                self.appeared(domid, domain['vm'])

    def appeared(self, domid, vm):
        others = [other for other, owner in self.alive.items() if owner == vm]
        if others:
            self.violations.append(f'{vm} has domain {domid} beside {others}')
        self.alive[domid] = vm
        domids = self.created.setdefault(vm, [])
        if domid in domids:
            self.violations.append(f'{vm} has domain {domid} for the second time')
        domids.append(domid)

    def stop(self):
        """-> the violations."""
        self.stopping.set()
        self.thread.join()
        self.look()
        self.file.close()
        return self.violations


def same_file(one, other):
    return os.path.samestat(os.fstat(one.fileno()), os.fstat(other.fileno()))
