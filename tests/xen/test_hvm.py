# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest on emulated hardware, by the XenAPI alone: its BIOS finds a boot loader on the disk that was uploaded."""
from xen.box.screen import Screen
from xen.box.vms import Site, expect_nothing_left, what_is_there
from xen.test_scenario import check_metrics, make_guest, power_state, start

TEST_SEC = 1500


def check_screen(site, vm):
    """The device model's, with what the BIOS, GRUB and the kernel wrote onto it."""
    screen = Screen(site.connect(vm, 'rfb'))
    assert screen.width >= 640 and screen.height >= 400, (screen.width, screen.height)
    assert any(screen.picture())


def test_hvm(dom0, folder):
    before = what_is_there(dom0)
    site = Site(dom0)
    vm, _ = make_guest(site, folder, 'hvm')
    console, boot = start(site, vm, 'hvm')
    assert power_state(site, vm) == 'Running'
    check_metrics(site, vm)
    check_screen(site, vm)
    assert console.ask('id') == boot
    assert 'xvda' in console.ask('devices').split()
    site.xapi.run('VM.clean_shutdown', vm)
    assert power_state(site, vm) == 'Halted'
    site.xapi.run('VM.start', vm, False, False)
    check_screen(site, vm)
    site.xapi.run('VM.hard_shutdown', vm)
    assert power_state(site, vm) == 'Halted'
    site.destroy(vm)
    site.leave()
    expect_nothing_left(dom0, before)
