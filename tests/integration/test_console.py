# SPDX-License-Identifier: LGPL-2.1-or-later
"""Consoles of simulated guests: by CONNECT and by WebSocket, to the terminal and to the screen."""
import signal
import struct

from harness.client import eventually
from harness.stack import PASSWORD
from harness.stream import Stream, WebSocket, basic

QUICK = True
SANITIZED = True
ROLES = ['pool-admin', 'pool-operator', 'vm-power-admin', 'vm-admin', 'vm-operator', 'read-only']
CONSOLES_MAX = 300
STACK = {'users': {role.replace('-', ''): ('secret', role) for role in ROLES},
         'settings': {'xapi-core': {'login-delay-msec': 10, 'consoles-max': CONSOLES_MAX}}}
GREETING = b'the console of a simulated guest'


def start_vm(xapi, name='guest', hvm=False):
    vm = xapi.make_vm(name)
    if hvm:
        xapi.call('VM.set_HVM_boot_policy', vm, 'BIOS order')
    xapi.call('VM.start', vm, False, False)
    return vm


def consoles(xapi, vm):
    """-> protocol -> record."""
    return {r['protocol']: r for r in (xapi.call('console.get_record', c) for c in xapi.call('VM.get_consoles', vm))}


def connect(stack, query, headers=None, target=None, version='1.1'):
    stream = Stream(target or stack.url)
    stream.request('CONNECT', '/console', query, headers, version)
    return stream


def refused(stack, query, headers=None, method='CONNECT'):
    with Stream(stack.url) as stream:
        stream.request(method, '/console', query, headers)
        return stream.head()[0]


def test_records(stack):
    xapi = stack.json()
    vm = xapi.make_vm('halted')
    assert xapi.call('VM.get_consoles', vm) == []
    xapi.call('VM.start', vm, True, False)
    terminal, = consoles(xapi, vm).values()
    address = xapi.call('host.get_address', xapi.call('host.get_all')[0])
    assert terminal['protocol'] == 'vt100' and terminal['VM'] == vm, terminal
    assert terminal['location'] == f'https://{address}/console?uuid={terminal["uuid"]}'
    xapi.call('VM.unpause', vm)
    assert consoles(xapi, vm) == {'vt100': terminal}
    xapi.call('VM.clean_reboot', vm)
    assert list(consoles(xapi, vm)) == ['vt100']
    xapi.call('VM.hard_shutdown', vm)
    assert xapi.call('VM.get_consoles', vm) == []
    xapi.remove_vm(vm)


def test_terminal(stack):
    xapi = stack.json()
    vm = start_vm(xapi, 'Ärger 1')
    uuid = consoles(xapi, vm)['vt100']['uuid']
    for query, target, version in (({'uuid': uuid}, stack.url, '1.1'), ({'uuid': uuid}, stack.socket, '1.0'),
                                   ({'ref': vm}, stack.url, '1.0'),
                                   ({'uuid': xapi.call('VM.get_uuid', vm)}, stack.url, '1.1'),
                                   ({'ref': xapi.call('VM.get_consoles', vm)[0]}, stack.url, '1.1')):
        with connect(stack, {'session_id': xapi.session, **query}, target=target, version=version) as stream:
            assert stream.head()[0] == 200
            assert 'Ärger 1'.encode() in stream.until(GREETING)
            stream.until(b'# ')
            stream.send(b'hello\r')
            assert stream.until(b'# ') == b'hello\r\nhello\r\n# '
    with connect(stack, {'session_id': xapi.session, 'uuid': uuid}) as stream:
        stream.head()
        stream.until(b'# ')
        xapi.call('VM.clean_shutdown', vm)
        assert b'The guest has shut down.' in stream.rest()
    assert refused(stack, {'session_id': xapi.session, 'uuid': uuid}) == 404
    assert refused(stack, {'session_id': xapi.session, 'ref': vm}) == 503
    xapi.remove_vm(vm)


def handshake(read, write, name):
    """As a client of RFB does it -> width, height."""
    assert read(12) == b'RFB 003.008\n'
    write(b'RFB 003.008\n')
    assert read(2) == b'\x01\x01'
    write(b'\x01')
    assert read(4) == bytes(4)
    write(b'\x01')
    width, height = struct.unpack('>HH', read(4))
    assert read(16)[:4] == b'\x20\x18\x00\x01'
    length, = struct.unpack('>I', read(4))
    assert read(length) == name
    return width, height


