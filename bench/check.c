/*
 * check.c
 *		Whether the server holds what a fleet wrote: every sample that was acknowledged, and no other.
 *
 * The log of the run says which steps of each host were acknowledged.  Of all
 * hosts the number of samples is compared; of some, picked at random, every
 * sample: series, time and value to the bit.  Steps before those of the log, two
 * of them at least from what was written before, are not looked at.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "check.h"
#include "host.h"
#include "sender.h"

#define REGIONS 4
#define CLUSTERS 8
#define LABELS_TEXT_MAX 4096

/* What the log says. */
typedef struct Walked
{
	long	   *until;			/* by number of host: step behind its last one */
	long		n;
	long		first;			/* of all of them */
	long		last;			/* the highest `until` */
} Walked;

typedef struct Found
{
	long long	hosts;
	long long	samples;		/* that should be there */
	long long	missing;
	long long	extra;
	long long	wrong;			/* another time or value */
} Found;

static Walked walked;
static PGconn *connection;

static void read_log(const char *path);
static void count_slice(int region, int cluster, Found *found, double *counts);
static void count_all(Found *found);
static void compare_some(long exact_hosts, Found *found);
static void compare_host(long number, Found *found);
static void compare_series(const PGresult *result, const Series *series, const int64_t *times, const double *values, long n,
						   Found *found);
static int	find_series(const PGresult *result, const Series *series);
static void print_labels(const Series *series, char *text, size_t size);
static PGresult *query(const char *statement);

/* Prints two lines, and answers whether all is right. */
bool
check_fleet(const char *path, const char *conninfo, long exact_hosts)
{
	Found		counted = {0};
	Found		compared = {0};

	read_log(path);
	connection = PQconnectdb(conninfo);
	if (PQstatus(connection) != CONNECTION_OK)
		fail("connection", PQerrorMessage(connection));
	PQclear(query("SET extra_float_digits = 1"));
	/* count_over_time() would make series of different metrics the same */
	PQclear(query("SET pgtsdb.query_delayed_name_removal = on"));
	count_all(&counted);
	compare_some(exact_hosts, &compared);
	PQfinish(connection);
	printf("counted: hosts=%lld samples=%lld missing=%lld extra=%lld\n", counted.hosts, counted.samples, counted.missing,
		   counted.extra);
	printf("compared: hosts=%lld samples=%lld missing=%lld extra=%lld wrong=%lld\n", compared.hosts, compared.samples,
		   compared.missing, compared.extra, compared.wrong);
	return counted.missing + counted.extra + compared.missing + compared.extra + compared.wrong == 0;
}

static void
read_log(const char *path)
{
	FILE	   *file = fopen(path, "r");
	long		number;
	long		until;

	if (file == NULL)
		fail(path, strerror(errno));
	walked.n = fleet.hosts + fleet.late_hosts;
	walked.until = calloc((size_t) walked.n, sizeof(long));
	while (fscanf(file, "%ld %ld %ld", &number, &walked.first, &until) == 3)
	{
		if (number < 0 || number >= walked.n)
			fail(path, "it is of another fleet");
		walked.until[number] = until;
		if (until > walked.last)
			walked.last = until;
	}
	fclose(file);
}

/* The first step of the host that it should have, and how many. */
static long
steps_of(long number, long *first)
{
	*first = number < fleet.hosts || fleet.late_start < walked.first ? walked.first : fleet.late_start;
	return walked.until[number] > *first ? walked.until[number] - *first : 0;
}

/* Between the steps before the first one and its own: scrapes may be an interval late, and some milliseconds. */
static int64_t
time_before(void)
{
	return fleet.start + walked.first * fleet.interval - fleet.interval / 2;
}

static int64_t
time_behind(void)
{
	return fleet.start + (walked.last + 1) * fleet.interval;
}

/* ---- all of them, by number ---- */

/* In slices, since a query reads no more than pgtsdb.query_max_samples. */
static void
count_all(Found *found)
{
	double	   *counts = calloc((size_t) walked.n, sizeof(double));

	for (int slice = 0; slice < REGIONS * CLUSTERS; slice++)
		count_slice(slice % REGIONS, slice / REGIONS, found, counts);
	for (long i = 0; i < walked.n; i++)
	{
		long		first;
		long long	expected = (long long) steps_of(i, &first) * fleet.series;
		long long	missing = expected - (long long) counts[i];

		found->hosts++;
		found->samples += expected;
		found->missing += missing > 0 ? missing : 0;
		found->extra += missing < 0 ? -missing : 0;
	}
	free(counts);
}

