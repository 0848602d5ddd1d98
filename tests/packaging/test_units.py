# SPDX-License-Identifier: LGPL-2.1-or-later
"""The systemd units."""
import re
import subprocess

from harness.stack import SOURCE, build_folder

QUICK = True
EXPOSURE_MAX = 2.0
TARGET = SOURCE / 'packaging/systemd/xapi.target'
UNITS = ['message-switch', 'networkd', 'rrdd', 'sm-daemon', 'squeezed', 'xapi-core', 'xapi-helper', 'xenopsd']


def unit_paths():
    return sorted((build_folder() / 'packaging').glob('*.service'))


def test_all_are_there():
    assert [path.stem for path in unit_paths()] == UNITS


def test_exposure():
    for path in unit_paths():
        text = subprocess.run(['systemd-analyze', 'security', '--offline=true', '--no-pager', path], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout
        score = float(re.search(r'Overall exposure level for .*: ([\d.]+)', text)[1])
        assert score <= EXPOSURE_MAX, f'{path.stem}: {score}'


def test_systemd_knows_every_line(folder):
    for path in unit_paths():
        (folder / path.name).write_text(re.sub(r'ExecStart=\S+', 'ExecStart=/bin/true', path.read_text()))
    (folder / TARGET.name).write_text(TARGET.read_text())
    done = subprocess.run(['systemd-analyze', 'verify', '--man=no', *folder.iterdir()], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0 and not done.stdout, done.stdout


def test_readiness_and_watchdog():
    for path in unit_paths():
        text = path.read_text()
        assert 'Type=notify\n' in text and 'WatchdogSec=' in text, path.stem


def test_started_again_however_often_they_die():
    """By systemd's default the sixth death within ten seconds would be the last."""
    for path in unit_paths():
        unit, service = path.read_text().split('[Service]')
        assert 'StartLimitIntervalSec=0\n' in unit and 'Restart=always\n' in service, path.stem
