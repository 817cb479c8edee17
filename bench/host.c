/*
 * host.c
 *		The hosts of a synthetic fleet and their series: names, labels, values.
 *
 * All values are a function of the seed, the host and the step.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "protobuf.h"

#define LABELS_MAX 16
#define HISTOGRAM_BUCKETS 8

/* ---- what a host reports ---- */

typedef enum Kind
{
	CONSTANT,					/* sizes, info metrics */
	COUNTER,					/* whole events that come evenly */
	TRAFFIC,					/* whole events, much more in some intervals than in others */
	BURSTS,						/* nothing most of the time, then much at once; in sectors of 512 */
	SECONDS,					/* a counter of seconds with two decimals */
	LEVEL,						/* a gauge with two decimals that wanders around its mean */
	PAGES,						/* bytes in pages of 4096 */
	COUNT,						/* a small whole number */
	BUCKET,						/* cumulative histogram: `rate` events a second over the buckets */
	BUCKET_COUNT,				/* its events */
	BUCKET_SUM					/* and their seconds */
} Kind;

/* A label that tells the series of a metric apart, and its values, separated by blanks; "lo*0.01" has a hundredth of the rate. */
typedef struct Dimension
{
	const char *label;
	const char *values;
} Dimension;

typedef struct Metric
{
	const char *name;
	Dimension	dimension[2];
	Kind		kind;
	double		level;			/* mean of a gauge, value of a constant */
	double		rate;			/* of a counter per second; how far a gauge moves per step */
} Metric;

#define CPUS {"cpu", "0 1 2 3"}
#define MODES {"mode", "idle*0.82 iowait*0.012 irq*0 nice*0.0004 softirq*0.006 steal*0 system*0.045 user*0.11"}
#define MOUNTPOINTS {"mountpoint", "/ /var*4 /boot*0"}
#define INTERFACES {"device", "eth0 lo*0.01"}
#define DISKS {"device", "nvme0n1 nvme1n1*0.2"}

static const Metric catalogue[] = {
	{"node_cpu_seconds_total", {CPUS, MODES}, SECONDS, 0, 1},
	{"node_memory_MemTotal_bytes", {{0}}, CONSTANT, 16777216000.0, 0},
	{"node_memory_MemAvailable_bytes", {{0}}, PAGES, 9e9, 4e6},
	{"node_memory_MemFree_bytes", {{0}}, PAGES, 2e9, 6e6},
	{"node_memory_Cached_bytes", {{0}}, PAGES, 5e9, 1e6},
	{"node_memory_Buffers_bytes", {{0}}, PAGES, 3e8, 4096},
	{"node_filesystem_size_bytes", {MOUNTPOINTS}, CONSTANT, 1.07e11, 0},
	{"node_filesystem_avail_bytes", {MOUNTPOINTS}, PAGES, 6e10, 4e4},
	{"node_filesystem_files_free", {MOUNTPOINTS}, COUNT, 6.1e6, 3},
	{"node_network_receive_bytes_total", {INTERFACES}, TRAFFIC, 0, 180000},
	{"node_network_transmit_bytes_total", {INTERFACES}, TRAFFIC, 0, 260000},
	{"node_network_receive_packets_total", {INTERFACES}, TRAFFIC, 0, 240},
	{"node_network_transmit_packets_total", {INTERFACES}, TRAFFIC, 0, 310},
	{"node_network_receive_errs_total", {INTERFACES}, CONSTANT, 0, 0},
	{"node_disk_read_bytes_total", {DISKS}, BURSTS, 0, 30000},
	{"node_disk_written_bytes_total", {DISKS}, BURSTS, 0, 120000},
	{"node_disk_reads_completed_total", {DISKS}, COUNTER, 0, 0.4},
	{"node_disk_io_time_seconds_total", {DISKS}, SECONDS, 0, 0.02},
	{"node_load1", {{0}}, LEVEL, 1.2, 0.15},
	{"node_load5", {{0}}, LEVEL, 1.2, 0.04},
	{"node_load15", {{0}}, LEVEL, 1.2, 0.015},
	{"node_boot_time_seconds", {{0}}, CONSTANT, 1.69e9, 0},
	{"up", {{0}}, CONSTANT, 1, 0},
	{"process_cpu_seconds_total", {{0}}, SECONDS, 0, 0.2},
	{"process_open_fds", {{0}}, COUNT, 85, 3},
	{"process_resident_memory_bytes", {{0}}, PAGES, 3.1e8, 9e4},
	{"go_goroutines", {{0}}, COUNT, 140, 5},
	{"go_memstats_heap_alloc_bytes", {{0}}, COUNT, 6.2e7, 2e6},
};

