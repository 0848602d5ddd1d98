# SPDX-License-Identifier: LGPL-2.1-or-later
"""xenopsd's back end for Xen does what the simulator does (xenopsd/test-backend.py), with guests that boot and are asked; and
xenopsd is killed in the middle of it."""
from xen.box import suite

LONG = True
TEST_SEC = 1800
KILLS = 8


def run(dom0, *names):
    suite.prepare(dom0)
    suite.run_tests(dom0, *names, environment=[f'KILLS={KILLS}'], seconds=TEST_SEC)


def test_guest_is_asked(dom0):
    run(dom0, 'guest_is_asked')


def test_guest_does_it_by_itself(dom0):
    run(dom0, 'guest_does_it_by_itself')


def test_devices_while_it_runs(dom0):
    run(dom0, 'devices_while_it_runs', 'guest_does_not_let_go')


def test_at_the_same_time(dom0):
    run(dom0, 'many_at_a_time', 'hard_shutdown_goes_before')


def test_crashed_guest_is_dumped(dom0):
    run(dom0, 'crashed_guest_is_dumped', 'crashed_guest_does_not_fill_it')


def test_processors_go_and_come(dom0):
    run(dom0, 'processors_go_and_come')


def test_peers_that_do_not_answer(dom0):
    run(dom0, 'silent_bus', 'interface_that_cannot_be_plugged')


def test_killed_anywhere(dom0):
    run(dom0, 'Kills')
