/*
 * fleet.c
 *		A synthetic fleet of hosts that writes its metrics to tsdb.remote_write().
 *
 * Each host has a fixed list of series shaped like those of a node exporter and
 * a service with latency histograms (catalogue[] below).  Every `interval` each
 * host reports all of them once.  All values are a function of the seed, the
 * host and the step, so two runs with the same options send the same samples;
 * --skip N walks through the first N steps without sending, so that one run can
 * go on where another ended.
 *
 * Hosts are dealt out to N connections, one thread each.  A thread encodes the
 * samples of its hosts, one sample per series as a Prometheus sender does, into
 * requests of at most --batch samples (protobuf in snappy) and sends them one
 * after the other.  The result is one line per run:
 *
 *		samples=12000000 requests=6000 bytes=... seconds=...
 *
 * ingest.sh measures the server around it.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>
#include <snappy-c.h>

#define SERIES_MAX 1000
#define LABELS_MAX 16
#define HISTOGRAM_BUCKETS 8
#define SAMPLE_BYTES_MAX 32

/* ---- what a host reports ---- */

typedef enum Kind
{
	CONSTANT,					/* sizes, info metrics */
	COUNTER,					/* whole events */
	SECONDS,					/* a counter of seconds with two decimals */
	LEVEL,						/* a gauge with two decimals that wanders around its mean */
	PAGES,						/* bytes in pages of 4096 */
	COUNT,						/* a small whole number */
	BUCKET						/* cumulative histogram: `rate` events a second over the buckets */
} Kind;

typedef struct Metric
{
	const char *name;
	const char *label;			/* name of the label that tells its series apart, or NULL */
	const char *values;			/* its values, separated by blanks */
	Kind		kind;
	double		level;			/* mean of a gauge, value of a constant */
	double		rate;			/* of a counter per second; how far a gauge moves per step */
} Metric;

static const Metric catalogue[] = {
	{"node_cpu_seconds_total", "mode", "idle iowait irq nice softirq steal system user", SECONDS, 0, 0.25},
	{"node_memory_MemTotal_bytes", NULL, NULL, CONSTANT, 16777216000.0, 0},
	{"node_memory_MemAvailable_bytes", NULL, NULL, PAGES, 9e9, 4e6},
	{"node_memory_MemFree_bytes", NULL, NULL, PAGES, 2e9, 6e6},
	{"node_memory_Cached_bytes", NULL, NULL, PAGES, 5e9, 1e6},
	{"node_memory_Buffers_bytes", NULL, NULL, PAGES, 3e8, 4096},
	{"node_filesystem_size_bytes", "mountpoint", "/ /var /boot", CONSTANT, 1.07e11, 0},
	{"node_filesystem_avail_bytes", "mountpoint", "/ /var /boot", PAGES, 6e10, 4e4},
	{"node_filesystem_files_free", "mountpoint", "/ /var /boot", COUNT, 6.1e6, 3},
	{"node_network_receive_bytes_total", "device", "eth0 lo", COUNTER, 0, 180000},
	{"node_network_transmit_bytes_total", "device", "eth0 lo", COUNTER, 0, 260000},
	{"node_network_receive_packets_total", "device", "eth0 lo", COUNTER, 0, 240},
	{"node_network_transmit_packets_total", "device", "eth0 lo", COUNTER, 0, 310},
	{"node_network_receive_errs_total", "device", "eth0 lo", CONSTANT, 0, 0},
	{"node_disk_read_bytes_total", "device", "nvme0n1 nvme1n1", COUNTER, 0, 30000},
	{"node_disk_written_bytes_total", "device", "nvme0n1 nvme1n1", COUNTER, 0, 120000},
	{"node_disk_reads_completed_total", "device", "nvme0n1 nvme1n1", COUNTER, 0, 0.4},
	{"node_disk_io_time_seconds_total", "device", "nvme0n1 nvme1n1", SECONDS, 0, 0.02},
	{"node_load1", NULL, NULL, LEVEL, 1.2, 0.15},
	{"node_load5", NULL, NULL, LEVEL, 1.2, 0.04},
	{"node_load15", NULL, NULL, LEVEL, 1.2, 0.015},
	{"node_boot_time_seconds", NULL, NULL, CONSTANT, 1.69e9, 0},
	{"node_uname_info", "release", "6.1.0-37-amd64", CONSTANT, 1, 0},
	{"up", NULL, NULL, CONSTANT, 1, 0},
	{"process_cpu_seconds_total", NULL, NULL, SECONDS, 0, 0.2},
	{"process_open_fds", NULL, NULL, COUNT, 85, 3},
	{"process_resident_memory_bytes", NULL, NULL, PAGES, 3.1e8, 9e4},
	{"go_goroutines", NULL, NULL, COUNT, 140, 5},
	{"go_memstats_heap_alloc_bytes", NULL, NULL, COUNT, 6.2e7, 2e6},
};

