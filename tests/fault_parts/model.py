# SPDX-License-Identifier: LGPL-2.1-or-later
"""What must be so: every write that was acknowledged, everything that any client has seen.

Each VM has one client that changes it; all look at it. A counter in a field tells how far the writes have come: once
n was acknowledged or seen, nobody may ever see less."""
import collections
import threading
import time
from dataclasses import dataclass, field

FIELDS = ('name_description', 'other_config')
KEY = 'faults'          # in other_config
HISTORY = 12            # what was last done to a VM, shown with what was wrong of it


def counter(record, name):
    """-> how far this field of a VM's record has come; -1: nobody has written it yet."""
    value = record[name].get(KEY, '') if name == 'other_config' else record[name]
    return int(value) if value.isdigit() else -1


@dataclass
class Vm:
    ref: str
    uuid: str
    issued: dict = field(default_factory=lambda: dict.fromkeys(FIELDS, -1))
    floor: dict = field(default_factory=lambda: dict.fromkeys(FIELDS, -1))      # acknowledged or seen
    power: str = 'Halted'       # as acknowledged; None: not known, because the last operation's end is not
    domid: int = -1             # while power is Running
    gone: bool = False          # acknowledged or seen
    may_be_gone: bool = False
    disks: list = field(default_factory=list)       # VDIs that were acknowledged
    history: collections.deque = field(default_factory=lambda: collections.deque(maxlen=HISTORY))

    def note(self, *what):
        self.history.append(f'{time.time():.3f} ' + ' '.join(map(str, what)))

    def told(self):
        return ''.join(f'\n         {line}' for line in self.history)


class Model:
    def __init__(self):
        self.lock = threading.Lock()
        self.vms = {}           # by ref
        self.acknowledged = 0
        self.observed = 0
        self.errors = {}        # code -> how often something failed with it
        self.violations = []

    def violation(self, text, vm=None):
        with self.lock:
            self.violations.append(f'{time.time():.3f} {text}' + (vm.told() if vm else ''))

    def add(self, ref, uuid):
        with self.lock:
            self.acknowledged += 1
            vm = self.vms[ref] = Vm(ref, uuid)
            return vm

    def issue(self, vm, name):
        """-> the next number to be written."""
        with self.lock:
            vm.issued[name] += 1
            return vm.issued[name]

    def acknowledge(self, vm=None, name=None, number=None):
        with self.lock:
            self.acknowledged += 1
            if name:
                vm.floor[name] = max(vm.floor[name], number)

    def failed(self, error):
        with self.lock:
            code = error.code if error.code != 'INTERNAL_ERROR' else f'INTERNAL_ERROR {error.params[:1]}'
            self.errors[code] = self.errors.get(code, 0) + 1

    def deleted(self, vm, certain=True):
        with self.lock:
            self.acknowledged += certain
            vm.may_be_gone = True
            vm.gone = vm.gone or certain

    def floors(self):
        """As they are before a request: its answer may not be older. -> {ref: (floors, gone)}"""
        with self.lock:
            return {ref: (dict(vm.floor), vm.gone) for ref, vm in self.vms.items()}

    def observe(self, floors, ref, record, who):
        """Somebody has been shown this record by an answer to a request made at the time of `floors`; None: that there
        is no such VM."""
        with self.lock:
            self.observed += 1
            vm = self.vms.get(ref)
            if not vm:
                return
            floor, gone = floors.get(ref, ({}, False))
            if record is None:
                if not vm.may_be_gone:
                    self.violations.append(f'{who}: {ref} is gone, and nobody has destroyed it')
                vm.gone = True
                return
            if gone:
                self.violations.append(f'{who}: {ref} is there again after it had been destroyed')
            for name in FIELDS:
                number = counter(record, name)
                if number < floor.get(name, -1):
                    self.violations.append(f'{who}: {name} of {ref} went back to {number} from {floor[name]}')
                if number > vm.issued[name]:
                    self.violations.append(f'{who}: {name} of {ref} is {number}, which nobody has written')
                vm.floor[name] = max(vm.floor[name], number)
