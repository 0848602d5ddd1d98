/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A storage repository: a directory that holds sr.json, and a folder a disk. */
#pragma once

#include <jansson.h>

#include "../call.h"

#define DIRECTORY_DOCUMENT     "sr.json"
#define DIRECTORY_VERSION      1    /* of the layout; a newer one is refused */
#define DIRECTORY_LOCATION_MAX 3000 /* bytes */

typedef struct Directory {
        int fd;
        char *location;   /* as the disks' URIs have it */
        json_t *document; /* sr.json: {"version","uuid","name","description"} */
} Directory;

/* Opens what SR.create made. NULL with *failure otherwise. */
Directory *directory_open(const char *location, Failure *failure);
void directory_close(Directory *directory); /* NULL is legal */

/* The methods of the SR, as the plugin interface has them. */
json_t *directory_probe(json_t *args, Failure *failure);
json_t *directory_create(json_t *args, Failure *failure);
json_t *directory_attach(json_t *args, Failure *failure);
json_t *directory_detach(json_t *args, Failure *failure);
json_t *directory_destroy(json_t *args, Failure *failure);
json_t *directory_stat(json_t *args, Failure *failure);
json_t *directory_set_name(json_t *args, Failure *failure);
json_t *directory_set_description(json_t *args, Failure *failure);
json_t *directory_ls(json_t *args, Failure *failure);
