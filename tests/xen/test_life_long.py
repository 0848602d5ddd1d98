# SPDX-License-Identifier: LGPL-2.1-or-later
"""More of what a running guest goes through on real Xen, by the XenAPI alone."""
from xen.box.guest import BLOCK_BYTES
from xen.box.vms import MIB, SR_FOLDER, Site, expect_nothing_left, what_is_there
from xen.test_life import life, start_writer, stop_writer
from xen.test_scenario import BLOCKS, make_guest, start

LONG = True
TEST_SEC = 1500
SECOND, GROWN = 16 * MIB, 32 * MIB
SNAPSHOTS = 3


def test_pv(dom0, folder):
    life(dom0, folder, 'pv')


def plug_processor(site, vm, console):
    for count in (2, 1):
        site.call('VM.set_VCPUs_number_live', vm, count)
        site.dom0.eventually(lambda: f'cpus={count}' in console.ask('devices').split())


def grow_disk(site, vm, console):
    """While it is in use: the guest sees the new size, and what it had written."""
    vdi = site.disk('second', SECOND)
    vbd = site.vbd(vm, vdi, 1)
    site.xapi.run('VBD.plug', vbd)
    site.dom0.eventually(lambda: 'xvdb' in console.ask('devices').split())
    assert console.ask(f'stamp xvdb 0 {BLOCKS} 7') == 'ok'
    site.xapi.run('VDI.resize_online', vdi, GROWN)
    assert site.call('VDI.get_virtual_size', vdi) in (GROWN, str(GROWN))
    site.dom0.eventually(lambda: console.ask('size xvdb') == str(GROWN))
    last = GROWN // BLOCK_BYTES - BLOCKS
    assert console.ask(f'stamp xvdb {last} {BLOCKS} 8') == 'ok'
    assert console.ask(f'check xvdb 0 {BLOCKS} 7') == 'ok'
    site.xapi.run('VBD.unplug', vbd)
    site.call('VBD.destroy', vbd)
    site.call('VDI.destroy', vdi)


def images(site):
    return site.dom0.shell(f"find {SR_FOLDER} -name '*.raw' -o -name '*.qcow2'").split()


def keep_chain_short(site, vm, console):
    """Snapshots of a disk that is written to are made and destroyed; what they leave below it goes by itself."""
    start_writer(console)
    snapshots = [site.call('VM.snapshot', vm, f'short-lived {number}') for number in range(SNAPSHOTS)]
    assert len(images(site)) == 1 + SNAPSHOTS, images(site)
    for snapshot in snapshots:
        site.destroy(snapshot)
    site.dom0.eventually(lambda: len(images(site)) == 1)
    stop_writer(console)


def test_grows_and_shrinks(dom0, folder):
    """Gets a processor and gives it back; its disk grows; its chain of images stays short."""
    before = what_is_there(dom0)
    site = Site(dom0)
    vm, _ = make_guest(site, folder, 'pvh')
    site.call('VM.set_VCPUs_max', vm, 2)
    console, _ = start(site, vm)
    plug_processor(site, vm, console)
    grow_disk(site, vm, console)
    keep_chain_short(site, vm, console)
    site.xapi.run('VM.clean_shutdown', vm)
    site.destroy(vm)
    site.leave()
    expect_nothing_left(dom0, before)
