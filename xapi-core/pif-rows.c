/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "pif.h"

const PifRow *pif_of_network(Txn *txn, const NetworkRow *network, const char *host)
{
        for (uint32_t i = 0; i < network->PIFs->n; i++) {
                const PifRow *pif = (const PifRow *)txn_get(txn, &CLASS_PIF, network->PIFs->items[i].s);

                if (pif && strcmp(pif->host, host) == 0)
                        return pif;
        }
        return NULL;
}

const PifRow *pif_of_device(Txn *txn, const char *host, const char *device, int64_t tag)
{
        const HostRow *row = (const HostRow *)txn_get(txn, &CLASS_HOST, host);

        for (uint32_t i = 0; row && i < row->PIFs->n; i++) {
                const PifRow *pif = (const PifRow *)txn_get(txn, &CLASS_PIF, row->PIFs->items[i].s);

                if (pif && pif->VLAN == tag && strcmp(pif->device, device) == 0)
                        return pif;
        }
        return NULL;
}

bool pif_check_no_vifs(Txn *txn, const PifRow *pif, XapiError **error)
{
        const NetworkRow *network = (const NetworkRow *)txn_get(txn, &CLASS_NETWORK, pif->network);

        for (uint32_t i = 0; network && i < network->VIFs->n; i++) {
                const VifRow *vif = (const VifRow *)txn_get(txn, &CLASS_VIF, network->VIFs->items[i].s);

                if (vif && vif->currently_attached)
                        return xapi_fail(error, ERR_VIF_IN_USE, network->row.ref, vif->row.ref, NULL);
        }
        return true;
}

void pif_delete(Txn *txn, const PifRow *pif)
{
        auto_str self = str_ref(pif->row.ref), metrics = str_ref(pif->metrics),
                 vlan = str_ref(pif->VLAN_master_of);

        txn_delete(txn, &CLASS_PIF_METRICS, metrics);
        txn_delete(txn, &CLASS_VLAN, vlan);
        txn_delete(txn, &CLASS_PIF, self);
}

PifRow *pif_insert(Txn *txn, PifRow *taken)
{
        slot_str(&taken->metrics, txn_create(txn, &CLASS_PIF_METRICS, NULL, NULL)->ref);
        return (PifRow *)txn_insert(txn, &taken->row);
}
