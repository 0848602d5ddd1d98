# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk that stands still under a guest that writes, because its server does, or because its storage does."""
from xen.box.vms import SR_FOLDER, Site
from xen.test_life import start_writer, stop_writer
from xen.test_outages import goes_on
from xen.test_scenario import make_guest, start

LONG = True
TEST_SEC = 900
FILES_MIB = 512
WAITS = 'A disk stands still: its storage does not answer'


def own_file_system(dom0):
    """For the repository's folder, so that it can be frozen."""
    dom0.shell(f'mkdir -p {SR_FOLDER}; truncate -s {FILES_MIB}M /root/files; mke2fs -q -F -t ext4 /root/files; '
               f'mount -o loop /root/files {SR_FOLDER}')


def stop_server(dom0, console):
    """It is killed, and what it did not answer is asked of another."""
    server = dom0.disk_server()
    dom0.run('kill', '-STOP', str(server))
    dom0.eventually(lambda: dom0.disk_server() not in (0, server))
    goes_on(dom0, console)


def freeze_storage(dom0, console):
    """The server is not to blame, and is left alone."""
    server = dom0.disk_server()
    dom0.run('fsfreeze', '-f', SR_FOLDER)
    dom0.eventually(lambda: WAITS in dom0.run('journalctl', '-b', '--no-pager', '-u', 'sm-daemon'))
    dom0.run('fsfreeze', '-u', SR_FOLDER)
    goes_on(dom0, console)
    assert dom0.disk_server() == server


def test_stands_still(dom0, folder):
    own_file_system(dom0)
    site = Site(dom0)
    vm, _ = make_guest(site, folder, 'pvh')
    console, boot = start(site, vm)
    start_writer(console)
    stop_server(dom0, console)
    freeze_storage(dom0, console)
    assert console.ask('id') == boot
    stop_writer(console)
    site.xapi.run('VM.clean_shutdown', vm)
    site.destroy(vm)
    site.leave()
