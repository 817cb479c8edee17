/*
 * fleet.c
 *		A synthetic fleet of hosts that writes its metrics to tsdb.remote_write(), or to a peer over HTTP.
 *
 * Each host has a fixed list of series shaped like those of a node exporter and
 * a service with latency histograms (catalogue[] below).  Every `interval` each
 * host reports all of them once; now and then one is scraped a few milliseconds
 * late, and now and then one restarts, so that its counters begin anew.  Late
 * hosts appear only at step --late-start.  All values are a function of the
 * seed, the host and the step, so two runs with the same options send the same
 * samples; --skip N walks through the first N steps without sending, so that one
 * run can go on where another ended.
 *
 * Hosts are dealt out to N connections, one thread each.  A thread encodes the
 * samples of its hosts, one sample per series as a Prometheus sender does (or
 * --run N of them, to load a long history into a peer), into requests of about
 * --batch samples (protobuf in snappy) and sends them one after the other.  The
 * result is one line per run:
 *
 *		samples=12000000 requests=6000 bytes=... seconds=...
 *
 * ingest.sh and query.sh measure the server around it.
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

#include <curl/curl.h>
#include <libpq-fe.h>
#include <snappy-c.h>

#define SERIES_MAX 1000
#define LABELS_MAX 16
#define HISTOGRAM_BUCKETS 8
#define SAMPLE_BYTES_MAX 32
#define SERIES_BYTES_MAX 4096

/* Connections wait for each other every so many steps: a Prometheus refuses samples an hour older than its newest. */
#define ABREAST 60

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
	double		uptime;			/* seconds it has been up at its first step */
	long		first_step;
	int64_t		offset;			/* when in the interval it is scraped */
	Series	   *series;
} Host;

/* ---- options ---- */

static const char *conninfo = "";
static const char *url = NULL;
static long hosts = 100;
static long late_hosts = 0;
static long late_start = 0;
static int	series_per_host = 100;
static long steps = 10;
static long skip = 0;
static long run = 1;
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

static uint8_t *
encode_sample(uint8_t *p, int64_t t, double value)
{
	p = put_varint(p, 2 << 3 | 2);
	p = put_varint(p, 1 + sizeof(double) + 1 + varint_len((uint64_t) t));
	*p++ = 1 << 3 | 1;
	memcpy(p, &value, sizeof(double));	/* little-endian, as this machine is */
	p += sizeof(double);
	*p++ = 2 << 3 | 0;
	return put_varint(p, (uint64_t) t);
}

/* TimeSeries with n Samples. */
static uint8_t *
encode_series(uint8_t *p, const Series *series, const int64_t *times, const double *values, long n)
{
	size_t		len = series->labels_len;

	for (long i = 0; i < n; i++)
		len += 2 + 1 + sizeof(double) + 1 + varint_len((uint64_t) times[i]);
	p = put_varint(p, 1 << 3 | 2);
	p = put_varint(p, len);
	memcpy(p, series->labels, series->labels_len);
	p += series->labels_len;
	for (long i = 0; i < n; i++)
		p = encode_sample(p, times[i], values[i]);
	return p;
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

	if (*n >= series_per_host)
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
	for (int handler = 0; *n < series_per_host; handler++)
	{
		char		path[32];

		snprintf(path, sizeof(path), "/api/v1/resource%d", handler);
		add_histogram(host, n, path, handler == 0 ? 40 : 1.5, common, n_common);
	}
}

static void
build_host(Host *host, long number)
{
	static const char *const regions[] = {"eu-west-1", "us-east-1", "us-west-2", "ap-south-1"};
	char		instance[64];
	char		cluster[16];
	const char *region = regions[number % 4];
	Label		labels[LABELS_MAX] = {{"instance", instance}, {"job", "node"}, {"region", region}, {"cluster", cluster},
	{"env", number % 10 == 9 ? "staging" : "production"}};
	const int	n_common = 5;
	int			n = 0;

	snprintf(instance, sizeof(instance), "host-%06ld.%s.example.net:9100", number, region);
	snprintf(cluster, sizeof(cluster), "cluster-%ld", number / 4 % 8);
	host->random = seed * 1000003 + (uint64_t) number * 7919;
	host->load = exp(normal(&host->random) * 0.8);
	host->uptime = 1e4 + uniform(&host->random) * 3e6;
	host->first_step = number < hosts ? 0 : late_start;
	host->offset = (int64_t) (uniform(&host->random) * (double) interval);
	host->series = calloc((size_t) series_per_host, sizeof(Series));
	add_release(host, &n, number, labels, n_common);
	for (size_t i = 0; i < sizeof(catalogue) / sizeof(catalogue[0]); i++)
		add_metric(host, &n, &catalogue[i], 0, 1, labels, n_common);
	add_histograms(host, &n, labels, n_common);
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

	for (int i = 0; i < series_per_host; i++)
		step_series(host, &host->series[i], restarted, (double) interval / 1000, &counted);
}

