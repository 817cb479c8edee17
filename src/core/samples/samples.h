/*
 * samples.h
 *		The samples of one series out of several places.
 */
#ifndef TSDB_SAMPLES_H
#define TSDB_SAMPLES_H

#include "core/base/base.h"

typedef struct TsdbRun
{
	size_t		n;
	const int64_t *t;
	const double *v;
} TsdbRun;

/*
 * Unites runs into one in strictly ascending order of time.  Runs come in order
 * of precedence: of equal timestamps the sample of the first run stays, and within
 * a run the first one.  A run need not be in order of time.  The answer may point
 * to a run's own arrays.
 */
extern TsdbRun tsdb_runs_unite(TsdbArena *arena, const TsdbRun *runs, size_t n_runs);

#endif							/* TSDB_SAMPLES_H */
