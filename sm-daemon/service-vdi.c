/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dp.h"
#include "service-private.h"
#include "vdi-info.h"
#include "vdi.h"

#define DOM0 "0" /* for whom a volume is attached where the call does not say */

static bool on_create(void *data, const ServiceCall *call, StorageVdiCreateArgs *args, StorageVdiInfo *ret,
                      StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return vdi_create(door_manager(data), &operation, args->sr, &args->vdi_info, ret, error);
}

static bool on_clone(void *data, const ServiceCall *call, StorageVdiCloneArgs *args, StorageVdiInfo *ret,
                     StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return vdi_clone(door_manager(data), &operation, args->sr, &args->vdi_info, ret, error);
}

static bool on_copy_full(void *data, const ServiceCall *call, StorageVdiCopyFullArgs *args,
                         StorageVdiInfo *ret, StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return vdi_copy_full(door_manager(data), &operation, args->sr, args->from_sr, &args->vdi_info, ret,
                             error);
}

static bool on_snapshot(void *data, const ServiceCall *call, StorageVdiSnapshotArgs *args,
                        StorageVdiInfo *ret, StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return vdi_snapshot(door_manager(data), &operation, args->sr, &args->vdi_info, ret, error);
}

static bool on_destroy(void *data, const ServiceCall *call, StorageVdiDestroyArgs *args, StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return vdi_destroy(door_manager(data), &operation, args->sr, args->vdi, error);
}

static bool on_resize(void *data, const ServiceCall *call, StorageVdiResizeArgs *args, int64_t *ret,
                      StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return vdi_resize(door_manager(data), &operation, args->sr, args->vdi, args->new_size, ret, error);
}

static bool on_stat(void *data, const ServiceCall *call, StorageVdiStatArgs *args, StorageVdiInfo *ret,
                    StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return vdi_stat(door_manager(data), &operation, args->sr, args->vdi, ret, error);
}

/* `location` is SMAPIv1's word for what the volume is called in its repository. */
static bool on_introduce(void *data, const ServiceCall *call, StorageVdiIntroduceArgs *args,
                         StorageVdiInfo *ret, StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return vdi_stat(door_manager(data), &operation, args->sr, args->location, ret, error);
}

static bool on_get_by_name(void *data, const ServiceCall *call, StorageVdiGetByNameArgs *args,
                           StorageVdiInfo *ret, StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return vdi_get_by_name(door_manager(data), &operation, args->sr, args->name, ret, error);
}

static bool on_set_name_label(void *data, const ServiceCall *call, StorageVdiSetNameLabelArgs *args,
                              StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return vdi_set_name_label(door_manager(data), &operation, args->sr, args->vdi, args->new_name_label,
                                  error);
}

static bool on_set_name_description(void *data, const ServiceCall *call,
                                    StorageVdiSetNameDescriptionArgs *args, StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return vdi_set_name_description(door_manager(data), &operation, args->sr, args->vdi,
                                        args->new_name_description, error);
}

static bool on_set_persistent(void *data, const ServiceCall *call, StorageVdiSetPersistentArgs *args,
                              StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return vdi_set_key(door_manager(data), &operation, args->sr, args->vdi, KEY_PERSISTENT,
                           args->persistent ? NULL : "false", error);
}

static bool on_set_content_id(void *data, const ServiceCall *call, StorageVdiSetContentIdArgs *args,
                              StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return vdi_set_key(door_manager(data), &operation, args->sr, args->vdi, KEY_CONTENT_ID,
                           args->content_id, error);
}

static bool on_add_to_sm_config(void *data, const ServiceCall *call, StorageVdiAddToSmConfigArgs *args,
                                StorageError **error)
{
        g_autofree char *key = g_strconcat(KEY_SM_CONFIG, args->key, NULL);
        Operation operation = operation_of(call, args->dbg);

        return vdi_set_key(door_manager(data), &operation, args->sr, args->vdi, key, args->value, error);
}

static bool on_remove_from_sm_config(void *data, const ServiceCall *call,
                                     StorageVdiRemoveFromSmConfigArgs *args, StorageError **error)
{
        g_autofree char *key = g_strconcat(KEY_SM_CONFIG, args->key, NULL);
        Operation operation = operation_of(call, args->dbg);

        return vdi_set_key(door_manager(data), &operation, args->sr, args->vdi, key, NULL, error);
}

static bool on_epoch_begin(void *data, const ServiceCall *call, StorageVdiEpochBeginArgs *args,
                           StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return dp_epoch_begin(door_manager(data), &operation, args->sr, args->vdi, args->persistent, error);
}

static bool on_epoch_end(void *data, const ServiceCall *call, StorageVdiEpochEndArgs *args,
                         StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return dp_epoch_end(door_manager(data), &operation, args->sr, args->vdi, error);
}

static bool on_attach2(void *data, const ServiceCall *call, StorageVdiAttach2Args *args, StorageBackend *ret,
                       StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);
        DpName name = { .sr = args->sr, .vdi = args->vdi, .dp = args->dp, .vm = DOM0 };

        return dp_attach(door_manager(data), &operation, &name, args->read_write, ret, error);
}

static bool on_attach3(void *data, const ServiceCall *call, StorageVdiAttach3Args *args, StorageBackend *ret,
                       StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);
        DpName name = { .sr = args->sr, .vdi = args->vdi, .dp = args->dp, .vm = args->vm };

        return dp_attach(door_manager(data), &operation, &name, args->read_write, ret, error);
}

