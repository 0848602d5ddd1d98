# SPDX-License-Identifier: LGPL-2.1-or-later
"""Repositories of the types `file`, whose disks are layers, and `iso`."""
import subprocess

from harness.client import NULL, eventually, expect_error
from integration.test_vm_copies import log_in, xenops

QUICK = True
SANITIZED = True
MIB = 1 << 20


def make_repository(stack, xapi, kind, name, content_type='user', **config):
    host, = xapi.call('host.get_all')
    return xapi.call('SR.create', host, {'location': str(stack.folder / name), **config}, 0, name, '', kind, content_type,
                     False, {})


def make_disk(xapi, sr, image_format=None, size=4 * MIB):
    sm_config = {'image-format': image_format} if image_format else {}
    return xapi.call('VDI.create', {'name_label': 'disk', 'SR': sr, 'virtual_size': size, 'type': 'user', 'sharable': False,
                                    'read_only': False, 'other_config': {}, 'sm_config': sm_config})


def path_of(stack, xapi, vdi):
    location = xapi.call('VDI.get_location', vdi)
    return next(path for ending in ('qcow2', 'raw') for path in stack.folder.glob(f'**/{location}.{ending}'))


def qemu_io(path, command):
    done = subprocess.run(['qemu-io', '-f', path.suffix[1:], '-c', command, path], capture_output=True, text=True, check=True)
    return 'verification failed' not in done.stdout


def write(stack, xapi, vdi, pattern, offset=0, length=MIB):
    qemu_io(path_of(stack, xapi, vdi), f'write -P {pattern} {offset} {length}')


def holds(stack, xapi, vdi, pattern, offset=0, length=MIB):
    return qemu_io(path_of(stack, xapi, vdi), f'read -P {pattern} {offset} {length}')


def utilisation(xapi, vdi):
    return int(xapi.call('VDI.get_physical_utilisation', vdi))


def unplug_and_forget(xapi, sr):
    for pbd in xapi.call('SR.get_PBDs', sr):
        xapi.call('PBD.unplug', pbd)
    xapi.call('SR.forget', sr)


def drivers(xapi):
    return {record['type']: record for record in xapi.call('SM.get_all_records').values()}


def test_what_drivers_say(stack):
    found = drivers(stack.json())
    assert {'VDI_SNAPSHOT', 'VDI_CLONE', 'VDI_RESIZE', 'VDI_CREATE', 'VDI_DELETE', 'SR_PROBE'} <= set(found['file']['features'])
    assert found['file']['supported_image_formats'] == ['raw', 'qcow2']
    assert 'VDI_CREATE' not in found['iso']['features'] and 'VDI_ATTACH' in found['iso']['features']


def test_layers(stack):
    xapi = stack.json()
    for image_format in ('raw', 'qcow2'):
        sr = make_repository(stack, xapi, 'file', image_format)
        vdi = make_disk(xapi, sr, image_format)
        assert path_of(stack, xapi, vdi).suffix == f'.{image_format}'
        write(stack, xapi, vdi, 1)
        xapi.call('VDI.update', vdi)
        assert utilisation(xapi, vdi) >= MIB
        snapshot = xapi.call('VDI.snapshot', vdi)
        record = xapi.call('VDI.get_record', snapshot)
        assert record['is_a_snapshot'] and record['snapshot_of'] == vdi and record['read_only']
        assert xapi.call('VDI.get_snapshots', vdi) == [snapshot]
        # What it held counts for the snapshot from now on.
        assert utilisation(xapi, vdi) < MIB // 2 and utilisation(xapi, snapshot) >= MIB
        clone = xapi.call('VDI.clone', snapshot)
        write(stack, xapi, vdi, 2)
        write(stack, xapi, clone, 3, MIB)
        xapi.call('VDI.resize', clone, 8 * MIB)
        assert int(xapi.call('VDI.get_virtual_size', clone)) == 8 * MIB
        assert int(xapi.call('SR.get_virtual_allocation', sr)) == 16 * MIB
        assert holds(stack, xapi, vdi, 2) and holds(stack, xapi, snapshot, 1)
        assert holds(stack, xapi, clone, 1) and holds(stack, xapi, clone, 3, MIB)
        for made in (snapshot, vdi, clone):
            xapi.call('VDI.destroy', made)
        for pbd in xapi.call('SR.get_PBDs', sr):
            xapi.call('PBD.unplug', pbd)
        xapi.call('SR.destroy', sr)
        assert not (stack.folder / image_format).exists()


