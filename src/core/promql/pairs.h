/*
 * pairs.h
 *		Two doubles at once, which every processor that we run on has instructions for; compilers know what to do elsewhere.
 */
#ifndef TSDB_PAIRS_H
#define TSDB_PAIRS_H

#include <stdint.h>
#include <string.h>

typedef double Pair __attribute__((vector_size(16)));
typedef int64_t PairMask __attribute__((vector_size(16)));	/* of a comparison: -1 for true, 0 for false */

static inline Pair
load_pair(const double *v)
{
	Pair		pair;

	memcpy(&pair, v, sizeof(pair));
	return pair;
}

#endif							/* TSDB_PAIRS_H */
