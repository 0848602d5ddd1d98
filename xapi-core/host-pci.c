/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-pci.h"

#include <stdio.h>
#include <string.h>

#include <glib.h>

#include "rows.h"

#define SYSFS         "/sys/bus/pci/devices"
#define NUMBER_DIGITS 4

/* "0x8086\n" as sysfs has it, to "8086"; "" where it cannot be read. Returns owned. */
static char *read_number(const char *id, const char *name)
{
        g_autofree char *path = g_build_filename(SYSFS, id, name, NULL);
        g_autofree char *text = NULL;

        if (!g_file_get_contents(path, &text, NULL, NULL) || !g_str_has_prefix(text, "0x"))
                return g_strdup("");
        g_strchomp(text);
        return g_strdup_printf("%.*s", NUMBER_DIGITS, text + 2);
}

static void make(Txn *txn, const HostRow *host, const char *id)
{
        PciRow *pci = (PciRow *)txn_create(txn, &CLASS_PCI, NULL, NULL);
        g_autofree char *class = read_number(id, "class"), *vendor = read_number(id, "vendor");
        g_autofree char *device = read_number(id, "device");
        g_autofree char *class_name = g_strdup_printf("Class %s", class);
        g_autofree char *vendor_name = g_strdup_printf("Vendor %s", vendor);
        g_autofree char *device_name = g_strdup_printf("Device %s", device);

        slot_str(&pci->host, host->row.ref);
        slot_str(&pci->pci_id, id);
        slot_str(&pci->class_name, class_name);
        slot_str(&pci->vendor_name, vendor_name);
        slot_str(&pci->device_name, device_name);
        slot_str(&pci->class_id, class);
        slot_str(&pci->vendor_id, vendor);
        slot_str(&pci->device_id, device);
}

/* Takes those it has out of `found`, and those that are gone out of the store. */
static void match(Txn *txn, const HostRow *host, GHashTable *found)
{
        Set *known = set_ref(host->PCIs);

        for (uint32_t i = 0; i < known->n; i++) {
                const PciRow *pci = (const PciRow *)txn_get(txn, &CLASS_PCI, known->items[i].s);

                if (pci && !g_hash_table_remove(found, pci->pci_id))
                        txn_delete(txn, &CLASS_PCI, pci->row.ref);
        }
        set_unref(known);
}

void host_pci_refresh(Txn *txn, const HostRow *host)
{
        g_autoptr(GHashTable) found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        GDir *dir = g_dir_open(SYSFS, 0, NULL);
        const char *name;
        GHashTableIter i;
        void *id;

        while (dir && (name = g_dir_read_name(dir)))
                g_hash_table_add(found, g_strdup(name));
        if (dir)
                g_dir_close(dir);
        match(txn, host, found);
        g_hash_table_iter_init(&i, found);
        while (g_hash_table_iter_next(&i, &id, NULL))
                make(txn, host, id);
}