def test_no_such_format(stack):
    xapi = stack.json()
    sr = make_repository(stack, xapi, 'file', 'formats', **{'preferred-image-formats': 'qcow2'})
    expect_error('SR_BACKEND_FAILURE', make_disk, xapi, sr, 'vhd')
    vdi = make_disk(xapi, sr)
    assert path_of(stack, xapi, vdi).suffix == '.qcow2'
    xapi.call('VDI.destroy', vdi)
    unplug_and_forget(xapi, sr)


def test_known_again(stack):
    """A repository that is forgotten and introduced again has its disks, and what they are to each other."""
    xapi = stack.json()
    sr = make_repository(stack, xapi, 'file', 'again')
    uuid, host = xapi.call('SR.get_uuid', sr), xapi.call('host.get_all')[0]
    config = {'location': str(stack.folder / 'again')}
    vdi = make_disk(xapi, sr, 'qcow2')
    write(stack, xapi, vdi, 1)
    snapshots = [xapi.call('VDI.snapshot', vdi) for _ in range(8)]
    uuids = [xapi.call('VDI.get_uuid', ref) for ref in (vdi, *snapshots)]
    unplug_and_forget(xapi, sr)
    found, = xapi.call('SR.probe_ext', host, config, 'file')
    assert found['sr'][0]['uuid'] == [uuid] and found['complete']
    sr = xapi.call('SR.introduce', uuid, 'again', '', 'file', 'user', False, {})
    pbd = xapi.call('PBD.create', {'host': host, 'SR': sr, 'device_config': config, 'other_config': {}})
    xapi.call('PBD.plug', pbd)
    xapi.call('SR.scan', sr)
    vdi, *snapshots = (xapi.call('VDI.get_by_uuid', uuid) for uuid in uuids)
    # In whatever order the storage has them.
    assert set(xapi.call('VDI.get_snapshots', vdi)) == set(snapshots)
    assert all(xapi.call('VDI.get_is_a_snapshot', snapshot) for snapshot in snapshots)
    assert utilisation(xapi, snapshots[0]) >= MIB
    unplug_and_forget(xapi, sr)