/* ---- sending ---- */

typedef struct Sender
{
	pthread_t	thread;
	long		first;			/* its hosts: first, first + connections, ... */
	PGconn	   *connection;		/* one of the two */
	CURL	   *curl;
	char		refusal[256];	/* what the peer said */
	uint8_t    *message;
	size_t		message_len;
	int			samples;		/* in the message */
	char	   *compressed;
	int64_t    *times;			/* of one host: `run` steps */
	double	   *values;			/* of one host: `run` steps of each series */
	uint64_t	sent_samples;
	uint64_t	sent_requests;
	uint64_t	sent_bytes;
} Sender;

static pthread_barrier_t abreast;

static void
write_sql(Sender *sender, size_t len)
{
	const char *value = sender->compressed;
	const int	value_len = (int) len;
	const int	binary = 1;
	PGresult   *result = PQexecPrepared(sender->connection, "write", 1, &value, &value_len, &binary, 1);

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		fail("remote_write", PQerrorMessage(sender->connection));
	PQclear(result);
}

static void
write_http(Sender *sender, size_t len)
{
	CURLcode	code;
	long		status = 0;

	curl_easy_setopt(sender->curl, CURLOPT_POSTFIELDS, sender->compressed);
	curl_easy_setopt(sender->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) len);
	sender->refusal[0] = '\0';
	code = curl_easy_perform(sender->curl);
	if (code != CURLE_OK)
		fail(url, curl_easy_strerror(code));
	curl_easy_getinfo(sender->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status / 100 != 2)
		fail(url, sender->refusal[0] != '\0' ? sender->refusal : "the request was refused");
}

static void
flush(Sender *sender)
{
	size_t		len = snappy_max_compressed_length(sender->message_len);

	if (sender->samples == 0)
		return;
	if (snappy_compress((const char *) sender->message, sender->message_len, sender->compressed, &len) != SNAPPY_OK)
		fail("snappy", "cannot compress");
	if (url != NULL)
		write_http(sender, len);
	else
		write_sql(sender, len);
	sender->sent_samples += (uint64_t) sender->samples;
	sender->sent_requests++;
	sender->sent_bytes += len;
	sender->samples = 0;
	sender->message_len = 0;
}

/* Steps `from` to `until` of the host, those before `skip` without a report. */
static void
report_host(Sender *sender, Host *host, long from, long until)
{
	long		n = 0;

	for (long step = from > host->first_step ? from : host->first_step; step < until; step++)
	{
		/* a scrape that is not late has exactly its time */
		bool		late = uniform(&host->random) < 0.05;
		int64_t		delay = late ? 3 + (int64_t) (uniform(&host->random) * 20) : 0;

		if (step > host->first_step)
			step_host(host);
		if (step < skip)
			continue;
		sender->times[n] = start + step * interval + host->offset + delay;
		for (int i = 0; i < series_per_host; i++)
			sender->values[i * run + n] = host->series[i].value;
		n++;
	}
	for (int i = 0; i < series_per_host && n > 0; i++)
	{
		uint8_t    *end = encode_series(sender->message + sender->message_len, &host->series[i],
										sender->times, sender->values + i * run, n);

		sender->message_len = (size_t) (end - sender->message);
		sender->samples += (int) n;
		if (sender->samples >= batch)
			flush(sender);
	}
}

static void
open_sql(Sender *sender)
{
	PGresult   *result;

	sender->connection = PQconnectdb(conninfo);
	if (PQstatus(sender->connection) != CONNECTION_OK)
		fail("connection", PQerrorMessage(sender->connection));
	result = PQprepare(sender->connection, "write", "SELECT tsdb.remote_write($1::bytea)", 1, NULL);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fail("prepare", PQerrorMessage(sender->connection));
	PQclear(result);
}

static size_t
keep_refusal(char *data, size_t size, size_t n, void *argument)
{
	Sender	   *sender = argument;

	snprintf(sender->refusal, sizeof(sender->refusal), "%.*s", (int) (size * n), data);
	return size * n;
}

