# SPDX-License-Identifier: LGPL-2.1-or-later
"""The drive of a guest on emulated hardware: a CD goes in and out by the XenAPI, as the device model has it; and each daemon
is killed meanwhile, after which what is in the drive is what the record says."""
from harness.client import NULL, XapiError, expect_error
from xen.box.vms import NO_QOS, Site, expect_nothing_left, what_is_there
from xen.test_kills import AT_ONCE, KILLED
from xen.test_outages import kill_when, log_in_again

LONG = True
TEST_SEC = 1800
FOLDER = '/srv/isos'
DISCS = 'first.iso', 'second.iso'


class Drive:
    """Of a VM that is paused, whose device model runs."""

    def __init__(self, dom0):
        self.dom0, self.site = dom0, Site(dom0)
        site = self.site
        dom0.run('mkdir', FOLDER)
        for name in DISCS:
            dom0.run('truncate', '-s', '1M', f'{FOLDER}/{name}')
        self.sr = site.call('SR.create', site.host, {'location': FOLDER}, 0, 'discs', '', 'iso', 'iso', True, {})
        site.call('SR.scan', self.sr)
        self.discs = {site.call('VDI.get_name_label', vdi): vdi for vdi in site.call('SR.get_VDIs', self.sr)}
        self.vm = site.vm('guest', 'hvm')
        self.vbd = site.call('VBD.create', {'VM': self.vm, 'VDI': NULL, 'userdevice': '3', 'bootable': False, 'mode': 'RO',
                                            'type': 'CD', 'unpluggable': False, 'empty': True, **NO_QOS})

    def in_use(self):
        """-> what sm-daemon has open for others."""
        return self.dom0.run('sm-cli', 'dp.diagnostics')

    def device_model(self):
        """-> its process."""
        return self.dom0.run('pgrep', '-f', f'xen-domid {self.site.call("VM.get_domid", self.vm)} ').split()[0]

    def in_drive(self):
        """-> the discs that the device model has open."""
        opened = self.dom0.shell(f'readlink /proc/{self.device_model()}/fd/* || true')
        return [name for name in DISCS if f'{FOLDER}/{name}' in opened.split()]

    def recorded(self):
        record = self.site.call('VBD.get_record', self.vbd)
        name = next((name for name, vdi in self.discs.items() if vdi == record['VDI']), None)
        assert (name is None) == record['empty'], record
        return [name] if name else []

    def insert(self, name):
        self.site.xapi.run('VBD.insert', self.vbd, self.discs[name])
        assert self.in_drive() == self.recorded() == [name]

    def eject(self):
        self.site.xapi.run('VBD.eject', self.vbd)
        assert self.in_drive() == self.recorded() == []

    def is_settled(self):
        try:
            record = self.site.call('VBD.get_record', self.vbd)
            busy = self.site.call('VM.get_current_operations', self.vm)
            return not busy and not record['current_operations'] and self.in_drive() == self.recorded()
        except XapiError:
            return False

    def kill(self, unit, message, *arguments):
        before = self.dom0.pid(unit)
        task = self.site.call(f'Async.{message}', self.vbd, *arguments)
        kill_when(self.dom0, AT_ONCE, before)
        self.dom0.eventually(lambda: self.dom0.pid(unit) not in (0, before) and self.dom0.is_active(unit))
        if unit == 'xapi-core':
            log_in_again(self.dom0, self.site)
        else:
            self.site.xapi.wait_task(task)
        self.dom0.eventually(self.is_settled)


def change_discs(drive):
    first, second = DISCS
    expect_error('VBD_IS_EMPTY', drive.site.xapi.run, 'VBD.eject', drive.vbd)
    drive.insert(first)
    expect_error('VBD_NOT_EMPTY', drive.site.xapi.run, 'VBD.insert', drive.vbd, drive.discs[second])
    assert drive.in_drive() == [first]
    drive.eject()
    drive.insert(second)
    drive.eject()


def kill_in_changes(drive, unit, unused):
    first, second = DISCS
    drive.kill(unit, 'VBD.insert', drive.discs[first])
    if not drive.recorded():
        assert drive.in_use() == unused, drive.in_use()
        drive.insert(second)
    drive.kill(unit, 'VBD.eject')
    if drive.recorded():
        drive.eject()
    assert drive.in_use() == unused, drive.in_use()


def leave(drive):
    site = drive.site
    site.call('VM.destroy', drive.vm)
    for pbd in site.call('SR.get_PBDs', drive.sr):
        site.call('PBD.unplug', pbd)
    site.xapi.run('SR.forget', drive.sr)
    site.leave()


def test_discs(dom0):
    before = what_is_there(dom0)
    drive = Drive(dom0)
    site, vm = drive.site, drive.vm
    idle = what_is_there(dom0)
    site.xapi.run('VM.start', vm, True, False)
    unused = drive.in_use()
    change_discs(drive)
    for unit in KILLED:
        try:
            kill_in_changes(drive, unit, unused)
        except Exception as error:
            error.add_note(f'{unit} was killed')
            raise
    drive.insert(DISCS[0])
    site.xapi.run('VM.hard_shutdown', vm)
    assert drive.recorded() == [DISCS[0]]
    expect_nothing_left(dom0, idle)
    leave(drive)
    expect_nothing_left(dom0, before)
