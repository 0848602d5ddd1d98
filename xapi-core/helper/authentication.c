/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "authentication.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <security/pam_appl.h>

typedef struct Secret {
        const char *user, *password;
} Secret;

static_assert(AUTHENTICATION_PASSWORD_MAX < PAM_MAX_RESP_SIZE, "PAM takes it whole");

static void forget_responses(struct pam_response *responses, int n)
{
        for (int i = 0; i < n; i++) {
                if (responses[i].resp == NULL)
                        continue;
                explicit_bzero(responses[i].resp, strlen(responses[i].resp));
                free(responses[i].resp);
        }
        free(responses);
}

static const char *answer(int style, const Secret *secret)
{
        switch (style) {
        case PAM_PROMPT_ECHO_OFF:
                return secret->password;
        case PAM_PROMPT_ECHO_ON:
                return secret->user;
        default:
                return NULL;
        }
}

static int converse(int n, const struct pam_message **messages, struct pam_response **ret_responses,
                    void *data)
{
        struct pam_response *responses;

        if (n <= 0 || n > PAM_MAX_NUM_MSG)
                return PAM_CONV_ERR;
        responses = calloc((size_t)n, sizeof(*responses));
        if (responses == NULL)
                return PAM_BUF_ERR;
        for (int i = 0; i < n; i++) {
                const char *text = answer(messages[i]->msg_style, data);

                if (text == NULL)
                        continue;
                responses[i].resp = strdup(text);
                if (responses[i].resp == NULL) {
                        forget_responses(responses, n);
                        return PAM_BUF_ERR;
                }
        }
        *ret_responses = responses;
        return PAM_SUCCESS;
}

static void no_delay(int status, unsigned delay_usec, void *data)
{
        (void)status;
        (void)delay_usec;
        (void)data;
}

static Authentication outcome_of(int status)
{
        switch (status) {
        case PAM_SUCCESS:
                return AUTHENTICATION_GRANTED;
        case PAM_AUTH_ERR:
        case PAM_USER_UNKNOWN:
        case PAM_MAXTRIES:
        case PAM_CRED_INSUFFICIENT:
        case PAM_PERM_DENIED:
        case PAM_ACCT_EXPIRED:
        case PAM_NEW_AUTHTOK_REQD:
        case PAM_AUTHTOK_EXPIRED:
                return AUTHENTICATION_REFUSED;
        default:
                return AUTHENTICATION_BROKEN;
        }
}

static int ask(pam_handle_t *handle)
{
        int status;

        status = pam_set_item(handle, PAM_FAIL_DELAY, (const void *)no_delay);
        if (status == PAM_SUCCESS)
                status = pam_authenticate(handle, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
        if (status == PAM_SUCCESS)
                status = pam_acct_mgmt(handle, PAM_SILENT);
        return status;
}

Authentication authenticate(const char *confdir, const char *user, const char *password, char **ret_reason)
{
        Secret secret = { .user = user, .password = password };
        struct pam_conv conversation = { .conv = converse, .appdata_ptr = &secret };
        pam_handle_t *handle = NULL;
        Authentication outcome;
        int status;

        if (user[0] == '\0' || strlen(user) > AUTHENTICATION_USER_MAX ||
            strlen(password) > AUTHENTICATION_PASSWORD_MAX) {
                *ret_reason = strdup("no user has such a name or password");
                return AUTHENTICATION_REFUSED;
        }
        status = pam_start_confdir(AUTHENTICATION_SERVICE, user, &conversation, confdir, &handle);
        if (status == PAM_SUCCESS)
                status = ask(handle);
        outcome = outcome_of(status);
        if (outcome != AUTHENTICATION_GRANTED)
                *ret_reason = strdup(pam_strerror(handle, status));
        if (handle != NULL)
                pam_end(handle, status);
        return outcome;
}