static bool on_activate(void *data, const ServiceCall *call, StorageVdiActivateArgs *args,
                        StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);
        DpName name = { .sr = args->sr, .vdi = args->vdi, .dp = args->dp, .vm = DOM0 };

        return dp_activate(door_manager(data), &operation, &name, false, error);
}

static bool on_activate3(void *data, const ServiceCall *call, StorageVdiActivate3Args *args,
                         StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);
        DpName name = { .sr = args->sr, .vdi = args->vdi, .dp = args->dp, .vm = args->vm };

        return dp_activate(door_manager(data), &operation, &name, false, error);
}

static bool on_activate_readonly(void *data, const ServiceCall *call, StorageVdiActivateReadonlyArgs *args,
                                 StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);
        DpName name = { .sr = args->sr, .vdi = args->vdi, .dp = args->dp, .vm = args->vm };

        return dp_activate(door_manager(data), &operation, &name, true, error);
}

static bool on_deactivate(void *data, const ServiceCall *call, StorageVdiDeactivateArgs *args,
                          StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);
        DpName name = { .sr = args->sr, .vdi = args->vdi, .dp = args->dp, .vm = args->vm };

        return dp_deactivate(door_manager(data), &operation, &name, error);
}

static bool on_detach(void *data, const ServiceCall *call, StorageVdiDetachArgs *args, StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);
        DpName name = { .sr = args->sr, .vdi = args->vdi, .dp = args->dp, .vm = args->vm };

        return dp_detach(door_manager(data), &operation, &name, error);
}

static bool on_open_data(void *data, const ServiceCall *call, StorageVdiOpenDataArgs *args,
                         StorageDataChannel *ret, StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);
        DpName name = { .sr = args->sr, .vdi = args->vdi, .dp = args->dp, .vm = DOM0 };
        int fd;

        if (!dp_open_data(door_manager(data), &operation, &name, args->read_write, ret, &fd, error))
                return false;
        service_call_send_fd(call, fd);
        return true;
}

/* A datapath is what has been attached by its name: there is nothing to make beforehand. */
static bool on_dp_create(void *data, const ServiceCall *call, StorageDpCreateArgs *args, char **ret,
                         StorageError **error)
{
        *ret = bus_strdup(args->id);
        return true;
}

static bool on_dp_destroy(void *data, const ServiceCall *call, StorageDpDestroyArgs *args,
                          StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return dp_destroy(door_manager(data), &operation, args->dp, args->allow_leak, error);
}

static bool on_dp_destroy2(void *data, const ServiceCall *call, StorageDpDestroy2Args *args,
                           StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);
        DpName name = { .sr = args->sr, .vdi = args->vdi, .dp = args->dp, .vm = args->vm };

        return dp_destroy_one(door_manager(data), &operation, &name, args->allow_leak, error);
}

static bool on_dp_attach_info(void *data, const ServiceCall *call, StorageDpAttachInfoArgs *args,
                              StorageBackend *ret, StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);
        DpName name = { .sr = args->sr, .vdi = args->vdi, .dp = args->dp, .vm = args->vm };

        return dp_attach_info(door_manager(data), &operation, &name, ret, error);
}

static bool on_dp_stat_vdi(void *data, const ServiceCall *call, StorageDpStatVdiArgs *args,
                           StorageDpStat *ret, StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return dp_stat(door_manager(data), &operation, args->sr, args->vdi, ret, error);
}

static bool on_dp_diagnostics(void *data, const ServiceCall *call, StorageDpDiagnosticsArgs *args, char **ret,
                              StorageError **error)
{
        *ret = manager_diagnostics(door_manager(data));
        return true;
}

void service_vdi_functions(StorageService *functions)
{
        functions->vdi_create = on_create;
        functions->vdi_clone = on_clone;
        functions->vdi_copy_full = on_copy_full;
        functions->vdi_snapshot = on_snapshot;
        functions->vdi_destroy = on_destroy;
        functions->vdi_resize = on_resize;
        functions->vdi_stat = on_stat;
        functions->vdi_introduce = on_introduce;
        functions->vdi_get_by_name = on_get_by_name;
        functions->vdi_set_name_label = on_set_name_label;
        functions->vdi_set_name_description = on_set_name_description;
        functions->vdi_set_persistent = on_set_persistent;
        functions->vdi_set_content_id = on_set_content_id;
        functions->vdi_add_to_sm_config = on_add_to_sm_config;
        functions->vdi_remove_from_sm_config = on_remove_from_sm_config;
        functions->vdi_epoch_begin = on_epoch_begin;
        functions->vdi_epoch_end = on_epoch_end;
        functions->vdi_attach2 = on_attach2;
        functions->vdi_attach3 = on_attach3;
        functions->vdi_activate = on_activate;
        functions->vdi_activate3 = on_activate3;
        functions->vdi_activate_readonly = on_activate_readonly;
        functions->vdi_deactivate = on_deactivate;
        functions->vdi_detach = on_detach;
        functions->vdi_open_data = on_open_data;
        functions->dp_create = on_dp_create;
        functions->dp_destroy = on_dp_destroy;
        functions->dp_destroy2 = on_dp_destroy2;
        functions->dp_attach_info = on_dp_attach_info;
        functions->dp_stat_vdi = on_dp_stat_vdi;
        functions->dp_diagnostics = on_dp_diagnostics;
}
