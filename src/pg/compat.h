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

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "pgtsdb needs PostgreSQL 15 to 18"
#endif

#endif							/* PGTSDB_COMPAT_H */
