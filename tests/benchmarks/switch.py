# SPDX-License-Identifier: LGPL-2.1-or-later
"""Echo calls of 200 bytes over the switch, over a bare relay, and over other buses; everything on one processor."""
import socket

from harness.stack import build_folder

from .results import compare, rounds
from .tools import LOAD, Place, output, tool, wait_for

# Name, connections, outstanding calls on each; the relay to compare with, and what of its figure is wanted at least.
SHAPES = (('one at a time', 1, 1, 'relay', 0.80), ('16 connections', 16, 1, 'gathering relay', 0.55),
          ('16 outstanding', 1, 16, 'relay', 0.45))
PEERS = ('dbus-broker', 'redis', 'nats')


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def serves_tcp(port):
    with socket.socket() as probe:
        return probe.connect_ex(('127.0.0.1', port)) == 0


class Contender:
    """A bus with its echo server; `program` is called with what `call` gives."""

    def __init__(self, place, name):
        self.place, self.name = place, name
        self.target = place.folder / f'{name}.sock'
        self.program, self.protocol = tool('echo'), ['frame']
        getattr(self, 'start_' + name.replace('-', '_').replace(' ', '_'))()

    def serve(self, target=None):
        self.place.start(LOAD, self.program, *self.protocol, 'serve', target or self.target)

    def start_switch(self):
        state = self.place.folder / self.name
        self.place.start(LOAD, build_folder() / 'message-switch/message-switch', '--switch-path', self.target,
                         '--runtime', state, '--state', state)
        wait_for(self.target.exists, 'message-switch')
        self.serve()

    def start_library(self):
        self.program, self.protocol = tool('echo-library'), []
        self.start_switch()

    def start_relay(self, kind='pairs'):
        self.protocol, behind = ['relayed'], self.place.folder / f'{kind}.sock'
        self.serve(behind)
        self.place.start(LOAD, tool('relay'), kind, self.target, behind)

    def start_gathering_relay(self):
        self.start_relay('gather')

    def start_dbus_broker(self):
        self.protocol = ['dbus']
        self.place.start(LOAD, tool('dbus-controller'), self.target)
        self.serve()

    def start_redis(self):
        self.protocol = ['redis']
        self.place.start(LOAD, 'redis-server', '--port', 0, '--unixsocket', self.target, '--save', '',
                         '--appendonly', 'no', '--dir', self.place.folder)
        wait_for(self.target.exists, 'redis-server')
        self.serve()

    def start_nats(self):
        self.protocol, self.target = ['nats'], free_port()
        self.place.start(LOAD, 'nats-server', '-a', '127.0.0.1', '-p', self.target)
        wait_for(lambda: serves_tcp(self.target), 'nats-server')
        self.serve()

    def call(self, connections, outstanding, msec):
        return float(output(LOAD, self.program, *self.protocol, 'call', self.target, connections, outstanding, msec))

    def wait(self, threads, msec):
        return float(output(LOAD, self.program, 'wait', self.target, threads, 1, msec))


def measure(scale):
    rows = []
    with Place() as place:
        contenders = {name: Contender(place, name) for name in ('relay', 'gathering relay', 'switch', 'library', *PEERS)}
        for shape, connections, outstanding, relay, at_least in SHAPES:
            taken = rounds(scale.rounds, {
                name: lambda c=contender: c.call(connections, outstanding, scale.msec)
                for name, contender in contenders.items()})
            rows.append(compare(f'switch, ready-made frames: {shape}', 'calls/s', taken, 'switch', relay, at_least))
            for ours in ('switch', 'library'):
                rows += [compare(f'{ours}: {shape}', 'calls/s', taken, ours, peer, 1.0) for peer in PEERS]
        taken = rounds(scale.rounds, {
            'waiting threads': lambda: contenders['library'].wait(16, scale.msec),
            'library': lambda: contenders['library'].call(1, 16, scale.msec)})
        rows.append(compare('library: 16 threads that wait, one connection', 'calls/s', taken, 'waiting threads',
                            'library'))
    return rows, {}
