/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One table for the objects of all classes, keyed by a number given in the order of creation: what is made together
 * lies together, an update touches the one page its row is in, and no index is kept but the table itself. */
#include "store-database.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <sqlite3.h>

#include "store-checkpoint.h"
#include "store-vfs.h"

#define DATABASE_APPLICATION_ID 0x78617069 /* "xapi" */
#define DATABASE_BUSY_MSEC      5000       /* only ever another process that reads: sqlite3, a backup */

enum {
        STATEMENT_BEGIN,
        STATEMENT_COMMIT,
        STATEMENT_PUT,
        STATEMENT_REMOVE,
        STATEMENT_BURY,
        STATEMENT_REMEMBER_FORGOTTEN,
        STATEMENT_FORGET,
        STATEMENT_SET_META,
        N_STATEMENTS,
};

static const char *const STATEMENTS[N_STATEMENTS] = {
        [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
        [STATEMENT_COMMIT] = "COMMIT",
        [STATEMENT_PUT] =
            "REPLACE INTO object(id, class, ref, generation, created, record) VALUES(?, ?, ?, ?, ?, ?)",
        [STATEMENT_REMOVE] = "DELETE FROM object WHERE id = ?",
        [STATEMENT_BURY] = "INSERT INTO deleted(generation, class, ref) VALUES(?, ?, ?)",
        [STATEMENT_REMEMBER_FORGOTTEN] =
            "REPLACE INTO meta(key, value) SELECT 'forgotten ' || class, max(generation) "
            "FROM deleted WHERE generation <= ? GROUP BY class",
        [STATEMENT_FORGET] = "DELETE FROM deleted WHERE generation <= ?",
        [STATEMENT_SET_META] = "REPLACE INTO meta(key, value) VALUES(?, ?)",
};

static const char SCHEMA_SQL[] =
    "CREATE TABLE object(id INTEGER PRIMARY KEY, class TEXT NOT NULL, ref TEXT NOT NULL,"
    " generation INTEGER NOT NULL, created INTEGER NOT NULL, record TEXT NOT NULL);"
    "CREATE TABLE deleted(generation INTEGER PRIMARY KEY, class TEXT NOT NULL, ref TEXT NOT NULL);"
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO meta VALUES('reserved', 1);";

const Schema database_schema = { .version = 1 };

struct Database {
        sqlite3 *connection;
        sqlite3_stmt *statements[N_STATEMENTS];
        Checkpoint *checkpoint; /* NULL: in memory */
        char *directory;
        int lock_fd;
};

static bool database_fail(Database *database, XapiError **error)
{
        int code = sqlite3_extended_errcode(database->connection);
        int system_error = sqlite3_system_errno(database->connection);
        if ((code & 0xff) == SQLITE_FULL || ((code & 0xff) == SQLITE_IOERR && system_error == ENOSPC))
                return xapi_fail(error, "OUT_OF_SPACE", database->directory, NULL);
        return xapi_fail_internal(error, "The database in %s cannot be used: %s (SQLite error %d)",
                                  database->directory, sqlite3_errmsg(database->connection), code);
}

bool database_execute(Database *database, const char *sql, XapiError **error)
{
        if (sqlite3_exec(database->connection, sql, NULL, NULL, NULL) != SQLITE_OK)
                return database_fail(database, error);
        return true;
}

/* Runs a bound statement that gives no rows. */
static bool database_step(Database *database, sqlite3_stmt *statement, XapiError **error)
{
        int r = sqlite3_step(statement);
        bool ok = r == SQLITE_DONE || database_fail(database, error);
        sqlite3_reset(statement);
        return ok;
}

/* The first column of the first row; `fallback` when there is none. */
static bool database_read_int(Database *database, const char *sql, const char *parameter, int64_t fallback,
                              int64_t *ret, XapiError **error)
{
        sqlite3_stmt *statement;
        if (sqlite3_prepare_v2(database->connection, sql, -1, &statement, NULL) != SQLITE_OK)
                return database_fail(database, error);
        if (parameter != NULL)
                sqlite3_bind_text(statement, 1, parameter, -1, SQLITE_STATIC);
        int r = sqlite3_step(statement);
        bool ok = r == SQLITE_ROW || r == SQLITE_DONE || database_fail(database, error);
        if (ok)
                *ret = r == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : fallback;
        sqlite3_finalize(statement);
        return ok;
}

/* What is in it is nobody else's business. SQLite gives its other files the mode of this one. */
static bool database_touch(const char *path, XapiError **error)
{
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
                return xapi_fail_internal(error, "%s: %s", path, g_strerror(errno));
        close(fd);
        return true;
}

/* Two processes with one store would each undo what the other wrote. */
static bool database_lock(Database *database, const char *path, XapiError **error)
{
        g_autofree char *lock_path = g_strconcat(path, "-lock", NULL);
        database->lock_fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (database->lock_fd < 0)
                return xapi_fail_internal(error, "%s: %s", lock_path, g_strerror(errno));
        if (flock(database->lock_fd, LOCK_EX | LOCK_NB) != 0)
                return xapi_fail_internal(error, "%s is in use by another process", path);
        return true;
}

static bool database_connect(Database *database, const char *path, XapiError **error)
{
        int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
        if (sqlite3_open_v2(path, &database->connection, flags, store_vfs_name()) != SQLITE_OK)
                return database_fail(database, error);
        sqlite3_busy_timeout(database->connection, DATABASE_BUSY_MSEC);
        return database_execute(
            database,
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
            "PRAGMA cache_size = -1024; PRAGMA temp_store = MEMORY;",
            error);
}

static bool database_make(Database *database, const Schema *schema, XapiError **error)
{
        g_autofree char *sql =
            g_strdup_printf("BEGIN; %s PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
                            SCHEMA_SQL, DATABASE_APPLICATION_ID, schema->version);
        return database_execute(database, sql, error);
}

static bool database_migrate_once(Database *database, const Schema *schema, int version, XapiError **error)
{
        for (size_t i = 0; i < schema->n_migrations; i++) {
                if (schema->migrations[i].from != version)
                        continue;
                g_autofree char *end = g_strdup_printf("PRAGMA user_version = %d; COMMIT", version + 1);
                return database_execute(database, "BEGIN", error) &&
                       schema->migrations[i].migrate(database, error) &&
                       database_execute(database, end, error);
        }
        return xapi_fail_internal(
            error, "The database in %s has schema version %d, from which there is no migration",
            database->directory, version);
}

static bool database_check_schema(Database *database, const Schema *schema, XapiError **error)
{
        int64_t id, version, n_tables;
        if (!database_read_int(database, "PRAGMA application_id", NULL, 0, &id, error) ||
            !database_read_int(database, "PRAGMA user_version", NULL, 0, &version, error) ||
            !database_read_int(database, "SELECT count(*) FROM sqlite_schema", NULL, 0, &n_tables, error))
                return false;
        if (id == 0 && version == 0 && n_tables == 0)
                return database_make(database, schema, error);
        if (id != DATABASE_APPLICATION_ID)
                return xapi_fail_internal(error, "The file in %s is not a store of xapi-core's",
                                          database->directory);
        if (version > schema->version)
                return xapi_fail_internal(
                    error,
                    "The database in %s has schema version %d, written by a newer release; this one knows %d",
                    database->directory, (int)version, schema->version);
        for (; version < schema->version; version++)
                if (!database_migrate_once(database, schema, (int)version, error))
                        return false;
        return true;
}

static bool database_prepare(Database *database, XapiError **error)
{
        for (size_t i = 0; i < N_STATEMENTS; i++)
                if (sqlite3_prepare_v3(database->connection, STATEMENTS[i], -1, SQLITE_PREPARE_PERSISTENT,
                                       &database->statements[i], NULL) != SQLITE_OK)
                        return database_fail(database, error);
        return true;
}

Database *database_open(const char *path, const Schema *schema, XapiError **error)
{
        bool in_memory = strcmp(path, ":memory:") == 0;
        Database *database = g_new0(Database, 1);
        database->lock_fd = -1;
        database->directory = in_memory ? g_strdup("memory") : g_path_get_dirname(path);
        if ((!in_memory && (!database_lock(database, path, error) || !database_touch(path, error))) ||
            !database_connect(database, path, error) || !database_check_schema(database, schema, error) ||
            !database_prepare(database, error)) {
                database_close(database);
                return NULL;
        }
        if (!in_memory)
                database->checkpoint = checkpoint_new(path, database->connection);
        return database;
}

void database_close(Database *database)
{
        if (database == NULL)
                return;
        checkpoint_free(database->checkpoint);
        for (size_t i = 0; i < N_STATEMENTS; i++)
                sqlite3_finalize(database->statements[i]);
        sqlite3_close(database->connection);
        if (database->lock_fd >= 0)
                close(database->lock_fd);
        g_free(database->directory);
        g_free(database);
}

bool database_each_object(Database *database,
                          bool (*visit)(const DatabaseObject *object, void *data, XapiError **error),
                          void *data, XapiError **error)
{
        sqlite3_stmt *statement;
        if (sqlite3_prepare_v2(database->connection,
                               "SELECT id, class, ref, generation, created, record FROM object ORDER BY id",
                               -1, &statement, NULL) != SQLITE_OK)
                return database_fail(database, error);
        bool ok = true;
        int r = SQLITE_DONE;
        while (ok && (r = sqlite3_step(statement)) == SQLITE_ROW) {
                DatabaseObject object = {
                        .id = sqlite3_column_int64(statement, 0),
                        .class = (const char *)sqlite3_column_text(statement, 1),
                        .ref = (const char *)sqlite3_column_text(statement, 2),
                        .generation = (uint64_t)sqlite3_column_int64(statement, 3),
                        .created = (uint64_t)sqlite3_column_int64(statement, 4),
                        .record = (const char *)sqlite3_column_text(statement, 5),
                        .record_len = (size_t)sqlite3_column_bytes(statement, 5),
                };
                ok = visit(&object, data, error);
        }
        if (ok && r != SQLITE_DONE)
                ok = database_fail(database, error);
        sqlite3_finalize(statement);
        return ok;
}

bool database_each_deletion(Database *database,
                            bool (*visit)(const DatabaseDeletion *deletion, void *data, XapiError **error),
                            void *data, XapiError **error)
{
        sqlite3_stmt *statement;
        if (sqlite3_prepare_v2(database->connection,
                               "SELECT generation, class, ref FROM deleted ORDER BY generation", -1,
                               &statement, NULL) != SQLITE_OK)
                return database_fail(database, error);
        bool ok = true;
        int r = SQLITE_DONE;
        while (ok && (r = sqlite3_step(statement)) == SQLITE_ROW) {
                DatabaseDeletion deletion = {
                        .generation = (uint64_t)sqlite3_column_int64(statement, 0),
                        .class = (const char *)sqlite3_column_text(statement, 1),
                        .ref = (const char *)sqlite3_column_text(statement, 2),
                };
                ok = visit(&deletion, data, error);
        }
        if (ok && r != SQLITE_DONE)
                ok = database_fail(database, error);
        sqlite3_finalize(statement);
        return ok;
}

bool database_read_reserved(Database *database, uint64_t *ret_generation, XapiError **error)
{
        int64_t value;
        if (!database_read_int(database, "SELECT value FROM meta WHERE key = 'reserved'", NULL, 1, &value,
                               error))
                return false;
        *ret_generation = (uint64_t)value;
        return true;
}

bool database_read_forgotten(Database *database, const char *class, uint64_t *ret_generation,
                             XapiError **error)
{
        int64_t value;
        if (!database_read_int(database, "SELECT value FROM meta WHERE key = 'forgotten ' || ?", class, 0,
                               &value, error))
                return false;
        *ret_generation = (uint64_t)value;
        return true;
}

bool database_begin(Database *database, XapiError **error)
{
        return database_step(database, database->statements[STATEMENT_BEGIN], error);
}

bool database_put(Database *database, const DatabaseObject *object, XapiError **error)
{
        sqlite3_stmt *statement = database->statements[STATEMENT_PUT];
        sqlite3_bind_int64(statement, 1, object->id);
        sqlite3_bind_text(statement, 2, object->class, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 3, object->ref, -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 4, (int64_t)object->generation);
        sqlite3_bind_int64(statement, 5, (int64_t)object->created);
        sqlite3_bind_text64(statement, 6, object->record, object->record_len, SQLITE_STATIC, SQLITE_UTF8);
        return database_step(database, statement, error);
}

bool database_remove(Database *database, int64_t id, XapiError **error)
{
        sqlite3_stmt *statement = database->statements[STATEMENT_REMOVE];
        sqlite3_bind_int64(statement, 1, id);
        return database_step(database, statement, error);
}

bool database_bury(Database *database, const DatabaseDeletion *deletion, XapiError **error)
{
        sqlite3_stmt *statement = database->statements[STATEMENT_BURY];
        sqlite3_bind_int64(statement, 1, (int64_t)deletion->generation);
        sqlite3_bind_text(statement, 2, deletion->class, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 3, deletion->ref, -1, SQLITE_STATIC);
        return database_step(database, statement, error);
}

bool database_forget(Database *database, uint64_t generation, XapiError **error)
{
        sqlite3_stmt *remember = database->statements[STATEMENT_REMEMBER_FORGOTTEN];
        sqlite3_stmt *forget = database->statements[STATEMENT_FORGET];
        sqlite3_bind_int64(remember, 1, (int64_t)generation);
        sqlite3_bind_int64(forget, 1, (int64_t)generation);
        return database_step(database, remember, error) && database_step(database, forget, error);
}

bool database_reserve(Database *database, uint64_t generation, XapiError **error)
{
        sqlite3_stmt *statement = database->statements[STATEMENT_SET_META];
        sqlite3_bind_text(statement, 1, "reserved", -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 2, (int64_t)generation);
        return database_step(database, statement, error);
}

bool database_commit(Database *database, XapiError **error)
{
        if (!database_step(database, database->statements[STATEMENT_COMMIT], error))
                return false;
        checkpoint_consider(database->checkpoint);
        return true;
}

void database_rollback(Database *database)
{
        if (!sqlite3_get_autocommit(database->connection))
                sqlite3_exec(database->connection, "ROLLBACK", NULL, NULL, NULL);
}