/* The hosts of one region and cluster, as host.c names them. */
static void
count_slice(int region, int cluster, Found *found, double *counts)
{
	char		statement[1024];
	PGresult   *result;

	snprintf(statement, sizeof(statement),
			 "SELECT labels->>'instance', value FROM tsdb.promql('sum by (instance) (count_over_time("
			 "{job=\"node\",instance=~\"host-[0-9]+[.]%s[.].*\",cluster=\"cluster-%d\"}[%lldms]))', to_timestamp(%lld / 1000.0))",
			 host_region(region), cluster, (long long) (time_behind() - time_before()), (long long) time_behind());
	result = query(statement);
	for (int row = 0; row < PQntuples(result); row++)
	{
		long		number = -1;

		if (sscanf(PQgetvalue(result, row, 0), "host-%ld.", &number) != 1 || number < 0 || number >= walked.n)
			found->extra += atoll(PQgetvalue(result, row, 1));
		else
			counts[number] = atof(PQgetvalue(result, row, 1));
	}
	PQclear(result);
}

/* ---- some of them, sample by sample ---- */

static void
compare_some(long exact_hosts, Found *found)
{
	const long	every = exact_hosts > 0 && walked.n > exact_hosts ? walked.n / exact_hosts : 1;

	/* others each time */
	srandom((unsigned) clock_seconds());
	for (long i = 0; i < walked.n && found->hosts < exact_hosts; i += every)
		compare_host(i + random() % every < walked.n ? i + random() % every : i, found);
}

static void
compare_host(long number, Found *found)
{
	long		first;
	const long	n = steps_of(number, &first);
	int64_t    *times = calloc((size_t) n + 1, sizeof(int64_t));
	double	   *values = calloc((size_t) (n + 1) * (size_t) fleet.series, sizeof(double));
	Host		host;
	char		statement[2048];
	PGresult   *result;

	host_build(&host, number);
	for (long step = host.first_step; step < first + n; step++)
	{
		int64_t		t = host_scrape(&host, step);

		if (step < first)
			continue;
		times[step - first] = t;
		for (int i = 0; i < fleet.series; i++)
			values[i * n + step - first] = host.series[i].value;
	}
	snprintf(statement, sizeof(statement),
			 "SELECT (SELECT string_agg(key || '=' || value, ',' ORDER BY key COLLATE \"C\") FROM jsonb_each_text(labels)),"
			 " array_agg((extract(epoch FROM ts) * 1000)::int8 ORDER BY ts), array_agg(value ORDER BY ts), count(*)"
			 " FROM tsdb.samples('{instance=~\"host-%06ld[.].*\"}', to_timestamp(%lld / 1000.0), to_timestamp(%lld / 1000.0))"
			 " GROUP BY labels", number, (long long) time_before(), (long long) time_behind());
	result = query(statement);
	for (int i = 0; i < fleet.series; i++)
		compare_series(result, &host.series[i], times, values + i * n, n, found);
	if (PQntuples(result) > fleet.series)
		found->extra += PQntuples(result) - fleet.series;
	found->hosts++;
	PQclear(result);
	host_free(&host);
	free(times);
	free(values);
}

static void
compare_series(const PGresult *result, const Series *series, const int64_t *times, const double *values, long n, Found *found)
{
	const int	row = find_series(result, series);
	const long	stored = row < 0 ? 0 : atol(PQgetvalue(result, row, 3));
	char	   *t = row < 0 ? NULL : PQgetvalue(result, row, 1);
	char	   *v = row < 0 ? NULL : PQgetvalue(result, row, 2);

	found->samples += n;
	found->missing += n > stored ? n - stored : 0;
	found->extra += stored > n ? stored - n : 0;
	for (long i = 0; i < n && i < stored; i++)
	{
		/* behind a brace or a comma */
		int64_t		time = strtoll(t + 1, &t, 10);
		double		value = strtod(v + 1, &v);

		if (time != times[i] || memcmp(&value, &values[i], sizeof(double)) != 0)
			found->wrong++;
	}
}

/* -1 when the server does not have it. */
static int
find_series(const PGresult *result, const Series *series)
{
	char		labels[LABELS_TEXT_MAX];

	print_labels(series, labels, sizeof(labels));
	for (int row = 0; row < PQntuples(result); row++)
	{
		if (strcmp(PQgetvalue(result, row, 0), labels) == 0)
			return row;
	}
	return -1;
}

/* name=value,name=value; every length of these fits into one byte. */
static void
print_labels(const Series *series, char *text, size_t size)
{
	const uint8_t *p = series->labels;
	size_t		len = 0;

	text[0] = '\0';
	while (p < series->labels + series->labels_len)
	{
		const uint8_t *name = p + 2;
		const uint8_t *value = name + 2 + name[1];

		len += (size_t) snprintf(text + len, size - len, "%s%.*s=%.*s", len > 0 ? "," : "", name[1], (const char *) name + 2,
								 value[1], (const char *) value + 2);
		p = value + 2 + value[1];
	}
}

static PGresult *
query(const char *statement)
{
	PGresult   *result = PQexec(connection, statement);

	if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
		fail("check", PQerrorMessage(connection));
	return result;
}