static void
open_http(Sender *sender)
{
	struct curl_slist *headers = NULL;

	headers = curl_slist_append(headers, "Content-Encoding: snappy");
	headers = curl_slist_append(headers, "Content-Type: application/x-protobuf");
	headers = curl_slist_append(headers, "X-Prometheus-Remote-Write-Version: 0.1.0");
	headers = curl_slist_append(headers, "Expect:");
	sender->curl = curl_easy_init();
	if (sender->curl == NULL || headers == NULL)
		fail(url, "out of memory");
	curl_easy_setopt(sender->curl, CURLOPT_URL, url);
	curl_easy_setopt(sender->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(sender->curl, CURLOPT_WRITEFUNCTION, keep_refusal);
	curl_easy_setopt(sender->curl, CURLOPT_WRITEDATA, sender);
	curl_easy_setopt(sender->curl, CURLOPT_NOSIGNAL, 1L);
}

static void
open_sender(Sender *sender)
{
	/* a request ends with the series that fills it */
	size_t		capacity = (size_t) (batch + run) * (SERIES_BYTES_MAX + SAMPLE_BYTES_MAX);

	sender->message = malloc(capacity);
	sender->compressed = malloc(snappy_max_compressed_length(capacity));
	sender->times = calloc((size_t) run, sizeof(int64_t));
	sender->values = calloc((size_t) (run * series_per_host), sizeof(double));
	if (url != NULL)
		open_http(sender);
	else
		open_sql(sender);
}

static void
close_sender(Sender *sender)
{
	PQfinish(sender->connection);
	curl_easy_cleanup(sender->curl);
}

static void *
send_all(void *argument)
{
	Sender	   *sender = argument;
	const long	all_hosts = hosts + late_hosts;
	long		n = 0;
	Host	   *own = calloc((size_t) (all_hosts / connections + 1), sizeof(Host));

	for (long number = sender->first; number < all_hosts; number += connections)
		build_host(&own[n++], number);
	open_sender(sender);
	for (long step = 0; step < steps; step += run)
	{
		if (step % ABREAST < run)
			pthread_barrier_wait(&abreast);
		for (long i = 0; i < n; i++)
			report_host(sender, &own[i], step, step + run < steps ? step + run : steps);
		flush(sender);
	}
	close_sender(sender);
	return NULL;
}

/* ---- main ---- */

static void
usage(void)
{
	puts("usage: fleet [--conninfo STRING | --url http://HOST:PORT/api/v1/write]\n"
		 "             [--hosts 100] [--late-hosts 0 --late-start STEP] [--series 100] [--steps 10] [--skip 0]\n"
		 "             [--connections 1] [--batch 2000] [--run 1] [--interval 15000 ms] [--start MS] [--seed 1]");
	exit(EXIT_SUCCESS);
}

static void
parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"conninfo", required_argument, NULL, 'd'},
		{"url", required_argument, NULL, 'u'},
		{"hosts", required_argument, NULL, 'h'},
		{"late-hosts", required_argument, NULL, 'l'},
		{"late-start", required_argument, NULL, 'L'},
		{"series", required_argument, NULL, 'n'},
		{"steps", required_argument, NULL, 's'},
		{"skip", required_argument, NULL, 'k'},
		{"run", required_argument, NULL, 'R'},
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
			case 'u': url = optarg; break;
			case 'h': hosts = atol(optarg); break;
			case 'l': late_hosts = atol(optarg); break;
			case 'L': late_start = atol(optarg); break;
			case 'n': series_per_host = atoi(optarg); break;
			case 's': steps = atol(optarg); break;
			case 'k': skip = atol(optarg); break;
			case 'R': run = atol(optarg); break;
			case 'c': connections = atoi(optarg); break;
			case 'b': batch = atoi(optarg); break;
			case 'i': interval = atoll(optarg); break;
			case 't': start = atoll(optarg); break;
			case 'r': seed = strtoull(optarg, NULL, 10); break;
			default: usage();
		}
	}
	if (hosts < 1 || late_hosts < 0 || late_start < 0 || connections < 1 || batch < 1 || run < 1 || interval < 1 ||
		series_per_host < 1 || series_per_host > SERIES_MAX)
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
	curl_global_init(CURL_GLOBAL_DEFAULT);
	senders = calloc((size_t) connections, sizeof(Sender));
	pthread_barrier_init(&abreast, NULL, (unsigned) connections);
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
