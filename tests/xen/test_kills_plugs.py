# SPDX-License-Identifier: LGPL-2.1-or-later
"""kill -9 of each daemon while a disk or an interface goes into a guest that runs, or out of it. Afterwards, without help,
the device is there once or not at all, as the record says; the same can be asked for again, and nothing is left."""
from harness.client import XapiError
from xen.box.vms import MIB, Site, expect_nothing_left, what_is_there
from xen.test_kills import AT_ONCE, KILLED
from xen.test_outages import kill_when, log_in_again
from xen.test_scenario import make_guest, start

LONG = True
TEST_SEC = 3600
BACK_END = '/sys/bus/xen-backend/devices'
BLOCKS = 8


class Disk:
    cls, name = 'VBD', 'xvdb'
    plug = {'asked': AT_ONCE, 'disk is connected': 'number 2 /sys/block/nbd*/pid',
            'back end is there': f'there {BACK_END}/vbd-*-51728'}
    unplug = {'asked': AT_ONCE, 'back end is gone': f'! there {BACK_END}/vbd-*-51728',
              'disk is let go': '! number 2 /sys/block/nbd*/pid'}

    def __init__(self, site, vm):
        self.ref = site.vbd(vm, site.disk('second', 16 * MIB), 1)

    def use(self, console):
        assert console.ask(f'stamp xvdb 0 {BLOCKS} 7') == 'ok'


class Interface:
    cls, name = 'VIF', 'eth1'
    plug = {'asked': AT_ONCE, 'back end is there': f'there {BACK_END}/vif-*-1',
            'port is on the bridge': 'there /sys/class/net/vif*.1/brport'}
    unplug = {'asked': AT_ONCE, 'back end is gone': f'! there {BACK_END}/vif-*-1'}

    def __init__(self, site, vm):
        self.ref = site.vif(vm, 1)

    def use(self, console):
        assert console.ask('address eth1 10.99.0.3') == 'set'


class Running:
    """The guest, and a client who comes back when its server was killed."""

    def __init__(self, dom0, folder, vcpus=1):
        self.dom0, self.site = dom0, Site(dom0)
        self.vm, _ = make_guest(self.site, folder, 'pvh')
        self.site.call('VM.set_VCPUs_max', self.vm, vcpus)
        self.site.call('VM.set_VCPUs_at_startup', self.vm, vcpus)
        self.console, self.boot = start(self.site, self.vm)
        self.domid = self.site.call('VM.get_domid', self.vm)

    def has(self, device):
        return self.console.ask('devices').split().count(device.name)

    def is_settled(self, device):
        """Nothing works on it, and the guest has it if the record says so."""
        try:
            record = self.site.call(f'{device.cls}.get_record', device.ref)
            busy = self.site.call('VM.get_current_operations', self.vm)
        except XapiError:
            return False
        return (not busy and not record['current_operations'] and
                self.has(device) == (1 if record['currently_attached'] else 0))

    def kill(self, unit, condition, message, *arguments):
        """Once the condition holds in the course of that; until the daemon is back and the call has ended."""
        before = self.dom0.pid(unit)
        task = self.site.call(f'Async.{message}', *arguments)
        kill_when(self.dom0, condition, before)
        self.dom0.eventually(lambda: self.dom0.pid(unit) not in (0, before) and self.dom0.is_active(unit))
        if unit == 'xapi-core':
            log_in_again(self.dom0, self.site)
        else:
            self.site.xapi.wait_task(task)

    def kill_in(self, device, message, step, unit):
        """-> whether the device is there once all has settled."""
        self.kill(unit, getattr(device, message)[step], f'{device.cls}.{message}', device.ref)
        if unit == 'xapi-core':
            self.console = self.site.console(self.vm)
        self.dom0.eventually(lambda: self.is_settled(device))
        return self.site.call(f'{device.cls}.get_currently_attached', device.ref)

    def ask(self, device, message):
        """As a client that does not know how the first one ended, and asks once more."""
        self.site.xapi.run(f'{device.cls}.{message}', device.ref)
        self.dom0.eventually(lambda: self.has(device) == (message == 'plug'))


def kill_in_both(running, device, unplugged, steps, unit):
    plug, unplug = steps
    if plug and not running.kill_in(device, 'plug', plug, unit) or not plug:
        expect_nothing_left(running.dom0, unplugged)
        running.ask(device, 'plug')
    device.use(running.console)
    if unplug and running.kill_in(device, 'unplug', unplug, unit) or not unplug:
        running.ask(device, 'unplug')
    expect_nothing_left(running.dom0, unplugged)


def pairs(device):
    """Of steps of a plug and of an unplug."""
    plugs, unplugs = list(device.plug), list(device.unplug)
    most = max(len(plugs), len(unplugs))
    return zip(plugs + [None] * (most - len(plugs)), unplugs + [None] * (most - len(unplugs)))


def run_kills(dom0, folder, kind):
    before = what_is_there(dom0)
    running = Running(dom0, folder)
    device = kind(running.site, running.vm)
    unplugged = what_is_there(dom0)
    for steps in pairs(device):
        for unit in KILLED:
            try:
                kill_in_both(running, device, unplugged, steps, unit)
            except Exception as error:
                error.add_note(f'{unit} was killed at these steps of a plug and an unplug: {steps}')
                raise
    site = running.site
    assert (site.call('VM.get_domid', running.vm), running.console.ask('id')) == (running.domid, running.boot)
    site.xapi.run('VM.clean_shutdown', running.vm)
    site.destroy(running.vm)
    site.leave()
    expect_nothing_left(dom0, before)


def test_disk(dom0, folder):
    run_kills(dom0, folder, Disk)


def test_interface(dom0, folder):
    run_kills(dom0, folder, Interface)
