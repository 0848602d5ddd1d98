/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "task.h"

#include <string.h>

#include "classes.h"
#include "job.h"
#include "manager.h"
#include "xenapi-handlers.h"

/* Another user's task takes a pool-operator. */
static TaskRow *task_edit(Call *call, const char *ref, XapiError **error)
{
        TaskRow *task = (TaskRow *)txn_require_edit(call_txn(call), &CLASS_TASK, ref, error);
        g_autofree char *low = NULL, *permission = NULL;

        if (!task || task_is_ours(call->txn, task, call->session, call->roles, call->local_root))
                return task;
        low = g_ascii_strdown(call->message->name, -1);
        permission = g_strdup_printf("%s/any", low);
        xapi_fail(error, ERR_RBAC_PERMISSION_DENIED, permission, "No permission in user session", NULL);
        return NULL;
}

/* ---- what clients write, whatever their role ---- */

static bool fits(const char *field, size_t bytes, XapiError **error)
{
        return bytes <= TASK_TEXT_BYTES_MAX ||
               xapi_fail(error, ERR_INVALID_VALUE, field, "It is longer than a task's may be", NULL);
}

static bool texts_fit(const char *field, const Set *texts, XapiError **error)
{
        size_t bytes = 0;

        for (uint32_t i = 0; i < texts->n; i++)
                bytes += strlen(texts->items[i].s);
        return fits(field, bytes, error);
}

static bool map_fits(const char *field, const Map *map, XapiError **error)
{
        size_t bytes = 0;

        for (uint32_t i = 0; i < map->n; i++)
                bytes += strlen(map->entries[i].key.s) + strlen(map->entries[i].value.s);
        return fits(field, bytes, error);
}

static bool create(Call *call, const TaskCreateParams *p, XapiError **error)
{
        if (!fits("label", strlen(p->label), error) || !fits("description", strlen(p->description), error) ||
            !task_has_room(call_txn(call), call->roles, call->local_root, error))
                return false;

        Str ref = task_create(call_txn(call), call->manager, p->label, p->description, call->session, false);

        return call_return(call, (Value){ .s = ref });
}

static bool pending(const TaskRow *task)
{
        return task->status == TASK_STATUS_TYPE_PENDING || task->status == TASK_STATUS_TYPE_CANCELLING;
}

static void mark(TaskRow *task, const char *key, int64_t operation)
{
        auto_str k = str_new(key);

        slot_map(&task->current_operations,
                 map_with(task->current_operations, (Value){ .s = k }, (Value){ .i = operation }));
}

/* What is pending is only marked, so that its end can still be seen; it goes when it has ended. */
static bool destroy(Call *call, const TaskDestroyParams *p, XapiError **error)
{
        TaskRow *task = task_edit(call, p->self, error);
        auto_str key = str_new("task");

        if (!task)
                return false;
        if (!pending(task)) {
                txn_delete(call->txn, &CLASS_TASK, p->self);
                return true;
        }
        if (map_get(task->current_operations, (Value){ .s = key }))
                return xapi_fail(error, ERR_MAP_DUPLICATE_KEY, "task", "current_operations", p->self, key,
                                 NULL);
        mark(task, key, TASK_ALLOWED_OPERATIONS_DESTROY);
        return true;
}

/* The request is noted on the task by a key that names it; only whoever runs the task can act on it. */
static bool cancel(Call *call, const TaskCancelParams *p, XapiError **error)
{
        TaskRow *task = task_edit(call, p->task, error);
        auto_str key = NULL;

        if (!task)
                return false;
        if (job_cancel(call->manager, p->task)) {
                task->status = TASK_STATUS_TYPE_CANCELLING;
                return true;
        }
        if (!pending(task))
                return true;
        key = task_dummy_ref("task.cancel");
        slot_map(&task->current_operations,
                 map_empty(task->current_operations->type)); /* as upstream: it replaces */
        mark(task, key, TASK_ALLOWED_OPERATIONS_CANCEL);
        return true;
}

static bool set_status(Call *call, const TaskSetStatusParams *p, XapiError **error)
{
        TaskRow *task = task_edit(call, p->self, error);

        if (!task)
                return false;
        task->status = p->value;
        return true;
}

static bool set_progress(Call *call, const TaskSetProgressParams *p, XapiError **error)
{
        TaskRow *task = task_edit(call, p->self, error);

        if (!task)
                return false;
        task->progress = p->value;
        return true;
}

static bool set_result(Call *call, const TaskSetResultParams *p, XapiError **error)
{
        TaskRow *task = task_edit(call, p->self, error);

        if (!task || !fits("result", strlen(p->value), error))
                return false;
        slot_str(&task->result, p->value);
        return true;
}

static bool set_error_info(Call *call, const TaskSetErrorInfoParams *p, XapiError **error)
{
        TaskRow *task = task_edit(call, p->self, error);

        if (!task || !texts_fit("error_info", p->value, error))
                return false;
        slot_set(&task->error_info, set_ref(p->value));
        return true;
}

static bool set_other_config(Call *call, const TaskSetOtherConfigParams *p, XapiError **error)
{
        TaskRow *task = task_edit(call, p->self, error);

        if (!task || !map_fits("other_config", p->value, error))
                return false;
        slot_map(&task->other_config, map_ref(p->value));
        return true;
}

static bool add_to_other_config(Call *call, const TaskAddToOtherConfigParams *p, XapiError **error)
{
        TaskRow *task = task_edit(call, p->self, error);

        if (!task)
                return false;
        if (map_get(task->other_config, (Value){ .s = p->key }))
                return xapi_fail(error, ERR_MAP_DUPLICATE_KEY, "task", "other_config", p->self, p->key, NULL);
        slot_map(&task->other_config, map_with_str(task->other_config, p->key, p->value));
        return map_fits("other_config", task->other_config, error);
}

static bool remove_from_other_config(Call *call, const TaskRemoveFromOtherConfigParams *p, XapiError **error)
{
        TaskRow *task = task_edit(call, p->self, error);

        if (!task)
                return false;
        slot_map(&task->other_config, map_without(task->other_config, (Value){ .s = p->key }));
        return true;
}

const TaskHandlers task_handlers = {
        .create = { PLACE_LOOP, create },
        .destroy = { PLACE_LOOP, destroy },
        .cancel = { PLACE_LOOP, cancel },
        .set_status = { PLACE_LOOP, set_status },
        .set_progress = { PLACE_LOOP, set_progress },
        .set_result = { PLACE_LOOP, set_result },
        .set_error_info = { PLACE_LOOP, set_error_info },
        .set_other_config = { PLACE_LOOP, set_other_config },
        .add_to_other_config = { PLACE_LOOP, add_to_other_config },
        .remove_from_other_config = { PLACE_LOOP, remove_from_other_config },
};
