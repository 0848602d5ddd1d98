# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk up and down with what everybody has: curl (-T, -G, its Expect: 100-continue) and Python's http.client."""
import os
import subprocess

from harness.client import connection
from harness.stack import PASSWORD

QUICK = True
MIB = 1 << 20
SIZE = 4 * MIB
LONG = 256 * MIB       # more than the sockets between hold, so that there is something left to cut


def curl(*arguments):
    return subprocess.run(['curl', '--silent', '--show-error', '--insecure', '--fail', '--max-time', '60', *arguments],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def make_disk(xapi, size=SIZE):
    return xapi.call('VDI.create', {'name_label': 'disk', 'SR': xapi.storage(), 'virtual_size': size, 'type': 'user',
                                    'sharable': False, 'read_only': False, 'other_config': {}})


def destroy_disk(xapi, vdi):
    """A client may have all bytes of a disk before the server has let go of it."""
    xapi.wait_for('VDI', vdi, lambda r: not r['current_operations'])
    xapi.call('VDI.destroy', vdi)


def test_curl(stack, folder):
    xapi = stack.json()
    vdi = make_disk(xapi)
    (folder / 'image').write_bytes(os.urandom(SIZE))
    query = ['--data-urlencode', f'vdi={vdi}', '--data-urlencode', 'format=raw']
    where = ['--user', f'root:{PASSWORD}', f'{stack.url}/export_raw_vdi']
    task = xapi.call('task.create', 'curl', '')
    done = curl('--upload-file', folder / 'image', '--cookie', f'session_id={xapi.session}; task_id={task}',
                f'{stack.url}/import_raw_vdi?vdi={vdi}&format=raw')
    assert done.returncode == 0, done.stderr
    assert xapi.call('task.get_status', task) == 'success'
    done = curl('--get', *query, '--output', folder / 'copy', '--write-out', '%{content_type}', *where)
    assert (done.returncode, done.stdout) == (0, b'application/octet-stream'), done.stderr
    assert (folder / 'copy').read_bytes() == (folder / 'image').read_bytes()
    # over the unix socket, without a word about who it is
    done = curl('--get', *query, '--unix-socket', stack.socket, 'http://localhost/export_raw_vdi')
    assert done.stdout == (folder / 'image').read_bytes()
    # a body of unknown length has no place
    done = subprocess.run(['curl', '-sk', '-o', '/dev/null', '-w', '%{http_code}', '-T', '-',
                           f'{stack.url}/import_raw_vdi?vdi={vdi}&session_id={xapi.session}'], input=b'x' * SIZE,
                          stdout=subprocess.PIPE)
    assert done.stdout == b'403', done
    destroy_disk(xapi, vdi)
    # what is cut short is no success to curl
    vdi = make_disk(xapi, LONG)
    victim = subprocess.Popen(['curl', '-sk', '--limit-rate', '10M', '-o', '/dev/null',
                               f'{stack.url}/export_raw_vdi?vdi={vdi}&session_id={xapi.session}'])
    task = xapi.wait_for('VDI', vdi, lambda r: 'copy' in r['current_operations'].values())['current_operations']
    xapi.call('task.cancel', next(iter(task)))
    assert victim.wait(60) != 0
    destroy_disk(xapi, vdi)


def test_http_client(stack):
    xapi = stack.json()
    vdi = make_disk(xapi)
    data = os.urandom(SIZE)
    for target in (stack.url, stack.socket):
        http = connection(target)
        http.request('PUT', f'/import_raw_vdi?session_id={xapi.session}&vdi={vdi}', data)
        reply = http.getresponse()
        assert reply.status == 200 and reply.read() == b''
        assert xapi.call('task.get_status', reply.headers['task-id']) == 'success'
        http.close()
        http = connection(target)
        http.request('GET', f'/export_raw_vdi?session_id={xapi.session}&vdi={xapi.call("VDI.get_uuid", vdi)}')
        assert http.getresponse().read() == data
        http.close()
    destroy_disk(xapi, vdi)
