# SPDX-License-Identifier: LGPL-2.1-or-later
"""xenopsd's back end for Xen does what the simulator does (xenopsd/test-backend.py), and what Xen alone has
(test-backend-xen.py), as far as no guest has to boot."""
from xen.box import suite

TEST_SEC = 900
TESTS = ('power_states', 'test_data', 'unknown', 'destroyed_behind_our_back', 'devices_from_the_start',
         'nothing_is_left', 'guest_ejects', 'restart_finds_again', 'are_left_alone', 'share_of_processors', 'start_time_and_memory',
         'name_of_a_disk_is_no_option')


def test_does_what_the_simulator_does(dom0):
    suite.prepare(dom0)
    suite.run_tests(dom0, *TESTS, seconds=TEST_SEC)
