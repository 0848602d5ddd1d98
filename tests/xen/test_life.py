# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a running guest goes through on real Xen, by the XenAPI alone; its blocks tell whether anything was lost."""
from xen.box import guest
from xen.box.guest import FREE_BLOCK
from xen.box.vms import GATEWAY, MIB, Site, expect_nothing_left, what_is_there
from xen.test_scenario import BLOCKS, make_guest, power_state, start

TEST_SEC = 1500
SMALL, LARGE = 128 * MIB, 192 * MIB
KIB = 1024


def stop_writer(console):
    answer = console.ask('stop')
    assert answer.startswith('ok'), answer


def start_writer(console):
    assert console.ask(f'writer xvda {FREE_BLOCK} {BLOCKS}') == 'ok'


def suspend_and_resume(site, vm, console, boot):
    """While it writes -> its console afterwards; it has gone on, not rebooted."""
    start_writer(console)
    site.xapi.run('VM.suspend', vm)
    assert power_state(site, vm) == 'Suspended'
    assert site.call('VM.get_uuid', vm) not in site.dom0.run('xl', 'list')
    site.xapi.run('VM.resume', vm, False, False)
    site.give_bridge_address()
    console = site.console(vm)
    assert console.ask('id') == boot
    assert console.ask(f'ping {GATEWAY}') == 'answered'
    stop_writer(console)
    return console


def shrink_and_grow(site, vm, console):
    memory = int(console.ask('memory'))
    site.call('VM.set_memory_dynamic_range', vm, SMALL, SMALL)
    site.dom0.eventually(lambda: int(console.ask('memory')) < memory - 32 * KIB)
    site.call('VM.set_memory_dynamic_range', vm, LARGE, LARGE)
    site.dom0.eventually(lambda: int(console.ask('memory')) > memory - 16 * KIB)


def snapshot_and_revert(site, vm, console):
    """While the guest writes: what is there at the snapshot is there again after the revert. Leaves the VM halted."""
    first = FREE_BLOCK + BLOCKS
    assert console.ask(f'stamp xvda {first} {BLOCKS} 1') == 'ok'
    start_writer(console)
    snapshot = site.call('VM.snapshot', vm, 'before')
    stop_writer(console)
    assert console.ask(f'stamp xvda {first} {BLOCKS} 2') == 'ok'
    assert console.ask(f'check xvda {first} {BLOCKS} 2') == 'ok'
    site.xapi.run('VM.clean_shutdown', vm)
    site.xapi.run('VM.revert', snapshot)


def life(dom0, folder, kind):
    before = what_is_there(dom0)
    site = Site(dom0)
    vm, _ = make_guest(site, folder, kind)
    console, boot = start(site, vm, kind)
    console = suspend_and_resume(site, vm, console, boot)
    shrink_and_grow(site, vm, console)
    snapshot_and_revert(site, vm, console)
    console, _ = start(site, vm, kind)
    assert console.ask(f'check xvda {FREE_BLOCK + BLOCKS} {BLOCKS} 1') == 'ok'
    boot = console.ask('id')
    site.xapi.run('VM.clean_reboot', vm)
    console = site.console(vm)
    assert console.expect(r'guest: up type=\S+ boot=(?P<boot>\S+)', guest.UP_SEC)['boot'] != boot
    site.xapi.run('VM.clean_shutdown', vm)
    for snapshot in site.call('VM.get_snapshots', vm):
        site.destroy(snapshot)
    site.destroy(vm)
    site.leave()
    expect_nothing_left(dom0, before)


def test_pvh(dom0, folder):
    life(dom0, folder, 'pvh')
