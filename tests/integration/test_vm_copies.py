# SPDX-License-Identifier: LGPL-2.1-or-later
"""VMs made from VMs: clones, copies, snapshots and what they bring back, templates and the disks that they ask for."""
import http.client
import json
import subprocess

from harness.client import NULL, eventually, expect_error
from harness.stack import build_folder

QUICK = True
SANITIZED = True
MIB = 1 << 20


def image(stack, xapi, vdi):
    """The file behind a disk."""
    found, = stack.folder.glob(f'**/{xapi.call("VDI.get_location", vdi)}.raw')
    return found


def disks(xapi, vm):
    """By device."""
    records = [xapi.call('VBD.get_record', vbd) for vbd in xapi.call('VM.get_VBDs', vm)]
    return {record['userdevice']: record['VDI'] for record in records}


def interface(xapi, vm):
    vif, = xapi.call('VM.get_VIFs', vm)
    return xapi.call('VIF.get_record', vif)


def write(stack, xapi, vdi, text):
    with image(stack, xapi, vdi).open('r+b') as file:
        file.write(text)


def read(stack, xapi, vdi, n):
    with image(stack, xapi, vdi).open('rb') as file:
        return file.read(n)


def remove(xapi, *vms):
    for vm in vms:
        xapi.remove_vm(vm)


def test_clones_and_copies_are_their_own(stack):
    xapi = stack.json()
    vm = xapi.make_vm('original', disks=2, interfaces=1)
    write(stack, xapi, disks(xapi, vm)['0'], b'before')
    vdis = set(xapi.call('VDI.get_all'))
    made = {'VM.clone': ('clone',), 'VM.copy': ('copy', NULL)}
    made = {xapi.call(method, vm, *more) for method, more in made.items()}
    assert len(set(xapi.call('VDI.get_all')) - vdis) == 4
    write(stack, xapi, disks(xapi, vm)['0'], b'after!')
    for other in made:
        record = xapi.call('VM.get_record', other)
        assert not record['is_a_snapshot'] and record['snapshot_of'] == record['parent'] == NULL
        assert record['current_operations'] == {} and 'start' in record['allowed_operations']
        assert disks(xapi, other).keys() == {'0', '1'}
        assert not set(disks(xapi, other).values()) & set(disks(xapi, vm).values())
        assert read(stack, xapi, disks(xapi, other)['0'], 6) == b'before'
        assert interface(xapi, other)['MAC'] != interface(xapi, vm)['MAC']
        xapi.call('VM.start', other, False, False)
    assert xapi.call('VM.get_current_operations', vm) == {}
    remove(xapi, vm, *made)
    assert set(xapi.call('VDI.get_all')) <= vdis


def test_a_copy_that_fails_leaves_nothing(stack):
    xapi = stack.json()
    vm = xapi.make_vm('unlucky', disks=2)
    missing = disks(xapi, vm)['1']
    vdis, vms = set(xapi.call('VDI.get_all')), set(xapi.call('VM.get_all'))
    path = image(stack, xapi, missing)
    path.rename(stack.folder / 'taken-away')
    for call in (('VM.clone', vm, 'x'), ('VM.copy', vm, 'x', NULL), ('VM.snapshot', vm, 'x')):
        try:
            xapi.call(*call)
        except Exception:
            assert set(xapi.call('VDI.get_all')) == vdis and set(xapi.call('VM.get_all')) == vms
            assert xapi.call('VM.get_current_operations', vm) == {}
        else:
            raise AssertionError(f'{call[0]} of a disk that is not there')
    (stack.folder / 'taken-away').rename(path)
    remove(xapi, vm)


