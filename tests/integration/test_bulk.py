# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks as streams over HTTP: import and export of raw images, and all that can go wrong with them."""
import os
import threading

from harness.client import JsonTransport, XapiError, eventually, expect_error
from harness.stack import PASSWORD
from harness.stream import Stream, basic

QUICK = True
SANITIZED = True
MIB = 1 << 20
NULL = 'OpaqueRef:NULL'
UNKNOWN_LENGTH = 1 << 50        # what clients announce that do not know
COPIES_MAX = 16                 # disks that are moved at a time
ROLES = ['pool-admin', 'pool-operator', 'vm-power-admin', 'vm-admin', 'vm-operator', 'read-only']
STACK = {'users': {role.replace('-', ''): ('secret', role) for role in ROLES},
         'settings': {'xapi-core': {'login-delay-msec': 10}}}


def make_disk(xapi, size=4 * MIB, **more):
    return xapi.call('VDI.create', {'name_label': 'disk', 'SR': xapi.storage(), 'virtual_size': size, 'type': 'user',
                                    'sharable': False, 'read_only': False, 'other_config': {}, **more})


def image(stack, xapi, vdi):
    found, = stack.folder.glob(f'**/{xapi.call("VDI.get_location", vdi)}.raw')
    return found


def pattern(size):
    """Data with holes in it."""
    data = bytearray(os.urandom(size))
    data[size // 4:size // 2] = bytes(size // 2 - size // 4)
    return bytes(data)


def begin_import(stack, xapi, vdi, length, target=None, headers=None, version='1.1', **query):
    """-> the stream, once the server wants the body."""
    stream = Stream(target or stack.url)
    stream.request('PUT', '/import_raw_vdi', {'session_id': xapi.session, 'vdi': vdi, **query},
                   {**({} if length is None else {'Content-Length': length}), **(headers or {})}, version)
    return stream


def put(stack, xapi, vdi, data, length=None, **more):
    with begin_import(stack, xapi, vdi, len(data) if length is None else length, **more) as stream:
        status, headers = stream.head()
        assert status == 200, status
        stream.send(data)
        assert stream.rest() == b''
        return headers['task-id']


def get(stack, xapi, vdi, target=None, path='/export_raw_vdi', **query):
    with Stream(target or stack.url) as stream:
        stream.request('GET', path, {'session_id': xapi.session, 'vdi': vdi, **query})
        status, headers = stream.head()
        assert status == 200, status
        data = stream.rest()
        assert len(data) == int(headers['content-length'])
        return data, headers


def refused(stack, method, path, query, headers=None):
    """-> the status with which a request without a body is refused."""
    with Stream(stack.url) as stream:
        stream.request(method, path, query, headers)
        status, headers = stream.head()
        assert headers['connection'] == 'close', headers
        assert f'HTTP {status}'.encode() in stream.exactly(int(headers['content-length']))
        return status, headers


def ended(xapi, task):
    """-> status and error of a task that has its end."""
    record = xapi.wait_task(task)
    return record['status'], record['error_info']


def remove(xapi, vdi):
    """Only a disk that nothing has attached goes."""
    xapi.call('VDI.destroy', vdi)


def test_round_trip(stack):
    xapi = stack.json()
    for target in (stack.url, stack.socket):
        vdi = make_disk(xapi)
        data = pattern(4 * MIB)
        assert ended(xapi, put(stack, xapi, vdi, data, target=target)) == ('success', [])
        assert image(stack, xapi, vdi).read_bytes() == data
        got, headers = get(stack, xapi, vdi, target=target)
        assert got == data
        assert headers['content-type'] == 'application/octet-stream'
        assert f'filename="{xapi.call("VDI.get_uuid", vdi)}.raw"' in headers['content-disposition']
        assert ended(xapi, headers['task-id']) == ('success', [])
        assert get(stack, xapi, xapi.call('VDI.get_uuid', vdi), path='/export_raw_vdi/', format='RAW')[0] == data
        remove(xapi, vdi)


def test_zeros_are_not_stored(stack):
    xapi = stack.json()
    vdi = make_disk(xapi, 16 * MIB)
    file = image(stack, xapi, vdi)
    put(stack, xapi, vdi, b'\xff' * 16 * MIB)
    assert file.stat().st_blocks * 512 >= 16 * MIB
    data = bytes(5 * MIB) + b'x' * 65536 + bytes(11 * MIB - 65536)
    put(stack, xapi, vdi, data)
    assert file.read_bytes() == data
    assert file.stat().st_blocks * 512 <= 2 * 65536
    assert int(xapi.call('VDI.get_physical_utilisation', vdi)) <= 2 * 65536
    assert get(stack, xapi, vdi)[0] == data
    remove(xapi, vdi)


def test_sizes(stack):
    xapi = stack.json()
    vdi = make_disk(xapi)
    put(stack, xapi, vdi, b'o' * 4 * MIB)
    # a smaller image: what is behind it stays
    assert ended(xapi, put(stack, xapi, vdi, b'n' * 1000)) == ('success', [])
    assert image(stack, xapi, vdi).read_bytes() == b'n' * 1000 + b'o' * (4 * MIB - 1000)
    # a larger one is not cut off in silence
    task = xapi.call('task.create', 'too large', '')
    with begin_import(stack, xapi, vdi, 4 * MIB + 1, task_id=task) as stream:
        assert stream.head()[0] == 413
    assert ended(xapi, task) == ('failure', ['VDI_TOO_SMALL', vdi, str(4 * MIB + 1)])
    # none at all: a client asks so whether it would be sent elsewhere
    with begin_import(stack, xapi, vdi, 0) as stream:
        status, headers = stream.head()
        assert status == 200
        stream.rest()
    assert ended(xapi, headers['task-id'])[1][0] == 'VDI_IO_ERROR'
    # unknown: the disk's size is read, and no more is waited for
    assert ended(xapi, put(stack, xapi, vdi, b'u' * 4 * MIB, UNKNOWN_LENGTH)) == ('success', [])
    assert image(stack, xapi, vdi).read_bytes() == b'u' * 4 * MIB
    # not said at all
    with begin_import(stack, xapi, vdi, None, version='1.0') as stream:
        task = stream.head()[1]['task-id']
        stream.send(b'v' * 4 * MIB)
        stream.rest()
    assert ended(xapi, task) == ('success', [])
    remove(xapi, vdi)


def test_cut(stack):
    """By either side, at any point: the task fails, the disk is free again."""
    xapi = stack.json()
    vdi = make_disk(xapi, 64 * MIB)
    for length in (UNKNOWN_LENGTH, 64 * MIB):
        for sent in (0, 1, 3 * MIB):
            task = xapi.call('task.create', 'cut', '')
            with begin_import(stack, xapi, vdi, length, task_id=task) as stream:
                assert stream.head()[1]['task-id'] == task
                stream.send(bytes(sent))
            assert ended(xapi, task)[1][0] == 'VDI_IO_ERROR'
    put(stack, xapi, vdi, b'x' * 64 * MIB)
    with Stream(stack.url) as stream:
        stream.request('GET', '/export_raw_vdi', {'session_id': xapi.session, 'vdi': vdi})
        task = stream.head()[1]['task-id']
        stream.exactly(100000)
    assert ended(xapi, task)[1][0] == 'VDI_IO_ERROR'
    remove(xapi, vdi)


def test_cancel(stack):
    xapi = stack.json()
    vdi = make_disk(xapi, 64 * MIB)
    put(stack, xapi, vdi, b'x' * 64 * MIB)
    with begin_import(stack, xapi, vdi, 64 * MIB) as stream:
        task = stream.head()[1]['task-id']
        stream.send(b'y' * 3 * MIB)
        assert 'cancel' in xapi.call('task.get_allowed_operations', task)
        xapi.call('task.cancel', task)
        assert stream.rest() == b''
    assert ended(xapi, task) == ('cancelled', ['TASK_CANCELLED', task])
    with Stream(stack.url) as stream:
        stream.request('GET', '/export_raw_vdi', {'session_id': xapi.session, 'vdi': vdi})
        _, headers = stream.head()
        stream.exactly(MIB)
        xapi.call('task.cancel', headers['task-id'])
        assert MIB + len(stream.rest()) < 64 * MIB
    assert ended(xapi, headers['task-id']) == ('cancelled', ['TASK_CANCELLED', headers['task-id']])
    remove(xapi, vdi)


def test_waits_for_who_asked_before(stack):
    """Who does not know how long a stream is has asked by another request first, which may still have the disk."""
    xapi = stack.json()
    vdi = make_disk(xapi)
    with begin_import(stack, xapi, vdi, 4 * MIB) as asking:
        first = asking.head()[1]['task-id']
        given_up, waits = (xapi.call('task.create', name, '') for name in ('given up', 'waits'))
        with begin_import(stack, xapi, vdi, UNKNOWN_LENGTH, task_id=given_up) as stream:
            xapi.wait_for('task', given_up, lambda r: 'cancel' in r['allowed_operations'])
            xapi.call('task.cancel', given_up)
            assert stream.head()[0] != 200
        assert ended(xapi, given_up) == ('cancelled', ['TASK_CANCELLED', given_up])
        stream = begin_import(stack, xapi, vdi, UNKNOWN_LENGTH, task_id=waits)
        xapi.wait_for('task', waits, lambda r: 'cancel' in r['allowed_operations'])
        assert xapi.call('VDI.get_current_operations', vdi) == {first: 'blocked'}
    with stream:
        assert stream.head()[0] == 200
        stream.send(b'z' * 4 * MIB)
        assert stream.rest() == b''
    assert ended(xapi, first)[1][0] == 'VDI_IO_ERROR'
    assert ended(xapi, waits) == ('success', [])
    assert image(stack, xapi, vdi).read_bytes() == b'z' * 4 * MIB
    remove(xapi, vdi)


def test_progress(stack):
    xapi = stack.json()
    vdi = make_disk(xapi, 8 * MIB)
    with begin_import(stack, xapi, vdi, 8 * MIB) as stream:
        task = stream.head()[1]['task-id']
        stream.send(bytes(4 * MIB))
        record = xapi.wait_for('task', task, lambda r: r['progress'] >= 0.5)
        assert record['status'] == 'pending' and record['progress'] < 0.6, record
        assert xapi.call('VDI.get_current_operations', vdi) == {task: 'blocked'}
        expect_error('OTHER_OPERATION_IN_PROGRESS', xapi.call, 'VDI.destroy', vdi)
        stream.send(bytes(4 * MIB))
        stream.rest()
    # the client reads the end when everybody else can see it
    assert xapi.call('task.get_status', task) == 'success'
    assert xapi.call('task.get_progress', task) == 1.0
    assert xapi.call('task.get_result', task) == '<value></value>'
    remove(xapi, vdi)


def test_refused(stack):
    xapi = stack.json()
    vdi = make_disk(xapi)
    put_path, get_path = ('PUT', '/import_raw_vdi'), ('GET', '/export_raw_vdi')
    for (method, path), query, headers, status, code in (
            (put_path, {'format': 'vhd'}, {'Content-Length': 10}, 501, 'NOT_IMPLEMENTED'),
            (get_path, {'format': 'vhd'}, {}, 501, 'NOT_IMPLEMENTED'),
            (get_path, {'format': 'qcow2'}, {}, 501, 'NOT_IMPLEMENTED'),
            (get_path, {'format': 'tar'}, {}, 501, 'NOT_IMPLEMENTED'),
            (get_path, {'base': vdi}, {}, 501, 'NOT_IMPLEMENTED'),
            (put_path, {'chunked': '1'}, {'Content-Length': 10}, 501, 'NOT_IMPLEMENTED'),
            (get_path, {'format': 'iso'}, {}, 500, 'INTERNAL_ERROR'),
            (put_path, {}, {'Content-Length': 10, 'Content-Range': 'bytes 10-19/4096'}, 501, 'NOT_IMPLEMENTED'),
            (put_path, {}, {'Content-Length': 10, 'Content-Encoding': 'gzip'}, 501, 'NOT_IMPLEMENTED'),
            (put_path, {}, {'Transfer-Encoding': 'chunked'}, 403, 'IMPORT_ERROR_CANNOT_HANDLE_CHUNKED'),
            (put_path, {'vdi': 'OpaqueRef:none'}, {'Content-Length': 10}, 404, 'HANDLE_INVALID'),
            (get_path, {'vdi': ''}, {}, 404, 'HANDLE_INVALID')):
        task = xapi.call('task.create', 'refused', '')
        got, _ = refused(stack, method, path, {'session_id': xapi.session, 'vdi': vdi, 'task_id': task, **query},
                         headers)
        assert (got, ended(xapi, task)[1][0]) == (status, code), (query, got)
    for read_only in (xapi.call('VDI.snapshot', vdi), make_disk(xapi, read_only=True)):
        with begin_import(stack, xapi, read_only, MIB) as stream:
            assert stream.head()[0] == 500
        remove(xapi, read_only)
    remove(xapi, vdi)


def test_tasks_that_are_followed(stack):
    xapi = stack.json()
    vdi = make_disk(xapi)
    task = xapi.call('task.create', 'mine', '')
    assert put(stack, xapi, vdi, bytes(4 * MIB), task_id=task) == task
    assert xapi.call('task.get_status', task) == 'success'
    # not twice, not one that does not exist, not somebody else's
    for other, status in ((task, 403), ('OpaqueRef:none', 404)):
        with begin_import(stack, xapi, vdi, MIB, task_id=other) as stream:
            assert stream.head()[0] == status
    theirs = xapi.call('task.create', 'root\'s', '')
    admin = stack.json(user='vmadmin', password='secret')
    with begin_import(stack, admin, vdi, MIB, task_id=theirs) as stream:
        assert stream.head()[0] == 403
    # nor one that is under way
    with begin_import(stack, xapi, vdi, 4 * MIB, task_id=theirs) as stream:
        assert stream.head()[0] == 200
        with Stream(stack.url) as second:
            second.request('GET', '/export_raw_vdi', {'session_id': xapi.session, 'vdi': vdi, 'task_id': theirs})
            assert second.head()[0] == 403
        stream.send(bytes(4 * MIB))
        stream.rest()
    assert xapi.call('task.get_status', theirs) == 'success'
    remove(xapi, vdi)


def test_who_may(stack):
    xapi = stack.json()
    vdi = make_disk(xapi)
    for role in ROLES:
        user = stack.json(user=role.replace('-', ''), password='secret')
        task = user.call('task.create', role, '')
        with Stream(stack.url) as stream:
            stream.request('GET', '/export_raw_vdi', {'vdi': vdi, 'task_id': task},
                           {'Cookie': f'a=b; session_id={user.session}'})
            status, _ = stream.head()
            stream.rest()
        assert status == (200 if role in ROLES[:4] else 403), role
        if status == 403:
            assert ended(xapi, task)[1][:2] == ['RBAC_PERMISSION_DENIED', 'http/get_export_raw_vdi']
    query = {'vdi': vdi}
    status, headers = refused(stack, 'GET', '/export_raw_vdi', query)
    assert status == 401 and headers['www-authenticate'] == 'Basic realm="get_export_raw_vdi"', headers
    for wrong in (basic('root', 'wrong'), basic('nobody', PASSWORD), {'Authorization': 'Basic !!'},
                  {'Authorization': 'Bearer x'}, {'Authorization': 'Basic cm9vdA=='},
                  {'Cookie': 'session_id=OpaqueRef:none'}):
        assert refused(stack, 'GET', '/export_raw_vdi', query, wrong)[0] == 401, wrong
    for user, password, wanted in (('root', PASSWORD, 200), ('vmadmin', 'secret', 200), ('vmoperator', 'secret', 403)):
        with Stream(stack.url) as stream:
            stream.request('GET', '/export_raw_vdi', query, basic(user, password))
            assert stream.head()[0] == wanted, user
            stream.rest()
    # over the unix socket nobody is asked
    with Stream(stack.socket) as stream:
        stream.request('GET', '/export_raw_vdi', query)
        assert stream.head()[0] == 200
        assert len(stream.rest()) == 4 * MIB
    remove(xapi, vdi)


def test_whose_task_fails(stack):
    """That of who is refused, and nobody else's."""
    xapi = stack.json()
    vdi = make_disk(xapi)
    mine = xapi.call('task.create', 'mine', '')
    gone, reader, operator = stack.json(), stack.json(user='readonly', password='secret'), \
        stack.json(user='pooloperator', password='secret')
    gone_task = gone.call('task.create', 'gone', '')
    gone.call('session.logout')

    def is_refused(status, task, query=None, headers=None):
        assert refused(stack, 'GET', '/export_raw_vdi', {'vdi': vdi, 'task_id': task, **(query or {})},
                       headers)[0] == status, (query, headers)

    for status, headers in ((401, None), (401, basic('root', 'wrong')), (401, basic('nobody', 'x')),
                            (403, basic('readonly', 'secret')),
                            (403, {'Origin': 'https://evil.example', **basic('root', PASSWORD)})):
        is_refused(status, mine, headers=headers)
    for status, session in ((401, gone.session), (401, 'OpaqueRef:none'), (401, ''), (403, reader.session)):
        is_refused(status, mine, {'session_id': session})
    # whose session has ended has made the task
    is_refused(401, gone_task, {'session_id': gone.session})
    assert ended(xapi, gone_task)[1][0] == 'SESSION_INVALID'
    # who may cancel it may fail it, and is the first here
    is_refused(404, mine, {'session_id': operator.session, 'vdi': 'none'})
    assert ended(xapi, mine)[1][0] == 'HANDLE_INVALID'
    remove(xapi, vdi)


def test_a_disk_that_a_vm_has(stack):
    xapi = stack.json()
    vm = xapi.make_vm(disks=1)
    vbd, = xapi.call('VM.get_VBDs', vm)
    vdi = xapi.call('VBD.get_VDI', vbd)
    xapi.call('VM.start', vm, False, False)
    task = xapi.call('task.create', 'busy', '')
    with begin_import(stack, xapi, vdi, MIB, task_id=task) as stream:
        assert stream.head()[0] == 500
    assert ended(xapi, task)[1][:2] == ['VDI_IN_USE', vdi]
    with Stream(stack.url) as stream:
        stream.request('GET', '/export_raw_vdi', {'session_id': xapi.session, 'vdi': vdi})
        assert stream.head()[0] == 500
    xapi.call('VM.hard_shutdown', vm)
    put(stack, xapi, vdi, b'z' * MIB)
    xapi.call('VM.start', vm, False, False)
    xapi.remove_vm(vm)


def test_the_memory_of_a_vm(stack):
    """May be read, by those who may; but what is restored as root is what was saved."""
    xapi = stack.json()
    vm, other = xapi.make_vm('asleep'), xapi.make_vm('other')
    xapi.call('VM.start', vm, False, False)
    xapi.call('VM.suspend', vm)
    memory = xapi.call('VM.get_suspend_VDI', vm)
    before, _ = get(stack, xapi, memory)
    task = xapi.call('task.create', 'forged', '')
    with begin_import(stack, xapi, memory, MIB, task_id=task) as stream:
        assert stream.head()[0] == 403
    assert ended(xapi, task)[1] == ['VDI_INCOMPATIBLE_TYPE', memory, 'suspend']
    forged = make_disk(xapi, int(xapi.call('VDI.get_virtual_size', memory)))
    for mode in 'RW', 'RO':
        expect_error('VDI_INCOMPATIBLE_TYPE', xapi.call, 'VBD.create', {
            'VM': other, 'VDI': memory, 'userdevice': '0', 'bootable': False, 'mode': mode, 'type': 'Disk',
            'unpluggable': True, 'empty': False, 'other_config': {}, 'qos_algorithm_type': '',
            'qos_algorithm_params': {}})
    expect_error('VDI_INCOMPATIBLE_TYPE', xapi.call, 'VDI.copy', forged, NULL, NULL, memory)
    assert get(stack, xapi, memory)[0] == before
    xapi.call('VM.resume', vm, False, False)
    remove(xapi, forged)
    for each in vm, other:
        xapi.remove_vm(each)


def test_as_many_as_may(stack):
    """A session has half of what is left, so that others find a place; when all are taken, there is none for anybody."""
    shares = [8, 4, 2, 1, 1]
    assert sum(shares) == COPIES_MAX
    sessions = [stack.json() for _ in range(len(shares) + 1)]
    xapi = sessions[-1]
    streams, disks = [], [make_disk(xapi)]
    for session, share in zip(sessions, [*shares, 0]):
        for _ in range(share):
            disks.append(make_disk(xapi))
            streams.append(begin_import(stack, session, disks[-1], 4 * MIB))
            assert streams[-1].head()[0] == 200
        with begin_import(stack, session, disks[0], 4 * MIB) as stream:
            assert stream.head()[0] == 503
    streams[0].close()
    eventually(lambda: imports(stack, xapi, disks[0]))
    for stream in streams[1:]:
        stream.send(bytes(4 * MIB))
        stream.rest()
        stream.close()
    put(stack, sessions[0], disks[0], bytes(4 * MIB))
    for vdi in disks:
        eventually(lambda vdi=vdi: free_again(xapi, vdi))


def imports(stack, xapi, vdi):
    with begin_import(stack, xapi, vdi, 4 * MIB) as stream:
        if stream.head()[0] != 200:
            return False
        stream.send(bytes(4 * MIB))
        return stream.rest() == b''


def test_readers_together(stack):
    """Exports of one disk, slow and fast, while it is copied."""
    xapi = stack.json()
    vdi = make_disk(xapi, 16 * MIB)
    data = pattern(16 * MIB)
    put(stack, xapi, vdi, data)
    slow = Stream(stack.url)
    slow.request('GET', '/export_raw_vdi', {'session_id': xapi.session, 'vdi': vdi})
    slow.head()
    got = []
    threads = [threading.Thread(target=lambda: got.append(get(stack, xapi, vdi)[0])) for _ in range(4)]
    for thread in threads:
        thread.start()
    copy = xapi.call('VDI.copy', vdi, xapi.storage())
    for thread in threads:
        thread.join()
    assert got == [data] * 4
    assert slow.rest() == data
    slow.close()
    remove(xapi, copy)
    remove(xapi, vdi)


def free_again(xapi, vdi):
    try:
        xapi.call('VDI.destroy', vdi)
        return True
    except XapiError:
        return False


def test_transport_session(stack):
    """The session of a call is good for a transfer of another connection, and the other way round nothing is kept."""
    transport = JsonTransport(stack.url)
    session = transport.request('session.login_with_password', ['root', PASSWORD, '1.0', 'tests'])
    transport.close()
    with Stream(stack.url) as stream:
        stream.request('GET', '/export_raw_vdi', {'session_id': session, 'vdi': 'none'})
        assert stream.head()[0] == 404
