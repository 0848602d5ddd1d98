# SPDX-License-Identifier: LGPL-2.1-or-later
"""kill -9 of any daemon at any moment loses nothing that was acknowledged, and takes back nothing that was seen."""
from fault_parts.scale import scale, seeded
from fault_parts.storm import Storm

TEST_SEC = scale(300, 3600)


def test_kill_nine(fresh):
    storm = Storm(fresh, seeded(), n_workers=scale(4, 8), n_kills=scale(50, 500))
    storm.run()
    storm.check()
