/*
 * shared_memory.c
 *		Pieces of shared memory that the library has when it is in shared_preload_libraries.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "pg/shared_memory.h"

static PgtsdbSharedMemory *pieces;	/* of this process, before and after the fork */
static shmem_request_hook_type previous_request_hook;
static shmem_startup_hook_type previous_startup_hook;

static void request_memory(void);
static void attach_memory(void);

bool
pgtsdb_want_shared_memory(PgtsdbSharedMemory *piece)
{
	if (!process_shared_preload_libraries_in_progress)
		return false;
	if (pieces == NULL)
	{
		previous_request_hook = shmem_request_hook;
		shmem_request_hook = request_memory;
		previous_startup_hook = shmem_startup_hook;
		shmem_startup_hook = attach_memory;
	}
	piece->next = pieces;
	pieces = piece;
	return true;
}

static void
request_memory(void)
{
	if (previous_request_hook != NULL)
		previous_request_hook();
	for (PgtsdbSharedMemory *piece = pieces; piece != NULL; piece = piece->next)
	{
		RequestAddinShmemSpace(CACHELINEALIGN(piece->size()));
		if (piece->tranche != NULL)
			RequestNamedLWLockTranche(piece->tranche, 1);
	}
}

static void
attach_memory(void)
{
	if (previous_startup_hook != NULL)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (PgtsdbSharedMemory *piece = pieces; piece != NULL; piece = piece->next)
	{
		Size		size = piece->size();
		bool		found;
		void	   *memory = ShmemInitStruct(piece->name, size, &found);

		if (!found)
			memset(memory, 0, size);
		piece->attach(memory, !found);
	}
	LWLockRelease(AddinShmemInitLock);
}
