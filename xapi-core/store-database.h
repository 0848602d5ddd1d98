/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The store's file: SQLite in WAL mode. All that the store asks of what makes it durable; one thread at a time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

typedef struct Database Database;

/* Brings a file of version `from` to version `from + 1`, within a transaction that the caller ends. */
typedef struct Migration {
        int from;
        bool (*migrate)(Database *database, XapiError **error);
} Migration;

typedef struct Schema {
        int version; /* PRAGMA user_version */
        size_t n_migrations;
        const Migration *migrations;
} Schema;

extern const Schema database_schema;

/* Opens or makes the file at path (":memory:": none, nothing outlives the process). An older one is migrated; a newer
 * one, one that another process has open, and one that is not a store are refused. */
Database *database_open(const char *path, const Schema *schema, XapiError **error);
void database_close(Database *database);

bool database_execute(Database *database, const char *sql, XapiError **error);

/* Reading, when the store is opened. A visitor that returns false (with *error) ends the walk. */
typedef struct DatabaseObject {
        int64_t id;
        const char *class, *ref;
        uint64_t generation, created;
        const char *record; /* JSON, record_len bytes */
        size_t record_len;
} DatabaseObject;
/* In the order of creation. */
bool database_each_object(Database *database,
                          bool (*visit)(const DatabaseObject *object, void *data, XapiError **error),
                          void *data, XapiError **error);
typedef struct DatabaseDeletion {
        uint64_t generation;
        const char *class, *ref;
} DatabaseDeletion;
/* In the order of generations. */
bool database_each_deletion(Database *database,
                            bool (*visit)(const DatabaseDeletion *deletion, void *data, XapiError **error),
                            void *data, XapiError **error);
/* Every generation given out so far is below this one. */
bool database_read_reserved(Database *database, uint64_t *ret_generation, XapiError **error);
/* Deletions in the class up to *ret_generation are no longer known. */
bool database_read_forgotten(Database *database, const char *class, uint64_t *ret_generation,
                             XapiError **error);

/* Writing: database_begin, any of these, database_commit. After a failure of any of them: database_rollback. */
bool database_begin(Database *database, XapiError **error);
bool database_put(Database *database, const DatabaseObject *object, XapiError **error);
bool database_remove(Database *database, int64_t id, XapiError **error);
bool database_bury(Database *database, const DatabaseDeletion *deletion, XapiError **error);
/* Drops the deletions up to generation; those of each class are remembered as forgotten. */
bool database_forget(Database *database, uint64_t generation, XapiError **error);
bool database_reserve(Database *database, uint64_t generation, XapiError **error);
bool database_commit(Database *database, XapiError **error); /* returns once it is on the disk */
void database_rollback(Database *database);
