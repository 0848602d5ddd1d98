/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VIF.configure_ipv4, VIF.configure_ipv6: addresses that the guest is asked to take. */
#include <sys/socket.h>

#include "hotplug.h"
#include "ip-address.h"
#include "manager.h"
#include "rows.h"
#include "vif.h"
#include "xenapi.h"

typedef struct Configuration {
        int family;
        int64_t mode; /* of the family's enum; both have None, Static and one more */
        const char *address, *gateway;
} Configuration;

_Static_assert((int)VIF_IPV4_CONFIGURATION_MODE_STATIC == (int)VIF_IPV6_CONFIGURATION_MODE_STATIC,
               "one check for both");

static bool check(const Configuration *c, XapiError **error)
{
        if (c->mode != VIF_IPV4_CONFIGURATION_MODE_STATIC)
                return true;
        if (!ip_cidr_is_valid(c->family, c->address))
                return xapi_fail(error, ERR_INVALID_CIDR_ADDRESS_SPECIFIED, "address", NULL);
        return !*c->gateway || ip_address_is_valid(c->family, c->gateway) ||
               xapi_fail(error, ERR_INVALID_IP_ADDRESS_SPECIFIED, "gateway", NULL);
}

/* Only a guest whose agent says so takes orders. */
static bool check_guest(Txn *txn, const VifRow *vif, XapiError **error)
{
        const VmRow *vm = (const VmRow *)txn_require(txn, &CLASS_VM, vif->VM, error);
        const VmGuestMetricsRow *guest =
            vm ? (const VmGuestMetricsRow *)txn_get(txn, &CLASS_VM_GUEST_METRICS, vm->guest_metrics) : NULL;
        const char *feature = guest ? map_get_str(guest->other, "feature-static-ip-setting") : NULL;

        if (!vm)
                return false;
        return g_strcmp0(feature, "1") == 0 || xapi_fail(error, ERR_VM_LACKS_FEATURE, vm->row.ref, NULL);
}

static void set_row(VifRow *vif, const Configuration *c)
{
        bool is_static = c->mode == VIF_IPV4_CONFIGURATION_MODE_STATIC;
        const char *const addresses[] = { is_static ? c->address : NULL, NULL };

        if (c->family == AF_INET) {
                vif->ipv4_configuration_mode = c->mode;
                slot_set(&vif->ipv4_addresses, set_of_strings(vif->ipv4_addresses->element, addresses));
                slot_str(&vif->ipv4_gateway, is_static ? c->gateway : "");
                return;
        }
        vif->ipv6_configuration_mode = c->mode;
        slot_set(&vif->ipv6_addresses, set_of_strings(vif->ipv6_addresses->element, addresses));
        slot_str(&vif->ipv6_gateway, is_static ? c->gateway : "");
}

static bool ask_ipv4(Hotplug *h, const XenopsStaticAddresses *addresses, char **ret_task,
                     XenopsError **refusal)
{
        static const XenopsIpv4ConfigurationTag TAGS[] = {
                [VIF_IPV4_CONFIGURATION_MODE_NONE] = XENOPS_IPV4_CONFIGURATION_UNSPECIFIED4,
                [VIF_IPV4_CONFIGURATION_MODE_STATIC] = XENOPS_IPV4_CONFIGURATION_STATIC4,
                [VIF_IPV4_CONFIGURATION_MODE_DHCP] = XENOPS_IPV4_CONFIGURATION_DHCP4,
        };
        const Configuration *c = h->data;
        XenopsIpv4Configuration to = { .tag = TAGS[c->mode], .static4 = *addresses };

        return xenops_vif_set_ipv4_configuration(h->bus, XENOPS_CALL_USEC, h->call->task, &h->id, &to,
                                                 ret_task, refusal);
}

static bool ask_ipv6(Hotplug *h, const XenopsStaticAddresses *addresses, char **ret_task,
                     XenopsError **refusal)
{
        static const XenopsIpv6ConfigurationTag TAGS[] = {
                [VIF_IPV6_CONFIGURATION_MODE_NONE] = XENOPS_IPV6_CONFIGURATION_UNSPECIFIED6,
                [VIF_IPV6_CONFIGURATION_MODE_STATIC] = XENOPS_IPV6_CONFIGURATION_STATIC6,
                [VIF_IPV6_CONFIGURATION_MODE_AUTOCONF] = XENOPS_IPV6_CONFIGURATION_AUTOCONF6,
        };
        const Configuration *c = h->data;
        XenopsIpv6Configuration to = { .tag = TAGS[c->mode], .static6 = *addresses };

        return xenops_vif_set_ipv6_configuration(h->bus, XENOPS_CALL_USEC, h->call->task, &h->id, &to,
                                                 ret_task, refusal);
}

static bool ask(Hotplug *h, char **ret_task, XenopsError **refusal, XapiError **error)
{
        const Configuration *c = h->data;
        char *address = (char *)c->address;
        XenopsStaticAddresses addresses = { .cidrs = { 1, &address },
                                            .gateway = *c->gateway ? (char *)c->gateway : NULL };

        return !((const VifRow *)h->row)->currently_attached ||
               (c->family == AF_INET ? ask_ipv4 : ask_ipv6)(h, &addresses, ret_task, refusal);
}

static bool change_row(Call *call, const char *self, const Configuration *c, XapiError **error)
{
        Txn *txn = txn_begin(call->store);
        VifRow *vif = (VifRow *)txn_require_edit(txn, &CLASS_VIF, self, error);

        if (!vif || !check(c, error) || !check_guest(txn, vif, error)) {
                txn_abort(txn);
                return false;
        }
        set_row(vif, c);
        return txn_commit_wait(txn, error);
}

static bool configure(Call *call, const char *self, const Configuration *c, XapiError **error)
{
        Hotplug h = { .call = call,
                      .class = &VIF_DEVICES,
                      .device = self,
                      .operation = VIF_OPERATIONS_ATTACH,
                      .ask = ask,
                      .data = c };

        return change_row(call, self, c, error) && hotplug_run(&h, error);
}

bool vif_configure_ipv4(Call *call, const VifConfigureIpv4Params *p, XapiError **error)
{
        return configure(call, p->self, &(Configuration){ AF_INET, p->mode, p->address, p->gateway }, error);
}

bool vif_configure_ipv6(Call *call, const VifConfigureIpv6Params *p, XapiError **error)
{
        return configure(call, p->self, &(Configuration){ AF_INET6, p->mode, p->address, p->gateway }, error);
}