def test_screen(stack):
    xapi = stack.json()
    vm = start_vm(xapi, 'screen', hvm=True)
    assert sorted(consoles(xapi, vm)) == ['rfb', 'vt100']
    with connect(stack, {'session_id': xapi.session, 'ref': vm}) as stream:      # a VM's own is its screen
        assert stream.head()[0] == 200
        width, height = handshake(stream.exactly, stream.send, b'screen')
        stream.send(struct.pack('>BBHHHH', 3, 0, 0, 0, width, height))
        assert stream.exactly(16) == struct.pack('>BBHHHHHi', 0, 0, 1, 0, 0, width, height, 0)
        assert len(stream.exactly(width * height * 4)) == width * height * 4
    with Stream(stack.url) as stream:
        socket = WebSocket(stream, '/console', {'uuid': consoles(xapi, vm)['rfb']['uuid']},
                           {'Cookie': f'session_id={xapi.session}'})
        assert (socket.status, socket.headers['sec-websocket-protocol']) == (101, 'binary')
        ahead = bytearray()

        def read(n):
            while len(ahead) < n:
                opcode, data = socket.receive()
                assert opcode == 2
                ahead.extend(data)
            data = bytes(ahead[:n])
            del ahead[:n]
            return data
        handshake(read, socket.send, b'screen')
        socket.frame(0x89, b'are you there')
        assert socket.receive() == (10, b'are you there')
        xapi.call('VM.hard_shutdown', vm)
        assert socket.receive() == (8, b'\x03\xe8')
        socket.frame(0x88, b'\x03\xe8')
        assert stream.rest() == b''
    xapi.remove_vm(vm)


