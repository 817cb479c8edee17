/*
 * host.h
 *		The hosts of a synthetic fleet and their series.
 */
#ifndef BENCH_HOST_H
#define BENCH_HOST_H

#include <stdint.h>

#define SERIES_MAX 1000
#define SERIES_BYTES_MAX 4096

/* What the samples depend on, and nothing else. */
typedef struct Fleet
{
	long		hosts;
	long		late_hosts;		/* more of them that appear at step late_start */
	long		late_start;
	int			series;			/* of each host */
	int64_t		interval;		/* milliseconds */
	int64_t		start;			/* time of step 0, in milliseconds */
	uint64_t	seed;
} Fleet;

typedef struct Series
{
	uint8_t    *labels;			/* the encoded Label fields of its TimeSeries message */
	uint16_t	labels_len;
	uint8_t		kind;
	uint8_t		bucket;			/* of a histogram: which one */
	double		value;
	double		level;
	double		rate;
} Series;

typedef struct Host
{
	long		number;
	uint64_t	random;
	double		load;			/* how busy it is: scales its rates */
	double		uptime;			/* seconds it has been up at its first step */
	long		first_step;
	int64_t		offset;			/* when in the interval it is scraped */
	Series	   *series;
} Host;

extern Fleet fleet;

extern const char *host_region(long number);
extern void host_build(Host *host, long number);
extern void host_free(Host *host);
extern int64_t host_scrape(Host *host, long step);

#endif
