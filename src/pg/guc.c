/*
 * guc.c
 *		All settings of the server part, in alphabetical order.
 */
#include "postgres.h"

#include "utils/guc.h"

#include "pg/guc.h"

char	   *pgtsdb_tenant;

void
pgtsdb_define_settings(void)
{
	DefineCustomStringVariable("pgtsdb.tenant",
							   "Tenant whose series this session reads and writes.",
							   "Checked against tsdb.tenant_members on every use.",
							   &pgtsdb_tenant, "default", PGC_USERSET, 0, NULL, NULL, NULL);

	MarkGUCPrefixReserved("pgtsdb");
}
