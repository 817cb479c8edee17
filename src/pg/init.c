/*
 * init.c
 *		Module load.
 */
#include "postgres.h"

#include "fmgr.h"

#include "pg/compat.h"
#include "pg/guc.h"

PG_MODULE_MAGIC;

extern void _PG_init(void);

void
_PG_init(void)
{
	pgtsdb_define_settings();
}
