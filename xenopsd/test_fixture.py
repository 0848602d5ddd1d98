# SPDX-License-Identifier: LGPL-2.1-or-later
"""A switch and an xenopsd of a test's own. Arguments of the test: the switch, xenopsd, xenops-cli."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

SWITCH, XENOPSD, CLI = sys.argv[1:4]
GUEST_DELAY_MS = 20


class Stack(unittest.TestCase):
    def configuration(self):
        """-> what the [daemon] of xenopsd.conf says."""
        raise NotImplementedError

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name
        self.path = os.path.join(self.folder, 'sock')
        self.config = os.path.join(self.folder, 'config')
        with open(self.config, 'w') as file:
            file.write('[daemon]\n' + self.configuration())
        policy = os.path.join(self.folder, 'policy')
        with open(policy, 'w'):
            pass
        config = os.path.join(self.folder, 'switch-config')
        with open(config, 'w') as file:
            file.write('[daemon]\ngrace-msec=0\n')     # where there is no squeezed, none is waited for
        self.switch = self.spawn(SWITCH, '--policy', policy, '--config', config)
        self.addCleanup(self.stop, 'switch')
        self.up()
        self.addCleanup(self.stop, 'xenopsd')

    def spawn(self, program, *arguments):
        ready, wait = os.pipe()
        with open(os.path.join(self.folder, 'log'), 'a') as log:
            process = subprocess.Popen(
                [program, '--state', os.path.join(self.folder, 'state'), '--runtime', os.path.join(self.folder, 'run'),
                 '--switch-path', self.path, '--ready-fd', str(wait), *arguments], pass_fds=[wait], stderr=log)
        os.close(wait)
        self.assertEqual(os.read(ready, 1), b'\n', 'it did not become ready:\n' + self.log())
        os.close(ready)
        return process

    def log(self):
        with open(os.path.join(self.folder, 'log')) as file:
            return file.read()

    def up(self):
        self.xenopsd = self.spawn(XENOPSD, '--config', self.config)

    def stop(self, name):
        process = getattr(self, name)
        process.terminate()
        self.assertEqual(process.wait(timeout=60), 0, self.log())

    def kill(self):
        self.xenopsd.kill()
        self.xenopsd.wait()


class Daemon(Stack):
    """On the simulator, asked by xenops-cli."""
    settings = ''       # more of [daemon]

    def configuration(self):
        return f'backend=simulator\nsimulator-guest-delay-ms={GUEST_DELAY_MS}\n{self.settings}'

    def begin(self, *arguments):
        return subprocess.Popen([CLI, '--switch-path', self.path, *arguments], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def end(self, process, status=0):
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, status, (process.args, out, err))
        return out if status == 0 else err

    def cli(self, *arguments, status=0):
        return self.end(self.begin(*arguments), status)

    def call(self, method, **params):
        words = [word for name, value in params.items() for word in (f'--{name}', json.dumps(value)
                 if not isinstance(value, str) else value)]
        out = self.cli('call', method, *words)
        return json.loads(out) if out else None

    def create(self, name='vm'):
        return self.cli('create', name).strip()

    def state(self, vm):
        return self.call('VM.stat', id=vm)[1]

    def await_state(self, vm, wanted):
        """Waits for events until the VM is so."""
        last = self.call('UPDATES.last_id')
        while (found := self.state(vm))['power_state'] != wanted:
            last = self.call('UPDATES.get', last_id=last, timeout=30)[2]
        return found

    def eventually(self, so):
        for _ in range(2000):
            if so():
                return
        self.fail('it never was so')
