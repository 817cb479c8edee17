/*
 * compat.h
 *		Differences between the supported PostgreSQL majors, and nothing else.
 *
 * The only file that tests PG_VERSION_NUM.  Each entry offers the newest
 * signature under a name of its own and names the upstream commit.
 */
#ifndef PGTSDB_COMPAT_H
#define PGTSDB_COMPAT_H

#include "postgres.h"

#include "storage/proc.h"

/* PostgreSQL 16 (d952373a98) moved what looks into a varlena out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "pgtsdb needs PostgreSQL 15 to 18"
#endif

/* The server that this library was compiled for, minor version included: 150018. */
#define PGTSDB_BUILT_FOR PG_VERSION_NUM

/* PostgreSQL 18 (3691edfab9): pg_attribute_noreturn() behind a declaration became pg_noreturn before it. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/*
 * PostgreSQL 18 (0fbceae841) counts index searches: index_beginscan() takes an
 * IndexScanInstrumentation, which may be NULL.
 */
#if PG_VERSION_NUM >= 180000
#define index_beginscan_compat(heap, index, snapshot, nkeys, norderbys) \
	index_beginscan(heap, index, snapshot, NULL, nkeys, norderbys)
#else
#define index_beginscan_compat(heap, index, snapshot, nkeys, norderbys) \
	index_beginscan(heap, index, snapshot, nkeys, norderbys)
#endif

/* The same commit: an access method says that it searched. */
#if PG_VERSION_NUM >= 180000
#define count_index_search_compat(scan) \
	do { if ((scan)->instrument != NULL) (scan)->instrument->nsearches++; } while (0)
#else
#define count_index_search_compat(scan) ((void) 0)
#endif

/* PostgreSQL 17 (ab355e3a88de): PGPROC.lxid became PGPROC.vxid.lxid. */
static inline LocalTransactionId
pgtsdb_my_lxid(void)
{
#if PG_VERSION_NUM >= 170000
	return MyProc->vxid.lxid;
#else
	return MyProc->lxid;
#endif
}

/* PostgreSQL 17 (024c52111757): the place of a backend among all, below MaxBackends, got a variable of its own. */
static inline int
pgtsdb_my_proc_number(void)
{
#if PG_VERSION_NUM >= 170000
	return MyProcNumber;
#else
	return MyProc->pgprocno;
#endif
}

/*
 * PostgreSQL 17 (50c67c2019ab): CreateWaitEventSet() takes a resource owner, and allocates in
 * TopMemoryContext; NULL: it lives as long as the process.
 */
#if PG_VERSION_NUM >= 170000
#define CreateWaitEventSet_compat(nevents) CreateWaitEventSet(NULL, nevents)
#else
#define CreateWaitEventSet_compat(nevents) CreateWaitEventSet(TopMemoryContext, nevents)
#endif

/* PostgreSQL 16: tuplesort_getdatum() takes whether to copy.  Forward, a copy, no abbreviated key. */
#if PG_VERSION_NUM >= 160000
#define tuplesort_getdatum_compat(state, datum, isnull) tuplesort_getdatum(state, true, true, datum, isnull, NULL)
#else
#define tuplesort_getdatum_compat(state, datum, isnull) tuplesort_getdatum(state, true, datum, isnull, NULL)
#endif

/* PostgreSQL 18: vacuum_delay_point() takes whether this is ANALYZE. */
#if PG_VERSION_NUM >= 180000
#define vacuum_delay_point_compat() vacuum_delay_point(false)
#else
#define vacuum_delay_point_compat() vacuum_delay_point()
#endif

#endif							/* PGTSDB_COMPAT_H */
