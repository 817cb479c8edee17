/*
 * guc.h
 *		Settings of the server part; guc.c has the one table.
 */
#ifndef PGTSDB_GUC_H
#define PGTSDB_GUC_H

#include "postgres.h"

extern char *pgtsdb_tenant;

extern void pgtsdb_define_settings(void);

#endif							/* PGTSDB_GUC_H */
