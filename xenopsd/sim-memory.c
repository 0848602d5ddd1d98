/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-memory.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "message-switch/lib/loop.h"

#define MAGIC       "XAPI-SIM-MEMORY1"
#define BOOT_ID     "/proc/sys/kernel/random/boot_id"
#define BOOT_CHARS  40
#define FOLDER_MODE 0700
#define FILE_MODE   0660 /* of the daemons' group, where the folder is theirs, too */

typedef struct Slot {
        SimMemoryDomain domain; /* domid 0: nobody's */
        uint64_t told_usec;
} Slot;

typedef struct Shared {
        char magic[16];
        char boot[BOOT_CHARS];
        pthread_mutex_t lock; /* robust: whoever has it may be killed */
        int64_t total_kib, free_kib;
        Slot slots[SIM_MEMORY_DOMAINS];
} Shared;

struct SimMemory {
        Shared *shared;
};

/* ---- the file ---- */

static void shared_init(Shared *shared, const char *boot)
{
        pthread_mutexattr_t attributes;

        memset(shared, 0, sizeof *shared);
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
        pthread_mutex_init(&shared->lock, &attributes);
        pthread_mutexattr_destroy(&attributes);
        g_strlcpy(shared->boot, boot, sizeof shared->boot);
        memcpy(shared->magic, MAGIC, sizeof shared->magic);
}

/* With the file locked. */
static int file_map(int fd, Shared **ret)
{
        g_autofree char *boot = NULL;
        struct stat st;

        if (!g_file_get_contents(BOOT_ID, &boot, NULL, NULL))
                return -EIO;
        boot[strcspn(boot, "\n")] = '\0';
        if (fstat(fd, &st) < 0)
                return -errno;
        bool fresh = st.st_size != sizeof(Shared);
        if (fresh && (ftruncate(fd, 0) < 0 || ftruncate(fd, sizeof(Shared)) < 0 || fchmod(fd, FILE_MODE) < 0))
                return -errno;
        Shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (shared == MAP_FAILED)
                return -errno;
        if (fresh || memcmp(shared->magic, MAGIC, sizeof shared->magic) != 0 ||
            strncmp(shared->boot, boot, sizeof shared->boot) != 0)
                shared_init(shared, boot);
        *ret = shared;
        return 0;
}

static void memory_lock(SimMemory *memory)
{
        /* What a dead owner left is whole enough: every figure stands for itself, and the free memory is counted anew. */
        if (pthread_mutex_lock(&memory->shared->lock) != EOWNERDEAD)
                return;
        int64_t taken = 0;
        for (size_t i = 0; i < SIM_MEMORY_DOMAINS; i++)
                if (memory->shared->slots[i].domain.domid)
                        taken += memory->shared->slots[i].domain.actual_kib;
        memory->shared->free_kib = memory->shared->total_kib - taken;
        pthread_mutex_consistent(&memory->shared->lock);
}

static void memory_unlock(SimMemory *memory)
{
        pthread_mutex_unlock(&memory->shared->lock);
}

SimMemory *sim_memory_open(const char *path, int64_t total_kib, char **ret_error)
{
        g_autofree char *folder = g_path_get_dirname(path);
        Shared *shared = NULL;

        g_mkdir_with_parents(folder, FOLDER_MODE);
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
        int r = fd < 0 || flock(fd, LOCK_EX) < 0 ? -errno : file_map(fd, &shared);
        if (fd >= 0) {
                flock(fd, LOCK_UN); /* which closing does not, as long as it is mapped */
                close(fd);
        }
        if (r < 0) {
                *ret_error = g_strdup_printf("%s: %s", path, g_strerror(-r));
                return NULL;
        }
        SimMemory *memory = g_new(SimMemory, 1);
        memory->shared = shared;
        if (total_kib > 0) {
                memory_lock(memory);
                shared->free_kib += total_kib - shared->total_kib;
                shared->total_kib = total_kib;
                memory_unlock(memory);
        }
        return memory;
}

void sim_memory_close(SimMemory *memory)
{
        if (!memory)
                return;
        munmap(memory->shared, sizeof *memory->shared);
        g_free(memory);
}

/* ---- domains ---- */

static Slot *slot_of(SimMemory *memory, int64_t domid)
{
        return &memory->shared->slots[(uint64_t)domid % SIM_MEMORY_DOMAINS];
}

/* The balloon moves to where it was told, if it was to be there by now. */
static void slot_settle(SimMemory *memory, Slot *slot)
{
        SimMemoryDomain *domain = &slot->domain;

        if (domain->actual_kib == domain->target_kib || !domain->balloons ||
            clock_usec() < slot->told_usec + (uint64_t)domain->delay_usec)
                return;
        int64_t more = MIN(domain->target_kib - domain->actual_kib, MAX(memory->shared->free_kib, 0));
        domain->actual_kib += more;
        memory->shared->free_kib -= more;
}

