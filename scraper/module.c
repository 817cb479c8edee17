/*
 * module.c
 *		pgtsdb_scraper.so: the workers that talk to the network.
 *
 * A library of its own so that libcurl is loaded into these workers and into
 * nothing else.  The launcher starts them; everything they need of the database
 * side is in pgtsdb.so, which shared_preload_libraries has loaded before.
 */
#include "postgres.h"

#include "fmgr.h"

PG_MODULE_MAGIC;
