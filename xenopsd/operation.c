/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "operation.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

static void operation_free(Job *job)
{
        Operation *operation = (Operation *)job;
        task_unref(operation->task);
        if (operation->arguments)
                bus_args_clear(operation->method, operation->arguments);
        g_free(operation->arguments);
        free(operation->reservation);
        g_free(operation->vm);
        cancel_destroy(&operation->never);
        cancel_destroy(&operation->rest);
        g_free(operation);
}

static void operation_log(const Operation *operation, const XenopsError *error)
{
        if (!error) {
                log_info("Operation done", "XAPI_OPERATION", operation->kind->name, "XAPI_VM", operation->vm,
                         "XAPI_TASK", task_id(operation->task), NULL);
                return;
        }
        char *text = xenops_error_text(error);
        log_warning("Operation failed", "XAPI_OPERATION", operation->kind->name, "XAPI_VM", operation->vm,
                    "XAPI_TASK", task_id(operation->task), "ERROR", text, NULL);
        free(text);
}

static void operation_run(Job *job)
{
        Operation *operation = (Operation *)job;
        Manager *manager = operation->manager;
        Backend *backend = operation->backend = manager->backend;
        XenopsError *error = NULL;
        operation->context = backend->operations->context_new(backend, task_cancel(operation->task));
        operation->undo = backend->operations->context_new(backend, &operation->never);
        operation->patience = operation->kind->rests ? &operation->rest : task_cancel(operation->task);
        operation->config = vm_store_get(manager->vms, operation->vm, &error);
        if (operation->config && task_check_cancelled(operation->task, &error))
                operation->kind->run(operation, &error);
        if (!operation->kind->silent) {
                operation_log(operation, error);
                manager_vm_changed(manager, operation->vm);
        }
        task_end(operation->task, error);
        backend->operations->context_free(operation->undo);
        backend->operations->context_free(operation->context);
        vm_config_unref(operation->config);
}

static void operation_overtake(Job *job)
{
        cancel_ask(task_cancel(((Operation *)job)->task));
}

static void operation_end_rest(Job *job)
{
        cancel_ask(&((Operation *)job)->rest);
}

/* Takes the task. */
static Operation *operation_new(Manager *manager, const OperationKind *kind, const char *vm, Task *task,
                                bool urgent)
{
        Operation *operation = g_new0(Operation, 1);
        operation->job = (Job){ .run = operation_run,
                                .free = operation_free,
                                .urgent = urgent,
                                .overtake = kind->yields  ? operation_overtake
                                            : kind->rests ? operation_end_rest
                                                          : NULL };
        operation->manager = manager;
        operation->kind = kind;
        operation->vm = g_strdup(vm);
        operation->task = task;
        cancel_init(&operation->never);
        cancel_init(&operation->rest);
        return operation;
}

bool operation_submit(Manager *manager, const OperationKind *kind, const char *method, const char *debug_info,
                      const char *vm, void *arguments, bool urgent, char **ret_task, XenopsError **error)
{
        bool repeat;
        if (!vm_store_has(manager->vms, vm ? vm : ""))
                return xenops_fail_does_not_exist(error, "VM", vm ? vm : "");
        Task *task = tasks_begin(manager->tasks, debug_info ? debug_info : "", &repeat);
        char *id = bus_strdup(task_id(task));
        if (repeat) {
                task_unref(task);
                *ret_task = id;
                return true;
        }
        Operation *operation = operation_new(manager, kind, vm, task, urgent);
        operation->method = bus_interface_method(&xenops_interface, method);
        operation->arguments = g_memdup2(arguments, operation->method->args_size);
        memset(arguments, 0, operation->method->args_size);
        if (queues_push(manager->queues, operation->vm, &operation->job) < 0) {
                tasks_destroy(manager->tasks, id);
                task_end(task, NULL);
                operation_free(&operation->job);
                free(id);
                return xenops_fail_internal(error, "%s refused: too many operations at a time", method);
        }
        *ret_task = id;
        return true;
}

void operation_submit_own(Manager *manager, const OperationKind *kind, const char *vm)
{
        Operation *operation =
            operation_new(manager, kind, vm, tasks_begin_silent(manager->tasks, kind->name), false);
        operation->job.owed = true;
        int r = queues_push(manager->queues, operation->vm, &operation->job);
        assert(r == 0);
}

bool operation_domain(const Operation *operation, BackendDomain *ret, XenopsError **error)
{
        return operation->backend->operations->stat(operation->backend, operation->vm, ret) ||
               xenops_fail_bad_power_state(error,
                                           operation->config->suspended ? XENOPS_POWER_STATE_SUSPENDED
                                                                        : XENOPS_POWER_STATE_HALTED,
                                           XENOPS_POWER_STATE_RUNNING);
}

bool operation_refresh(Operation *operation, XenopsError **error)
{
        VmConfig *config = vm_store_get(operation->manager->vms, operation->vm, error);
        if (!config)
                return false;
        vm_config_unref(operation->config);
        operation->config = config;
        return true;
}

const char *operation_debug_info(const Operation *operation)
{
        return task_debug_info(operation->task);
}

uint64_t operation_grace_usec(Operation *operation)
{
        uint64_t now = clock_usec();
        if (operation->grace_end_usec == 0)
                operation->grace_end_usec = now + (uint64_t)operation->manager->grace_ms * 1000;
        return operation->grace_end_usec > now ? operation->grace_end_usec - now : 1;
}
