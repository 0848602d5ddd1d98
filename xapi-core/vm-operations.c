/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which operations a VM allows, and when: the order of the checks is upstream's, since clients match on the first error. */
#include <stdbool.h>
#include <string.h>

#include <glib.h>

#include "operations.h"
#include "rows.h"
#include "vm.h"
#include "xenapi.h"

#define OP(name)   VM_OPERATIONS_##name
#define BIT(state) (1u << VM_POWER_STATE_##state)
#define ANY_STATE  (BIT(HALTED) | BIT(PAUSED) | BIT(SUSPENDED) | BIT(RUNNING))

static const struct {
        int64_t operation;
        unsigned states;
} STATES[] = {
        { OP(SNAPSHOT), ANY_STATE },
        { OP(CLONE), BIT(HALTED) },
        { OP(COPY), BIT(HALTED) },
        { OP(CREATE_TEMPLATE), BIT(HALTED) },
        { OP(REVERT), ANY_STATE },
        { OP(REVERTING), ANY_STATE },
        { OP(CHECKPOINT), BIT(PAUSED) | BIT(SUSPENDED) | BIT(RUNNING) },
        { OP(PROVISION), BIT(HALTED) },
        { OP(START), BIT(HALTED) },
        { OP(START_ON), BIT(HALTED) },
        { OP(PAUSE), BIT(RUNNING) },
        { OP(UNPAUSE), BIT(PAUSED) },
        { OP(CLEAN_SHUTDOWN), BIT(RUNNING) },
        { OP(CLEAN_REBOOT), BIT(RUNNING) },
        { OP(HARD_SHUTDOWN), BIT(PAUSED) | BIT(SUSPENDED) | BIT(RUNNING) },
        { OP(SHUTDOWN), BIT(PAUSED) | BIT(SUSPENDED) | BIT(RUNNING) },
        { OP(HARD_REBOOT), BIT(PAUSED) | BIT(RUNNING) },
        { OP(SUSPEND), BIT(RUNNING) },
        { OP(RESUME), BIT(SUSPENDED) },
        { OP(RESUME_ON), BIT(SUSPENDED) },
        { OP(POOL_MIGRATE), BIT(RUNNING) },
        { OP(MIGRATE_SEND), BIT(HALTED) | BIT(SUSPENDED) | BIT(RUNNING) },
        { OP(SEND_SYSRQ), BIT(RUNNING) },
        { OP(SEND_TRIGGER), BIT(RUNNING) },
        { OP(CALL_PLUGIN), BIT(RUNNING) },
        { OP(CHANGING_MEMORY_LIVE), BIT(RUNNING) },
        { OP(AWAITING_MEMORY_LIVE), BIT(RUNNING) },
        { OP(CHANGING_DYNAMIC_RANGE), BIT(HALTED) | BIT(RUNNING) },
        { OP(CHANGING_STATIC_RANGE), BIT(HALTED) },
        { OP(CHANGING_MEMORY_LIMITS), BIT(HALTED) },
        { OP(CHANGING_SHADOW_MEMORY), BIT(HALTED) },
        { OP(CHANGING_SHADOW_MEMORY_LIVE), BIT(RUNNING) },
        { OP(CHANGING_VCPUS), BIT(HALTED) },
        { OP(CHANGING_VCPUS_LIVE), BIT(RUNNING) },
        { OP(CHANGING_NVRAM), BIT(HALTED) },
        { OP(MAKE_INTO_TEMPLATE), BIT(HALTED) },
        { OP(EXPORT), BIT(HALTED) | BIT(SUSPENDED) },
        { OP(METADATA_EXPORT), ANY_STATE },
        { OP(DESTROY), BIT(HALTED) | BIT(SUSPENDED) },
        { OP(CREATE_VTPM), BIT(HALTED) },
};

