# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest's whole life on real Xen, by the XenAPI alone."""
from xen.box import guest
from xen.box.guest import BLOCK_BYTES, FREE_BLOCK
from xen.box.vms import ADDRESS, GATEWAY, MIB, Site, expect_nothing_left, what_is_there

TEST_SEC = 1500
NONCE = 'it-booted-from-the-disk'
BLOCKS = 256                    # of those behind the files, which the tests write to
EVENT_CLASSES = ['vm', 'vbd', 'vif', 'vm_metrics']


def make_guest(site, folder, kind, name='guest'):
    """A VM with a disk that was uploaded and an interface; halted -> (vm, vdi)"""
    path = folder / 'disk'
    guest.make_disk(path, kind, f'nonce={NONCE} address={ADDRESS} gateway={GATEWAY}')
    vdi = site.disk('root', content=path)
    vm = site.vm(name, kind)
    site.vbd(vm, vdi, 0)
    site.vif(vm, 0)
    return vm, vdi


def start(site, vm, kind='pvh'):
    """-> its console and boot id, once it is up as this kind of guest, from its disk, and has found its network."""
    site.xapi.run('VM.start', vm, True, False)
    site.give_bridge_address()
    console = site.console(vm)
    site.call('VM.unpause', vm)
    up = console.expect(r'guest: up type=(?P<type>\S+) boot=(?P<boot>\S+) nonce=(?P<nonce>\S+)', guest.UP_SEC)
    assert (up['type'].lower(), up['nonce']) == (kind, NONCE)
    console.expect('guest: ping answered')
    return console, up['boot']


def power_state(site, vm):
    return site.call('VM.get_power_state', vm)


def check_metrics(site, vm):
    record = site.call('VM_metrics.get_record', site.call('VM.get_metrics', vm))
    assert record['VCPUs_number'] == '1' or record['VCPUs_number'] == 1, record
    assert int(record['memory_actual']) > 64 * MIB, record
    assert record['start_time'] > '2026', record
    assert int(site.call('VM.get_domid', vm)) > 0


def check_events(site, vm, token):
    """What a client is told of a start, from before it on."""
    batch = site.call('event.from', [f'vm/{vm}', *EVENT_CLASSES], token, 30.0)
    states = [event['snapshot']['power_state'] for event in batch['events']
              if event['class'] == 'vm' and event['ref'] == vm and event['operation'] != 'del']
    assert states and states[-1] == 'Running', batch['events']


def hot_plug(site, vm, console):
    """-> what it made: (vdi, vbd, vif)"""
    vdi = site.disk('second', 16 * MIB)
    vbd, vif = site.vbd(vm, vdi, 1), site.vif(vm, 1)
    site.xapi.run('VBD.plug', vbd)
    site.xapi.run('VIF.plug', vif)
    site.dom0.eventually(lambda: {'xvdb', 'eth1'} <= set(console.ask('devices').split()))
    assert console.ask('size xvdb') == str(16 * MIB)
    assert console.ask(f'stamp xvdb 0 {BLOCKS} 7') == 'ok'
    assert console.ask('address eth1 10.99.0.3') == 'set'
    return vdi, vbd, vif


def hot_unplug(site, vm, console, plugged):
    vdi, vbd, vif = plugged
    site.xapi.run('VBD.unplug', vbd)
    site.xapi.run('VIF.unplug', vif)
    site.dom0.eventually(lambda: not {'xvdb', 'eth1'} & set(console.ask('devices').split()))
    data = site.download(vdi)
    assert len(data) == 16 * MIB and any(data[:BLOCK_BYTES])
    for destroy, ref in (('VBD.destroy', vbd), ('VIF.destroy', vif), ('VDI.destroy', vdi)):
        site.call(destroy, ref)


def check_export(site, vdi, folder):
    """Every byte: the files are as uploaded, the blocks as the guest wrote them last."""
    data = site.download(vdi)
    uploaded = (folder / 'disk').read_bytes()
    assert len(data) == len(uploaded)
    end_of_files = FREE_BLOCK * BLOCK_BYTES
    assert data[:end_of_files] == uploaded[:end_of_files]
    end = end_of_files + BLOCKS * BLOCK_BYTES
    for block in range(BLOCKS):
        at = end_of_files + block * BLOCK_BYTES
        number, generation = (int.from_bytes(data[at + 8 * i:at + 8 * i + 8], 'little') for i in (1, 2))
        assert (number, generation) == (FREE_BLOCK + block, 99), (block, number, generation)
    assert data[end:] == uploaded[end:]


def scenario(dom0, folder, kind):
    """Boots from an uploaded disk, finds its gateway, takes a disk and an interface while it runs and gives them back,
    and leaves nothing."""
    before = what_is_there(dom0)
    site = Site(dom0)
    vm, vdi = make_guest(site, folder, kind)
    token = site.call('event.from', EVENT_CLASSES, '', 0.1)['token']
    console, boot = start(site, vm, kind)
    assert power_state(site, vm) == 'Running'
    check_events(site, vm, token)
    check_metrics(site, vm)
    site.call('VM.pause', vm)
    assert power_state(site, vm) == 'Paused'
    site.call('VM.unpause', vm)
    assert power_state(site, vm) == 'Running' and console.ask('id') == boot
    hot_unplug(site, vm, console, hot_plug(site, vm, console))
    assert console.ask(f'stamp xvda {FREE_BLOCK} {BLOCKS} 99') == 'ok'
    site.xapi.run('VM.clean_shutdown', vm)
    assert power_state(site, vm) == 'Halted'
    check_export(site, vdi, folder)
    site.destroy(vm)
    site.leave()
    expect_nothing_left(dom0, before)


def test_pvh(dom0, folder):
    scenario(dom0, folder, 'pvh')


def test_pv(dom0, folder):
    scenario(dom0, folder, 'pv')