def test_a_snapshot_brings_back(stack):
    xapi = stack.json()
    vm = xapi.make_vm('reverted', disks=2, interfaces=1)
    xapi.call('VM.start', vm, False, False)
    kept = disks(xapi, vm)['1']
    write(stack, xapi, disks(xapi, vm)['0'], b'before')
    xapi.call('VM.set_name_description', vm, 'before')
    snapshot = xapi.call('VM.snapshot', vm, 'snapshot', [kept])
    record = xapi.call('VM.get_record', snapshot)
    assert record['snapshot_info']['power-state-at-snapshot'] == 'Running' and record['power_state'] == 'Halted'
    assert disks(xapi, snapshot).keys() == {'0'}
    assert xapi.call('VDI.get_snapshot_of', disks(xapi, snapshot)['0']) == disks(xapi, vm)['0']
    assert interface(xapi, snapshot)['MAC'] == interface(xapi, vm)['MAC']
    write(stack, xapi, disks(xapi, vm)['0'], b'after!')
    xapi.call('VM.set_name_description', vm, 'after')
    old = disks(xapi, vm)['0']
    xapi.run('VM.revert', snapshot)
    record = xapi.call('VM.get_record', vm)
    assert (record['power_state'], record['name_description'], record['parent']) == ('Halted', 'before', snapshot)
    assert record['current_operations'] == xapi.call('VM.get_current_operations', snapshot) == {}
    assert disks(xapi, vm).keys() == {'0'} and disks(xapi, vm)['0'] not in (old, disks(xapi, snapshot)['0'])
    assert read(stack, xapi, disks(xapi, vm)['0'], 6) == b'before'
    assert xapi.call('VDI.get_snapshot_of', disks(xapi, snapshot)['0']) == disks(xapi, vm)['0']
    assert interface(xapi, snapshot)['MAC'] == interface(xapi, vm)['MAC']
    expect_error('HANDLE_INVALID', xapi.call, 'VDI.get_uuid', old)
    assert xapi.call('VDI.get_VBDs', kept) == []  # it was no part of the snapshot: let go of, but not lost
    xapi.call('VM.start', vm, False, False)
    remove(xapi, vm, snapshot)
    xapi.call('VDI.destroy', kept)


def test_a_checkpoint_brings_back_memory(stack):
    xapi = stack.json()
    vm = xapi.make_vm('remembered', disks=1)
    xapi.call('VM.start', vm, False, False)
    snapshot = xapi.call('VM.checkpoint', vm, 'checkpoint')
    assert xapi.call('VM.get_power_state', vm) == 'Running' and xapi.call('VM.get_suspend_VDI', vm) == NULL
    record = xapi.call('VM.get_record', snapshot)
    assert (record['power_state'], record['is_a_snapshot']) == ('Suspended', True)
    assert xapi.call('VDI.get_type', record['suspend_VDI']) == 'suspend'
    xapi.call('VM.revert', snapshot)
    assert xapi.call('VM.get_power_state', vm) == 'Suspended'
    image_ref = xapi.call('VM.get_suspend_VDI', vm)
    assert image_ref not in (NULL, record['suspend_VDI'])
    xapi.call('VM.resume', vm, True, False)
    assert xapi.call('VM.get_power_state', vm) == 'Paused'
    expect_error('HANDLE_INVALID', xapi.call, 'VDI.get_uuid', image_ref)
    xapi.call('VM.unpause', vm)
    xapi.call('VM.suspend', vm)
    second = xapi.call('VM.csvm', vm)
    assert xapi.call('VM.get_power_state', second) == 'Suspended'
    xapi.call('VM.hard_shutdown', second)
    remove(xapi, vm, second)
    xapi.call('VM.destroy', snapshot)
    expect_error('HANDLE_INVALID', xapi.call, 'VDI.get_uuid', record['suspend_VDI'])


def test_the_image_of_a_vm_goes_with_it(stack):
    xapi = stack.json()
    vm = xapi.make_vm('forgotten', disks=1)
    disk = disks(xapi, vm)['0']
    xapi.call('VM.start', vm, False, False)
    xapi.call('VM.suspend', vm)
    suspended = xapi.call('VM.get_suspend_VDI', vm)
    path = image(stack, xapi, suspended)
    xapi.call('VM.destroy', vm)
    expect_error('HANDLE_INVALID', xapi.call, 'VDI.get_uuid', suspended)
    assert not path.exists()
    xapi.call('VDI.destroy', disk)


def test_a_snapshot_brings_back_a_vm_that_is_gone(stack):
    xapi = stack.json()
    vm = xapi.make_vm('gone', disks=1, interfaces=1)
    uuid, mac = xapi.call('VM.get_uuid', vm), interface(xapi, vm)['MAC']
    write(stack, xapi, disks(xapi, vm)['0'], b'first!')
    snapshot = xapi.call('VM.snapshot', vm, 'snapshot')
    write(stack, xapi, disks(xapi, vm)['0'], b'second')
    second = xapi.call('VM.snapshot', vm, 'second')
    remove(xapi, vm)
    xapi.call('VM.revert', snapshot)
    again = xapi.call('VM.get_by_uuid', uuid)
    record = xapi.call('VM.get_record', again)
    assert (record['name_label'], record['is_a_template'], record['is_a_snapshot']) == ('gone', False, False)
    assert set(record['snapshots']) == {snapshot, second} and record['parent'] == snapshot
    assert read(stack, xapi, disks(xapi, again)['0'], 6) == b'first!' and interface(xapi, again)['MAC'] == mac
    xapi.call('VM.start', again, False, False)
    xapi.call('VM.revert', second)
    assert read(stack, xapi, disks(xapi, again)['0'], 6) == b'second'
    remove(xapi, again, snapshot, second)


