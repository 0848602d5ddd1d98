# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the hook of the DHCP client leaves of a lease."""
import subprocess

from harness.stack import SOURCE

QUICK = True
LEASE = {'new_routers': '10.0.0.1', 'new_domain_name_servers': '10.0.0.53', 'new_ip_address': '10.0.0.7',
         'new_rfc3442_classless_static_routes': '24 10 1 2 10 0 0 2 0 10 0 0 1 32 10 9 9 9 10 0 0 3'}


def lease_after(folder, interface, **changes):
    script = '''set -e
make_resolv_conf() { echo written; }
. "$0"
make_resolv_conf
for name in new_routers new_domain_name_servers new_ip_address new_rfc3442_classless_static_routes; do
    eval "echo \\"\\$$name\\""
done'''
    said = subprocess.run(['sh', '-c', script, SOURCE / 'packaging/dhclient/xapi-networkd'], check=True, text=True,
                          stdout=subprocess.PIPE, env={**LEASE, **changes, 'interface': interface,
                                                       'XAPI_NETWORKD_MARKS': str(folder)}).stdout
    return [line.strip() for line in said.removeprefix('written\n').splitlines()], said.startswith('written\n')


def test_what_counts_of_a_lease(folder):
    whole = list(LEASE.values())
    (folder / 'no-gateway.br0').touch()
    (folder / 'no-dns.br1').touch()
    assert lease_after(folder, 'br2') == ([LEASE['new_routers'], LEASE['new_domain_name_servers'], LEASE['new_ip_address'],
                                           LEASE['new_rfc3442_classless_static_routes']], True)
    assert lease_after(folder, 'br0') == (['', whole[1], whole[2], '24 10 1 2 10 0 0 2 32 10 9 9 9 10 0 0 3'], True)
    assert lease_after(folder, 'br1') == ([whole[0], '', whole[2], whole[3]], False)


def test_routes_that_are_no_routes(folder):
    (folder / 'no-gateway.br0').touch()
    for given, left in (('', ''), ('0 10 0 0 1', ''), ('0 10 0', ''), ('24 10 1 2', ''), ('0', ''), ('x', ''),
                        ('8 10 10 0 0 1 0 10 0 0 1', '8 10 10 0 0 1'), ('9 10 1 10 0 0 1', '9 10 1 10 0 0 1')):
        assert lease_after(folder, 'br0', new_rfc3442_classless_static_routes=given)[0][3] == left, given
