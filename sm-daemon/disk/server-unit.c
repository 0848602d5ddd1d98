/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server-unit.h"

#include <string.h>

#define SERVE "serve" /* sm-disk's word */

static void add_text(GVariantBuilder *builder, const char *name, const char *value)
{
        g_variant_builder_add(builder, "(sv)", name, g_variant_new_string(value));
}

static void add_bool(GVariantBuilder *builder, const char *name)
{
        g_variant_builder_add(builder, "(sv)", name, g_variant_new_boolean(TRUE));
}

static void add_list(GVariantBuilder *builder, const char *name, bool allow, const char *const *items)
{
        g_variant_builder_add(builder, "(sv)", name,
                              g_variant_new("(b@as)", allow, g_variant_new_strv(items, -1)));
}

/* `sm-disk VERB FOLDER`. Not the properties whose names end in Ex, which could say + of each: systemd 252 writes them down
 * by these names, does not know them when it is told to read all units again, and then starts the server no more. */
static void add_command(GVariantBuilder *builder, const char *property, const char *sm_disk, const char *verb,
                        const char *folder)
{
        const char *const argv[] = { sm_disk, verb, folder, NULL };
        GVariant *command = g_variant_new("(s@asb)", sm_disk, g_variant_new_strv(argv, -1), FALSE);

        g_variant_builder_add(builder, "(sv)", property, g_variant_new_array(NULL, &command, 1));
}

/* The main process is the one that the first one leaves in the control group. Not PIDFile: systemd believes such a file of
 * root's, whatever process it names, and stops that. */
static void add_life(GVariantBuilder *builder, const char *sm_disk, const DiskRecord *record)
{
        g_autofree char *title = g_strdup_printf("Server of disk %s/%s", record->sr, record->vdi);

        add_text(builder, "Description", title);
        add_text(builder, "Type", "forking");
        add_text(builder, "SyslogIdentifier", "sm-disk");
        add_text(builder, "CollectMode", "inactive-or-failed");
        add_text(builder, "Restart", "always");
        g_variant_builder_add(builder, "(sv)", "RestartUSec", g_variant_new_uint64(100 * 1000));
        g_variant_builder_add(builder, "(sv)", "StartLimitIntervalUSec", g_variant_new_uint64(0));
        g_variant_builder_add(builder, "(sv)", "TimeoutStartUSec", g_variant_new_uint64(60 * 1000000));
        g_variant_builder_add(builder, "(sv)", "TimeoutStopUSec", g_variant_new_uint64(15 * 1000000));
        g_variant_builder_add(builder, "(sv)", "OOMScoreAdjust", g_variant_new_int32(-500));
        add_command(builder, "ExecStart", sm_disk, SERVE, record->folder);
        /* Of the confinement below, these two have none. */
        add_bool(builder, "PermissionsStartOnly");
        add_command(builder, "ExecStartPost", sm_disk, "connect", record->folder);
        add_command(builder, "ExecStop", sm_disk, "disconnect", record->folder);
}

/* Every folder at the top but for programs and for what the kernel shows: what is mounted over is so for all commands of
 * a unit (confined or not), and the one that connects the device needs /sys. */
static void hide_folders(GVariantBuilder *builder)
{
        static const char *const shown[] = { "bin",  "dev",  "lib", "lib32", "lib64", "libx32",
                                             "proc", "sbin", "sys", "usr",   NULL };
        GDir *top = g_dir_open("/", 0, NULL);
        GVariantBuilder hidden;
        const char *name;

        g_variant_builder_init(&hidden, G_VARIANT_TYPE("a(ss)"));
        while (top != NULL && (name = g_dir_read_name(top)) != NULL) {
                g_autofree char *path = g_strconcat("/", name, NULL);

                if (!g_strv_contains(shown, name) && g_file_test(path, G_FILE_TEST_IS_DIR) &&
                    !g_file_test(path, G_FILE_TEST_IS_SYMLINK))
                        g_variant_builder_add(&hidden, "(ss)", path, "ro");
        }
        if (top != NULL)
                g_dir_close(top);
        g_variant_builder_add(builder, "(sv)", "TemporaryFileSystem", g_variant_builder_end(&hidden));
}

/* It is root's user, as the images are. Of what that user may do without any privilege, this is taken from it: to signal
 * other processes of root's, to look into them, and to hold them up. */