def test_the_disks_that_a_template_asks_for(stack):
    xapi = stack.json()
    vm = xapi.call('VM.clone', xapi.template('Debian'), 'provisioned')
    xapi.call('VM.remove_from_other_config', vm, 'disks')
    xapi.call('VM.add_to_other_config', vm, 'disks', '<provision><disk device="0" size="4194304" sr="" bootable="true" '
              'type="system"/><disk device="hdc" size="8388608" sr="" bootable="false" type="user"/></provision>')
    task = xapi.run('VM.provision', vm)
    assert task['progress'] == 1
    assert not xapi.call('VM.get_is_a_template', vm) and 'disks' not in xapi.call('VM.get_other_config', vm)
    sizes = {device: int(xapi.call('VDI.get_virtual_size', vdi)) for device, vdi in disks(xapi, vm).items()}
    assert sizes == {'0': 4 * MIB, 'hdc': 8 * MIB}
    assert all(xapi.call('VBD.get_other_config', vbd) == {'owner': ''} for vbd in xapi.call('VM.get_VBDs', vm))
    expect_error('PROVISION_ONLY_ALLOWED_ON_TEMPLATE', xapi.call, 'VM.provision', vm)
    remove(xapi, vm)


def test_a_template_that_asks_for_too_much(stack):
    xapi = stack.json()
    vdis = set(xapi.call('VDI.get_all'))
    vm = xapi.call('VM.clone', xapi.template('Debian'), 'greedy')
    for text, code in (('<provision', 'INTERNAL_ERROR'),
                       ('<provision><disk device="0" size="1048576" sr="nope"/></provision>', 'UUID_INVALID'),
                       ('<provision><disk device="0" size="1048576"/><disk device="0" size="1048576"/></provision>',
                        'DEVICE_ALREADY_EXISTS')):
        xapi.call('VM.remove_from_other_config', vm, 'disks')
        xapi.call('VM.add_to_other_config', vm, 'disks', text)
        expect_error(code, xapi.call, 'VM.provision', vm)
        assert set(xapi.call('VDI.get_all')) == vdis and xapi.call('VM.get_VBDs', vm) == []
        assert xapi.call('VM.get_is_a_template', vm) and xapi.call('VM.get_current_operations', vm) == {}
    remove(xapi, vm)
    expect_error('VM_CANNOT_DELETE_DEFAULT_TEMPLATE', xapi.call, 'VM.destroy', xapi.template('Debian'))


def test_share_of_processors(stack):
    xapi = stack.json()
    vm, host = xapi.make_vm('shares'), xapi.call('host.get_all')[0]

    def told():
        xapi.call('VM.start', vm, False, False)
        done = subprocess.run([build_folder() / 'xenopsd/xenops-cli', '--switch-path', stack.folder / 'run/switch', 'call',
                               'VM.stat', '--id', xapi.call('VM.get_uuid', vm)], stdout=subprocess.PIPE, check=True, text=True)
        xapi.call('VM.hard_shutdown', vm)
        params = json.loads(done.stdout)[0]['scheduler_params']
        return params['priority'], params['affinity']
    assert told() == ([256, 0], [])
    xapi.call('VM.set_VCPUs_params', vm, {'weight': '512', 'cap': '50', 'mask': '0,1;2'})
    assert told() == ([512, 50], [[0, 1]])      # there is but one
    xapi.call('host.set_guest_VCPUs_params', host, {'mask': '1,2'})
    assert told() == ([512, 50], [[1]])
    xapi.call('host.set_guest_VCPUs_params', host, {})
    xapi.call('VM.set_VCPUs_params', vm, {'weight': 'much', 'cap': '101'})
    assert told() == ([256, 0], [])
    xapi.remove_vm(vm)


