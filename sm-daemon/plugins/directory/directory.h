/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A storage repository: a directory that holds sr.json, and two files a disk (disk.h). There are two types of them, which
 * differ in how a disk is reached and copied: `dir`, whose raw images are used as files, by whatever can, and copied as a
 * whole; and `file`, whose raw and qcow2 images are served by disk servers, and lie on each other where they are copies. */
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "../call.h"
#include "image.h"

#define DIRECTORY_DOCUMENT "sr.json"
#define DIRECTORY_VERSION  2 /* of the layout; another one is refused */

typedef struct DirectoryType {
        const char *name, *label, *description;
        const char *raw_scheme; /* of raw images' URIs */
        bool layers;            /* a copy is an overlay; qcow2 images can be made */
} DirectoryType;

extern const DirectoryType directory_type_dir, directory_type_file;
/* The one whose plugin this process is; set before anything else is called. */
extern const DirectoryType *directory_type;

typedef struct Directory {
        int fd;
        const DirectoryType *type;
        ImageFormat format; /* of disks that are not asked for in another */
        char *location;     /* as the disks' URIs have it */
        json_t *document;   /* sr.json: {"version","type","image_format","uuid","name","description"} */
} Directory;

/* Opens what SR.create of the same type made. NULL with *failure otherwise. */
Directory *directory_open(const char *location, Failure *failure);
/* The same of any type. */
Directory *directory_open_any(const char *location, Failure *failure);
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
/* Those that are ours (idl/bus/smapi.idl), of the type `file`. */
json_t *directory_images(json_t *args, Failure *failure);
json_t *directory_collect(json_t *args, Failure *failure);
