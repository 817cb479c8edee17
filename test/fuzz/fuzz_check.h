/*
 * fuzz_check.h
 *		What a fuzz target says of its subject: what does not hold ends the run, with the input that showed it.
 */
#ifndef PGTSDB_FUZZ_CHECK_H
#define PGTSDB_FUZZ_CHECK_H

#include <stdbool.h>
#include <stdlib.h>

static inline void
check(bool holds)
{
	if (!holds)
		abort();
}

#endif							/* PGTSDB_FUZZ_CHECK_H */
