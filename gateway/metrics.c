/*
 * metrics.c
 *		What the gateway tells of itself.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "gateway/gateway.h"

#define MAX_ROUTES 64
#define MAX_CODES 16

/* Upper bounds in milliseconds; the last has none. */
static const int64_t bounds[] = {5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000};

#define BUCKETS (GW_COUNT(bounds) + 1)

typedef struct RouteCounts
{
	struct
	{
		unsigned	status;
		int64_t		n;
	}			codes[MAX_CODES];
	int64_t		buckets[BUCKETS];
	int64_t		sum_ms;
} RouteCounts;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* of the counts */
static RouteCounts counts[MAX_ROUTES + 1];	/* the last: no route */
static int	connections;
static int64_t bytes_in;
static int64_t bytes_out;

static void put_gateway(GwBuffer *out);
static void put_process(GwBuffer *out);
static void put_database(GwBuffer *out, const GwRequest *request, const PGresult *result, int64_t ms);
static void put_route(GwBuffer *out, const char *path, const RouteCounts *count);
static void put_durations(GwBuffer *out, const char *path, const RouteCounts *count);
static void put_pools(GwBuffer *out);

void
gw_count_request(const GwRoute *route, unsigned status, int64_t ms)
{
	RouteCounts *count = &counts[route == NULL ? MAX_ROUTES : route - gw_routes];
	int			bucket = 0;

	while (bucket < GW_COUNT(bounds) && ms > bounds[bucket])
		bucket++;
	pthread_mutex_lock(&lock);
	count->buckets[bucket]++;
	count->sum_ms += ms;
	for (int i = 0; i < MAX_CODES; i++)
		if (count->codes[i].status == status || count->codes[i].status == 0)
		{
			count->codes[i].status = status;
			count->codes[i].n++;
			break;
		}
	pthread_mutex_unlock(&lock);
}

void
gw_count_connection(int change)
{
	__atomic_add_fetch(&connections, change, __ATOMIC_RELAXED);
}

int
gw_open_connections(void)
{
	return __atomic_load_n(&connections, __ATOMIC_RELAXED);
}

void
gw_count_bytes(int64_t in, int64_t out)
{
	__atomic_add_fetch(&bytes_in, in, __ATOMIC_RELAXED);
	__atomic_add_fetch(&bytes_out, out, __ATOMIC_RELAXED);
}

/* Those of the database stand behind those of the gateway, whose are told even when it is away. */
void
gw_handle_metrics(GwRequest *request, GwSession *session)
{
	GwBuffer	out = {0};
	int64_t		start = gw_now();
	GwArguments arguments = {0};
	PGresult   *result = session != NULL ? gw_session_run(request, session, GW_SQL_METRICS, &arguments) : NULL;

	if (request->status != 0)
		return;
	put_gateway(&out);
	put_database(&out, request, result, gw_now() - start);
	gw_respond(request, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &out);
	PQclear(result);
}

static void
put_gateway(GwBuffer *out)
{
	gw_buffer_puts(out, "# HELP pgtsdb_gateway_http_requests_total Requests by route and status.\n"
				   "# TYPE pgtsdb_gateway_http_requests_total counter\n");
	pthread_mutex_lock(&lock);
	for (int i = 0; i < gw_n_routes; i++)
		put_route(out, gw_routes[i].path, &counts[i]);
	put_route(out, "none", &counts[MAX_ROUTES]);
	gw_buffer_puts(out, "# HELP pgtsdb_gateway_http_request_duration_seconds From the first line of a request to its end.\n"
				   "# TYPE pgtsdb_gateway_http_request_duration_seconds histogram\n");
	for (int i = 0; i < gw_n_routes; i++)
		put_durations(out, gw_routes[i].path, &counts[i]);
	pthread_mutex_unlock(&lock);

	gw_buffer_printf(out, "# HELP pgtsdb_gateway_http_connections Connections of clients.\n"
					 "# TYPE pgtsdb_gateway_http_connections gauge\npgtsdb_gateway_http_connections %d\n"
					 "# HELP pgtsdb_gateway_http_received_bytes_total Bytes of bodies that were received.\n"
					 "# TYPE pgtsdb_gateway_http_received_bytes_total counter\npgtsdb_gateway_http_received_bytes_total %lld\n"
					 "# HELP pgtsdb_gateway_http_sent_bytes_total Bytes of bodies that were answered.\n"
					 "# TYPE pgtsdb_gateway_http_sent_bytes_total counter\npgtsdb_gateway_http_sent_bytes_total %lld\n",
					 gw_open_connections(), (long long) __atomic_load_n(&bytes_in, __ATOMIC_RELAXED),
					 (long long) __atomic_load_n(&bytes_out, __ATOMIC_RELAXED));
	put_pools(out);
	gw_cache_metrics(out);
	put_process(out);
}

