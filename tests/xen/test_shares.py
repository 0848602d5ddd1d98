# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a VM is to have of the host, as Xen and its network back end are told: weight, cap and a limit of an interface."""
from xen.box.vms import NO_QOS, Site, expect_nothing_left, what_is_there

LONG = True
TEST_SEC = 600
KBYTES_PER_S, INTERVAL_USEC = 1000, 50000
LIMIT = {'qos_algorithm_type': 'ratelimit', 'qos_algorithm_params': {'kbps': str(KBYTES_PER_S)}}


def shares(dom0, name):
    """-> (weight, cap)"""
    listed = dom0.run('xl', 'sched-credit2', '-d', name).splitlines()[-1].split()
    return tuple(int(word) for word in listed[-2:])


def test_shares(dom0):
    before = what_is_there(dom0)
    site = Site(dom0)
    vm = site.vm('guest', fields={'VCPUs_params': {'weight': '512', 'cap': '50', 'mask': '0'}})
    vif = site.call('VIF.create', {'VM': vm, 'network': site.network, 'device': '0', 'MAC': '', 'MTU': 1500, **NO_QOS,
                                   **LIMIT})
    site.xapi.run('VM.start', vm, True, False)
    uuid, domid = site.call('VM.get_uuid', vm), site.call('VM.get_domid', vm)
    assert shares(dom0, uuid) == (512, 50)
    hard, soft = dom0.run('xl', 'vcpu-list', uuid).splitlines()[-1].split()[-3::2]
    assert hard in ('0', 'all') and soft == 'all', (hard, soft)
    rate = dom0.run('xenstore-read', f'/local/domain/0/backend/vif/{domid}/0/rate').strip()
    bytes_, usec = map(int, rate.split(','))
    assert usec == INTERVAL_USEC and bytes_ == KBYTES_PER_S * 1024 * usec // 1000000, rate
    site.xapi.run('VM.hard_shutdown', vm)
    site.call('VM.set_VCPUs_params', vm, {'weight': 'much', 'cap': '-1'})
    site.call('VIF.set_qos_algorithm_type', vif, '')
    site.xapi.run('VM.start', vm, True, False)
    assert shares(dom0, uuid) == (256, 0)
    domid = site.call('VM.get_domid', vm)
    assert dom0.run('xenstore-read', f'/local/domain/0/backend/vif/{domid}/0/rate', check=False)[0] != 0
    site.xapi.run('VM.hard_shutdown', vm)
    site.destroy(vm)
    site.leave()
    expect_nothing_left(dom0, before)
