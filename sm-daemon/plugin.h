/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plugins that are installed: <root>/volume/org.xen.xapi.storage.<type>/ and <root>/datapath/<scheme>/, each a
 * folder of executables named after methods. */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "idl/bus/smapi.h"
#include "idl/bus/storage.h"
#include "operation.h"

#define PLUGIN_QUEUE_PREFIX   STORAGE_QUEUE "."
#define PLUGIN_NAME_MAX       64u /* bytes of a type or scheme */
#define PLUGIN_JSON_DEPTH_MAX 32u /* of what a plugin answers */
/* Of what it tells: more is a lie. */
#define PLUGIN_KEY_MAX         4096u              /* bytes */
#define PLUGIN_VOLUME_SIZE_MAX (INT64_C(1) << 53) /* bytes; of more a JavaScript client does not know each */
#define PLUGIN_SR_SIZE_MAX     (INT64_C(1) << 62)
#define PLUGIN_FAILURE         "SR_BACKEND_FAILURE" /* with the parameters ["", text, details] */

/* Features by which a plugin spares us calls; they are ours, and a plugin need not know them. Of a volume plugin: a
 * volume's URIs change by nothing but calls for copies of it. */
#define PLUGIN_STABLE_URI "STABLE_URI"
/* Of a datapath plugin: attach of file://PATH gives the file PATH, whoever asks; the other methods do nothing. */
#define PLUGIN_FILE_AS_IT_IS "FILE_AS_IT_IS"

/* Of a volume plugin, and with the name of a type, in capitals, behind it: Volume.copy copies to repositories of that type. */
#define PLUGIN_COPY_TO "VDI_COPY_TO_"

typedef enum PluginKind { PLUGIN_VOLUME, PLUGIN_DATAPATH } PluginKind;

/* Immutable but for the count. What Plugin.query says is asked for once, and again when the folder has changed. */
typedef struct Plugin {
        int refs; /* atomic */
        PluginKind kind;
        char *name; /* type or scheme */
        char *folder;
        SmapiQuery query;
        uint64_t stamp; /* of the folder's state */
} Plugin;

typedef struct Plugins Plugins;

Plugins *plugins_new(const char *root);
void plugins_free(Plugins *plugins);
/* Returns an owned reference, or NULL with *error: No_storage_plugin_for_sr for a volume plugin, Backend_error for a
 * datapath, or what its Plugin.query said. Any thread. */
Plugin *plugins_find(Plugins *plugins, PluginKind kind, const char *name, const Operation *operation,
                     StorageError **error);
/* The names of the folders of that kind, in order; whether they work is another matter. Returns owned. */
GPtrArray *plugins_names(Plugins *plugins, PluginKind kind);
Plugin *plugin_ref(Plugin *plugin);
void plugin_unref(Plugin *plugin); /* NULL is legal */
bool plugin_has_feature(const Plugin *plugin, const char *feature);
bool plugin_copies_to(const Plugin *plugin, const char *type);
void plugin_query_result(const Plugin *plugin, StorageQueryResult *ret);

/* Carries the calls of the generated smapi_... stubs to the plugin: `PluginCaller c = plugin_caller(plugin, operation);
 * smapi_sr_stat(&c.caller, 0, ...)`. Borrows both. The stubs' timeout is of no meaning: the operation has one. */
typedef struct PluginCaller {
        BusCaller caller;
        const char *folder;
        const Operation *operation;
} PluginCaller;
PluginCaller plugin_caller(const Plugin *plugin, const Operation *operation);
/* What a stub failed with, as an error for our own caller; frees it. Returns false. */
bool plugin_fail(StorageError **error, SmapiError *failed);

/* False with *error when it cannot be true. `method` told it; `key`: of this volume, if it was asked about one. */
bool plugin_check_volume(const SmapiVolume *volume, const char *key, const char *method,
                         StorageError **error);
bool plugin_check_volumes(const SmapiVolumeList *volumes, const char *method, StorageError **error);
bool plugin_check_sr(const SmapiSr *sr, const char *method, StorageError **error);

/* Whether arrays and objects in the text are nested no deeper than max. The text need not be JSON. */
bool json_text_depth_ok(const char *text, size_t len, unsigned max);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Plugin, plugin_unref)
