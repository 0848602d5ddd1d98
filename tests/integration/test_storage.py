# SPDX-License-Identifier: LGPL-2.1-or-later
"""Repositories, their disks and this host's use of them: rows, files and sm-daemon agree."""
import os
import signal
import threading

from harness.client import NULL, XapiError, eventually, expect_error

QUICK = True
SANITIZED = True
MIB = 1 << 20


def make_disk(xapi, sr, name='disk', size=4 * MIB, **more):
    return xapi.call('VDI.create', {'name_label': name, 'SR': sr, 'virtual_size': size, 'type': 'user',
                                    'sharable': False, 'read_only': False, 'other_config': {}, **more})


def make_repository(stack, xapi, name, kind='dir'):
    host, = xapi.call('host.get_all')
    return xapi.call('SR.create', host, {'location': str(stack.folder / name)}, 0, name, '', kind, 'user', False, {})


def unplug_all(xapi, sr):
    for pbd in xapi.call('SR.get_PBDs', sr):
        xapi.call('PBD.unplug', pbd)


def remove_repository(xapi, sr):
    for vdi in xapi.call('SR.get_VDIs', sr):
        xapi.call('VDI.destroy', vdi)
    unplug_all(xapi, sr)
    xapi.call('SR.destroy', sr)


def image(stack, xapi, vdi):
    """The file behind a disk."""
    found, = stack.folder.glob(f'**/{xapi.call("VDI.get_location", vdi)}.raw')
    return found


def allocation(xapi, sr):
    return int(xapi.call('SR.get_virtual_allocation', sr))


def test_sizes_follow_each_change(stack):
    xapi = stack.json()
    sr = make_repository(stack, xapi, 'sizes')
    record = xapi.call('SR.get_record', sr)
    assert record['physical_size'] > record['physical_utilisation'] > 0
    vdi = make_disk(xapi, sr)
    assert allocation(xapi, sr) == 4 * MIB
    xapi.call('VDI.resize', vdi, 8 * MIB)
    assert (allocation(xapi, sr), int(xapi.call('VDI.get_virtual_size', vdi))) == (8 * MIB, 8 * MIB)
    assert image(stack, xapi, vdi).stat().st_size == 8 * MIB
    expect_error('SR_BACKEND_FAILURE_79', xapi.call, 'VDI.resize', vdi, MIB)
    copy = xapi.call('VDI.clone', vdi)
    assert allocation(xapi, sr) == 16 * MIB
    image(stack, xapi, copy).write_bytes(b'x' * MIB)
    xapi.call('VDI.update', copy)
    assert int(xapi.call('VDI.get_physical_utilisation', copy)) >= MIB
    xapi.call('VDI.destroy', copy)
    xapi.call('VDI.destroy', vdi)
    assert allocation(xapi, sr) == 0
    remove_repository(xapi, sr)


def test_sm_daemon_does_not_answer(fresh):
    """A start that waits for it is cancelled, and its disks are let go of when it answers again."""
    xapi = fresh.json()
    vm = xapi.make_vm(disks=2)
    vdi = xapi.call('VBD.get_VDI', xapi.call('VM.get_VBDs', vm)[1])
    os.kill(int(fresh.pid('sm-daemon')), signal.SIGSTOP)
    for _ in range(2):          # the second finds the first's leftovers
        task = xapi.call('Async.VM.start', vm, False, False)
        eventually(lambda: 'simulator: 1 domains' in fresh.xenops_cli('diagnostics'))
        xapi.call('task.cancel', task)
        assert xapi.wait_task(task)['status'] == 'cancelled'
        assert xapi.call('VM.get_power_state', vm) == 'Halted'
        assert 'leftovers: 1' in fresh.xenops_cli('diagnostics')
    os.kill(int(fresh.pid('sm-daemon')), signal.SIGCONT)
    eventually(lambda: 'leftovers: 0' in fresh.xenops_cli('diagnostics'))
    xapi.call('VM.start', vm, False, False)
    xapi.call('VM.hard_shutdown', vm)
    xapi.call('VDI.destroy', vdi)


