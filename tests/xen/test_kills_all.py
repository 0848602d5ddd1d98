# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_kills with every daemon at every step."""
from xen.test_kills import all_kills, run_kills

LONG = True
TEST_SEC = 3600


def test_all(dom0, folder):
    run_kills(dom0, folder, all_kills())