def test_changes_that_a_running_guest_feels(stack):
    xapi = stack.json()
    vm = xapi.make_vm('live')
    xapi.call('VM.set_VCPUs_max', vm, 4)
    xapi.call('VM.start', vm, False, False)
    xapi.run('VM.set_VCPUs_number_live', vm, 3)
    metrics = xapi.call('VM.get_metrics', vm)
    assert int(xapi.call('VM_metrics.get_VCPUs_number', metrics)) == 3
    expect_error('INVALID_VALUE', xapi.call, 'VM.set_VCPUs_number_live', vm, 5)
    low, high = (int(xapi.call(f'VM.get_memory_{limit}', vm)) for limit in ('static_min', 'static_max'))
    xapi.run('VM.set_memory_dynamic_range', vm, low, high)
    assert int(xapi.call('VM.get_memory_dynamic_min', vm)) == low
    expect_error('MEMORY_CONSTRAINT_VIOLATION_ORDER', xapi.call, 'VM.set_memory_dynamic_range', vm, low, high + 1)
    xapi.run('VM.set_memory_target_live', vm, high)
    xapi.run('VM.wait_memory_target_live', vm)
    xapi.call('VM.set_actions_after_crash', vm, 'preserve')
    xapi.call('VM.set_xenstore_data', vm, {'vm-data/key': 'value', 'other': 'not told'})
    xapi.call('VM.add_to_xenstore_data', vm, 'vm-data/more', 'x')
    expect_error('MAP_DUPLICATE_KEY', xapi.call, 'VM.add_to_xenstore_data', vm, 'vm-data/more', 'x')
    assert xapi.call('VM.get_current_operations', vm) == {}
    remove(xapi, vm)


def test_an_appliance_keeps_its_order(stack):
    xapi = stack.json()
    appliance = xapi.call('VM_appliance.create', {'name_label': 'appliance', 'name_description': ''})
    vms = [xapi.make_vm(f'member {order}') for order in (2, 0, 1)]
    for vm, order in zip(vms, (2, 0, 1)):
        xapi.call('VM.set_appliance', vm, appliance)
        xapi.call('VM.set_order', vm, order)
    assert set(xapi.call('VM_appliance.get_VMs', appliance)) == set(vms)
    assert xapi.call('VM_appliance.get_allowed_operations', appliance) == ['start']
    expect_error('VM_IS_PART_OF_AN_APPLIANCE', xapi.call, 'VM.set_is_a_template', vms[0], True)
    xapi.call('VM.set_start_delay', vms[1], 1)
    xapi.run('VM_appliance.start', appliance, False)
    started = [int(xapi.call('VM.get_domid', vm)) for vm in vms]
    assert started[1] < started[2] < started[0]
    xapi.run('VM_appliance.clean_shutdown', appliance)
    assert {xapi.call('VM.get_power_state', vm) for vm in vms} == {'Halted'}
    xapi.call('VM.add_to_blocked_operations', vms[1], 'start', 'no')
    assert expect_error('OPERATION_PARTIALLY_FAILED', xapi.call, 'VM_appliance.start', appliance, True) == ['start']
    assert [xapi.call('VM.get_power_state', vm) for vm in vms] == ['Paused', 'Halted', 'Paused']
    xapi.call('VM_appliance.hard_shutdown', appliance)
    remove(xapi, *vms)
    assert xapi.call('VM_appliance.get_VMs', appliance) == []
    xapi.call('VM_appliance.destroy', appliance)


def test_a_host_that_takes_no_vm(stack):
    xapi = stack.json()
    host, = xapi.call('host.get_all')
    vm = xapi.make_vm('nowhere')
    xapi.call('host.disable', host)
    expect_error('NO_HOSTS_AVAILABLE', xapi.call, 'VM.start', vm, False, False)
    assert expect_error('HOST_DISABLED', xapi.call, 'VM.start_on', vm, host, False, False) == [host]
    assert xapi.call('VM.get_possible_hosts', vm) == []
    assert xapi.call('VM.get_current_operations', vm) == {}
    xapi.call('host.enable', host)
    assert xapi.call('VM.get_possible_hosts', vm) == [host]
    xapi.call('VM.start', vm, False, False)
    remove(xapi, vm)


def test_a_suspended_vm_that_is_not_resumed(stack):
    xapi = stack.json()
    vm = xapi.make_vm('asleep')
    xapi.call('VM.start', vm, False, False)
    xapi.call('VM.suspend', vm)
    image_ref = xapi.call('VM.get_suspend_VDI', vm)
    xapi.call('VM.hard_shutdown', vm)
    assert (xapi.call('VM.get_power_state', vm), xapi.call('VM.get_suspend_VDI', vm)) == ('Halted', NULL)
    expect_error('HANDLE_INVALID', xapi.call, 'VDI.get_uuid', image_ref)
    stack.kill('xenopsd')
    xapi.call('VM.start', vm, False, False)  # xenopsd does not take it for suspended
    remove(xapi, vm)


def xenops(stack, *words, **options):
    """What xenops-cli says."""
    options = [f'--{key}={value}' for key, value in options.items()]
    return subprocess.run([build_folder() / 'xenopsd/xenops-cli', f'--switch-path={stack.folder}/run/switch', *words,
                           *options], check=True, stdout=subprocess.PIPE, text=True).stdout