/* NULL, and not locked: there is none. */
static Slot *slot_lock(SimMemory *memory, int64_t domid)
{
        memory_lock(memory);
        Slot *slot = slot_of(memory, domid);
        if (domid > 0 && slot->domain.domid == domid) {
                slot_settle(memory, slot);
                return slot;
        }
        memory_unlock(memory);
        return NULL;
}

int sim_memory_add(SimMemory *memory, const SimMemoryDomain *domain)
{
        int r = 0;

        memory_lock(memory);
        Slot *slot = slot_of(memory, domain->domid);
        if (slot->domain.domid)
                r = -EEXIST;
        else {
                *slot = (Slot){ *domain, clock_usec() };
                memory->shared->free_kib -= domain->actual_kib;
        }
        memory_unlock(memory);
        return r;
}

int sim_memory_remove(SimMemory *memory, int64_t domid)
{
        Slot *slot = slot_lock(memory, domid);

        if (!slot)
                return -ESRCH;
        memory->shared->free_kib += slot->domain.actual_kib;
        *slot = (Slot){ 0 };
        memory_unlock(memory);
        return 0;
}

int sim_memory_get(SimMemory *memory, int64_t domid, SimMemoryDomain *ret)
{
        Slot *slot = slot_lock(memory, domid);

        if (!slot)
                return -ESRCH;
        *ret = slot->domain;
        memory_unlock(memory);
        return 0;
}

int sim_memory_take(SimMemory *memory, int64_t domid, int64_t kib, int64_t *ret_free_kib)
{
        Slot *slot = slot_lock(memory, domid);
        int r = 0;

        if (!slot)
                return -ESRCH;
        int64_t more = kib - slot->domain.actual_kib;
        *ret_free_kib = memory->shared->free_kib;
        if (more > 0 && more > memory->shared->free_kib) {
                r = -ENOMEM;
        } else {
                slot->domain.actual_kib = slot->domain.target_kib = kib;
                memory->shared->free_kib -= more;
        }
        memory_unlock(memory);
        return r;
}

int sim_memory_set_target(SimMemory *memory, int64_t domid, int64_t kib)
{
        Slot *slot = slot_lock(memory, domid);

        if (!slot)
                return -ESRCH;
        slot->domain.target_kib = kib;
        slot->told_usec = clock_usec();
        memory_unlock(memory);
        return 0;
}

int sim_memory_set_range(SimMemory *memory, int64_t domid, int64_t static_max_kib, int64_t dynamic_min_kib,
                         int64_t dynamic_max_kib)
{
        Slot *slot = slot_lock(memory, domid);

        if (!slot)
                return -ESRCH;
        slot->domain.static_max_kib = static_max_kib;
        slot->domain.dynamic_min_kib = dynamic_min_kib;
        slot->domain.dynamic_max_kib = dynamic_max_kib;
        memory_unlock(memory);
        return 0;
}

int sim_memory_set_guest(SimMemory *memory, int64_t domid, bool balloons, int64_t delay_usec)
{
        Slot *slot = slot_lock(memory, domid);

        if (!slot)
                return -ESRCH;
        slot->domain.balloons = balloons;
        slot->domain.delay_usec = delay_usec;
        memory_unlock(memory);
        return 0;
}

int sim_memory_set_ran(SimMemory *memory, int64_t domid)
{
        Slot *slot = slot_lock(memory, domid);

        if (!slot)
                return -ESRCH;
        slot->domain.ran = true;
        memory_unlock(memory);
        return 0;
}

int64_t sim_memory_total_kib(SimMemory *memory)
{
        memory_lock(memory);
        int64_t kib = memory->shared->total_kib;
        memory_unlock(memory);
        return kib;
}

int64_t sim_memory_free_kib(SimMemory *memory)
{
        memory_lock(memory);
        int64_t kib = memory->shared->free_kib;
        memory_unlock(memory);
        return kib;
}

size_t sim_memory_list(SimMemory *memory, SimMemoryDomain **ret)
{
        g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(SimMemoryDomain));

        memory_lock(memory);
        for (size_t i = 0; i < SIM_MEMORY_DOMAINS; i++) {
                Slot *slot = &memory->shared->slots[i];
                if (!slot->domain.domid)
                        continue;
                slot_settle(memory, slot);
                g_array_append_val(list, slot->domain);
        }
        memory_unlock(memory);
        size_t n = list->len;
        *ret = (SimMemoryDomain *)(void *)g_array_free(g_steal_pointer(&list), FALSE);
        return n;
}
