# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes wrong with a guest on a real host: it panics, is taken away, fills xenstore, finds no memory or no disk. Each
time the error is clear, nothing is left, and the VM can be started again."""
import contextlib

from harness.client import NULL, expect_error
from xen.box import guest
from xen.box.host import UNITS
from xen.box.vms import MEMORY_MIB, MIB, SR_FOLDER, Site, expect_nothing_left, what_is_there
from xen.test_scenario import make_guest, power_state, start

TEST_SEC = 900
AWAY = '/srv/away'
PLUG_MS = 5000
VALUE_BYTES, VALUE_BYTES_TOO_MANY = 1900, 2048         # for xenstored, which counts more than the value
KEYS, KEYS_MIN, KEYS_A_CALL = 10000, 100, 500
RECORD_MAX = 64 << 10           # of what clients are shown of a guest


def wait_power_state(site, vm, state):
    return site.xapi.wait_for('VM', vm, lambda record: record['power_state'] == state)


def panic(console):
    console.connection.sendall(b'panic\n')


def start_paused_and_end(site, vm, idle):
    """It can be started, and leaves nothing."""
    site.xapi.run('VM.start', vm, True, False)
    site.xapi.run('VM.hard_shutdown', vm)
    expect_nothing_left(site.dom0, idle)


def panics_and_restarts(site, vm, console, boot):
    """-> the console of the new domain."""
    site.call('VM.set_actions_after_crash', vm, 'restart')
    domid = int(site.call('VM.get_domid', vm))
    panic(console)
    record = site.xapi.wait_for('VM', vm, lambda record: int(record['domid']) not in (-1, domid))
    assert record['power_state'] == 'Running', record
    console = site.console(vm)
    assert console.expect(r'guest: up type=\S+ boot=(?P<boot>\S+)', guest.UP_SEC)['boot'] != boot
    return console


def panics_and_stays(site, vm, console):
    """Until somebody has looked at it."""
    site.call('VM.set_actions_after_crash', vm, 'preserve')
    domid = site.call('VM.get_domid', vm)
    panic(console)
    site.dom0.eventually(lambda: '---sc-' in site.dom0.run('xl', 'list', str(domid)))
    assert (power_state(site, vm), site.call('VM.get_domid', vm)) == ('Running', domid)


def test_guest_ends_of_itself(dom0, folder):
    """A domain that is destroyed behind our back, and a panic with each of its actions."""
    site = Site(dom0)
    vm, _ = make_guest(site, folder, 'pvh')
    idle = what_is_there(dom0)
    site.xapi.run('VM.start', vm, True, False)
    dom0.run('xl', 'destroy', str(site.call('VM.get_domid', vm)))
    wait_power_state(site, vm, 'Halted')
    expect_nothing_left(dom0, idle)

    console = panics_and_restarts(site, vm, *start(site, vm))
    site.call('VM.set_actions_after_crash', vm, 'destroy')
    panic(console)
    wait_power_state(site, vm, 'Halted')
    expect_nothing_left(dom0, idle)
    start_paused_and_end(site, vm, idle)


def set_plug_timeout(dom0, milliseconds):
    dom0.put('/etc/xapi/xenopsd.conf', f'[daemon]\nplug-timeout-ms = {milliseconds}\n'.encode())
    dom0.run('systemctl', 'restart', 'xenopsd')


def plug_unanswered(site, vm, console):
    """Its drivers take nothing new for a while -> (vbd, vif), plugged once they do."""
    plugged = what_is_there(site.dom0)
    vbd, vif = site.vbd(vm, site.disk('second', 16 * MIB), 1), site.vif(vm, 1)
    unplugged = {**plugged, 'files': what_is_there(site.dom0)['files']}
    assert console.ask('probe 0') == 'set'
    for cls, ref in (('VBD', vbd), ('VIF', vif)):
        assert expect_error('DEVICE_ATTACH_TIMEOUT', site.xapi.run, f'{cls}.plug', ref) == [cls, ref]
        assert not site.call(f'{cls}.get_currently_attached', ref)
        expect_nothing_left(site.dom0, unplugged)
    assert console.ask('probe 1') == 'set'
    site.xapi.run('VBD.plug', vbd)
    site.xapi.run('VIF.plug', vif)
    site.dom0.eventually(lambda: {'xvdb', 'eth1'} <= set(console.ask('devices').split()))
    return vbd, vif


def test_guest_does_not_answer(dom0, folder):
    """Its drivers do not take what is plugged; and it has crashed, and stays to be looked at."""
    site = Site(dom0)
    vm, _ = make_guest(site, folder, 'pvh')
    set_plug_timeout(dom0, PLUG_MS)
    idle = what_is_there(dom0)
    console, _ = start(site, vm)
    vbd, vif = plug_unanswered(site, vm, console)
    panics_and_stays(site, vm, console)
    assert expect_error('DEVICE_DETACH_REJECTED', site.xapi.run, 'VBD.unplug', vbd)[:2] == ['VBD', vbd]
    assert site.call('VBD.get_currently_attached', vbd)
    site.xapi.run('VIF.unplug', vif)            # nobody loses anything by it
    site.xapi.run('VM.hard_shutdown', vm)
    for call, ref in (('VDI.destroy', site.call('VBD.get_VDI', vbd)), ('VIF.destroy', vif)):
        site.call(call, ref)
    expect_nothing_left(dom0, idle)
    start_paused_and_end(site, vm, idle)


@contextlib.contextmanager
def taken_away(dom0, paths):
    dom0.run('mkdir', AWAY)
    dom0.run('mv', *paths, AWAY)
    yield
    dom0.shell(f'mv {AWAY}/* {SR_FOLDER}; rmdir {AWAY}')


def lacks_memory(site, vm, idle):
    """What is missing is told in bytes; with less, it starts."""
    free = int(site.call('host.compute_free_memory', site.host))
    for bytes_ in (free + 8 * MIB, 64 << 30):
        site.call('VM.set_memory_limits', vm, 64 * MIB, bytes_, bytes_, bytes_)
        needed, there = map(int, expect_error('HOST_NOT_ENOUGH_FREE_MEMORY', site.xapi.run, 'VM.start', vm, True, False))
        assert there <= free < bytes_ <= needed, (there, free, bytes_, needed)
        expect_nothing_left(site.dom0, idle)
    site.call('VM.set_memory_limits', vm, *(size * MIB for size in (64, MEMORY_MIB, MEMORY_MIB, MEMORY_MIB)))


def lacks_disk(site, vm, vdi, idle):
    """Before a start, with or without what says that there was one; and under a domain, whose disk's server then dies."""
    dom0 = site.dom0
    paths = dom0.shell(f'ls -d {SR_FOLDER}/*{site.call("VDI.get_location", vdi)}*').split()
    images = [path for path in paths if not path.endswith('.json')]
    assert images and images != paths
    for gone in (paths, images):
        with taken_away(dom0, gone):
            params = expect_error('SR_BACKEND_FAILURE', site.xapi.run, 'VM.start', vm, True, False)
            assert 'No such file' in params[-1], params
            assert power_state(site, vm) == 'Halted'
        expect_nothing_left(dom0, idle)
    site.xapi.run('VM.start', vm, True, False)
    with taken_away(dom0, paths):
        dom0.run('kill', '-9', str(dom0.disk_server()))
        site.xapi.run('VM.hard_shutdown', vm)
    expect_nothing_left(dom0, idle)