static const char *const bucket_bounds[HISTOGRAM_BUCKETS] = {"0.005", "0.01", "0.025", "0.05", "0.1", "0.5", "1", "+Inf"};
static const double bucket_share[HISTOGRAM_BUCKETS] = {0.18, 0.19, 0.25, 0.16, 0.11, 0.08, 0.02, 0.01};

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
	uint64_t	random;
	double		load;			/* how busy it is: scales its rates */
	int64_t		offset;			/* when in the interval it is scraped */
	Series	   *series;
} Host;

/* ---- options ---- */

static const char *conninfo = "";
static long hosts = 100;
static int	series_per_host = 100;
static long steps = 10;
static long skip = 0;
static int	connections = 1;
static int	batch = 2000;
static int64_t interval = 15000;
static int64_t start = 1700000000000;
static uint64_t seed = 1;

static void
fail(const char *what, const char *detail)
{
	fprintf(stderr, "fleet: %s: %s\n", what, detail);
	exit(EXIT_FAILURE);
}

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

/* ---- protobuf ---- */

static uint8_t *
put_varint(uint8_t *p, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*p++ = (uint8_t) (value | 0x80);
	*p++ = (uint8_t) value;
	return p;
}

static uint8_t *
put_string(uint8_t *p, int field, const char *text)
{
	size_t		len = strlen(text);

	p = put_varint(p, (uint64_t) field << 3 | 2);
	p = put_varint(p, len);
	memcpy(p, text, len);
	return p + len;
}

static size_t
varint_len(uint64_t value)
{
	size_t		len = 1;

	for (; value >= 0x80; value >>= 7)
		len++;
	return len;
}

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
	uint8_t		buffer[4096];
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

/* TimeSeries with one Sample. */
static uint8_t *
encode_series(uint8_t *p, const Series *series, int64_t t)
{
	size_t		sample_len = 1 + sizeof(double) + 1 + varint_len((uint64_t) t);

	p = put_varint(p, 1 << 3 | 2);
	p = put_varint(p, series->labels_len + 1 + varint_len(sample_len) + sample_len);
	memcpy(p, series->labels, series->labels_len);
	p += series->labels_len;
	p = put_varint(p, 2 << 3 | 2);
	p = put_varint(p, sample_len);
	*p++ = 1 << 3 | 1;
	memcpy(p, &series->value, sizeof(double));	/* little-endian, as this machine is */
	p += sizeof(double);
	*p++ = 2 << 3 | 0;
	return put_varint(p, (uint64_t) t);
}

/* ---- building a host ---- */

static void
add_series(Host *host, int *n, const Metric *metric, const Label *common, int n_common, Label *extra, int n_extra)
{
	Label		labels[LABELS_MAX];
	Series	   *series = &host->series[*n];

	if (*n >= series_per_host)
		return;
	labels[0] = (Label){"__name__", metric->name};
	memcpy(labels + 1, common, sizeof(Label) * (size_t) n_common);
	memcpy(labels + 1 + n_common, extra, sizeof(Label) * (size_t) n_extra);
	encode_labels(series, labels, 1 + n_common + n_extra);

	series->kind = (uint8_t) metric->kind;
	series->rate = metric->rate;
	series->level = metric->level * (metric->kind == CONSTANT ? 1 : 0.5 + uniform(&host->random));
	series->value = metric->kind == COUNTER || metric->kind == SECONDS || metric->kind == BUCKET
		? floor(metric->rate * 1e5 * uniform(&host->random)) : series->level;
	if (metric->kind == PAGES)
		series->value = floor(series->value / 4096) * 4096;
	else if (metric->kind == COUNT)
		series->value = floor(series->value);
	else if (metric->kind == LEVEL)
		series->value = round(series->value * 100) / 100;
	(*n)++;
}

static void
add_metric(Host *host, int *n, const Metric *metric, const Label *common, int n_common)
{
	char		values[256];
	char	   *rest;

	if (metric->label == NULL)
	{
		add_series(host, n, metric, common, n_common, NULL, 0);
		return;
	}
	snprintf(values, sizeof(values), "%s", metric->values);
	for (char *value = strtok_r(values, " ", &rest); value != NULL; value = strtok_r(NULL, " ", &rest))
		add_series(host, n, metric, common, n_common, &(Label){metric->label, value}, 1);
}

