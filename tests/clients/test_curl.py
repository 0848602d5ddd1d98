# SPDX-License-Identifier: LGPL-2.1-or-later
"""curl, with requests written by hand."""
import json
import subprocess

from harness.stack import PASSWORD

QUICK = True


def curl(*arguments, data=None):
    done = subprocess.run(['curl', '--silent', '--show-error', '--max-time', '60', *arguments,
                           *(['--data-binary', '@-'] if data is not None else [])],
                          input=data and data.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def json_call(where, method, params, version='2.0'):
    request = {'method': method, 'params': params, 'id': 'curl'}
    if version:
        request['jsonrpc'] = version
    return json.loads(curl(*where, '--header', 'Content-Type: application/json', data=json.dumps(request)))


def https(stack):
    return '--cacert', str(stack.certificate), '--insecure', f'{stack.url}/jsonrpc'


def socket(stack):
    return '--unix-socket', str(stack.socket), 'http://localhost/jsonrpc'


def check(where, password):
    reply = json_call(where, 'session.login_with_password', ['root', password])
    assert set(reply) == {'jsonrpc', 'result', 'id'} and reply['id'] == 'curl'
    session = reply['result']
    assert len(json_call(where, 'host.get_all', [session])['result']) == 1
    assert json_call(where, 'host.get_all', [session], version=None)['error'] is None
    reply = json_call(where, 'VM.get_record', [session, 'OpaqueRef:no'])
    assert reply['error'] == {'code': 1, 'message': 'HANDLE_INVALID', 'data': ['VM', 'OpaqueRef:no']}
    reply = json_call(where, 'VM.get_record', [session, 'OpaqueRef:no'], version=None)
    assert reply == {'result': None, 'error': ['HANDLE_INVALID', 'VM', 'OpaqueRef:no'], 'id': 'curl'}


def test_json_over_https(stack):
    check(https(stack), PASSWORD)


def test_json_over_the_socket(stack):
    check(socket(stack), 'any')


def test_headers(stack):
    text = curl('--insecure', '--include', '--header', 'Content-Type: application/json', f'{stack.url}/jsonrpc',
                data='{"jsonrpc": "2.0", "method": "system.listMethods", "params": [], "id": 1}')
    head = text.partition('\r\n\r\n')[0].lower()
    assert head.startswith('http/1.1 200 ok')
    assert '\r\ncontent-type: application/json\r\n' in head + '\r\n'
    assert '\r\naccess-control-allow-origin: *' in head


def test_expect_continue(stack):
    """curl asks before it sends a large body."""
    session = json_call(https(stack), 'session.login_with_password', ['root', PASSWORD, '1.0', 'curl'])['result']
    pool = json_call(https(stack), 'pool.get_all', [session])['result'][0]
    assert json_call(https(stack), 'pool.set_name_description', [session, pool, 'x' * 200_000])['result'] == ''
    assert len(json_call(https(stack), 'pool.get_name_description', [session, pool])['result']) == 200_000


def test_certificate_is_what_the_status_says(stack):
    text = subprocess.run(['openssl', 's_client', '-connect', stack.url.removeprefix('https://')],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    shown = subprocess.run(['openssl', 'x509', '-noout', '-fingerprint', '-sha256'], input=text,
                           stdout=subprocess.PIPE, text=True).stdout.strip()
    assert shown.partition('=')[2] == stack.status()['fingerprint']
