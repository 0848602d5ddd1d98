# SPDX-License-Identifier: LGPL-2.1-or-later
"""Malformed, huge, nested and truncated requests get an error and cost nothing: the server goes on as before."""
import concurrent.futures
import json
import socket
import ssl
import urllib.parse

from harness.client import connection, tls_context

QUICK = True
SANITIZED = True
DEEP = 100_000
HUGE_BYTES = 64 << 20
ANSWER_SEC = 30


def post(stack, path, body, content_type='application/json'):
    http = connection(stack.url)
    http.request('POST', path, body, {'Content-Type': content_type})
    reply = http.getresponse()
    text = reply.read()
    http.close()
    return reply.status, text


def raw_socket(stack):
    parts = urllib.parse.urlsplit(stack.url)
    plain = socket.create_connection((parts.hostname, parts.port), timeout=ANSWER_SEC)
    return tls_context().wrap_socket(plain)


def still_serves(stack):
    assert stack.json().call('pool.get_all')


def is_refused(status, text):
    """An HTTP error, or a reply that is an error in its own dialect."""
    if status >= 400:
        return True
    return b'"error"' in text and b'"error":null' not in text or b'Failure' in text


def check_refused(stack, bodies, path, content_type):
    for body in bodies:
        status, text = post(stack, path, body, content_type)
        assert is_refused(status, text), (body[:80], status, text[:200])
    still_serves(stack)


def test_malformed_json(stack):
    check_refused(stack, [
        b'', b'{', b'null', b'[]', b'"x"', b'{}', b'{"method":1,"params":[],"id":1}',
        b'{"method":"VM.get_all","params":[1e999],"id":1}', b'{"method":"VM.get_all","params":["\\ud800"],"id":1}',
        b'{"method":"VM.get_all","params":["\xff\xfe"],"id":1}', b'{"method":"VM.get_all","params":[]} trailing',
        b'{"jsonrpc":"3.0","method":"VM.get_all","params":[],"id":1}', b'\x00' * 100,
    ], '/jsonrpc', 'application/json')


def test_malformed_xml(stack):
    check_refused(stack, [
        b'', b'<', b'<methodCall>', b'<methodCall/>', b'text', b'<methodCall><methodName>VM.get_all</methodName>',
        b'<methodCall><methodName>VM.get_all</methodName><params><param><value><i4>x</i4></value></param></params>'
        b'</methodCall>',
        b'<methodCall><methodName>VM.get_all</methodName><params><param><value>\xff\xfe</value></param></params>'
        b'</methodCall>',
    ], '/RPC2', 'text/xml')


def test_entities_are_refused(stack):
    lol = '<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">' + ''.join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)) + ']>'
    call = '<methodCall><methodName>VM.get_all</methodName><params><param><value>&j;</value></param></params></methodCall>'
    file = '<!DOCTYPE l [<!ENTITY j SYSTEM "file:///etc/passwd">]>'
    for doctype in (lol, file):
        status, text = post(stack, '/RPC2', ('<?xml version="1.0"?>' + doctype + call).encode(), 'text/xml')
        assert is_refused(status, text) and b'root:' not in text, (status, text[:200])
    still_serves(stack)


def test_deep_nesting(stack):
    nested = b'{"method":"VM.get_all","id":1,"params":' + b'[' * DEEP + b']' * DEEP + b'}'
    check_refused(stack, [nested], '/jsonrpc', 'application/json')
    nested = (b'<methodCall><methodName>VM.get_all</methodName><params><param>' + b'<value><array><data>' * DEEP +
              b'</data></array></value>' * DEEP + b'</param></params></methodCall>')
    check_refused(stack, [nested], '/RPC2', 'text/xml')


def test_huge_body_is_refused_before_it_is_read(stack):
    with raw_socket(stack) as tls:
        tls.sendall(b'POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
                    b'Content-Length: %d\r\n\r\n' % (1 << 50))
        assert tls.recv(100).split(b' ')[1] in (b'400', b'413', b'403', b'500')
    still_serves(stack)


def test_large_string_is_only_a_string(stack):
    status, text = post(stack, '/jsonrpc', json.dumps(
        {'jsonrpc': '2.0', 'id': 1, 'method': 'VM.get_all', 'params': ['x' * (1 << 20)]}).encode())
    assert status == 200 and b'SESSION_INVALID' in text
    still_serves(stack)


def test_truncated_requests(stack):
    whole = (b'POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 57\r\n\r\n'
             b'{"method":"system.listMethods","params":[],"id":1}       ')
    for length in range(0, len(whole) - 1, 11):
        with raw_socket(stack) as tls:
            tls.sendall(whole[:length])
    still_serves(stack)


BAD_HEADS = [
    b'GARBAGE\r\n\r\n', b'POST\r\n\r\n', b'POST / HTTP/9.9\r\n\r\n', b'\x16\x03\x01\x00\x00' * 10,
    b'POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n',
    b'POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    b'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n',
    b'GET /' + b'a' * 1_000_000 + b' HTTP/1.1\r\n\r\n', b'GET / HTTP/1.1\r\n' + b'X: y\r\n' * 100_000 + b'\r\n']


def test_bad_heads(stack):
    def send(head):
        """-> the answer; empty when the connection is closed on us, which is one too."""
        with raw_socket(stack) as tls:
            try:
                tls.sendall(head)
                return tls.recv(100)
            except (ConnectionError, ssl.SSLError):
                return b''
    with concurrent.futures.ThreadPoolExecutor(len(BAD_HEADS)) as pool:
        for head, answer in zip(BAD_HEADS, pool.map(send, BAD_HEADS)):
            assert answer == b'' or answer.split(b' ')[1] >= b'300', (head[:60], answer)
    still_serves(stack)


def test_plain_text_on_the_tls_port(stack):
    parts = urllib.parse.urlsplit(stack.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=ANSWER_SEC) as plain:
        plain.sendall(b'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
        try:
            plain.recv(1000)
        except ConnectionError:
            pass
    still_serves(stack)
