/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The volume plugin "dir": a directory of sparse raw images. One executable, a link to it for each method. */
#include "../call.h"
#include "config.h"
#include "directory.h"
#include "volume.h"

static json_t *plugin_query(json_t *args, Failure *failure)
{
        (void)args;
        (void)failure;
        return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:[s,s,s,s,s,s,s,s,s,s,s,s,s], s:{s:s}, s:[]}",
                         "plugin", "dir", "name", "Directory", "description",
                         "Sparse raw disk images in a directory of this host", "vendor", "XAPI toolstack",
                         "copyright", "LGPL-2.1-or-later", "version", XAPI_VERSION, "required_api_version",
                         "5.0", "features", "SR_ATTACH", "SR_DETACH", "SR_CREATE", "SR_DESTROY", "SR_PROBE",
                         "VDI_CREATE", "VDI_DESTROY", "VDI_ATTACH", "VDI_DETACH", "VDI_RESIZE", "VDI_CLONE",
                         "VDI_SNAPSHOT", "STABLE_URI", "configuration", "location",
                         "the directory's absolute path", "required_cluster_stack");
}

static json_t *plugin_diagnostics(json_t *args, Failure *failure)
{
        (void)args;
        (void)failure;
        return json_string("dir " XAPI_VERSION ": keeps nothing outside its directories");
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
                { "Volume.create", volume_create },
                { "Volume.clone", volume_clone },
                { "Volume.snapshot", volume_snapshot },
                { "Volume.destroy", volume_destroy },
                { "Volume.resize", volume_resize },
                { "Volume.stat", volume_stat },
                { "Volume.set_name", volume_set_name },
                { "Volume.set_description", volume_set_description },
                { "Volume.set", volume_set },
                { "Volume.unset", volume_unset },
                { NULL, NULL },
        };

        return call_main(methods, argc, argv);
}
