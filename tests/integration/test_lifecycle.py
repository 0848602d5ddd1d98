# SPDX-License-Identifier: LGPL-2.1-or-later
"""A VM's life through the whole stack, over each dialect."""
from harness.client import NULL, expect_error

QUICK = True
SANITIZED = True


def live(xapi):
    vm = xapi.make_vm('life', disks=2, interfaces=1)
    assert xapi.call('VM.get_power_state', vm) == 'Halted'
    assert 'start' in xapi.call('VM.get_allowed_operations', vm)
    xapi.run('VM.start', vm, False, False)
    record = xapi.call('VM.get_record', vm)
    host, = xapi.call('host.get_all')
    assert (record['power_state'], record['resident_on']) == ('Running', host)
    assert int(record['domid']) > 0
    assert all(xapi.call('VBD.get_currently_attached', vbd) for vbd in record['VBDs'])
    assert all(xapi.call('VIF.get_currently_attached', vif) for vif in record['VIFs'])
    assert 'start' not in record['allowed_operations'] and 'clean_shutdown' in record['allowed_operations']
    xapi.run('VM.pause', vm)
    assert xapi.call('VM.get_power_state', vm) == 'Paused'
    xapi.run('VM.unpause', vm)
    xapi.run('VM.suspend', vm)
    assert xapi.call('VM.get_power_state', vm) == 'Suspended'
    assert xapi.call('VM.get_suspend_VDI', vm) != NULL
    xapi.run('VM.resume', vm, False, False)
    assert xapi.call('VM.get_suspend_VDI', vm) == NULL
    xapi.run('VM.clean_reboot', vm)
    assert xapi.call('VM.get_power_state', vm) == 'Running'
    xapi.run('VM.clean_shutdown', vm)
    record = xapi.call('VM.get_record', vm)
    assert (record['power_state'], record['resident_on'], record['current_operations']) == ('Halted', NULL, {})
    xapi.remove_vm(vm)
    assert expect_error('HANDLE_INVALID', xapi.call, 'VM.get_record', vm) == ['VM', vm]


def test_life_over_json(stack):
    live(stack.json())


def test_life_over_json_1_0(stack):
    live(stack.json(version='1.0'))


def test_life_over_xml(stack):
    live(stack.xml())


def test_life_over_the_socket(stack):
    live(stack.xml(stack.socket))


def test_hot_plug(stack):
    xapi = stack.json()
    vm = xapi.make_vm('plug')
    xapi.call('VM.start', vm, False, False)
    vdi = xapi.add_disk(vm, '1')
    vbd, = xapi.call('VDI.get_VBDs', vdi)
    xapi.run('VBD.plug', vbd)
    assert xapi.call('VBD.get_currently_attached', vbd) is True
    assert expect_error('DEVICE_ALREADY_ATTACHED', xapi.call, 'VBD.plug', vbd) == [vbd]
    assert expect_error('VDI_IN_USE', xapi.call, 'VDI.destroy', vdi)[0] == vdi
    xapi.run('VBD.unplug', vbd)
    assert expect_error('DEVICE_ALREADY_DETACHED', xapi.call, 'VBD.unplug', vbd) == [vbd]
    xapi.call('VBD.destroy', vbd)
    xapi.call('VDI.destroy', vdi)
    xapi.remove_vm(vm)


def test_disks_are_files(stack):
    xapi = stack.json()
    vm = xapi.make_vm('files')
    before = {path for path in stack.folder.rglob('*') if path.is_file()}
    vdi = xapi.add_disk(vm, '0', 1 << 30)
    new = [path for path in stack.folder.rglob('*') if path.is_file() and path not in before]
    disks = [path for path in new if path.stat().st_size >= 1 << 30]
    assert len(disks) == 1, new
    assert disks[0].stat().st_blocks * 512 < 1 << 20, 'it is not sparse'
    xapi.call('VDI.destroy', vdi)
    assert not disks[0].exists()
    xapi.remove_vm(vm)


def test_events_tell_the_whole_story(stack):
    """A client that only listens sees the VM come, change and go, an event for it in each batch."""
    xapi, watcher = stack.json(), stack.json()
    token = watcher.call('event.from', ['vm'], '', 20.0)['token']

    def news(vm):
        nonlocal token
        batch = watcher.call('event.from', ['vm'], token, 20.0)
        token = batch['token']
        event, = [e for e in batch['events'] if e['ref'] == vm]
        return event['operation'], event.get('snapshot', {}).get('power_state')
    vm = xapi.make_vm('story')
    assert news(vm) == ('add', 'Halted')
    xapi.call('VM.start', vm, False, False)
    assert news(vm) == ('mod', 'Running')
    xapi.call('VM.hard_shutdown', vm)
    assert news(vm) == ('mod', 'Halted')
    xapi.remove_vm(vm)
    assert news(vm) == ('del', None)


def test_guest_that_takes_its_time_delays_nobody(stack):
    xapi, other = stack.json(), stack.json()
    slow, quick = xapi.make_vm('slow'), xapi.make_vm('quick')
    xapi.call('VM.start', slow, False, False)
    task = xapi.call('Async.VM.clean_shutdown', slow)
    other.run('VM.start', quick, False, False)
    other.run('VM.hard_shutdown', quick)
    assert xapi.wait_task(task)['status'] == 'success'
    xapi.remove_vm(slow)
    xapi.remove_vm(quick)


def test_hard_shutdown_overtakes_a_clean_one(stack):
    xapi, other = stack.json(), stack.json()
    vm = xapi.make_vm('overtaken')
    xapi.call('VM.start', vm, False, False)
    stack.xenops_cli('behave', '--vm', xapi.call('VM.get_uuid', vm), '--answers', 'false')
    task = xapi.call('Async.VM.clean_shutdown', vm)
    other.call('VM.hard_shutdown', vm)
    assert other.call('VM.get_power_state', vm) == 'Halted'
    assert xapi.wait_task(task)['status'] in ('success', 'failure', 'cancelled')
    xapi.remove_vm(vm)


def test_many_at_once(stack):
    xapi = stack.json()
    vms = [xapi.make_vm(f'many-{n}') for n in range(10)]
    tasks = [xapi.call('Async.VM.start', vm, False, False) for vm in vms]
    assert {xapi.wait_task(task)['status'] for task in tasks} == {'success'}
    assert {xapi.call('VM.get_power_state', vm) for vm in vms} == {'Running'}
    assert len({xapi.call('VM.get_domid', vm) for vm in vms}) == len(vms)
    for vm in vms:
        xapi.remove_vm(vm)
