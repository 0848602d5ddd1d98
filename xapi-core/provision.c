/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provision.h"

#include <string.h>

#include <expat.h>

#include "model.h"
#include "xenapi.h"

typedef struct Reader {
        XML_Parser expat;
        GArray *disks;
        unsigned depth;
        const char *problem;
} Reader;

static void fail(Reader *r, const char *problem)
{
        if (!r->problem)
                r->problem = problem;
        XML_StopParser(r->expat, XML_FALSE);
}

static const char *attribute(const char **attributes, const char *name)
{
        for (; attributes[0]; attributes += 2)
                if (strcmp(attributes[0], name) == 0)
                        return attributes[1];
        return NULL;
}

static void on_disk(Reader *r, const char **attributes)
{
        const char *device = attribute(attributes, "device"), *size = attribute(attributes, "size");
        const char *sr = attribute(attributes, "sr"), *bootable = attribute(attributes, "bootable");
        const char *type = attribute(attributes, "type");
        int vdi_type = type ? enum_index(&ENUM_VDI_TYPE, type) : VDI_TYPE_SYSTEM;
        gint64 bytes;

        if (r->disks->len >= PROVISION_DISKS_MAX)
                fail(r, "there are too many disks");
        else if (!device || !*device)
                fail(r, "a disk has no device");
        else if (!size || !g_ascii_string_to_signed(size, 10, 1, G_MAXINT64, &bytes, NULL))
                fail(r, "a disk has no size in bytes");
        else if (vdi_type < 0)
                fail(r, "a disk has a type that does not exist");
        else
                g_array_append_vals(r->disks,
                                    &(ProvisionDisk){ .device = g_strdup(device),
                                                      .size_bytes = bytes,
                                                      .sr = g_strdup(sr ? sr : ""),
                                                      .bootable = bootable && strcmp(bootable, "true") == 0,
                                                      .type = vdi_type },
                                    1);
}

static void on_start(void *data, const char *name, const char **attributes)
{
        Reader *r = data;

        r->depth++;
        if (r->depth == 1 && strcmp(name, "provision") == 0)
                return;
        if (r->depth == 2 && strcmp(name, "disk") == 0)
                on_disk(r, attributes);
        else
                fail(r, "an element stands where it has no meaning");
}

static void on_end(void *data, const char *name)
{
        ((Reader *)data)->depth--;
}

static void on_doctype(void *data, const char *name, const char *system, const char *public, int internal)
{
        fail(data, "it has a document type");
}

static void disk_clear(void *data)
{
        ProvisionDisk *disk = data;

        g_free(disk->device);
        g_free(disk->sr);
}

GArray *provision_parse(const char *text, XapiError **error)
{
        size_t n = strlen(text);
        Reader r = { .disks = g_array_new(FALSE, TRUE, sizeof(ProvisionDisk)) };

        g_array_set_clear_func(r.disks, disk_clear);
        if (n > PROVISION_TEXT_MAX) {
                r.problem = "it is too long";
        } else {
                r.expat = XML_ParserCreate("UTF-8");
                XML_SetUserData(r.expat, &r);
                XML_SetElementHandler(r.expat, on_start, on_end);
                XML_SetStartDoctypeDeclHandler(r.expat, on_doctype);
                if (XML_Parse(r.expat, text, (int)n, XML_TRUE) != XML_STATUS_OK && !r.problem)
                        r.problem = XML_ErrorString(XML_GetErrorCode(r.expat));
                XML_ParserFree(r.expat);
        }
        if (!r.problem)
                return r.disks;
        xapi_fail_internal(error, "other_config:disks cannot be read: %s", r.problem);
        g_array_unref(r.disks);
        return NULL;
}
