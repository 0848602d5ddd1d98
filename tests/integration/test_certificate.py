# SPDX-License-Identifier: LGPL-2.1-or-later
"""The certificate is made once, kept, and can be replaced without a restart."""
import os
import ssl
import subprocess
import urllib.parse

from harness.client import connection, eventually, tls_context

QUICK = True


def shown(stack):
    parts = urllib.parse.urlsplit(stack.url)
    return ssl.get_server_certificate((parts.hostname, parts.port))


def text(pem, *options):
    return subprocess.run(['openssl', 'x509', '-noout', *options], input=pem, stdout=subprocess.PIPE, text=True,
                          check=True).stdout


def test_is_rsa_and_kept(fresh):
    before = shown(fresh)
    assert 'rsaEncryption' in text(before, '-text')
    assert fresh.certificate.stat().st_mode & 0o077 == 0, 'others can read the key'
    fresh.kill('xapi-core')
    assert eventually(lambda: serves(fresh)) and shown(fresh) == before


def serves(stack):
    try:
        return shown(stack)
    except OSError:
        return None


def test_replaced_without_a_restart(fresh):
    pid, before, xapi = fresh.pid('xapi-core'), shown(fresh), fresh.json()
    fingerprint = fresh.status()['fingerprint']
    new = fresh.folder / 'new.pem'
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', fresh.folder / 'key.pem',
                    '-out', fresh.folder / 'cert.pem', '-subj', '/CN=replaced', '-days', '30'], check=True,
                   stderr=subprocess.DEVNULL)
    new.write_text((fresh.folder / 'key.pem').read_text() + (fresh.folder / 'cert.pem').read_text())
    os.rename(new, fresh.certificate)
    eventually(lambda: shown(fresh) != before)
    assert 'CN = replaced' in text(shown(fresh), '-subject')
    assert xapi.call('pool.get_all'), 'an open connection was cut'
    http = connection(fresh.url)
    http._context = tls_context(fresh.certificate)
    http.connect()
    assert fresh.pid('xapi-core') == pid
    assert fresh.status()['fingerprint'] != fingerprint


def test_broken_replacement_changes_nothing(fresh):
    before = shown(fresh)
    kept = fresh.certificate.read_bytes()
    fresh.certificate.write_text('not a certificate')
    assert shown(fresh) == before
    assert fresh.json().call('pool.get_all')
    fresh.certificate.write_bytes(kept)
