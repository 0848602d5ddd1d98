# SPDX-License-Identifier: LGPL-2.1-or-later
"""What lies under the disk of a guest that writes goes away: its medium fails, its file is removed. The guest is told
of the write that was not done, and of no other; who asks for something that needs the disk is told why it cannot be; the VM can be shut down, and leaves nothing; and once the fault is mended all that was acknowledged is there."""
from harness.client import XapiError
from xen.box.guest import FREE_BLOCK
from xen.box.vms import MIB, SR_FOLDER, Site, expect_nothing_left, what_is_there
from xen.box.volume import Volume
from xen.test_faults import taken_away
from xen.test_outages import goes_on
from xen.test_scenario import BLOCKS, make_guest, power_state, start

LONG = True
TEST_SEC = 1500
VOLUME_MIB = 192
SECOND = 32 * MIB
QCOW2 = {'preferred-image-formats': 'qcow2'}


def plug_second(site, vm, console):
    """-> (vbd, vdi) of a disk that the guest sees."""
    vdi = site.disk('second', SECOND)
    vbd = site.vbd(vm, vdi, 1)
    site.xapi.run('VBD.plug', vbd)
    site.dom0.eventually(lambda: 'xvdb' in console.ask('devices').split())
    return vbd, vdi


def wait_for_error(dom0, console):
    return dom0.eventually(lambda: (error := console.ask('error')) != 'none' and error)


def fails_in_storage(site, message, *arguments):
    """And says what the kernel said."""
    try:
        site.xapi.run(message, *arguments)
        raise AssertionError(f'{message} was done on a medium that is gone')
    except XapiError as error:
        assert error.code.startswith('SR_BACKEND_FAILURE') and error.params[-1], error


def medium_fails(dom0, folder, device_config):
    volume = Volume(dom0, SR_FOLDER, VOLUME_MIB)
    before = what_is_there(dom0)
    site = Site(dom0, device_config)
    vm, _ = make_guest(site, folder, 'pvh')
    idle = what_is_there(dom0)
    console, boot = start(site, vm)
    vbd, vdi = plug_second(site, vm, console)
    assert console.ask(f'stamp xvda {FREE_BLOCK} {BLOCKS} 3') == 'ok'
    assert console.ask(f'writer xvdb 0 {BLOCKS}') == 'ok'
    goes_on(dom0, console)
    volume.fail()
    assert wait_for_error(dom0, console) == 'Input/output error'
    assert (power_state(site, vm), console.ask('id')) == ('Running', boot)
    for message, arguments in (('VDI.snapshot', (vdi, {})), ('VDI.resize_online', (vdi, 2 * SECOND))):
        fails_in_storage(site, message, *arguments)
    site.xapi.run('VBD.unplug', vbd)
    site.dom0.eventually(lambda: 'xvdb' not in console.ask('devices').split())
    site.xapi.run('VM.clean_shutdown', vm)
    assert power_state(site, vm) == 'Halted'
    expect_nothing_left(dom0, {**idle, 'files': what_is_there(dom0)['files']})
    volume.mend()
    console, _ = start(site, vm)
    assert 'xvdb' in console.ask('devices').split()
    if device_config == QCOW2:      # of a raw image only what was flushed has to be there
        assert console.ask(f'check xvda {FREE_BLOCK} {BLOCKS} 3') == 'ok'
    site.xapi.run('VM.hard_shutdown', vm)
    site.destroy(vm)
    site.leave()
    expect_nothing_left(dom0, before)
    volume.close()


def test_medium_fails(dom0, folder):
    medium_fails(dom0, folder, QCOW2)


def test_medium_of_raw_fails(dom0, folder):
    medium_fails(dom0, folder, {})


def image_paths(site, vdi):
    return site.dom0.shell(f'ls -d {SR_FOLDER}/*{site.call("VDI.get_location", vdi)}*').split()


def test_file_is_removed(dom0, folder):
    """And put back, and the guest has lost nothing; and removed for good."""
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