static const int64_t OFFERED[] = {
        OP(SNAPSHOT),
        OP(CLONE),
        OP(COPY),
        OP(REVERT),
        OP(CHECKPOINT),
        OP(PROVISION),
        OP(START),
        OP(START_ON),
        OP(PAUSE),
        OP(UNPAUSE),
        OP(CLEAN_SHUTDOWN),
        OP(CLEAN_REBOOT),
        OP(HARD_SHUTDOWN),
        OP(HARD_REBOOT),
        OP(SUSPEND),
        OP(RESUME),
        OP(RESUME_ON),
        OP(POOL_MIGRATE),
        OP(MIGRATE_SEND),
        OP(CHANGING_DYNAMIC_RANGE),
        OP(CHANGING_STATIC_RANGE),
        OP(CHANGING_SHADOW_MEMORY),
        OP(CHANGING_VCPUS_LIVE),
        OP(CHANGING_NVRAM),
        OP(MAKE_INTO_TEMPLATE),
        OP(EXPORT),
        OP(METADATA_EXPORT),
        OP(DESTROY),
        OP(CREATE_VTPM),
        -1,
};

static bool one_of(int64_t operation, const int64_t *list)
{
        for (; *list >= 0; list++)
                if (*list == operation)
                        return true;
        return false;
}

/* Upstream's errors have no word for some. */
static const char *operation_name(int64_t operation)
{
        static const int64_t NAMELESS[] = { OP(CHANGING_VCPUS), OP(CHANGING_MEMORY_LIMITS),
                                            OP(QUERY_SERVICES), -1 };

        return one_of(operation, NAMELESS) ? "(unknown operation)" : ENUM_VM_OPERATIONS.values[operation];
}

/* ---- blocked by the administrator ---- */

static bool check_blocked(const VmRow *vm, int64_t operation, XapiError **error)
{
        const Value *why = map_get(vm->blocked_operations, (Value){ .i = operation });

        if (!why)
                return true;
        return xapi_fail(error, ERR_OPERATION_BLOCKED, vm->row.ref, why->s, NULL);
}

/* ---- power states ---- */

const char *vm_power_state_text(int64_t state)
{
        static const char *const TEXT[] = {
                [VM_POWER_STATE_HALTED] = "halted",
                [VM_POWER_STATE_PAUSED] = "paused",
                [VM_POWER_STATE_RUNNING] = "running",
                [VM_POWER_STATE_SUSPENDED] = "suspended",
        };

        return TEXT[state];
}

bool vm_fail_power_state(const VmRow *vm, unsigned states, XapiError **error)
{
        static const int64_t ORDER[] = { VM_POWER_STATE_HALTED, VM_POWER_STATE_PAUSED,
                                         VM_POWER_STATE_SUSPENDED, VM_POWER_STATE_RUNNING };
        g_autoptr(GString) expected = NULL;

        if (!error)
                return false;
        expected = g_string_new("");
        for (size_t i = 0; i < G_N_ELEMENTS(ORDER); i++)
                if (states & (1u << ORDER[i]))
                        g_string_append_printf(expected, "%s%s", expected->len ? ", " : "",
                                               vm_power_state_text(ORDER[i]));
        return xapi_fail(error, ERR_VM_BAD_POWER_STATE, vm->row.ref, expected->str,
                         vm_power_state_text(vm->power_state), NULL);
}

static unsigned allowed_states(const VmRow *vm, int64_t operation)
{
        for (size_t i = 0; i < G_N_ELEMENTS(STATES); i++) {
                if (STATES[i].operation != operation)
                        continue;
                if (vm->is_control_domain &&
                    (operation == OP(CHANGING_STATIC_RANGE) || operation == OP(CHANGING_VCPUS) ||
                     operation == OP(CHANGING_MEMORY_LIMITS)))
                        return STATES[i].states | BIT(RUNNING);
                if (vm->is_a_snapshot && (operation == OP(CLONE) || operation == OP(COPY)))
                        return STATES[i].states | BIT(SUSPENDED);
                return STATES[i].states;
        }
        return ANY_STATE;
}

