# SPDX-License-Identifier: LGPL-2.1-or-later
"""The npm package xen-api, over each of its transports."""
import os
import subprocess
from pathlib import Path

from harness.stack import PASSWORD

QUICK = True
SCRIPT = Path(__file__).with_name('xen-api.mjs')
CASES = ['objects_fetched', 'barrier', 'call_async', 'watch_task', 'setters', 'disk_streams', 'wrong_password', 'many_connections']
CASE_SEC = 120


def node(*arguments):
    return subprocess.run(['node', SCRIPT, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=CASE_SEC,
                          env={**os.environ, 'NODE_NO_WARNINGS': '1', 'DEBUG': '*'})


def case(name, transport):
    def test(stack):
        done = node(stack.url, PASSWORD, transport, name)
        assert done.returncode == 0, done.stdout
    test.__name__ = f'test_{name}_{transport.replace("-", "_")}'
    return test


for _name in CASES:
    for _transport in ('json-rpc', 'xml-rpc'):
        _test = case(_name, _transport)
        globals()[_test.__name__] = _test


def test_cases_are_all_listed():
    assert node('', '', '', 'list').stdout.split() == CASES


def test_transport_is_found_by_itself(stack):
    done = node(stack.url, PASSWORD, 'auto', 'objects_fetched')
    assert done.returncode == 0, done.stdout
