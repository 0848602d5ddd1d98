#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xenopsd beside an sm-daemon and a squeezed that do not answer. Arguments: the switch, xenopsd, xenops-cli, message-cli."""
import errno
import json
import os
import signal
import subprocess
import sys
import unittest

from test_fixture import Daemon

MESSAGE_CLI = sys.argv[4]
STORAGE, MEMORY = 'org.xen.xapi.storage', 'org.xen.xapi.memory'
# Notes what it is asked. The methods that `silent` names are answered when somebody else opens `never`.
PROGRAM = """#!/bin/sh
echo "$1" >> {folder}/asked
if grep -qx "$1" {folder}/silent; then cat {folder}/never; fi
if [ -e {folder}/answer-"$1" ]; then cat {folder}/answer-"$1"; else echo null; fi
"""
ANSWERS = {
    'VDI.attach3': {'implementations': [['File', {'path': '/dev/null'}]]},
    'login': 'xenopsd',
    'reserve_memory_range': ['one', 65536],
}


class Silent(Daemon):
    settings = 'grace-ms=100\n'

    def setUp(self):
        super().setUp()
        self.program = os.path.join(self.folder, 'serve')
        with open(self.program, 'w') as file:
            file.write(PROGRAM.format(folder=self.folder))
        os.chmod(self.program, 0o755)
        os.mkfifo(os.path.join(self.folder, 'never'))
        for method, answer in ANSWERS.items():
            with open(os.path.join(self.folder, 'answer-' + method), 'w') as file:
                json.dump(answer, file)
        self.silence()
        with open(os.path.join(self.folder, 'asked'), 'w'):
            pass

    def serve(self, queue):
        """Until the end of the test, when nobody has to answer any more."""
        server = subprocess.Popen([MESSAGE_CLI, '--switch-path', self.path, 'serve', queue, '--program', self.program],
                                  start_new_session=True)
        self.addCleanup(server.wait)
        self.addCleanup(os.killpg, server.pid, signal.SIGKILL)
        self.eventually(lambda: f'{queue}' in subprocess.run(
            [MESSAGE_CLI, '--switch-path', self.path, 'list'], stdout=subprocess.PIPE, text=True, check=True).stdout)

    def silence(self, *methods):
        path = os.path.join(self.folder, 'silent')
        with open(path + '.new', 'w') as file:
            file.write(''.join(method + '\n' for method in methods))
        os.rename(path + '.new', path)

    def asked(self, method):
        with open(os.path.join(self.folder, 'asked')) as file:
            return file.read().split().count(method)

    def await_asked(self, method, times=1):
        self.eventually(lambda: self.cli('diagnostics') and self.asked(method) >= times)

    def begin_until_asked(self, method, *arguments):
        """-> the command, which waits for an answer to that."""
        before = self.asked(method)
        process = self.begin(*arguments)
        self.await_asked(method, before + 1)
        return process

    def create_with_disks(self, n=1):
        vm = self.create()
        for device in range(n):
            self.call('VBD.add', vbd={'id': [vm, str(device)], 'backend': ['VDI', f'sr/{device}']})
        return vm

    def cancel(self):
        self.cli('task-cancel', [line.split()[0] for line in self.cli('tasks').splitlines() if 'pending' in line][0])

    def leftovers(self):
        return [line for line in self.cli('diagnostics').splitlines() if line.startswith('leftovers')][0]

    def end_of_silence(self):
        """All answer, the ones that are being asked, too: until nothing is left."""
        self.silence()

        def nothing_left():
            try:
                os.close(os.open(os.path.join(self.folder, 'never'), os.O_WRONLY | os.O_NONBLOCK))
            except OSError as error:
                self.assertEqual(error.errno, errno.ENXIO)      # nobody was silent
            return self.leftovers() == 'leftovers: 0'
        self.eventually(nothing_left)

    # ---- the tests ----

    def test_start_is_cancelled(self):
        self.serve(STORAGE)
        vm = self.create_with_disks(3)
        for method in 'VDI.attach3', 'VDI.activate3':
            self.silence(method, 'DP.destroy')
            starting = self.begin_until_asked(method, 'start', vm)
            self.cancel()
            self.assertIn('Cancelled', self.end(starting, status=1))
            self.assertEqual(self.state(vm)['power_state'], 'Halted')
            self.assertEqual(self.leftovers(), 'leftovers: 1')
        self.end_of_silence()
        self.cli('start', vm)
        self.cli('shutdown', vm)

    def test_hard_shutdown_of_a_vm_that_starts(self):
        self.serve(STORAGE)
        vm = self.create_with_disks()
        self.silence('VDI.attach3', 'DP.destroy')
        starting = self.begin_until_asked('VDI.attach3', 'start', vm)
        self.cli('shutdown', vm)
        self.assertIn('Cancelled', self.end(starting, status=1))
        self.assertEqual(self.state(vm)['power_state'], 'Halted')
        self.cli('remove', vm)      # and its disk is let go of all the same
        self.end_of_silence()

    def test_shutdown_is_cancelled(self):
        self.serve(STORAGE)
        vm = self.create_with_disks(2)
        self.cli('start', vm)
        self.silence('DP.destroy')
        stopping = self.begin_until_asked('DP.destroy', 'shutdown', vm)
        self.cancel()
        self.end(stopping)          # the domain is gone
        self.assertEqual(self.state(vm)['power_state'], 'Halted')
        self.assertEqual(self.leftovers(), 'leftovers: 2')
        self.end_of_silence()

    def test_leftovers_outlive_xenopsd(self):
        self.serve(STORAGE)
        vm = self.create_with_disks()
        self.silence('VDI.attach3', 'DP.destroy')
        starting = self.begin_until_asked('VDI.attach3', 'start', vm)
        self.cancel()
        self.end(starting, status=1)
        self.kill()
        before = self.asked('DP.destroy')
        self.up()
        self.await_asked('DP.destroy', before + 1)
        self.assertEqual(self.leftovers(), 'leftovers: 1')
        self.stop('xenopsd')        # though one is being asked for
        self.up()
        self.end_of_silence()

    def test_started_again_while_left(self):
        self.serve(STORAGE)
        vm = self.create_with_disks()
        self.silence('VDI.attach3', 'DP.destroy')
        starting = self.begin_until_asked('VDI.attach3', 'start', vm)
        self.cancel()
        self.end(starting, status=1)
        self.silence('DP.destroy')
        self.cli('start', vm)       # it wants the disk again, and nobody takes it away
        self.assertEqual(self.leftovers(), 'leftovers: 0')
        self.assertEqual(self.state(vm)['power_state'], 'Running')

    def test_plug_of_a_vm_that_is_shut_down(self):
        self.serve(STORAGE)
        vm = self.create()
        self.cli('start', vm)
        self.call('VBD.add', vbd={'id': [vm, '0'], 'backend': ['VDI', 'sr/0']})
        self.silence('VDI.attach3', 'DP.destroy')
        task = self.call('VBD.plug', id=[vm, '0'])
        self.await_asked('VDI.attach3')
        self.cli('shutdown', vm)
        self.eventually(lambda: 'pending' not in self.cli('tasks'))
        self.assertIn('Cancelled', json.dumps(self.call('Task.stat', id=task)))

    def test_squeezed_is_silent(self):
        self.serve(MEMORY)
        for method in 'login', 'reserve_memory_range', 'transfer_reservation_to_domain':
            vm = self.create()
            self.silence(method, 'delete_reservation')
            starting = self.begin_until_asked(method, 'start', vm)
            self.cli('shutdown', vm)
            self.assertIn('Cancelled', self.end(starting, status=1))
            self.assertEqual(self.state(vm)['power_state'], 'Halted')
            self.end_of_silence()
            self.assertGreater(self.asked('delete_reservation'), 0)
            self.cli('start', vm)


if __name__ == '__main__':
    signal.alarm(300)
    unittest.main(argv=[sys.argv[0], '-v', *sys.argv[5:]])
