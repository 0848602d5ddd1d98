# SPDX-License-Identifier: LGPL-2.1-or-later
"""The file under the disk of a guest that writes is removed, and put back, or not."""
from xen.box.guest import FREE_BLOCK
from xen.box.vms import SR_FOLDER, Site, expect_nothing_left, what_is_there
from xen.test_faults import taken_away
from xen.test_outages import goes_on
from xen.test_scenario import BLOCKS, make_guest, power_state, start

LONG = True
TEST_SEC = 1500


def image_paths(site, vdi):
    return site.dom0.shell(f'ls -d {SR_FOLDER}/*{site.call("VDI.get_location", vdi)}*').split()


def test_file_is_removed(dom0, folder):
    """Put back, nothing is lost; gone for good, the VM can be shut down and destroyed, and leaves nothing."""
    before = what_is_there(dom0)
    site = Site(dom0)
    vm, vdi = make_guest(site, folder, 'pvh')
    console, boot = start(site, vm)
    assert console.ask(f'writer xvda {FREE_BLOCK} {BLOCKS}') == 'ok'
    with taken_away(dom0, image_paths(site, vdi)):
        goes_on(dom0, console)
        dom0.run('kill', '-9', str(dom0.disk_server()))
        assert (power_state(site, vm), console.ask('id')) == ('Running', boot)
    goes_on(dom0, console)
    assert console.ask('stop').startswith('ok ')
    dom0.run('rm', *image_paths(site, vdi))
    dom0.run('kill', '-9', str(dom0.disk_server()))
    site.xapi.run('VM.clean_shutdown', vm)
    assert power_state(site, vm) == 'Halted'
    site.destroy(vm)
    site.leave()
    expect_nothing_left(dom0, before)