/* Histograms of as many handlers as it takes to fill the host up. */
static void
add_histograms(Host *host, int *n, const Label *common, int n_common)
{
	for (int handler = 0; *n < series_per_host; handler++)
	{
		Metric		buckets = {"http_request_duration_seconds_bucket", NULL, NULL, BUCKET, 0, handler == 0 ? 40 : 1.5};
		Metric		count = {"http_request_duration_seconds_count", NULL, NULL, COUNTER, 0, buckets.rate};
		Metric		sum = {"http_request_duration_seconds_sum", NULL, NULL, SECONDS, 0, buckets.rate / 25};
		char		path[32];
		Label		extra[2] = {{"handler", path}};

		snprintf(path, sizeof(path), "/api/v1/resource%d", handler);
		for (int i = 0; i < HISTOGRAM_BUCKETS && *n < series_per_host; i++)
		{
			extra[0] = (Label){"handler", path};
			extra[1] = (Label){"le", bucket_bounds[i]};
			add_series(host, n, &buckets, common, n_common, extra, 2);
			host->series[*n - 1].bucket = (uint8_t) i;
		}
		extra[0] = (Label){"handler", path};
		add_series(host, n, &count, common, n_common, extra, 1);
		add_series(host, n, &sum, common, n_common, extra, 1);
	}
}

static void
build_host(Host *host, long number)
{
	static const char *const regions[] = {"eu-west-1", "us-east-1", "us-west-2", "ap-south-1"};
	char		instance[64];
	char		cluster[16];
	const char *region = regions[number % 4];
	Label		common[] = {{"instance", instance}, {"job", "node"}, {"region", region}, {"cluster", cluster},
	{"env", number % 10 == 9 ? "staging" : "production"}};
	const int	n_common = sizeof(common) / sizeof(common[0]);
	int			n = 0;

	snprintf(instance, sizeof(instance), "host-%06ld.%s.example.net:9100", number, region);
	snprintf(cluster, sizeof(cluster), "cluster-%ld", number / 4 % 8);
	host->random = seed * 1000003 + (uint64_t) number * 7919;
	host->load = exp(normal(&host->random) * 0.8);
	host->offset = (int64_t) (uniform(&host->random) * (double) interval);
	host->series = calloc((size_t) series_per_host, sizeof(Series));
	for (size_t i = 0; i < sizeof(catalogue) / sizeof(catalogue[0]); i++)
		add_metric(host, &n, &catalogue[i], common, n_common);
	add_histograms(host, &n, common, n_common);
}

/* ---- time passes ---- */

static double
events(Host *host, double mean)
{
	double		value = mean + sqrt(mean) * normal(&host->random);

	return value < 0 ? 0 : floor(value + 0.5);
}

static void
step_series(Host *host, Series *series, double seconds, double *below)
{
	double		pull = (series->level - series->value) * 0.02;

	switch ((Kind) series->kind)
	{
		case CONSTANT:
			break;
		case COUNTER:
			series->value += events(host, series->rate * host->load * seconds);
			break;
		case SECONDS:
			series->value = round((series->value + series->rate * seconds * (0.6 + 0.8 * uniform(&host->random))) * 100) / 100;
			break;
		case LEVEL:
			series->value = round((series->value + pull + series->rate * normal(&host->random)) * 100) / 100;
			break;
		case PAGES:
			series->value = floor((series->value + pull + series->rate * normal(&host->random)) / 4096) * 4096;
			break;
		case COUNT:
			series->value = fmax(0, floor(series->value + pull + series->rate * normal(&host->random) + 0.5));
			break;
		case BUCKET:
			/* what falls into this bucket also falls into all above it */
			if (series->bucket == 0)
				*below = 0;
			*below += events(host, series->rate * host->load * seconds * bucket_share[series->bucket]);
			series->value += *below;
			break;
	}
}

static void
step_host(Host *host)
{
	double		below = 0;

	for (int i = 0; i < series_per_host; i++)
		step_series(host, &host->series[i], (double) interval / 1000, &below);
}

/* ---- sending ---- */

typedef struct Sender
{
	pthread_t	thread;
	long		first;			/* its hosts: first, first + connections, ... */
	PGconn	   *connection;
	uint8_t    *message;
	size_t		message_len;
	int			samples;		/* in the message */
	char	   *compressed;
	uint64_t	sent_samples;
	uint64_t	sent_requests;
	uint64_t	sent_bytes;
} Sender;

static void
flush(Sender *sender)
{
	size_t		len = snappy_max_compressed_length(sender->message_len);
	const char *value = sender->compressed;
	int			value_len;
	const int	binary = 1;
	PGresult   *result;

	if (sender->samples == 0)
		return;
	if (snappy_compress((const char *) sender->message, sender->message_len, sender->compressed, &len) != SNAPPY_OK)
		fail("snappy", "cannot compress");
	value_len = (int) len;
	result = PQexecPrepared(sender->connection, "write", 1, &value, &value_len, &binary, 1);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		fail("remote_write", PQerrorMessage(sender->connection));
	PQclear(result);
	sender->sent_samples += (uint64_t) sender->samples;
	sender->sent_requests++;
	sender->sent_bytes += len;
	sender->samples = 0;
	sender->message_len = 0;
}