def test_life_of_a_repository(stack):
    xapi = stack.json()
    sr = make_repository(stack, xapi, 'life')
    uuid, (pbd,) = xapi.call('SR.get_uuid', sr), xapi.call('SR.get_PBDs', sr)
    vdi = make_disk(xapi, sr, 'kept')
    disk = xapi.call('VDI.get_uuid', vdi)
    assert expect_error('SR_HAS_PBD', xapi.call, 'SR.forget', sr) == [sr]
    assert expect_error('SR_HAS_PBD', xapi.call, 'SR.destroy', sr) == [sr]
    expect_error('OPERATION_NOT_ALLOWED', xapi.call, 'PBD.destroy', pbd)
    xapi.run('PBD.unplug', pbd)
    assert xapi.call('PBD.get_currently_attached', pbd) is False
    assert 'resize' not in xapi.call('VDI.get_allowed_operations', vdi)
    assert expect_error('SR_HAS_NO_PBDS', xapi.call, 'SR.scan', sr) == [sr]
    assert expect_error('SR_HAS_NO_PBDS', xapi.call, 'VDI.destroy', vdi) == [sr]
    expect_error('SR_NOT_EMPTY', xapi.call, 'SR.destroy', sr)
    xapi.run('SR.forget', sr)
    assert expect_error('HANDLE_INVALID', xapi.call, 'VDI.get_record', vdi) == ['VDI', vdi]
    sr = xapi.call('SR.introduce', uuid, 'back', '', 'dir', 'user', False, {})
    assert expect_error('SR_UUID_EXISTS', xapi.call, 'SR.introduce', uuid, '', '', 'dir', 'user', False, {}) == [uuid]
    host, = xapi.call('host.get_all')
    pbd = xapi.call('PBD.create', {'host': host, 'SR': sr, 'other_config': {},
                                   'device_config': {'location': str(stack.folder / 'life')}})
    xapi.run('PBD.plug', pbd)
    xapi.run('PBD.plug', pbd)
    xapi.run('SR.scan', sr)
    vdi, = xapi.call('SR.get_VDIs', sr)
    assert (xapi.call('VDI.get_uuid', vdi), xapi.call('VDI.get_name_label', vdi)) == (disk, 'kept')
    xapi.call('VDI.destroy', vdi)
    xapi.call('PBD.unplug', pbd)
    xapi.run('SR.destroy', sr)
    assert expect_error('HANDLE_INVALID', xapi.call, 'PBD.get_record', pbd) == ['PBD', pbd]
    assert not (stack.folder / 'life').exists()


def test_scan_brings_rows_to_what_is_there(stack):
    xapi = stack.json()
    sr = make_repository(stack, xapi, 'scan')
    forgotten, vanished, kept = (make_disk(xapi, sr, name) for name in ('forgotten', 'vanished', 'kept'))
    uuid = xapi.call('VDI.get_uuid', forgotten)
    xapi.call('VDI.forget', forgotten)
    path = image(stack, xapi, vanished)
    path.unlink()
    path.with_suffix('.json').unlink()
    xapi.call('SR.scan', sr)
    assert sorted(r['name_label'] for r in xapi.call('VDI.get_all_records').values() if r['SR'] == sr) == \
        ['forgotten', 'kept']
    assert allocation(xapi, sr) == 8 * MIB
    expect_error('HANDLE_INVALID', xapi.call, 'VDI.get_record', vanished)
    assert xapi.call('VDI.get_name_label', kept) == 'kept'
    xapi.call('VDI.forget', xapi.call('VDI.get_by_uuid', uuid))
    introduced = xapi.call('VDI.introduce', uuid, 'introduced', '', sr, 'user', False, False, {}, uuid)
    assert xapi.call('VDI.get_uuid', introduced) == uuid
    assert expect_error('LOCATION_NOT_UNIQUE', xapi.call, 'VDI.introduce', '', 'twice', '', sr, 'user', False, False,
                        {}, uuid) == [sr, uuid]
    remove_repository(xapi, sr)