static void add_calls(GVariantBuilder *builder)
{
        static const char *const allowed[] = { "@system-service", NULL }, *const native[] = { "native",
                                                                                              NULL };
        static const char *const refused[] = { "@keyring",
                                               "ioprio_set",
                                               "kill",
                                               "pidfd_send_signal",
                                               "process_madvise",
                                               "process_vm_readv",
                                               "process_vm_writev",
                                               "rt_sigqueueinfo",
                                               "rt_tgsigqueueinfo",
                                               "sched_setaffinity",
                                               "sched_setattr",
                                               "sched_setparam",
                                               "sched_setscheduler",
                                               "setpriority",
                                               "tkill",
                                               NULL };

        add_list(builder, "SystemCallFilter", true, allowed);
        add_list(builder, "SystemCallFilter", false, refused);
        g_variant_builder_add(builder, "(sv)", "SystemCallArchitectures", g_variant_new_strv(native, -1));
}

static void add_bind(GVariantBuilder *binds, const char *path, bool may_be_absent)
{
        g_variant_builder_add(binds, "(ssbt)", path, path, may_be_absent, (guint64)0);
}

/* What it sees besides programs. The record of what it is to serve, which others act on, it can only read. */
static void add_folders(GVariantBuilder *builder, const char *sm_disk, const DiskRecord *record)
{
        g_autofree char *images = g_path_get_dirname(record->path), *programs = g_path_get_dirname(sm_disk),
                        *own = disk_server_folder(record);
        GVariantBuilder read, written;

        add_text(builder, "ProtectSystem", "strict");
        hide_folders(builder);
        g_variant_builder_init(&read, G_VARIANT_TYPE("a(ssbt)"));
        add_bind(&read, "/etc/ld.so.cache", true);
        add_bind(&read, programs, false);
        add_bind(&read, record->folder, false);
        g_variant_builder_add(builder, "(sv)", "BindReadOnlyPaths", g_variant_builder_end(&read));
        g_variant_builder_init(&written, G_VARIANT_TYPE("a(ssbt)"));
        add_bind(&written, images, false);
        add_bind(&written, own, false);
        g_variant_builder_add(builder, "(sv)", "BindPaths", g_variant_builder_end(&written));
}

/* The server parses what the guest writes: it has no privilege, sees nothing but programs and the folders of its disk,
 * and of these can write the images' and its own alone. Its network namespace is the host's, because the command that
 * connects the device has the same one (confined or not), and needs that; AF_UNIX is all that it can make of it. A user
 * namespace of its own keeps it out of what /proc has of root's other processes. */
static void add_confinement(GVariantBuilder *builder, const char *sm_disk, const DiskRecord *record)
{
        static const char *const families[] = { "AF_UNIX", NULL };
        static const char *const bools[] = {
                "NoNewPrivileges",       "PrivateDevices",  "PrivateUsers",           "ProtectClock",
                "ProtectControlGroups",  "ProtectHostname", "ProtectKernelLogs",      "ProtectKernelModules",
                "ProtectKernelTunables", "LockPersonality", "MemoryDenyWriteExecute", "RestrictRealtime",
                "RestrictSUIDSGID"
        };

        for (size_t i = 0; i < G_N_ELEMENTS(bools); i++)
                add_bool(builder, bools[i]);
        add_text(builder, "ProtectProc", "invisible");
        add_list(builder, "RestrictAddressFamilies", true, families);
        add_calls(builder);
        g_variant_builder_add(builder, "(sv)", "RestrictNamespaces", g_variant_new_uint64(0));
        g_variant_builder_add(builder, "(sv)", "CapabilityBoundingSet", g_variant_new_uint64(0));
        g_variant_builder_add(builder, "(sv)", "UMask", g_variant_new_uint32(0077));
        add_folders(builder, sm_disk, record);
}

GVariant *server_unit_parameters(const char *unit, const char *sm_disk, const DiskRecord *record)
{
        GVariantBuilder properties;

        g_variant_builder_init(&properties, G_VARIANT_TYPE("a(sv)"));
        add_life(&properties, sm_disk, record);
        add_confinement(&properties, sm_disk, record);
        return g_variant_new("(ssa(sv)a(sa(sv)))", unit, "replace", &properties, NULL);
}

bool server_unit_serves(GVariant *exec_start, const char *folder)
{
        g_autoptr(GVariantIter) commands = NULL;
        g_autofree const char **argv = NULL;

        if (!g_variant_is_of_type(exec_start, G_VARIANT_TYPE("a(sasbttttuii)")))
                return false;
        g_variant_get(exec_start, "a(sasbttttuii)", &commands);
        return g_variant_iter_next(commands, "(&s^a&sbttttuii)", NULL, &argv, NULL, NULL, NULL, NULL, NULL,
                                   NULL, NULL, NULL) &&
               g_strv_length((char **)argv) == 3 && strcmp(argv[1], SERVE) == 0 &&
               strcmp(argv[2], folder) == 0;
}
