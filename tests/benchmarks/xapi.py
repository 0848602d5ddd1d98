# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stacks to measure, on a processor of their own, and requests to them as bytes."""
import contextlib
import http.client
import json
import os

from harness.client import connection
from harness.stack import Stack

from .tools import SERVERS, Place, output, tool

HEAD = 'POST /jsonrpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n'


@contextlib.contextmanager
def affinity(cpus):
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Measured(Place):
    """A stack with a session, for the time of a `with`; on the servers' processor unless `cpus` says otherwise."""

    def __init__(self, vms=0, cpus=(SERVERS,), settings=None, environment=None):
        super().__init__()
        self.vms, self.cpus, self.settings, self.environment = vms, cpus, settings, environment or {}     # {folder} in its values is ours

    def __enter__(self):
        super().__enter__()
        before = dict(os.environ)
        os.environ.update({name: value.format(folder=self.folder) for name, value in self.environment.items()})
        try:
            with affinity(self.cpus):
                self.stack = Stack(vms=self.vms, settings=self.settings)
        except BaseException:
            self.close()
            raise
        finally:
            for name in self.environment.keys() - before.keys():
                del os.environ[name]
        self.callback(self.stack.down)
        self.https = self.stack.url.removeprefix('https://')
        self.api = self.stack.json(self.stack.socket)
        return self

    def body(self, method, *params):
        return json.dumps({'jsonrpc': '2.0', 'method': method, 'params': [self.api.session, *params], 'id': 1},
                          separators=(',', ':'))

    def request(self, method, *params):
        body = self.body(method, *params)
        return (HEAD.format(len(body)) + body).encode()

    def answer(self, method, *params):
        """-> the bytes of the reply's body."""
        link = connection(self.stack.url)
        link.request('POST', '/jsonrpc', self.body(method, *params), {'Content-Type': 'application/json'})
        reply = link.getresponse()
        data = reply.read()
        link.close()
        if reply.status != http.client.OK or b'"error":{' in data[:200]:
            raise RuntimeError(f'{method}: {reply.status} {data[:300]}')
        return data

    def load(self, cpu, target, request, connections, msec):
        """-> what http-load measured."""
        path = self.folder / 'request'
        path.write_bytes(request)
        return json.loads(output(cpu, tool('http-load'), target, path, connections, msec))

    def vm_refs(self):
        """Of those that are neither templates nor the control domain."""
        return [ref for ref, record in self.api.call('VM.get_all_records').items()
                if not record['is_a_template'] and not record['is_control_domain']]
