/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The volume plugins "dir" and "file": this is compiled for either, with DIRECTORY_TYPE. One executable, a link to it for
 * each method. */
#include "../call.h"
#include "config.h"
#include "directory.h"
#include "volume.h"

static json_t *plugin_query(json_t *args, Failure *failure)
{
        (void)args;
        (void)failure;
        json_t *query = json_pack(
            "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:[s,s,s,s,s,s,s,s,s,s,s,s,s,s,s,s], s:{s:s}, s:[]}",
            "plugin", directory_type->name, "name", directory_type->label, "description",
            directory_type->description, "vendor", "XAPI toolstack", "copyright", "LGPL-2.1-or-later",
            "version", XAPI_VERSION, "required_api_version", "5.0", "features", "SR_ATTACH", "SR_DETACH",
            "SR_CREATE", "SR_DESTROY", "SR_PROBE", "VDI_CREATE", "VDI_DESTROY", "VDI_ATTACH", "VDI_DETACH",
            "VDI_RESIZE", "VDI_CLONE", "VDI_SNAPSHOT", "VDI_COPY", "VDI_COPY_TO_DIR", "VDI_COPY_TO_FILE",
            "STABLE_URI", "configuration", "location", "the directory's absolute path",
            "required_cluster_stack");

        /* Its disk servers can make a disk larger under a guest. */
        json_array_append_new(json_object_get(query, "features"),
                              json_string(directory_type->layers ? "VDI_RESIZE_ONLINE" : "COPIES_ARE_FULL"));
        if (directory_type->layers)
                json_object_set_new(query, "supported_image_formats", json_pack("[s,s]", "raw", "qcow2"));
        return query;
}

static json_t *plugin_diagnostics(json_t *args, Failure *failure)
{
        (void)args;
        (void)failure;
        return json_string(XAPI_VERSION ": keeps nothing outside its directories");
}

int main(int argc, char **argv)
{
        static const Method methods[] = {
                { "Plugin.Query", plugin_query },
                { "Plugin.diagnostics", plugin_diagnostics },
                { "SR.probe", directory_probe },
                { "SR.create", directory_create },
                { "SR.attach", directory_attach },
                { "SR.detach", directory_detach },
                { "SR.destroy", directory_destroy },
                { "SR.stat", directory_stat },
                { "SR.set_name", directory_set_name },
                { "SR.set_description", directory_set_description },
                { "SR.ls", directory_ls },
                { "SR.images", directory_images },
                { "SR.collect", directory_collect },
                { "Volume.create", volume_create },
                { "Volume.clone", volume_clone },
                { "Volume.snapshot", volume_snapshot },
                { "Volume.copy", volume_copy },
                { "Volume.destroy", volume_destroy },
                { "Volume.resize", volume_resize },
                { "Volume.stat", volume_stat },
                { "Volume.set_name", volume_set_name },
                { "Volume.set_description", volume_set_description },
                { "Volume.set", volume_set },
                { "Volume.unset", volume_unset },
                { "Volume.chain", volume_chain },
                { "Volume.coalesce", volume_coalesce },
                { "Volume.set_top", volume_set_top },
                { NULL, NULL },
        };

        directory_type = &DIRECTORY_TYPE;
        return call_main(methods, argc, argv);
}
