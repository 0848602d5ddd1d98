# SPDX-License-Identifier: LGPL-2.1-or-later
"""The packages on a Xen host: what is installed there; daemons run by systemd."""
import re
import subprocess

from harness.client import expect_error
from xen.box import states
from xen.box.host import UNITS

TEST_SEC = 600
EXPOSURE_MAX = {'xenopsd': 3.5}         # of all others:
EXPOSURE_MAX_OTHERS = 2.0
OF_NO_DAEMON = 'xapi-common', 'xapi-toolstack', 'xapi-try'


def names():
    return [path.name.split('_')[0] for path in sorted((states.BUILD / 'packages').glob('*.deb'))
            if '-dbgsym_' not in path.name]


def deb(name):
    path, = (states.BUILD / 'packages').glob(f'{name}_*.deb')
    return path


def test_every_daemon_runs(dom0):
    assert sorted([*UNITS, *OF_NO_DAEMON]) == names()
    for unit in UNITS:
        assert dom0.is_active(unit), dom0.run('systemctl', 'status', unit, check=False)[1]
    assert not dom0.run('systemctl', '--failed', '--no-legend', '--plain').strip()


def test_login_over_https(dom0):
    xapi = dom0.login()
    host, = xapi.call('host.get_all_records').values()
    assert host['hostname'] == 'dom0' and host['enabled']
    expect_error('SESSION_AUTHENTICATION_FAILED', dom0.login, 'root', 'wrong')
    expect_error('SESSION_AUTHENTICATION_FAILED', dom0.login, 'xapi', '')


def test_each_unit_restarts_alone(dom0):
    xapi = dom0.login()
    uuid = xapi.call('pool.get_all_records').popitem()[1]['uuid']
    for unit in UNITS:
        others = {other: dom0.pid(other) for other in UNITS if other != unit}
        before = dom0.pid(unit)
        dom0.run('systemctl', 'restart', unit)
        assert dom0.is_active(unit) and dom0.pid(unit) != before
        assert others == {other: dom0.pid(other) for other in others}, unit
    assert dom0.login().call('pool.get_all_records').popitem()[1]['uuid'] == uuid


def test_each_unit_comes_back_when_killed(dom0):
    for unit in UNITS:
        before = dom0.pid(unit)
        dom0.run('kill', '-9', str(before))
        dom0.eventually(lambda: dom0.pid(unit) not in (0, before) and dom0.is_active(unit))
    assert dom0.login().call('host.get_all')


def test_target_stops_and_starts_all(dom0):
    dom0.run('systemctl', 'stop', 'xapi.target')
    assert not [unit for unit in UNITS if dom0.is_active(unit)]
    dom0.run('systemctl', 'start', 'xapi.target')
    assert all(dom0.is_active(unit) for unit in UNITS)
    assert dom0.login().call('host.get_all')


def test_exposure_under_this_systemd(dom0):
    for unit in UNITS:
        text = dom0.run('systemd-analyze', 'security', '--no-pager', unit)
        score = float(re.search(r'Overall exposure level for .*: ([\d.]+)', text)[1])
        assert score <= EXPOSURE_MAX.get(unit, EXPOSURE_MAX_OTHERS), f'{unit}: {score}\n{text}'


def test_lintian():
    changes, = (states.BUILD / 'packages').glob('*.changes')
    done = subprocess.run(['lintian', '--fail-on', 'error,warning', changes], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0 and not re.search('^[EW]:', done.stdout, re.M), done.stdout
