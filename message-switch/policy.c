/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy.h"

#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

typedef struct PolicyWho {
        bool everybody, is_group;
        id_t id;
} PolicyWho;

typedef struct PolicyRule {
        char *pattern;  /* NULL: control */
        GArray *who[2]; /* PolicyWho, by PolicyRight; of control: by [0] */
} PolicyRule;

struct Policy {
        uid_t own_uid;
        GPtrArray *rules;
};

static void policy_rule_free(void *data)
{
        PolicyRule *rule = data;
        g_free(rule->pattern);
        for (size_t i = 0; i < G_N_ELEMENTS(rule->who); i++)
                g_array_unref(rule->who[i]);
        g_free(rule);
}

void policy_free(Policy *policy)
{
        if (!policy)
                return;
        g_ptr_array_unref(policy->rules);
        g_free(policy);
}

static bool policy_find_id(const char *name, bool is_group, id_t *ret)
{
        guint64 number;
        if (g_ascii_string_to_unsigned(name, 10, 0, UINT32_MAX - 1, &number, NULL)) {
                *ret = (id_t)number;
                return true;
        }
        const struct passwd *user = is_group ? NULL : getpwnam(name);
        const struct group *group = is_group ? getgrnam(name) : NULL;
        if (!user && !group)
                return false;
        *ret = user ? user->pw_uid : group->gr_gid;
        return true;
}

/* A name that this machine does not have is left out: the policy of a package may name users of others. */
static GArray *policy_read_who(GKeyFile *file, const char *group, const char *key)
{
        GArray *list = g_array_new(FALSE, FALSE, sizeof(PolicyWho));
        g_auto(GStrv) names = g_key_file_get_string_list(file, group, key, NULL, NULL);
        for (size_t i = 0; names && names[i]; i++) {
                const char *name = g_strstrip(names[i]);
                PolicyWho who = { .everybody = strcmp(name, "*") == 0, .is_group = name[0] == '@' };
                if (who.everybody || policy_find_id(name + who.is_group, who.is_group, &who.id))
                        g_array_append_val(list, who);
        }
        return list;
}

static PolicyRule *policy_read_rule(GKeyFile *file, const char *group, char **ret_error)
{
        bool is_control = strcmp(group, "control") == 0;
        if (!is_control && !g_str_has_prefix(group, "queue ")) {
                *ret_error = g_strdup_printf("no such group: [%s]", group);
                return NULL;
        }
        PolicyRule *rule = g_new0(PolicyRule, 1);
        if (!is_control)
                rule->pattern = g_strstrip(g_strdup(group + strlen("queue ")));
        rule->who[POLICY_SERVE] = policy_read_who(file, group, is_control ? "allow" : "serve");
        rule->who[POLICY_CALL] = policy_read_who(file, group, "call");
        return rule;
}

Policy *policy_load(const char *path, char **ret_error)
{
        Policy *policy = g_new0(Policy, 1);
        policy->own_uid = geteuid();
        policy->rules = g_ptr_array_new_with_free_func(policy_rule_free);
        if (!path)
                return policy;
        g_autoptr(GKeyFile) file = g_key_file_new();
        g_autoptr(GError) error = NULL;
        if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, &error)) {
                *ret_error = g_strdup_printf("%s: %s", path, error->message);
                policy_free(policy);
                return NULL;
        }
        g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);
        for (size_t i = 0; groups[i]; i++) {
                g_autofree char *reason = NULL;
                PolicyRule *rule = policy_read_rule(file, groups[i], &reason);
                if (!rule) {
                        *ret_error = g_strdup_printf("%s: %s", path, reason);
                        policy_free(policy);
                        return NULL;
                }
                g_ptr_array_add(policy->rules, rule);
        }
        return policy;
}

bool policy_trusts(const Policy *policy, uid_t uid)
{
        return uid == 0 || uid == policy->own_uid;
}

static bool policy_names(const GArray *list, uid_t uid, gid_t gid)
{
        for (guint i = 0; i < list->len; i++) {
                const PolicyWho *who = &g_array_index(list, PolicyWho, i);
                if (who->everybody || who->id == (who->is_group ? gid : uid))
                        return true;
        }
        return false;
}

bool policy_allows(const Policy *policy, PolicyRight right, const char *queue, uid_t uid, gid_t gid)
{
        if (policy_trusts(policy, uid))
                return true;
        for (guint i = 0; i < policy->rules->len; i++) {
                const PolicyRule *rule = policy->rules->pdata[i];
                if (rule->pattern && g_pattern_match_simple(rule->pattern, queue) &&
                    policy_names(rule->who[right], uid, gid))
                        return true;
        }
        return false;
}

bool policy_allows_control(const Policy *policy, uid_t uid, gid_t gid)
{
        if (policy_trusts(policy, uid))
                return true;
        for (guint i = 0; i < policy->rules->len; i++) {
                const PolicyRule *rule = policy->rules->pdata[i];
                if (!rule->pattern && policy_names(rule->who[0], uid, gid))
                        return true;
        }
        return false;
}
