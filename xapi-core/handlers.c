/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "handlers.h"

#include "classes/classes.h"
#include "xenapi.h"

/* The generated structs are rows of Handler. */
#define OF(name) ((const Handler *)&(name))

static const Handler *class_handlers(const Class *class)
{
        static const struct {
                const Class *class;
                const Handler *handlers;
        } TABLE[] = {
                { &CLASS_CRASHDUMP, OF(crashdump_handlers) },
                { &CLASS_EVENT, OF(event_handlers) },
                { &CLASS_HOST, OF(host_handlers) },
                { &CLASS_MESSAGE, OF(message_handlers) },
                { &CLASS_NETWORK, OF(network_handlers) },
                { &CLASS_PBD, OF(pbd_handlers) },
                { &CLASS_PIF, OF(pif_handlers) },
                { &CLASS_POOL, OF(pool_handlers) },
                { &CLASS_ROLE, OF(role_handlers) },
                { &CLASS_SECRET, OF(secret_handlers) },
                { &CLASS_SESSION, OF(session_handlers) },
                { &CLASS_SR, OF(sr_handlers) },
                { &CLASS_SUBJECT, OF(subject_handlers) },
                { &CLASS_TASK, OF(task_handlers) },
                { &CLASS_VBD, OF(vbd_handlers) },
                { &CLASS_VDI, OF(vdi_handlers) },
                { &CLASS_VIF, OF(vif_handlers) },
                { &CLASS_VLAN, OF(vlan_handlers) },
                { &CLASS_VM, OF(vm_handlers) },
                { &CLASS_VM_APPLIANCE, OF(vm_appliance_handlers) },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(TABLE); i++)
                if (TABLE[i].class == class)
                        return TABLE[i].handlers;
        return NULL;
}

const Handler *handler_find(const Message *m)
{
        const Handler *handlers = m->handler < 0 ? NULL : class_handlers(m->class);

        if (!handlers || handlers[m->handler].place == PLACE_NONE)
                return NULL;
        return &handlers[m->handler];
}

bool handler_missing(const Message *m)
{
        return m->tag == MESSAGE_CUSTOM && !handler_find(m);
}

static void print_class(Buffer *b, const Class *class, size_t *ret_written, size_t *ret_missing)
{
        g_autoptr(GString) missing = g_string_new("");
        size_t n_written = 0, n_missing = 0;

        for (size_t i = 0; i < model_n_messages; i++) {
                const Message *m = &model_messages[i];

                if (m->class != class || m->removed)
                        continue;
                if (!handler_missing(m)) {
                        n_written++;
                        continue;
                }
                n_missing++;
                g_string_append_printf(missing, " %s", strchr(m->name, '.') + 1);
        }
        buffer_printf(b, "%s: %zu written, %zu not written%s%s\n", class->name, n_written, n_missing,
                      n_missing ? ":" : "", missing->str);
        *ret_written += n_written;
        *ret_missing += n_missing;
}

void handlers_coverage(Buffer *ret_text)
{
        size_t written = 0, missing = 0;

        for (size_t i = 0; i < model_n_classes; i++)
                print_class(ret_text, model_classes[i], &written, &missing);
        buffer_printf(ret_text, "all: %zu written, %zu not written\n", written, missing);
}
