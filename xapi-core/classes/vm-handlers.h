/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The messages of class VM that are written, by file. */
#pragma once

#include "vm.h"

#define HANDLER(name, Message) bool vm_##name(Call *call, const Vm##Message##Params *p, XapiError **error)

/* vm-create.c */
HANDLER(create, Create);
HANDLER(destroy, Destroy);

/* vm-lifecycle.c */
HANDLER(start, Start);
HANDLER(start_on, StartOn);
HANDLER(pause, Pause);
HANDLER(unpause, Unpause);
HANDLER(clean_shutdown, CleanShutdown);
HANDLER(hard_shutdown, HardShutdown);
HANDLER(shutdown, Shutdown);
HANDLER(clean_reboot, CleanReboot);
HANDLER(hard_reboot, HardReboot);
HANDLER(power_state_reset, PowerStateReset);

/* vm-suspend.c */
HANDLER(suspend, Suspend);
HANDLER(resume, Resume);
HANDLER(resume_on, ResumeOn);
HANDLER(checkpoint, Checkpoint);

/* vm-clone.c, vm-revert.c, vm-provision.c */
HANDLER(clone, Clone);
HANDLER(copy, Copy);
HANDLER(csvm, Csvm);
HANDLER(snapshot, Snapshot);
HANDLER(revert, Revert);
HANDLER(provision, Provision);

/* vm-config.c */
HANDLER(set_other_config, SetOtherConfig);
HANDLER(add_to_other_config, AddToOtherConfig);
HANDLER(remove_from_other_config, RemoveFromOtherConfig);
HANDLER(set_platform, SetPlatform);
HANDLER(add_to_platform, AddToPlatform);
HANDLER(remove_from_platform, RemoveFromPlatform);
HANDLER(set_blocked_operations, SetBlockedOperations);
HANDLER(add_to_blocked_operations, AddToBlockedOperations);
HANDLER(remove_from_blocked_operations, RemoveFromBlockedOperations);
HANDLER(set_NVRAM, SetNvram);
HANDLER(add_to_NVRAM, AddToNvram);
HANDLER(remove_from_NVRAM, RemoveFromNvram);
HANDLER(set_NVRAM_EFI_variables, SetNvramEfiVariables);
HANDLER(set_bios_strings, SetBiosStrings);
HANDLER(copy_bios_strings, CopyBiosStrings);
HANDLER(set_domain_type, SetDomainType);
HANDLER(set_HVM_boot_policy, SetHvmBootPolicy);
HANDLER(set_has_vendor_device, SetHasVendorDevice);
HANDLER(set_suspend_VDI, SetSuspendVdi);
HANDLER(set_is_a_template, SetIsATemplate);
HANDLER(set_is_default_template, SetIsDefaultTemplate);

/* vm-policy.c */
HANDLER(set_appliance, SetAppliance);
HANDLER(set_order, SetOrder);
HANDLER(set_start_delay, SetStartDelay);
HANDLER(set_shutdown_delay, SetShutdownDelay);
HANDLER(set_ha_always_run, SetHaAlwaysRun);
HANDLER(set_ha_restart_priority, SetHaRestartPriority);
HANDLER(set_snapshot_schedule, SetSnapshotSchedule);
HANDLER(set_groups, SetGroups);

/* vm-limits.c */
HANDLER(set_VCPUs_max, SetVCPUsMax);
HANDLER(set_VCPUs_at_startup, SetVCPUsAtStartup);
HANDLER(set_HVM_shadow_multiplier, SetHvmShadowMultiplier);
HANDLER(set_memory, SetMemory);
HANDLER(set_memory_limits, SetMemoryLimits);
HANDLER(set_memory_static_min, SetMemoryStaticMin);
HANDLER(set_memory_static_max, SetMemoryStaticMax);
HANDLER(set_memory_static_range, SetMemoryStaticRange);
HANDLER(compute_memory_overhead, ComputeMemoryOverhead);
HANDLER(maximise_memory, MaximiseMemory);

/* vm-live.c */
HANDLER(set_memory_dynamic_min, SetMemoryDynamicMin);
HANDLER(set_memory_dynamic_max, SetMemoryDynamicMax);
HANDLER(set_memory_dynamic_range, SetMemoryDynamicRange);
HANDLER(set_memory_target_live, SetMemoryTargetLive);
HANDLER(wait_memory_target_live, WaitMemoryTargetLive);
HANDLER(set_shadow_multiplier_live, SetShadowMultiplierLive);
HANDLER(set_VCPUs_number_live, SetVCPUsNumberLive);
HANDLER(set_actions_after_crash, SetActionsAfterCrash);
HANDLER(set_xenstore_data, SetXenstoreData);
HANDLER(add_to_xenstore_data, AddToXenstoreData);
HANDLER(remove_from_xenstore_data, RemoveFromXenstoreData);

/* vm-query.c */
HANDLER(assert_operation_valid, AssertOperationValid);
HANDLER(get_allowed_VBD_devices, GetAllowedVbdDevices);
HANDLER(get_allowed_VIF_devices, GetAllowedVifDevices);
HANDLER(get_boot_record, GetBootRecord);
HANDLER(get_cooperative, GetCooperative);
HANDLER(query_services, QueryServices);
HANDLER(update_allowed_operations, UpdateAllowedOperations);
HANDLER(update_snapshot_metadata, UpdateSnapshotMetadata);
HANDLER(create_new_blob, CreateNewBlob);
HANDLER(pool_migrate, PoolMigrate);
HANDLER(send_sysrq, SendSysrq);
HANDLER(send_trigger, SendTrigger);
HANDLER(call_plugin, CallPlugin);

/* vm-place.c */
HANDLER(assert_can_boot_here, AssertCanBootHere);
HANDLER(get_possible_hosts, GetPossibleHosts);
HANDLER(assert_agile, AssertAgile);
HANDLER(get_SRs_required_for_recovery, GetSRsRequiredForRecovery);
HANDLER(assert_can_be_recovered, AssertCanBeRecovered);

#undef HANDLER