def test_sizes_that_cannot_be(stack):
    """Of a disk that is only written down, and which nobody looks at."""
    xapi = stack.json()
    sr = make_repository(stack, xapi, 'absurd')
    for size in (-1 << 63, -1, (1 << 63) - 1 - 4 * MIB):
        kept = make_disk(xapi, sr)
        vdi = xapi.call('VDI.pool_introduce', '', 'absurd', '', sr, 'user', False, False, {}, 'nowhere', {}, {}, True, size)
        assert int(xapi.call('VDI.get_virtual_size', vdi)) == size
        assert allocation(xapi, sr) == size + 4 * MIB
        xapi.call('VDI.forget', vdi)
        assert allocation(xapi, sr) == 4 * MIB
        xapi.call('VDI.destroy', kept)
    remove_repository(xapi, sr)


def test_disks_made_of_disks(stack):
    xapi = stack.json()
    here, there = make_repository(stack, xapi, 'here'), make_repository(stack, xapi, 'there')
    vdi = make_disk(xapi, here, 'source', 8 * MIB, tags=['tag'], other_config={'key': 'value'})
    image(stack, xapi, vdi).write_bytes(b'begin' + bytes(8 * MIB - 8) + b'end')
    content = image(stack, xapi, vdi).read_bytes()
    snapshot = xapi.call('VDI.snapshot', vdi)
    record = xapi.call('VDI.get_record', snapshot)
    assert (record['is_a_snapshot'], record['snapshot_of'], record['read_only']) == (True, vdi, True)
    assert (record['tags'], record['other_config'], record['name_label']) == (['tag'], {'key': 'value'}, 'source')
    assert xapi.call('VDI.get_snapshots', vdi) == [snapshot]
    image(stack, xapi, vdi).write_bytes(bytes(8 * MIB))
    assert image(stack, xapi, snapshot).read_bytes() == content
    clone = xapi.call('VDI.clone', snapshot)
    assert image(stack, xapi, clone).read_bytes() == content
    assert xapi.call('VDI.get_is_a_snapshot', clone) is False
    copy = xapi.run('VDI.copy', clone, there)['result'].removeprefix('<value>').removesuffix('</value>')
    assert xapi.call('VDI.get_SR', copy) == there
    assert image(stack, xapi, copy).read_bytes() == content
    into, small = make_disk(xapi, there, 'into', 16 * MIB), make_disk(xapi, there, 'small', MIB)
    image(stack, xapi, into).write_bytes(b'o' * 16 * MIB)
    assert xapi.call('VDI.copy', clone, NULL, NULL, into) == into
    assert image(stack, xapi, into).read_bytes() == content + b'o' * 8 * MIB
    assert expect_error('VDI_TOO_SMALL', xapi.call, 'VDI.copy', clone, NULL, NULL, small)[0] == small
    assert expect_error('VDI_READONLY', xapi.call, 'VDI.copy', clone, NULL, NULL, snapshot) == [snapshot]
    assert expect_error('HANDLE_INVALID', xapi.call, 'VDI.copy', clone) == ['SR', NULL]
    for sr in (here, there):
        remove_repository(xapi, sr)


def test_what_a_vm_uses_stays(stack):
    xapi = stack.json()
    vm = xapi.call('VM.clone', xapi.template('Diskless'), 'uses')
    xapi.call('VM.provision', vm)
    vdi = xapi.add_disk(vm, '5')
    sr = xapi.call('VDI.get_SR', vdi)
    pbd, = xapi.call('SR.get_PBDs', sr)
    xapi.call('VM.start', vm, False, False)
    assert expect_error('VDI_IN_USE', xapi.call, 'VDI.destroy', vdi) == [vdi, 'destroy']
    assert expect_error('VDI_IN_USE', xapi.call, 'VDI.resize', vdi, 128 * MIB) == [vdi, 'resize']
    assert vdi in expect_error('VDI_IN_USE', xapi.call, 'PBD.unplug', pbd)
    assert xapi.call('PBD.get_currently_attached', pbd) is True
    xapi.call('VDI.destroy', xapi.call('VDI.snapshot', vdi))
    xapi.call('VM.suspend', vm)
    assert expect_error('VDI_IN_USE', xapi.call, 'VDI.destroy', vdi) == [vdi, 'destroy']
    xapi.call('VM.hard_shutdown', vm)
    vbd, = xapi.call('VDI.get_VBDs', vdi)
    xapi.call('VDI.destroy', vdi)
    assert vbd not in xapi.call('VM.get_VBDs', vm)
    xapi.remove_vm(vm)