def test_something_is_missing(dom0, folder):
    site = Site(dom0)
    vm, vdi = make_guest(site, folder, 'pvh')
    idle = what_is_there(dom0)
    lacks_memory(site, vm, idle)
    lacks_disk(site, vm, vdi, idle)
    start_paused_and_end(site, vm, idle)


def flood_as_if_unlimited(dom0, domid):
    """What the guest could do if the host's administrator had lifted xenstored's quota of keys."""
    for first in range(0, KEYS, KEYS_A_CALL):
        dom0.shell(f'seq -f "/local/domain/{domid}/data/more/%g x" {first} {first + KEYS_A_CALL - 1} | '
                   'xargs xenstore-write')


def test_hostile_xenstore(dom0, folder):
    """Garbage where the toolstack reads, of the size that xenstored takes and larger, and as many keys as it lets a guest
    have, and more: nobody else minds, what clients see stays small, and all goes."""
    site = Site(dom0)
    vm, _ = make_guest(site, folder, 'pvh')
    idle = what_is_there(dom0)
    console, _ = start(site, vm)
    pids = {unit: dom0.pid(unit) for unit in UNITS}
    for path in ('data/os_name', 'data/updated', 'attr/vif/0/ipv4/0', 'attr/PVAddons/Installed', 'drivers/0'):
        assert console.ask(f'huge {path} {VALUE_BYTES}') == 'ok', path
        assert console.ask(f'huge {path} {VALUE_BYTES_TOO_MANY}') == 'failed: ENOSPC', path
    for path in ('memory/target', 'name', 'console/tty'):
        assert console.ask(f'huge {path} {VALUE_BYTES}') == 'failed: EACCES', path
    assert int(console.ask(f'flood data/flood {KEYS}', 600).split()[0]) > KEYS_MIN
    flood_as_if_unlimited(dom0, site.call('VM.get_domid', vm))
    record = site.call('VM.get_record', vm)
    assert record['power_state'] == 'Running' and record['guest_metrics'] != NULL
    shown = str(record) + str(site.call('VM_guest_metrics.get_record', record['guest_metrics']))
    assert len(shown) < RECORD_MAX, shown
    assert pids == {unit: dom0.pid(unit) for unit in UNITS}
    site.xapi.run('VM.clean_shutdown', vm)
    expect_nothing_left(dom0, idle)
