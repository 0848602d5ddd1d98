# SPDX-License-Identifier: LGPL-2.1-or-later
"""The packages on a Xen host: installed again, removed, purged."""
from xen.box import states
from xen.box.host import UNITS
from xen.test_packages import deb, leftovers, names

LONG = True
TEST_SEC = 600


def test_reinstalled_keeps_state_and_purged_leaves_nothing(dom0):
    xapi = dom0.login()
    pool, = xapi.call('pool.get_all')
    xapi.call('pool.set_name_label', pool, 'kept')
    dom0.run('dpkg', '-i', *(f'{states.DEBS}/{deb(name).name}' for name in names()))
    assert all(dom0.is_active(unit) for unit in UNITS)
    assert dom0.login().call('pool.get_name_label', pool) == 'kept'

    dom0.run('dpkg', '--remove', *names())
    assert not dom0.shell("ps -eo args | grep '^/usr/libexec/xapi' || true").strip()
    assert dom0.run('ls', '/var/lib/xapi/xapi-core')
    dom0.run('dpkg', '--purge', *names())
    left = leftovers(dom0)
    assert left == [], left
