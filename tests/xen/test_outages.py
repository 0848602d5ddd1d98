# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes wrong with the software under a guest that runs and writes: its disk's server, and each daemon, is killed or
started again. The guest goes on, and every write that was acknowledged is there."""
from harness.client import XapiError
from xen.box.guest import FREE_BLOCK
from xen.box.host import UNITS
from xen.box.vms import MIB, Site, expect_nothing_left, what_is_there
from xen.test_life import start_writer, stop_writer
from xen.test_scenario import BLOCKS, make_guest, power_state, start

TEST_SEC = 900
WRITES = 8              # that show that the guest goes on


def log_in_again(dom0, site):
    """For a client whose server was restarted."""
    def try_it():
        try:
            return dom0.login()
        except (OSError, XapiError):
            return None
    site.xapi = dom0.eventually(try_it)
    site.call = site.xapi.call


# What a condition may use: a path is there; so many are; so many sectors have been written to network block devices.
CONDITIONS = '''
there() { [ -e "$1" ]; }
number() { [ $(($# - 1)) -eq "$1" ]; }
total() {
        sum=0
        for stat in /sys/block/nbd*/stat; do
                read -r _ _ _ _ _ _ sectors _ < "$stat" && sum=$((sum + sectors))
        done
}
total
before=$sum
written() { total; [ $((sum - before)) -ge "$1" ]; }
'''


def kill_when(dom0, condition, pid):
    """Until then it waits; a condition is the shell's, checked without starting a process."""
    dom0.shell(f'{CONDITIONS}until {condition}; do :; done; kill -9 {pid}')


def goes_on(dom0, console):
    """From now on."""
    written = int(console.ask('written'))
    dom0.eventually(lambda: int(console.ask('written')) > written + WRITES)


def kill_disk_server(dom0, console):
    """Once alone; once with its master, so that nobody but systemd is left to see to it."""
    dom0.kill_disk_server()
    goes_on(dom0, console)
    master = dom0.pid('sm-daemon')
    dom0.kill_disk_server(master)
    goes_on(dom0, console)
    dom0.eventually(lambda: dom0.pid('sm-daemon') not in (0, master) and dom0.is_active('sm-daemon'))


def restart_units(dom0, site, vm, console):
    """Each -> a console, for that of before ends with xapi-core."""
    for unit in UNITS:
        dom0.run('systemctl', 'restart', unit)
        assert dom0.is_active(unit)
        if unit == 'xapi-core':
            log_in_again(dom0, site)
            console = site.console(vm)
        goes_on(dom0, console)
    return console


def kill_in_plug(dom0, site, vm, console):
    """Of a second disk, between the ends of this host and of the guest: afterwards it is plugged or not, as the record says."""
    vdi = site.disk('second', 16 * MIB)
    vbd = site.vbd(vm, vdi, 1)
    unplugged, before = what_is_there(dom0), dom0.pid('xenopsd')
    task = site.call('Async.VBD.plug', vbd)
    kill_when(dom0, 'there /sys/bus/xen-backend/devices/vbd-*-51728', before)
    dom0.eventually(lambda: dom0.pid('xenopsd') not in (0, before) and dom0.is_active('xenopsd'))
    site.xapi.wait_task(task)
    dom0.eventually(lambda: site.call('VBD.get_currently_attached', vbd) == ('xvdb' in console.ask('devices').split()))
    if site.call('VBD.get_currently_attached', vbd):
        site.xapi.run('VBD.unplug', vbd)
    expect_nothing_left(dom0, unplugged)
    site.xapi.run('VBD.plug', vbd)
    dom0.eventually(lambda: 'xvdb' in console.ask('devices').split())
    site.xapi.run('VBD.unplug', vbd)
    site.call('VBD.destroy', vbd)
    site.call('VDI.destroy', vdi)


def test_under_a_writing_guest(dom0, folder):
    before = what_is_there(dom0)
    site = Site(dom0)
    vm, _ = make_guest(site, folder, 'pvh')
    console, boot = start(site, vm)
    domid = site.call('VM.get_domid', vm)
    start_writer(console)
    kill_disk_server(dom0, console)
    kill_in_plug(dom0, site, vm, console)
    console = restart_units(dom0, site, vm, console)
    assert (site.call('VM.get_domid', vm), power_state(site, vm), console.ask('id')) == (domid, 'Running', boot)
    stop_writer(console)
    site.xapi.run('VM.clean_shutdown', vm)
    site.destroy(vm)
    site.leave()
    expect_nothing_left(dom0, before)
