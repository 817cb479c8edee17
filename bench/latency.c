/*
 * latency.c
 *		How long requests took, in milliseconds.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "latency.h"

static int	compare_doubles(const void *a, const void *b);

/* Since 1970, so that processes agree. */
double
clock_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/* Milliseconds, for differences only. */
double
stopwatch(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec * 1e3 + (double) now.tv_nsec / 1e6;
}

void
latency_add(Latencies *latencies, double milliseconds)
{
	if (latencies->n == latencies->size)
	{
		latencies->size = latencies->size > 0 ? latencies->size * 2 : 256;
		latencies->milliseconds = realloc(latencies->milliseconds, latencies->size * sizeof(double));
		if (latencies->milliseconds == NULL)
		{
			fputs("out of memory\n", stderr);
			exit(EXIT_FAILURE);
		}
	}
	latencies->milliseconds[latencies->n++] = milliseconds;
}

void
latency_add_all(Latencies *latencies, const Latencies *others)
{
	for (size_t i = 0; i < others->n; i++)
		latency_add(latencies, others->milliseconds[i]);
}

void
latency_sort(Latencies *latencies)
{
	if (latencies->n > 0)
		qsort(latencies->milliseconds, latencies->n, sizeof(double), compare_doubles);
}

static int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

/* Share 1 is the longest. */
double
latency_percentile(const Latencies *sorted, double share)
{
	return sorted->n > 0 ? sorted->milliseconds[(size_t) ceil(share * (double) sorted->n) - 1] : 0;
}

void
latency_free(Latencies *latencies)
{
	free(latencies->milliseconds);
	*latencies = (Latencies){0};
}