def test_websocket_terminal(stack):
    xapi = stack.json()
    vm = start_vm(xapi)
    for protocol in ('binary', 'base64, binary', None):
        with Stream(stack.url) as stream:
            socket = WebSocket(stream, '/console', {'session_id': xapi.session, 'ref': vm}, protocol=protocol)
            assert socket.status == 101
            assert socket.headers.get('sec-websocket-protocol') == (protocol and 'binary')
            socket.until(b'# ')
            socket.frame(0x81, b'as text\r')
            socket.until(b'\r\nas text\r\n# ')
            socket.frame(0x02, b'in p')
            socket.frame(0x80, b'ieces\r')
            socket.until(b'\r\nin pieces\r\n# ')
            socket.frame(0x88, b'\x03\xe8')
            assert socket.receive() == (8, b'\x03\xe8')
            assert stream.rest() == b''
    with Stream(stack.url) as stream:
        socket = WebSocket(stream, '/console', {'session_id': xapi.session, 'ref': vm})
        socket.until(b'# ')
        stream.send(b'\x82\x01x')       # not masked
        assert socket.receive() == (8, b'\x03\xea')
    query = {'session_id': xapi.session, 'ref': vm}
    assert refused(stack, query, method='GET') == 400
    upgrade = {'Upgrade': 'websocket', 'Connection': 'Upgrade', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ=='}
    assert refused(stack, query, {**upgrade, 'Sec-WebSocket-Version': '8'}, 'GET') == 426
    xapi.remove_vm(vm)


def test_who_may(stack):
    xapi = stack.json()
    vm = start_vm(xapi)
    for role in ROLES:
        user = stack.json(user=role.replace('-', ''), password='secret')
        with connect(stack, {'ref': vm}, {'Cookie': f'session_id={user.session}'}) as stream:
            assert stream.head()[0] == (403 if role == 'read-only' else 200), role
    with connect(stack, {'ref': vm}, basic('vmoperator', 'secret')) as stream:
        assert stream.head()[0] == 200
    assert refused(stack, {'ref': vm}) == 401
    assert refused(stack, {'ref': vm}, basic('root', 'wrong')) == 401
    assert refused(stack, {'ref': vm, 'session_id': 'OpaqueRef:none'}) == 401
    session = {'session_id': xapi.session}
    assert refused(stack, session) == 400
    assert refused(stack, {**session, 'ref': 'OpaqueRef:none'}) == 404
    assert refused(stack, {**session, 'uuid': 'none'}) == 404
    # the host's own console, which is not there yet, is for administrators
    dom0, = (ref for ref, r in xapi.call('VM.get_all_records').items() if r['is_control_domain'])
    operator = stack.json(user='vmoperator', password='secret')
    assert refused(stack, {**session, 'ref': dom0}) == 501
    assert refused(stack, {'session_id': operator.session, 'ref': dom0}) == 403
    xapi.remove_vm(vm)


def test_pages_of_other_sites(stack):
    """A browser adds its user's cookies and passwords to what any page sends, and says whose page it is."""
    xapi = stack.json()
    vm = start_vm(xapi)
    cookie, query = {'Cookie': f'session_id={xapi.session}'}, {'ref': vm, 'session_id': xapi.session}
    ours = ['https://x', 'HTTPS://X', 'https://x:443']         # the host is x in these tests
    others = ['https://evil.example', 'https://x.evil.example', 'https://x:8443', 'http://x', 'null', '', 'https://', 'x',
              'https://evil.example/https://x', 'https://x@evil.example']

    def opened(origin, query, headers):
        with Stream(stack.url) as stream:
            return WebSocket(stream, '/console', query, {'Origin': origin, **headers}).status

    for origin in ours:
        for query_and_headers in (({'ref': vm}, cookie), ({'ref': vm}, basic('root', PASSWORD)), (query, {})):
            assert opened(origin, *query_and_headers) == 101, (origin, query_and_headers)
    for origin in others:
        assert opened(origin, {'ref': vm}, cookie) == 403, origin
        assert opened(origin, {'ref': vm}, basic('root', PASSWORD)) == 403, origin
        assert opened(origin, {**query, 'session_id': 'OpaqueRef:none'}, cookie) == 403, origin
        assert opened(origin, query, {}) == 101, origin        # this page has been told the session
    xapi.remove_vm(vm)


def test_task(stack):
    xapi = stack.json()
    vm = start_vm(xapi)
    task = xapi.call('task.create', 'console', '')
    with connect(stack, {'session_id': xapi.session, 'ref': vm, 'task_id': task}) as stream:
        assert stream.head()[0] == 200
        assert xapi.call('task.get_status', task) == 'pending'
    assert xapi.wait_task(task)['status'] == 'success'
    task = xapi.call('task.create', 'console', '')
    assert refused(stack, {'session_id': xapi.session, 'ref': 'none', 'task_id': task}) == 404
    assert xapi.wait_task(task)['status'] == 'failure'
    xapi.remove_vm(vm)


def threads(stack, daemon):
    text = open(f'/proc/{stack.pid(daemon)}/status').read()
    return int(text.split('Threads:')[1].split()[0])


def test_hundreds(stack):
    """No thread each; and as many as may, not one more: a session has half of what is left."""
    xapi = stack.json()
    vm = start_vm(xapi)
    open_ones, left = [], CONSOLES_MAX
    while left:
        query = {'session_id': stack.json().session, 'ref': vm}
        share = (left + 1) // 2
        for _ in range(share):
            open_ones.append(connect(stack, query))
            assert open_ones[-1].head()[0] == 200
        assert refused(stack, query) == 503
        left -= share
    query = {'session_id': xapi.session, 'ref': vm}
    assert refused(stack, query) == 503
    for i, stream in enumerate(open_ones):
        stream.until(b'# ')
        stream.send(b'%d\r' % i)
    for i, stream in enumerate(open_ones):
        assert stream.until(b'# ') == b'%d\r\n%d\r\n# ' % (i, i)
    assert threads(stack, 'xapi-core') < 100, threads(stack, 'xapi-core')
    for stream in open_ones:
        stream.close()
    eventually(lambda: can_connect(stack, query))
    xapi.remove_vm(vm)


def can_connect(stack, query):
    with connect(stack, query) as stream:
        return stream.head()[0] == 200


def test_flood(stack):
    """A guest that never stops, and clients that do not read: others are served, and nothing piles up."""
    xapi = stack.json()
    vm = start_vm(xapi)
    query = {'session_id': xapi.session, 'ref': vm}
    flooded = [connect(stack, query) for _ in range(4)]
    for stream in flooded:
        stream.head()
        stream.until(b'# ')
        stream.send(b'yes\r')
    quiet = connect(stack, query)
    quiet.head()
    quiet.until(b'# ')
    for i in range(50):
        quiet.send(b'x\r')
        quiet.until(b'# ')
        flooded[0].exactly(100000)
    flooded[0].send(b'\x03')
    while b'^C' not in flooded[0].receive():
        pass
    resident = int(open(f'/proc/{stack.pid("xapi-core")}/statm').read().split()[1]) * 4096
    assert resident < 400 << 20, resident
    for stream in [quiet, *flooded]:
        stream.close()
    xapi.remove_vm(vm)


def test_one_at_a_time(stack):
    """Where the pool says so: one for each VM, and none by WebSocket."""
    xapi = stack.json()
    pool, = xapi.call('pool.get_all')
    vms = [start_vm(xapi, f'limited {i}') for i in range(2)]
    queries = [{'session_id': xapi.session, 'ref': vm} for vm in vms]
    with connect(stack, queries[0]) as first:
        assert first.head()[0] == 200
        xapi.call('pool.set_limit_console_sessions', pool, True)
        assert refused(stack, queries[0]) == 503
        assert can_connect(stack, queries[1])
        with Stream(stack.url) as stream:
            assert WebSocket(stream, '/console', queries[1]).status == 503
    eventually(lambda: can_connect(stack, queries[0]))
    xapi.call('pool.set_limit_console_sessions', pool, False)
    with connect(stack, queries[0]) as first:
        assert first.head()[0] == 200
        assert can_connect(stack, queries[0])
    for vm in vms:
        xapi.remove_vm(vm)


def test_xenopsd_dies(fresh):
    """A simulated guest's console is xenopsd's: its client sees an end, and reaches it again."""
    xapi = fresh.json()
    vm = start_vm(xapi)
    query = {'session_id': xapi.session, 'ref': vm}
    with connect(fresh, query) as stream:
        stream.head()
        stream.until(b'# ')
        fresh.kill('xenopsd')
        assert stream.rest() == b''
    eventually(lambda: can_connect(fresh, query))


def test_the_server_dies(fresh):
    xapi = fresh.json()
    vm = start_vm(xapi)
    for number in (signal.SIGKILL, signal.SIGTERM):
        with connect(fresh, {'session_id': xapi.session, 'ref': vm}) as stream:
            stream.head()
            stream.until(b'# ')
            fresh.kill('xapi-core', number)
            assert stream.rest() == b''
        xapi = eventually(lambda: login(fresh))


def login(stack):
    try:
        return stack.json()
    except OSError:
        return None