def test_names_reach_the_storage(stack):
    xapi = stack.json()
    sr = make_repository(stack, xapi, 'names')
    vdi = make_disk(xapi, sr, 'first')
    xapi.run('VDI.set_name_label', vdi, 'second')
    xapi.run('SR.set_name_label', sr, 'renamed')
    assert b'second' in image(stack, xapi, vdi).with_suffix('.json').read_bytes()
    host, = xapi.call('host.get_all')
    found, = xapi.call('SR.probe_ext', host, {'location': str(stack.folder / 'names')}, 'dir')
    assert found['sr'][0]['name_label'] == xapi.call('SR.get_name_label', sr) == 'renamed'
    assert xapi.call('SR.get_uuid', sr) in xapi.call('SR.probe', host, {'location': str(stack.folder / 'names')}, 'dir')
    remove_repository(xapi, sr)


def test_create_that_fails_leaves_nothing(stack):
    xapi = stack.json()
    sr = make_repository(stack, xapi, 'fails')
    expect_error('SR_BACKEND_FAILURE_79', make_disk, xapi, sr, 'none', 0)
    assert xapi.call('SR.get_VDIs', sr) == []
    assert xapi.call('SR.get_current_operations', sr) == {}
    host, = xapi.call('host.get_all')
    known = xapi.call('SR.get_all')
    for location in ('relative', str(stack.folder / 'none' / 'such')):
        try:
            xapi.call('SR.create', host, {'location': location}, 0, '', '', 'dir', 'user', False)
        except XapiError as error:
            assert error.code.startswith('SR_BACKEND_FAILURE'), error
        else:
            raise AssertionError(f'made at {location}')
    assert xapi.call('SR.get_all') == known
    remove_repository(xapi, sr)


def test_sm_daemon_dies_under_work(stack):
    """Nothing fails, nothing is lost, nothing is there twice in the rows; nor where disks lie on each other."""
    for kind in ('dir', 'file'):
        die_under_work(stack, kind)


def die_under_work(stack, kind):
    xapi = stack.json()
    sr = make_repository(stack, xapi, f'dies-{kind}', kind)
    pbd, = xapi.call('SR.get_PBDs', sr)
    stop, faults, made = threading.Event(), [], []

    def work():
        mine = stack.json()
        while not stop.is_set():
            try:
                vdi = make_disk(mine, sr)
                snapshot = mine.call('VDI.snapshot', vdi)
                clone = mine.call('VDI.clone', vdi)
                for unneeded in (vdi, snapshot):
                    mine.call('VDI.destroy', unneeded)
                made.append(clone)
            except XapiError as error:
                faults.append(error)
    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for _ in range(4):
        before = len(made)
        eventually(lambda: len(made) > before + 3 or faults)
        stack.kill('sm-daemon')
    stop.set()
    for worker in workers:
        worker.join()
    assert not faults, faults[:3]
    assert xapi.call('PBD.get_currently_attached', pbd) is True
    xapi.call('SR.scan', sr)
    vdis = xapi.call('SR.get_VDIs', sr)
    assert set(made) <= set(vdis) and xapi.call('SR.get_current_operations', sr) == {}
    assert len({xapi.call('VDI.get_location', vdi) for vdi in vdis}) == len(vdis)
    assert allocation(xapi, sr) == len(vdis) * 4 * MIB
    remove_repository(xapi, sr)


def test_unplugged_stays_so(stack):
    """Over restarts of either side, in any order."""
    xapi = stack.json()
    plugged, unplugged = make_repository(stack, xapi, 'plugged'), make_repository(stack, xapi, 'unplugged')
    unplug_all(xapi, unplugged)
    for daemon in ('sm-daemon', 'xapi-core', 'sm-daemon'):
        stack.kill(daemon)
        xapi = eventually(lambda: login(stack))
        states = [xapi.call('PBD.get_currently_attached', xapi.call('SR.get_PBDs', sr)[0]) for sr in (plugged, unplugged)]
        assert states == [True, False], daemon
        xapi.call('VDI.destroy', make_disk(xapi, plugged))
    for sr in (plugged, unplugged):
        remove_repository(xapi, sr)


def login(stack):
    try:
        return stack.json(stack.socket)
    except OSError:
        return None
