# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks that are copied by their storage, or through their servers."""
import os
import signal
from pathlib import Path

from harness.client import eventually
from integration.test_bulk import MIB, begin_import, ended, get, image, pattern, put, remove

QUICK = True
SANITIZED = True


def copying(folder):
    """The program that copies a disk of the stack's; None: there is none."""
    for process in Path('/proc').glob('[0-9]*'):
        try:
            argv = (process / 'cmdline').read_bytes().split(b'\0')
        except OSError:
            continue
        if argv[0].endswith(b'qemu-img') and any(str(folder).encode() in word for word in argv):
            return int(process.name)
    return None


def test_a_copy_by_the_storage_is_cancelled(stack):
    """While the program that copies stands still: it ends, and leaves nothing."""
    xapi = stack.json()
    host, = xapi.call('host.get_all')
    here, there = (xapi.call('SR.create', host, {'location': str(stack.folder / name)}, 0, name, '', 'file', 'user',
                             False, {}) for name in ('cancel-from', 'cancel-to'))
    vdi = xapi.call('VDI.create', {'name_label': 'disk', 'SR': here, 'virtual_size': 64 * MIB, 'type': 'user',
                                   'sharable': False, 'read_only': False, 'other_config': {}})
    put(stack, xapi, vdi, pattern(64 * MIB))
    program = None
    while not program:
        task = xapi.call('Async.VDI.copy', vdi, there)
        while not program and xapi.call('task.get_status', task) == 'pending':
            program = copying(stack.folder / 'cancel-from')
        if program:
            try:
                os.kill(program, signal.SIGSTOP)
            except ProcessLookupError:
                program = None
        if not program:  # it was too fast
            assert ended(xapi, task)[0] == 'success'
            remove(xapi, *xapi.call('SR.get_VDIs', there))
    assert 'cancel' in xapi.call('task.get_allowed_operations', task)
    xapi.call('task.cancel', task)
    assert ended(xapi, task)[0] == 'cancelled'
    eventually(lambda: copying(stack.folder / 'cancel-from') is None)
    assert xapi.call('SR.get_VDIs', there) == []
    remove(xapi, xapi.call('VDI.copy', vdi, there))
    remove(xapi, vdi)
    for sr in here, there:
        pbd, = xapi.call('SR.get_PBDs', sr)
        xapi.call('PBD.unplug', pbd)
        xapi.call('SR.forget', sr)


def test_a_disk_with_a_server(stack):
    """Images of layers, which a server of their own opens: the bytes come through its socket."""
    xapi = stack.json()
    host, = xapi.call('host.get_all')
    (stack.folder / 'layers').mkdir()
    (stack.folder / 'more').mkdir()
    sr = xapi.call('SR.create', host, {'location': str(stack.folder / 'layers')}, 0, 'layers', '', 'file', 'user', False,
                   {})
    vdi = xapi.call('VDI.create', {'name_label': 'disk', 'SR': sr, 'virtual_size': 16 * MIB, 'type': 'user',
                                   'sharable': False, 'read_only': False, 'other_config': {}})
    data = pattern(16 * MIB)
    assert ended(xapi, put(stack, xapi, vdi, data)) == ('success', [])
    assert get(stack, xapi, vdi)[0] == data
    snapshot = xapi.call('VDI.snapshot', vdi)
    put(stack, xapi, vdi, bytes(4 * MIB) + b'n' * 1000)
    assert get(stack, xapi, vdi)[0] == bytes(4 * MIB) + b'n' * 1000 + data[4 * MIB + 1000:]
    assert get(stack, xapi, snapshot)[0] == data
    copy = xapi.call('VDI.copy', snapshot, xapi.storage())
    assert get(stack, xapi, copy)[0] == data
    assert image(stack, xapi, copy).stat().st_blocks * 512 < 13 * MIB
    back = xapi.call('VDI.copy', copy, sr)
    assert get(stack, xapi, back)[0] == data
    there = xapi.call('SR.create', host, {'location': str(stack.folder / 'more'), 'preferred-image-formats': 'qcow2'}, 0,
                      'more', '', 'file', 'user', False, {})
    over = xapi.call('VDI.copy', vdi, there)
    assert get(stack, xapi, over)[0] == bytes(4 * MIB) + b'n' * 1000 + data[4 * MIB + 1000:]
    remove(xapi, over)
    pbd, = xapi.call('SR.get_PBDs', there)
    xapi.call('PBD.unplug', pbd)
    xapi.call('SR.forget', there)
    # cut in the middle, the server is let go of
    with begin_import(stack, xapi, vdi, 16 * MIB) as stream:
        task = stream.head()[1]['task-id']
        stream.send(b'x' * 5 * MIB)
    assert ended(xapi, task)[1][0] == 'VDI_IO_ERROR'
    for disk in (copy, back, vdi, snapshot):
        remove(xapi, disk)
    for pbd in xapi.call('SR.get_PBDs', sr):
        xapi.call('PBD.unplug', pbd)
    xapi.call('SR.destroy', sr)