static void
report_host(Sender *sender, const Host *host, int64_t t)
{
	for (int i = 0; i < series_per_host; i++)
	{
		uint8_t    *end = encode_series(sender->message + sender->message_len, &host->series[i], t);

		sender->message_len = (size_t) (end - sender->message);
		if (++sender->samples == batch)
			flush(sender);
	}
}

static void
open_sender(Sender *sender)
{
	size_t		capacity = (size_t) batch * (4096 + SAMPLE_BYTES_MAX);
	PGresult   *result;

	sender->message = malloc(capacity);
	sender->compressed = malloc(snappy_max_compressed_length(capacity));
	sender->connection = PQconnectdb(conninfo);
	if (PQstatus(sender->connection) != CONNECTION_OK)
		fail("connection", PQerrorMessage(sender->connection));
	result = PQprepare(sender->connection, "write", "SELECT tsdb.remote_write($1::bytea)", 1, NULL);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fail("prepare", PQerrorMessage(sender->connection));
	PQclear(result);
}

static void *
send_all(void *argument)
{
	Sender	   *sender = argument;
	long		n = 0;
	Host	   *own = calloc((size_t) (hosts / connections + 1), sizeof(Host));

	for (long number = sender->first; number < hosts; number += connections)
		build_host(&own[n++], number);
	open_sender(sender);
	for (long step = 0; step < steps; step++)
	{
		for (long i = 0; i < n; i++)
		{
			if (step > 0)
				step_host(&own[i]);
			if (step >= skip)
				report_host(sender, &own[i], start + step * interval + own[i].offset);
		}
		flush(sender);
	}
	PQfinish(sender->connection);
	return NULL;
}

/* ---- main ---- */

static void
usage(void)
{
	puts("usage: fleet [--conninfo STRING] [--hosts 100] [--series 100] [--steps 10] [--skip 0] [--connections 1]\n"
		 "             [--batch 2000] [--interval 15000 ms] [--start MS] [--seed 1]");
	exit(EXIT_SUCCESS);
}

static void
parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"conninfo", required_argument, NULL, 'd'},
		{"hosts", required_argument, NULL, 'h'},
		{"series", required_argument, NULL, 'n'},
		{"steps", required_argument, NULL, 's'},
		{"skip", required_argument, NULL, 'k'},
		{"connections", required_argument, NULL, 'c'},
		{"batch", required_argument, NULL, 'b'},
		{"interval", required_argument, NULL, 'i'},
		{"start", required_argument, NULL, 't'},
		{"seed", required_argument, NULL, 'r'},
		{"help", no_argument, NULL, '?'},
		{0}
	};
	int			option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		switch (option)
		{
			case 'd': conninfo = optarg; break;
			case 'h': hosts = atol(optarg); break;
			case 'n': series_per_host = atoi(optarg); break;
			case 's': steps = atol(optarg); break;
			case 'k': skip = atol(optarg); break;
			case 'c': connections = atoi(optarg); break;
			case 'b': batch = atoi(optarg); break;
			case 'i': interval = atoll(optarg); break;
			case 't': start = atoll(optarg); break;
			case 'r': seed = strtoull(optarg, NULL, 10); break;
			default: usage();
		}
	}
	if (hosts < 1 || connections < 1 || batch < 1 || interval < 1 || series_per_host < 1 || series_per_host > SERIES_MAX)
		usage();
}

int
main(int argc, char **argv)
{
	Sender	   *senders;
	struct timespec began;
	struct timespec ended;
	Sender		total = {0};

	parse_options(argc, argv);
	senders = calloc((size_t) connections, sizeof(Sender));
	clock_gettime(CLOCK_MONOTONIC, &began);
	for (int i = 0; i < connections; i++)
	{
		senders[i].first = i;
		errno = pthread_create(&senders[i].thread, NULL, send_all, &senders[i]);
		if (errno != 0)
			fail("thread", strerror(errno));
	}
	for (int i = 0; i < connections; i++)
	{
		pthread_join(senders[i].thread, NULL);
		total.sent_samples += senders[i].sent_samples;
		total.sent_requests += senders[i].sent_requests;
		total.sent_bytes += senders[i].sent_bytes;
	}
	clock_gettime(CLOCK_MONOTONIC, &ended);
	printf("samples=%llu requests=%llu bytes=%llu seconds=%.2f\n", (unsigned long long) total.sent_samples,
		   (unsigned long long) total.sent_requests, (unsigned long long) total.sent_bytes,
		   (double) (ended.tv_sec - began.tv_sec) + (double) (ended.tv_nsec - began.tv_nsec) / 1e9);
	return EXIT_SUCCESS;
}