static const char *const bucket_bounds[HISTOGRAM_BUCKETS] = {"0.005", "0.01", "0.025", "0.05", "0.1", "0.5", "1", "+Inf"};
static const double bucket_share[HISTOGRAM_BUCKETS] = {0.18, 0.19, 0.25, 0.16, 0.11, 0.08, 0.02, 0.01};
/* what an event of the bucket takes on average */
static const double bucket_seconds[HISTOGRAM_BUCKETS] = {0.003, 0.0075, 0.017, 0.036, 0.07, 0.25, 0.7, 1.6};

Fleet		fleet = {.hosts = 100, .series = 100, .interval = 15000, .start = 1700000000000, .seed = 1};

/* ---- random numbers: splitmix64 ---- */

static uint64_t
next_random(uint64_t *state)
{
	uint64_t	z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static double
uniform(uint64_t *state)
{
	return (double) (next_random(state) >> 11) * 0x1.0p-53;
}

/* The sum of twelve uniforms is close enough to a normal distribution. */
static double
normal(uint64_t *state)
{
	double		sum = -6;

	for (int i = 0; i < 12; i++)
		sum += uniform(state);
	return sum;
}

/* ---- labels ---- */

typedef struct Label
{
	const char *name;
	const char *value;
} Label;

static int
label_compare(const void *a, const void *b)
{
	return strcmp(((const Label *) a)->name, ((const Label *) b)->name);
}

/* Sorted, as senders must. */
static void
encode_labels(Series *series, Label *labels, int n)
{
	uint8_t		buffer[SERIES_BYTES_MAX];
	uint8_t    *p = buffer;

	qsort(labels, (size_t) n, sizeof(Label), label_compare);
	for (int i = 0; i < n; i++)
	{
		size_t		name_len = strlen(labels[i].name);
		size_t		value_len = strlen(labels[i].value);

		p = put_varint(p, 1 << 3 | 2);
		p = put_varint(p, 2 + varint_len(name_len) + name_len + varint_len(value_len) + value_len);
		p = put_string(p, 1, labels[i].name);
		p = put_string(p, 2, labels[i].value);
	}
	series->labels_len = (uint16_t) (p - buffer);
	series->labels = malloc(series->labels_len);
	memcpy(series->labels, buffer, series->labels_len);
}

/* ---- building a host ---- */

static bool
is_counter(const Series *series)
{
	return (series->kind >= COUNTER && series->kind <= SECONDS) || series->kind >= BUCKET;
}

/* In the unit of its kind: bytes in whole pages, seconds with two decimals. */
static double
rounded(Kind kind, double value)
{
	switch (kind)
	{
		case PAGES: return floor(value / 4096) * 4096;
		case BURSTS: return floor(value / 512) * 512;
		case LEVEL:
		case SECONDS: return round(value * 100) / 100;
		case COUNTER:
		case TRAFFIC:
		case COUNT: return floor(value);
		default: return value;
	}
}

static Series *
add_series(Host *host, int *n, const Metric *metric, double factor, const Label *common, int n_common,
		   const Label *extra, int n_extra)
{
	Label		labels[LABELS_MAX];
	Series	   *series = &host->series[*n];

	if (*n >= fleet.series)
		return NULL;
	labels[0] = (Label){"__name__", metric->name};
	memcpy(labels + 1, common, sizeof(Label) * (size_t) n_common);
	for (int i = 0; i < n_extra; i++)
		labels[1 + n_common + i] = extra[i];
	encode_labels(series, labels, 1 + n_common + n_extra);

	series->kind = (uint8_t) metric->kind;
	series->rate = metric->rate * factor;
	series->level = metric->level * (metric->kind == CONSTANT ? 1 : 0.5 + uniform(&host->random));
	series->value = rounded(metric->kind, is_counter(series) ? series->rate * host->load * host->uptime : series->level);
	(*n)++;
	return series;
}

/* One series for each value of the dimension, and of those that follow. */
static void
add_metric(Host *host, int *n, const Metric *metric, int dimension, double factor, Label *labels, int n_labels)
{
	char		values[256];
	char	   *rest;

	if (dimension == 2 || metric->dimension[dimension].label == NULL)
	{
		add_series(host, n, metric, factor, labels, n_labels, NULL, 0);
		return;
	}
	snprintf(values, sizeof(values), "%s", metric->dimension[dimension].values);
	for (char *value = strtok_r(values, " ", &rest); value != NULL; value = strtok_r(NULL, " ", &rest))
	{
		char	   *star = strchr(value, '*');

		if (star != NULL)
			*star = '\0';
		labels[n_labels] = (Label){metric->dimension[dimension].label, value};
		add_metric(host, n, metric, dimension + 1, star != NULL ? factor * atof(star + 1) : factor, labels, n_labels + 1);
	}
}

static void
add_release(Host *host, int *n, long number, const Label *common, int n_common)
{
	const Metric info = {"node_uname_info", {{0}}, CONSTANT, 1, 0};
	const Label release = {"release", number % 5 != 0 ? "6.1.0-37-amd64" : "6.12.9-amd64"};

	add_series(host, n, &info, 1, common, n_common, &release, 1);
}

/* The histogram of one handler: what it has counted so far lies in the buckets by their shares. */
static void
add_histogram(Host *host, int *n, const char *path, double rate, const Label *common, int n_common)
{
	const Metric buckets = {"http_request_duration_seconds_bucket", {{0}}, BUCKET, 0, rate};
	const Metric count = {"http_request_duration_seconds_count", {{0}}, BUCKET_COUNT, 0, rate};
	const Metric sum = {"http_request_duration_seconds_sum", {{0}}, BUCKET_SUM, 0, rate};
	Label		extra[2] = {{"handler", path}};
	double		events = 0;
	double		seconds = 0;
	Series	   *series;

	for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
	{
		double		here = floor(rate * host->load * host->uptime * bucket_share[i]);

		events += here;
		seconds += here * bucket_seconds[i];
		extra[1] = (Label){"le", bucket_bounds[i]};
		series = add_series(host, n, &buckets, 1, common, n_common, extra, 2);
		if (series == NULL)
			return;
		series->bucket = (uint8_t) i;
		series->value = events;
	}
	series = add_series(host, n, &count, 1, common, n_common, extra, 1);
	if (series != NULL)
		series->value = events;
	series = add_series(host, n, &sum, 1, common, n_common, extra, 1);
	if (series != NULL)
		series->value = seconds;
}

/* Histograms of as many handlers as it takes to fill the host up. */
static void
add_histograms(Host *host, int *n, const Label *common, int n_common)
{
	for (int handler = 0; *n < fleet.series; handler++)
	{
		char		path[32];

		snprintf(path, sizeof(path), "/api/v1/resource%d", handler);
		add_histogram(host, n, path, handler == 0 ? 40 : 1.5, common, n_common);
	}
}

const char *
host_region(long number)
{
	static const char *const regions[] = {"eu-west-1", "us-east-1", "us-west-2", "ap-south-1"};

	return regions[number % 4];
}

void
host_build(Host *host, long number)
{
	char		instance[64];
	char		cluster[16];
	const char *region = host_region(number);
	Label		labels[LABELS_MAX] = {{"instance", instance}, {"job", "node"}, {"region", region}, {"cluster", cluster},
	{"env", number % 10 == 9 ? "staging" : "production"}};
	const int	n_common = 5;
	int			n = 0;

	snprintf(instance, sizeof(instance), "host-%06ld.%s.example.net:9100", number, region);
	snprintf(cluster, sizeof(cluster), "cluster-%ld", number / 4 % 8);
	host->number = number;
	host->random = fleet.seed * 1000003 + (uint64_t) number * 7919;
	host->load = exp(normal(&host->random) * 0.8);
	host->uptime = 1e4 + uniform(&host->random) * 3e6;
	host->first_step = number < fleet.hosts ? 0 : fleet.late_start;
	host->offset = (int64_t) (uniform(&host->random) * (double) fleet.interval);
	host->series = calloc((size_t) fleet.series, sizeof(Series));
	add_release(host, &n, number, labels, n_common);
	for (size_t i = 0; i < sizeof(catalogue) / sizeof(catalogue[0]); i++)
		add_metric(host, &n, &catalogue[i], 0, 1, labels, n_common);
	add_histograms(host, &n, labels, n_common);
}

void
host_free(Host *host)
{
	for (int i = 0; i < fleet.series; i++)
		free(host->series[i].labels);
	free(host->series);
}

/* ---- time passes ---- */

static double
events(Host *host, double mean)
{
	double		value = mean + sqrt(mean) * normal(&host->random);

	return value < 0 ? 0 : floor(value + 0.5);
}

/* What a histogram has counted in a step, in the buckets up to the current one. */
typedef struct Counted
{
	double		events;
	double		seconds;
} Counted;

static double
counter_increase(Host *host, const Series *series, double seconds, Counted *counted)
{
	const double mean = series->rate * seconds;
	double		here;

	switch ((Kind) series->kind)
	{
		case COUNTER:
			return events(host, mean * host->load);
		case TRAFFIC:
			return floor(mean * host->load * exp(0.5 * normal(&host->random)));
		case BURSTS:
			return uniform(&host->random) < 0.1 ? mean * host->load * 20 * uniform(&host->random) : 0;
		case SECONDS:
			return mean * (0.6 + 0.8 * uniform(&host->random));
		case BUCKET:
			/* what falls into this bucket also falls into all above it */
			if (series->bucket == 0)
				*counted = (Counted){0};
			here = events(host, mean * host->load * bucket_share[series->bucket]);
			counted->events += here;
			counted->seconds += here * bucket_seconds[series->bucket] * (0.9 + 0.2 * uniform(&host->random));
			return counted->events;
		case BUCKET_COUNT:
			return counted->events;
		case BUCKET_SUM:
			return counted->seconds;
		default:
			return 0;
	}
}

static double
gauge_moved(Host *host, const Series *series)
{
	double		pull = (series->level - series->value) * 0.02;

	return fmax(0, series->value + pull + series->rate * normal(&host->random));
}

static void
step_series(Host *host, Series *series, bool restarted, double seconds, Counted *counted)
{
	double		value = series->value;

	if (series->kind == CONSTANT)
		return;
	if (is_counter(series))
		value = (restarted ? 0 : value) + counter_increase(host, series, seconds, counted);
	else
		value = gauge_moved(host, series);
	series->value = rounded((Kind) series->kind, value);
}

static void
step_host(Host *host)
{
	Counted		counted = {0};
	bool		restarted = uniform(&host->random) < 1.0 / 20000;

	for (int i = 0; i < fleet.series; i++)
		step_series(host, &host->series[i], restarted, (double) fleet.interval / 1000, &counted);
}

/*
 * One step further; the first call is for the host's first step.  Answers the time of the scrape, in milliseconds: one
 * that is not late has exactly its time.
 */
int64_t
host_scrape(Host *host, long step)
{
	bool		late = uniform(&host->random) < 0.05;
	int64_t		delay = late ? 3 + (int64_t) (uniform(&host->random) * 20) : 0;

	if (step > host->first_step)
		step_host(host);
	return fleet.start + step * fleet.interval + host->offset + delay;
}
