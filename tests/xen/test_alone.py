# SPDX-License-Identifier: LGPL-2.1-or-later
"""Packages that come and go: each component alone on a Xen host; all purged, in whatever order."""
from harness.client import JsonTransport
from xen.box import states
from xen.box.host import UNITS
from xen.test_packages import deb, names

TEST_SEC = 600
OURS = '*xapi*', '*xenopsd*', '*squeezed*', 'sm-daemon*', 'message-switch*', 'networkd*', 'rrdd*'
NOT_OURS = '/root', '/proc', '/sys', '/tmp', '/etc/systemd/networkd.conf'


def serves_https(host):
    return 'VM.start' in JsonTransport(host.url).request('system.listMethods', [])


SPEAKS = {'message-switch': lambda host: host.run('message-cli', 'diagnostics'), 'xapi-core': serves_https}


def leftovers(host):
    """-> the paths of everything of ours that is on the host, but for its users, which Debian's packages leave."""
    names = ' -o '.join(f"-name '{name}'" for name in OURS)
    apart = ' -o '.join(f'-path {path}' for path in NOT_OURS)
    return host.shell(f'find / -xdev \\( {apart} \\) -prune -o \\( {names} \\) -print; '
                      'ls -d /run/xapi* /run/message-switch* 2>/dev/null || true').split()


def test_component_alone(bare):
    """With nothing of ours but what it depends on: runs, and leaves nothing."""
    def install(name):
        bare.put(f'{states.DEBS}/{name}.deb', deb(name).read_bytes())
        bare.run('dpkg', '-i', f'{states.DEBS}/{name}.deb')

    install('xapi-common')
    common = {*leftovers(bare), '/var/lib/xapi'}        # the latter goes with xapi-common
    for name in UNITS:
        install(name)
        assert bare.is_active(name), bare.run('systemctl', 'status', name, check=False)[1]
        assert SPEAKS.get(name, lambda host: True)(bare), name
        assert bare.run('systemctl', 'show', '-P', 'NRestarts', name).strip() == '0', name
        bare.run('dpkg', '--purge', name)
        left = sorted({*leftovers(bare)} - common)
        assert left == [], (name, left)
    bare.run('dpkg', '--purge', 'xapi-common')
    assert leftovers(bare) == []


def test_purged_in_any_order(dom0):
    """What packages share goes with the last of them, whichever that is."""
    dom0.run('dpkg', '--remove', *names())
    assert not dom0.shell("ps -eo args | grep '^/usr/libexec/xapi' || true").strip()
    assert dom0.run('ls', '/var/lib/xapi/xapi-core')
    for name in ('xapi-common', *(name for name in names() if name != 'xapi-common')):
        dom0.run('dpkg', '--purge', name)
    left = leftovers(dom0)
    assert left == [], left