def test_vms_on_layers(stack):
    """Snapshots of a VM that runs, what it goes back to, and full copies, whatever lies under its disks."""
    xapi = stack.json()
    sr = make_repository(stack, xapi, 'file', 'vms')
    vm = xapi.make_vm('layered')
    vdis = {}
    for device, image_format in (('0', 'raw'), ('1', 'qcow2')):
        vdis[device] = make_disk(xapi, sr, image_format)
        write(stack, xapi, vdis[device], 1)
        xapi.call('VBD.create', {
            'VM': vm, 'VDI': vdis[device], 'userdevice': device, 'bootable': False, 'mode': 'RW', 'type': 'Disk',
            'unpluggable': True, 'empty': False, 'other_config': {}, 'qos_algorithm_type': '', 'qos_algorithm_params': {}})
    xapi.call('VM.start', vm, False, False)
    snapshot = xapi.call('VM.snapshot', vm, 'of a running VM')
    for vdi in vdis.values():
        assert len(xapi.call('VDI.get_snapshots', vdi)) == 1
        xapi.call('VDI.resize_online', vdi, 8 * MIB)
        assert int(xapi.call('VDI.get_virtual_size', vdi)) == 8 * MIB
    xapi.call('VM.hard_shutdown', vm)
    for vdi in vdis.values():
        write(stack, xapi, vdi, 2, MIB // 2)
        copy = xapi.call('VDI.copy', vdi, sr)
        assert holds(stack, xapi, copy, 1, 0, MIB // 2) and holds(stack, xapi, copy, 2, MIB // 2)
        assert int(xapi.call('VDI.get_virtual_size', copy)) == 8 * MIB
        # Not a layer: nothing lies under it.
        info = subprocess.run(['qemu-img', 'info', '--output=json', path_of(stack, xapi, copy)], capture_output=True, text=True, check=True)
        assert 'backing-filename' not in info.stdout
        xapi.call('VDI.destroy', copy)
    xapi.call('VM.revert', snapshot)
    for vbd in xapi.call('VM.get_VBDs', vm):
        vdi = xapi.call('VBD.get_VDI', vbd)
        assert holds(stack, xapi, vdi, 1) and int(xapi.call('VDI.get_virtual_size', vdi)) == 4 * MIB
    for gone in (snapshot, vm):
        xapi.remove_vm(gone)
    assert xapi.call('SR.get_VDIs', sr) == []
    for pbd in xapi.call('SR.get_PBDs', sr):
        xapi.call('PBD.unplug', pbd)
    xapi.call('SR.destroy', sr)
    assert not (stack.folder / 'vms').exists()


def test_images_of_cds(stack):
    xapi = stack.json()
    folder = stack.folder / 'cds'
    folder.mkdir()
    (folder / 'first disc.iso').write_bytes(b'x' * 4096)
    (folder / 'readme.txt').write_text('no image')
    (folder / 'linked.iso').symlink_to('/etc/hostname')
    sr = make_repository(stack, xapi, 'iso', 'cds', 'iso')
    xapi.call('SR.scan', sr)
    first, = xapi.call('SR.get_VDIs', sr)
    record = xapi.call('VDI.get_record', first)
    assert (record['name_label'], record['location'], int(record['virtual_size'])) == ('first disc.iso',) * 2 + (4096,)
    assert record['read_only'] and record['sharable']
    (folder / 'second.ISO').write_bytes(b'y' * 2048)
    xapi.call('SR.scan', sr)
    second, = set(xapi.call('SR.get_VDIs', sr)) - {first}
    vm = xapi.make_vm('with-cd')
    vbd = xapi.call('VBD.create', {
        'VM': vm, 'VDI': NULL, 'userdevice': '3', 'bootable': False, 'mode': 'RO', 'type': 'CD', 'unpluggable': True,
        'empty': True, 'other_config': {}, 'qos_algorithm_type': '', 'qos_algorithm_params': {}})
    xapi.call('VM.start', vm, False, False)
    for vdi in (first, second):
        xapi.call('VBD.insert', vbd, vdi)
        assert xapi.call('VBD.get_VDI', vbd) == vdi and not xapi.call('VBD.get_empty', vbd)
        xapi.call('VBD.eject', vbd)
        assert xapi.call('VBD.get_empty', vbd)
    xapi.call('VM.hard_shutdown', vm)
    xapi.call('VM.set_domain_type', vm, 'pvh')      # has a drive while there is a disc in it
    xapi.call('VM.start', vm, False, False)
    assert not xapi.call('VBD.get_currently_attached', vbd)
    for vdi in (first, second):
        xapi.call('VBD.insert', vbd, vdi)
        assert xapi.call('VBD.get_VDI', vbd) == vdi and xapi.call('VBD.get_currently_attached', vbd)
        xapi.call('VBD.eject', vbd)
        assert xapi.call('VBD.get_empty', vbd)
    xapi.call('VM.hard_shutdown', vm)
    xapi.call('VM.destroy', vm)
    expect_error('SR_OPERATION_NOT_SUPPORTED', make_disk, xapi, sr)
    expect_error('SR_OPERATION_NOT_SUPPORTED', xapi.call, 'VDI.destroy', first)
    expect_error('SR_OPERATION_NOT_SUPPORTED', xapi.call, 'VDI.snapshot', first)
    (folder / 'first disc.iso').unlink()
    xapi.call('SR.scan', sr)
    assert xapi.call('SR.get_VDIs', sr) == [second]
    unplug_and_forget(xapi, sr)
    assert sorted(path.name for path in folder.iterdir()) == ['linked.iso', 'readme.txt', 'second.ISO']


def test_disc_that_is_changed_while_nobody_looks(fresh):
    """The server is killed while xenopsd changes it: the record says what is in the drive."""
    xapi = fresh.json()
    folder = fresh.folder / 'cds'
    folder.mkdir()
    (folder / 'disc.iso').write_bytes(b'x' * 4096)
    sr = make_repository(fresh, xapi, 'iso', 'cds', 'iso')
    xapi.call('SR.scan', sr)
    disc, = xapi.call('SR.get_VDIs', sr)
    vm = xapi.make_vm('with-cd')
    xapi.call('VM.set_domain_type', vm, 'hvm')
    vbd = xapi.call('VBD.create', {
        'VM': vm, 'VDI': NULL, 'userdevice': '3', 'bootable': False, 'mode': 'RO', 'type': 'CD', 'unpluggable': True,
        'empty': True, 'other_config': {}, 'qos_algorithm_type': '', 'qos_algorithm_params': {}})
    xapi.call('VM.start', vm, False, False)
    for message, arguments, found in (('VBD.insert', [disc], disc), ('VBD.eject', [], NULL)):
        xenops(fresh, 'inject', vm=xapi.call('VM.get_uuid', vm), step='vbd-change', latency=1, count=1)
        xapi.call(f'Async.{message}', vbd, *arguments)
        eventually(lambda: ' pending ' in xenops(fresh, 'tasks'))
        fresh.kill('xapi-core')
        xapi = eventually(lambda: log_in(fresh))
        record = xapi.wait_for('VBD', vbd, lambda record: record['VDI'] == found)
        assert record['empty'] == (found == NULL) and record['currently_attached'], record
    xapi.call('VBD.insert', vbd, disc)
    xenops(fresh, 'guest', xapi.call('VM.get_uuid', vm), 'eject', '3')
    assert xapi.wait_for('VBD', vbd, lambda record: record['empty'])['VDI'] == NULL
    xapi.call('VM.hard_shutdown', vm)
