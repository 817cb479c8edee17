/*
 * latency.h
 *		How long requests took, in milliseconds.
 */
#ifndef BENCH_LATENCY_H
#define BENCH_LATENCY_H

#include <stddef.h>

typedef struct Latencies
{
	double	   *milliseconds;
	size_t		n;
	size_t		size;
} Latencies;

extern double clock_seconds(void);
extern double stopwatch(void);
extern void latency_add(Latencies *latencies, double milliseconds);
extern void latency_add_all(Latencies *latencies, const Latencies *others);
extern void latency_sort(Latencies *latencies);
extern double latency_percentile(const Latencies *sorted, double share);
extern void latency_free(Latencies *latencies);

#endif