def log_in(stack):
    try:
        return stack.json()
    except (OSError, http.client.HTTPException):
        return None         # not up yet


def test_a_guest_that_is_suspended_while_nobody_looks(fresh):
    """The server is killed while the image is written: the VM and its image are found again."""
    xapi = fresh.json()
    vm = xapi.make_vm('unwatched')
    xapi.call('VM.start', vm, False, False)
    xenops(fresh, 'inject', vm=xapi.call('VM.get_uuid', vm), step='save', latency=1)
    xapi.call('Async.VM.suspend', vm)
    eventually(lambda: ' pending ' in xenops(fresh, 'tasks'))
    fresh.kill('xapi-core')
    xapi = eventually(lambda: log_in(fresh))
    image_ref = xapi.wait_for('VM', vm, lambda record: record['power_state'] == 'Suspended')['suspend_VDI']
    assert image_ref != NULL
    xapi.call('VM.resume', vm, False, False)
    assert xapi.call('VM.get_suspend_VDI', vm) == NULL
    expect_error('HANDLE_INVALID', xapi.call, 'VDI.get_uuid', image_ref)
    remove(xapi, vm)


def test_a_guest_that_is_resumed_while_nobody_looks(fresh):
    """The same on the way back: the image goes, which nobody needs."""
    xapi = fresh.json()
    vm = xapi.make_vm('unwatched')
    xapi.call('VM.start', vm, False, False)
    xapi.call('VM.suspend', vm)
    image_ref = xapi.call('VM.get_suspend_VDI', vm)
    xenops(fresh, 'inject', vm=xapi.call('VM.get_uuid', vm), step='restore', latency=1)
    xapi.call('Async.VM.resume', vm, False, False)
    eventually(lambda: ' pending ' in xenops(fresh, 'tasks'))
    fresh.kill('xapi-core')
    xapi = eventually(lambda: log_in(fresh))
    assert xapi.wait_for('VM', vm, lambda record: record['power_state'] != 'Suspended')['suspend_VDI'] == NULL
    eventually(lambda: image_ref not in xapi.call('VDI.get_all'))
    if xapi.call('VM.get_power_state', vm) == 'Paused':
        xapi.call('VM.unpause', vm)
    remove(xapi, vm)


def test_copies_that_nobody_finishes(fresh):
    """xapi-core is killed while it makes VMs of a VM: what was made for those that never came to be goes."""
    xapi = fresh.json(fresh.socket)
    vm = xapi.make_vm('copied', disks=6)
    sr = xapi.storage()
    folder = image(fresh, xapi, disks(xapi, vm)['0']).parent
    snapshot = xapi.call('VM.snapshot', vm, 'kept')
    for i, message in enumerate(('VM.clone', 'VM.copy', 'VM.snapshot', 'VM.revert', 'VM.provision') * 2):
        before, files = set(xapi.call('VDI.get_all')), set(folder.iterdir())
        if message == 'VM.provision':
            target = xapi.call('VM.clone', xapi.template('Diskless'), 'provisioned')
            xapi.call('VM.remove_from_other_config', target, 'disks')
            asked = ''.join(f'<disk device="{n}" size="1048576" sr="" bootable="false" type="system"/>' for n in range(6))
            xapi.call('VM.add_to_other_config', target, 'disks', f'<provision>{asked}</provision>')
            params = (target,)
        else:
            params = {'VM.clone': (vm, 'x'), 'VM.copy': (vm, 'x', NULL), 'VM.snapshot': (vm, 'x'), 'VM.revert': (snapshot,)}[message]
        xapi.call(f'Async.{message}', *params)
        eventually(lambda: len(set(folder.iterdir()) - files) > i)
        fresh.kill('xapi-core')
        xapi = eventually(lambda: login(fresh))
        # Either it was finished, and the VM has its disks, or nothing is left.
        used = lambda: {xapi.call('VBD.get_VDI', vbd) for vbd in xapi.call('VBD.get_all')} | {NULL}
        eventually(lambda: set(xapi.call('VDI.get_all')) <= used())
        eventually(lambda: len(list(folder.glob('*.json'))) == 1 + len(xapi.call('SR.get_VDIs', sr)))
        xapi.call('SR.scan', sr)
        assert set(xapi.call('VDI.get_all')) <= used(), message
        assert len(disks(xapi, vm)) == 6


def login(stack):
    try:
        return stack.json(stack.socket)
    except OSError:
        return None