static bool check_power_state(const VmRow *vm, int64_t operation, XapiError **error)
{
        unsigned states = allowed_states(vm, operation);

        if (states & (1u << vm->power_state))
                return true;
        return vm_fail_power_state(vm, states, error);
}

/* ---- operations beside operations ---- */

static bool all_current_in(const VmRow *vm, const int64_t *list)
{
        for (uint32_t i = 0; i < vm->current_operations->n; i++)
                if (!one_of(vm->current_operations->entries[i].value.i, list))
                        return false;
        return true;
}

static bool current_has(const VmRow *vm, int64_t operation)
{
        for (uint32_t i = 0; i < vm->current_operations->n; i++)
                if (vm->current_operations->entries[i].value.i == operation)
                        return true;
        return false;
}

static bool may_run_beside(const VmRow *vm, int64_t operation)
{
        static const int64_t COPIES[] = { OP(CLONE), OP(COPY), OP(EXPORT), -1 };
        static const int64_t SNAPSHOTS[] = { OP(SNAPSHOT), OP(CHECKPOINT), -1 };
        static const int64_t BOOT_RECORD[] = { OP(GET_BOOT_RECORD), -1 };
        static const int64_t WHILE_MIGRATING[] = { OP(METADATA_EXPORT), OP(CLEAN_SHUTDOWN), OP(CLEAN_REBOOT),
                                                   OP(START),           OP(START_ON),       -1 };
        static const int64_t *const GROUPS[] = { COPIES, SNAPSHOTS, BOOT_RECORD };

        if (operation == OP(HARD_SHUTDOWN))
                return !current_has(vm, OP(HARD_SHUTDOWN));
        if (operation == OP(HARD_REBOOT))
                return !current_has(vm, OP(HARD_SHUTDOWN)) && !current_has(vm, OP(HARD_REBOOT));
        if (vm->current_operations->n == 1 && current_has(vm, OP(MIGRATE_SEND)))
                return one_of(operation, WHILE_MIGRATING);
        for (size_t i = 0; i < G_N_ELEMENTS(GROUPS); i++)
                if (one_of(operation, GROUPS[i]) && all_current_in(vm, GROUPS[i]))
                        return true;
        return false;
}

/* ---- what kind of VM it is ---- */

static bool check_kind(const VmRow *vm, int64_t operation, XapiError **error)
{
        static const int64_t OF_TEMPLATES[] = { OP(CHANGING_DYNAMIC_RANGE),
                                                OP(CHANGING_STATIC_RANGE),
                                                OP(CHANGING_MEMORY_LIMITS),
                                                OP(CHANGING_SHADOW_MEMORY),
                                                OP(CHANGING_NVRAM),
                                                OP(CHANGING_VCPUS),
                                                OP(CLONE),
                                                OP(COPY),
                                                OP(DESTROY),
                                                OP(EXPORT),
                                                OP(METADATA_EXPORT),
                                                OP(MIGRATE_SEND),
                                                OP(PROVISION),
                                                -1 };
        static const int64_t OF_SNAPSHOTS[] = { OP(CLONE),           OP(COPY),   OP(DESTROY), OP(EXPORT),
                                                OP(METADATA_EXPORT), OP(REVERT), -1 };
        static const int64_t OF_CONTROL_DOMAINS[] = { OP(CHANGING_DYNAMIC_RANGE), OP(CHANGING_STATIC_RANGE),
                                                      OP(CHANGING_MEMORY_LIMITS), OP(CHANGING_VCPUS),
                                                      OP(METADATA_EXPORT),        -1 };

        if (operation == OP(POWER_STATE_RESET))
                return true;
        if (vm->is_a_snapshot && !one_of(operation, OF_SNAPSHOTS))
                return xapi_fail(error, ERR_VM_IS_SNAPSHOT, vm->row.ref, operation_name(operation), NULL);
        if (vm->is_a_template && !vm->is_a_snapshot && !one_of(operation, OF_TEMPLATES))
                return xapi_fail(error, ERR_VM_IS_TEMPLATE, vm->row.ref, operation_name(operation), NULL);
        if (vm->is_control_domain && !one_of(operation, OF_CONTROL_DOMAINS))
                return xapi_fail(error, ERR_OPERATION_NOT_ALLOWED,
                                 "This operation is not allowed on a control domain", NULL);
        if (operation == OP(PROVISION) && !vm->is_a_template)
                return xapi_fail(error, ERR_PROVISION_ONLY_ALLOWED_ON_TEMPLATE, NULL);
        if (operation == OP(REVERT) && !vm->is_a_snapshot)
                return xapi_fail(error, ERR_VM_REVERT_FAILED, vm->row.ref, NULL_REF, NULL);
        return true;
}