static void
put_one(GwBuffer *out, const char *name, const char *type, const char *help, const char *labels, double value)
{
	gw_buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s%s %.15g\n", name, help, name, type, name, labels, value);
}

static void
put_process(GwBuffer *out)
{
	struct rusage usage;
	long long	resident = 0;
	FILE	   *file = fopen("/proc/self/statm", "r");

	put_one(out, "pgtsdb_gateway_build_info", "gauge", "Version, as label.", "{version=\"" PGTSDB_VERSION "\"}", 1);
	put_one(out, "process_start_time_seconds", "gauge", "When the gateway was started.", "", (double) gw_started / 1000);
	if (getrusage(RUSAGE_SELF, &usage) == 0)
		put_one(out, "process_cpu_seconds_total", "counter", "CPU time of the gateway.", "",
				(double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
				(double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	if (file == NULL)
		return;
	if (fscanf(file, "%*s %lld", &resident) == 1)
		put_one(out, "process_resident_memory_bytes", "gauge", "Memory of the gateway.", "",
				(double) (resident * sysconf(_SC_PAGESIZE)));
	fclose(file);
}

/* A line of comment tells why there is nothing else. */
static void
put_database(GwBuffer *out, const GwRequest *request, const PGresult *result, int64_t ms)
{
	bool		up = result != NULL || !request->unreachable;

	put_one(out, "pgtsdb_gateway_database_up", "gauge", "Whether the database has answered this scrape.", "", up);
	put_one(out, "pgtsdb_gateway_database_metrics", "gauge", "Whether it has told its metrics, which follow.", "", result != NULL);
	put_one(out, "pgtsdb_gateway_database_scrape_duration_seconds", "gauge", "How long that took.", "", (double) ms / 1000);
	if (result != NULL)
		gw_buffer_append(out, PQgetvalue(result, 0, 0), (size_t) PQgetlength(result, 0, 0));
	else if (request->failure != NULL)
		gw_buffer_printf(out, "# no metrics of the database: %.*s\n", (int) strcspn(request->failure, "\n"), request->failure);
}

static void
put_route(GwBuffer *out, const char *path, const RouteCounts *count)
{
	for (int i = 0; i < MAX_CODES && count->codes[i].status != 0; i++)
		gw_buffer_printf(out, "pgtsdb_gateway_http_requests_total{handler=\"%s\",code=\"%u\"} %lld\n",
						 path, count->codes[i].status, (long long) count->codes[i].n);
}

/* Only routes that have been asked for: there are many. */
static void
put_durations(GwBuffer *out, const char *path, const RouteCounts *count)
{
	static const char name[] = "pgtsdb_gateway_http_request_duration_seconds";
	int64_t		n = 0;

	if (count->codes[0].status == 0)
		return;
	for (int i = 0; i < GW_COUNT(bounds); i++)
	{
		n += count->buckets[i];
		gw_buffer_printf(out, "%s_bucket{handler=\"%s\",le=\"%g\"} %lld\n", name, path, (double) bounds[i] / 1000, (long long) n);
	}
	n += count->buckets[GW_COUNT(bounds)];
	gw_buffer_printf(out, "%s_bucket{handler=\"%s\",le=\"+Inf\"} %lld\n%s_sum{handler=\"%s\"} %.3f\n%s_count{handler=\"%s\"} %lld\n",
					 name, path, (long long) n, name, path, (double) count->sum_ms / 1000, name, path, (long long) n);
}

static void
put_pools(GwBuffer *out)
{
	static const struct
	{
		const char *name;
		const char *type;
		const char *help;
	}			metrics[] = {
		{"queue_length", "gauge", "Requests that wait for a connection to the database."},
		{"busy_workers", "gauge", "Requests that the database is working on."},
		{"open_connections", "gauge", "Connections to the database."},
		{"served_total", "counter", "Requests that a worker has answered."},
		{"refused_total", "counter", "Requests that found the queue full."},
		{"expired_total", "counter", "Requests that waited too long."},
		{"connects_total", "counter", "Connections to the database that were opened or tried."},
	};

	for (int i = 0; i < GW_COUNT(metrics); i++)
	{
		gw_buffer_printf(out, "# HELP pgtsdb_gateway_pool_%s %s\n# TYPE pgtsdb_gateway_pool_%s %s\n",
						 metrics[i].name, metrics[i].help, metrics[i].name, metrics[i].type);
		gw_pool_metrics(gw_reads, out, metrics[i].name);
		gw_pool_metrics(gw_writes, out, metrics[i].name);
		gw_pool_metrics(gw_metrics, out, metrics[i].name);
	}
}