/* A template cannot be started with the others of its appliance. */
static bool check_appliance(Txn *txn, const VmRow *vm, int64_t operation, XapiError **error)
{
        if (operation != OP(MAKE_INTO_TEMPLATE) || !txn_get(txn, &CLASS_VM_APPLIANCE, vm->appliance))
                return true;
        return xapi_fail(error, ERR_VM_IS_PART_OF_AN_APPLIANCE, vm->row.ref, vm->appliance, NULL);
}

/* ---- what the guest can do ---- */

static bool has_feature(const VmGuestMetricsRow *guest, const char *feature)
{
        const char *value = guest ? map_get_str(guest->other, feature) : NULL;

        return value && strcmp(value, "1") == 0;
}

/* Paravirtual guests can do all of it; one with emulated devices says what its drivers can. */
static bool check_feature(Txn *txn, const VmRow *vm, int64_t operation, XapiError **error)
{
        const VmMetricsRow *metrics = (const VmMetricsRow *)txn_get(txn, &CLASS_VM_METRICS, vm->metrics);
        const VmGuestMetricsRow *guest =
            (const VmGuestMetricsRow *)txn_get(txn, &CLASS_VM_GUEST_METRICS, vm->guest_metrics);
        bool lacks = false;

        if (vm->power_state != VM_POWER_STATE_RUNNING || !metrics ||
            metrics->current_domain_type != DOMAIN_TYPE_HVM)
                return true;
        switch (operation) {
        case OP(CLEAN_SHUTDOWN):
                lacks = !has_feature(guest, "feature-shutdown") && !has_feature(guest, "feature-poweroff");
                break;
        case OP(CLEAN_REBOOT):
                lacks = !has_feature(guest, "feature-shutdown") && !has_feature(guest, "feature-reboot");
                break;
        case OP(CHANGING_VCPUS_LIVE):
                lacks = !has_feature(guest, "feature-vcpu-hotplug");
                break;
        case OP(SUSPEND):
        case OP(CHECKPOINT):
        case OP(POOL_MIGRATE):
        case OP(MIGRATE_SEND):
                lacks = !has_feature(guest, "feature-suspend");
                break;
        }
        return !lacks || xapi_fail(error, ERR_VM_LACKS_FEATURE, vm->row.ref, NULL);
}

static bool check(Txn *txn, const Row *row, int64_t operation, XapiError **error)
{
        const VmRow *vm = (const VmRow *)row;

        if (!check_blocked(vm, operation, error) || !check_power_state(vm, operation, error))
                return false;
        if (vm->current_operations->n && !may_run_beside(vm, operation))
                return operation_fail_busy(&VM_OPERATION_RULES, row, error);
        return check_kind(vm, operation, error) && check_appliance(txn, vm, operation, error) &&
               check_feature(txn, vm, operation, error);
}

const OperationRules VM_OPERATION_RULES = {
        .class = &CLASS_VM,
        .operations = &ENUM_VM_OPERATIONS,
        .allowed_field = VM_FIELD_allowed_operations,
        .current_field = VM_FIELD_current_operations,
        .offered = OFFERED,
        .check = check,
};
