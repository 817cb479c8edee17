/*
 * query.c
 *		What the queries of dashboards cost pgtsdb, and peers beside it.
 *
 * The queries are those of dashboard.c, about the metrics of fleet.c.  Each is
 * asked once on a new connection ("first") and then in --runs turns, in which the
 * backends follow each other, so that whatever else the machine does meets all of
 * them.  In a turn a query that is done within milliseconds runs several times,
 * since reading the processor times of all processes takes a while.  A backend
 * that has used up --budget seconds on a query skips its further turns.
 *
 * With --refresh each run ends a step later than the one before, up to the end of the data, as a dashboard is refreshed.
 *
 * The answers to the first runs are compared with that of pgtsdb.
 */
#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "backend.h"
#include "cpu.h"
#include "dashboard.h"
#include "latency.h"

#define BACKENDS_MAX 8
#define REPEATS_MAX 20
/* the same with --refresh, since the windows of all runs have to lie within the data */
#define REFRESHES_MAX 5
/* seconds that the runs of one turn take together, if one run takes less */
#define TURN_SECONDS 0.1

/* ---- what is measured ---- */

typedef struct Measure
{
	bool		failed;
	double		first;			/* wall milliseconds */
	double		p50;
	double		p95;
	double		cpu;			/* milliseconds of the server for a run */
	int			runs;
	size_t		series;
	size_t		points;
	size_t		bytes;			/* of the answer */
	AnswerDifference difference;	/* of a peer from pgtsdb */
} Measure;

/* The runs of one backend, while a query is measured. */
typedef struct Runs
{
	Latencies	wall;
	double		cpu;			/* milliseconds of all */
	double		spent;			/* seconds of all */
} Runs;

static Backend backends[BACKENDS_MAX];
static int	n_backends = 0;
static Measure measures[DASHBOARD_MAX][BACKENDS_MAX];
static int64_t end_time = 0;
static bool refresh = false;
static int	turns = 12;
static double budget = 6;
static const char *only = NULL;
static FILE *csv = NULL;

static void parse_options(int argc, char **argv);
static void usage(void);
static void add_backend(BackendKind kind, const char *name, const char *where, pid_t pid, const char *parameters);
static void add_peer(char *text);
static void measure_query(const Query *query, Measure *measure);
static void first_run(Backend *backend, const Query *query, Measure *measure, Answer *reference);
static void count_rows(const Backend *backend, Measure *measure, const Answer *reference);
static bool read_answer(Backend *backend, const Query *query, Measure *measure, Answer *reference);
static void turn(Backend *backend, const Query *query, double first, Runs *runs);
static double timed_run(Backend *backend, const Query *query, size_t number, bool *success);
static void report_failure(const Backend *backend, const Query *query, const char *why);
static void finish_measure(Runs *runs, Measure *measure);
static void print_heading(void);
static void print_query(const Query *query, const Measure *measure);
static void print_answer(const AnswerDifference *difference);
static void print_csv(const Query *query, const Measure *measure);
static void print_groups(void);
static void print_group(const char *group);
static double mean_cpu(const char *group, int backend, int *n);

int
main(int argc, char **argv)
{
	bool		failed = false;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	parse_options(argc, argv);
	print_heading();
	for (size_t i = 0; i < dashboard_size; i++)
	{
		if (!dashboard_wanted(&dashboard[i], only))
			continue;
		measure_query(&dashboard[i], measures[i]);
		print_query(&dashboard[i], measures[i]);
		if (csv != NULL)
			print_csv(&dashboard[i], measures[i]);
		failed = failed || measures[i][0].failed;
	}
	print_groups();
	for (int i = 0; i < n_backends; i++)
		backend_disconnect(&backends[i]);
	if (csv != NULL && fclose(csv) != 0)
		perror("query: csv");
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- options ---- */

static void
parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"conninfo", required_argument, NULL, 'd'},
		{"pid", required_argument, NULL, 'p'},
		{"end", required_argument, NULL, 'e'},
		{"runs", required_argument, NULL, 'n'},
		{"budget", required_argument, NULL, 'b'},
		{"only", required_argument, NULL, 'o'},
		{"rows", no_argument, NULL, 'r'},
		{"refresh", no_argument, NULL, 'R'},
		{"csv", required_argument, NULL, 'c'},
		{"peer", required_argument, NULL, 'P'},
		{"help", no_argument, NULL, '?'},
		{0}
	};
	char	   *peers[BACKENDS_MAX];
	int			n_peers = 0;
	const char *conninfo = "";
	pid_t		pid = 0;
	bool		rows = false;
	int			option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		switch (option)
		{
			case 'd': conninfo = optarg; break;
			case 'p': pid = (pid_t) atol(optarg); break;
			case 'e': end_time = atoll(optarg); break;
			case 'n': turns = atoi(optarg); break;
			case 'b': budget = atof(optarg); break;
			case 'o': only = optarg; break;
			case 'r': rows = true; break;
			case 'R': refresh = true; break;
			case 'c': csv = fopen(optarg, "w"); break;
			case 'P':
				if (n_peers == BACKENDS_MAX - 2)
					usage();
				peers[n_peers++] = optarg;
				break;
			default: usage();
		}
		if (option == 'c' && csv == NULL)
		{
			perror(optarg);
			exit(EXIT_FAILURE);
		}
	}
	if (pid <= 0 || end_time <= 0 || turns < 1)
		usage();
	add_backend(BACKEND_API, "pgtsdb", conninfo, pid, NULL);
	if (rows)
		add_backend(BACKEND_ROWS, "rows", conninfo, pid, NULL);
	for (int i = 0; i < n_peers; i++)
		add_peer(peers[i]);
}

static void
usage(void)
{
	puts("usage: query --pid POSTMASTER --end SECONDS [--conninfo STRING] [--rows]\n"
		 "             [--peer NAME=URL,PID[,PARAMETERS]]... [--runs 12] [--budget 6] [--only NAMES] [--csv FILE] [--refresh]\n"
		 "\n"
		 "  --end     the end of all windows, in seconds since 1970\n"
		 "  --rows    measures SELECT count(*), sum(value) FROM tsdb.promql(...) too\n"
		 "  --peer    a server with the same data that answers the Prometheus API; PARAMETERS go into each request\n"
		 "  --only    names or groups of queries, separated by commas\n"
		 "  --refresh each run ends a step later than the one before");
	exit(EXIT_SUCCESS);
}

static void
add_backend(BackendKind kind, const char *name, const char *where, pid_t pid, const char *parameters)
{
	Backend    *backend = &backends[n_backends++];

	backend->kind = kind;
	backend->name = strdup(name);
	backend->where = strdup(where);
	backend->pid = pid;
	backend->parameters = parameters != NULL ? strdup(parameters) : NULL;
}

/* NAME=URL,PID[,PARAMETERS] */
static void
add_peer(char *text)
{
	char	   *where = strchr(text, '=');
	char	   *pid = where != NULL ? strchr(where, ',') : NULL;
	char	   *parameters = pid != NULL ? strchr(pid + 1, ',') : NULL;

	if (pid == NULL || atol(pid + 1) <= 0)
	{
		fprintf(stderr, "query: --peer %s: expected NAME=URL,PID[,PARAMETERS]\n", text);
		exit(EXIT_FAILURE);
	}
	*where++ = '\0';
	*pid++ = '\0';
	if (parameters != NULL)
		*parameters++ = '\0';
	add_backend(BACKEND_PEER, text, where, (pid_t) atol(pid), parameters);
}

/* ---- measuring ---- */

static void
measure_query(const Query *query, Measure *measure)
{
	Answer		reference = {0};
	Runs		runs[BACKENDS_MAX] = {0};

	for (int i = 0; i < n_backends; i++)
		first_run(&backends[i], query, &measure[i], &reference);
	for (int n = 0; n < turns; n++)
	{
		for (int i = 0; i < n_backends; i++)
		{
			if (!measure[i].failed && runs[i].spent <= budget)
				turn(&backends[i], query, measure[i].first, &runs[i]);
		}
	}
	for (int i = 0; i < n_backends; i++)
	{
		finish_measure(&runs[i], &measure[i]);
		latency_free(&runs[i].wall);
	}
	answer_free(&reference);
}

/* The connection of the SQL backends is made before the clock runs; what the session has yet to learn is in the figure. */
static void
first_run(Backend *backend, const Query *query, Measure *measure, Answer *reference)
{
	bool		success;

	backend_disconnect(backend);
	backend_connect(backend);
	measure->first = timed_run(backend, query, 0, &success);
	measure->bytes = backend->body_len;
	if (!success)
	{
		report_failure(backend, query, backend->body);
		measure->failed = true;
	}
	else if (backend->kind == BACKEND_ROWS)
		count_rows(backend, measure, reference);
	else
		measure->failed = !read_answer(backend, query, measure, reference);
}

static void
count_rows(const Backend *backend, Measure *measure, const Answer *reference)
{
	const size_t expected = reference->n_points;

	measure->points = strtoull(backend->body, NULL, 10);
	if (measure->points < expected)
		measure->difference.points_missing = expected - measure->points;
	else
		measure->difference.points_extra = measure->points - expected;
}

static bool
read_answer(Backend *backend, const Query *query, Measure *measure, Answer *reference)
{
	Answer		answer;
	char		error[256];

	if (!answer_parse(backend->body, &answer, error, sizeof(error)))
	{
		report_failure(backend, query, error);
		return false;
	}
	measure->series = answer.n_series;
	measure->points = answer.n_points;
	if (backend->kind == BACKEND_API)
	{
		*reference = answer;
		return true;
	}
	measure->difference = answer_compare(reference, &answer);
	answer_free(&answer);
	return true;
}

static void
turn(Backend *backend, const Query *query, double first, Runs *runs)
{
	static CpuReading before;
	static CpuReading after;
	int			repeats = (int) fmax(1, fmin(refresh ? REFRESHES_MAX : REPEATS_MAX, TURN_SECONDS * 1000 / first));
	bool		success;

	cpu_read(backend->pid, &before);
	for (int i = 0; i < repeats; i++)
	{
		double		wall = timed_run(backend, query, runs->wall.n + 1, &success);

		if (!success)
		{
			report_failure(backend, query, backend->body);
			exit(EXIT_FAILURE);
		}
		latency_add(&runs->wall, wall);
		runs->spent += wall / 1000;
	}
	cpu_read(backend->pid, &after);
	runs->cpu += cpu_milliseconds(&before, &after);
}

/* In milliseconds. */
static double
timed_run(Backend *backend, const Query *query, size_t number, bool *success)
{
	const int64_t steps_left = refresh ? (int64_t) turns * REFRESHES_MAX - (int64_t) number : 0;
	const double began = stopwatch();

	*success = backend_run(backend, query, end_time - steps_left * query->step);
	return stopwatch() - began;
}

static void
report_failure(const Backend *backend, const Query *query, const char *why)
{
	fprintf(stderr, "query: %s of %s: %.200s\n", query->name, backend->name, why);
}

static void
finish_measure(Runs *runs, Measure *measure)
{
	if (runs->wall.n == 0)
		return;
	latency_sort(&runs->wall);
	measure->runs = (int) runs->wall.n;
	measure->p50 = latency_percentile(&runs->wall, 0.5);
	measure->p95 = latency_percentile(&runs->wall, 0.95);
	measure->cpu = runs->cpu / measure->runs;
}

/* ---- the table ---- */

static void
print_heading(void)
{
	printf("%42s", "");
	for (int i = 0; i < n_backends; i++)
		printf("%s%-*s", i == 0 ? " " : " | ", i == 0 ? 32 : 38, backends[i].name);
	printf("\n%-15s %-10s %6s %8s", "query", "group", "series", "points");
	for (int i = 0; i < n_backends; i++)
	{
		if (i == 0)
			printf(" %7s %7s %7s %8s", "first", "p50", "p95", "CPU ms");
		else
			printf(" | %7s %7s %8s %5s %-7s", "first", "p50", "CPU ms", "ratio", "answer");
	}
	putchar('\n');
	if (csv != NULL)
		fputs("query,group,window,step,backend,series,points,bytes,runs,first_ms,p50_ms,p95_ms,cpu_ms,"
			  "names_differ,series_missing,series_extra,points_missing,points_extra,relative_difference\n", csv);
}

static void
print_query(const Query *query, const Measure *measure)
{
	printf("%-15s %-10s %6zu %8zu", query->name, query->group, measure[0].series, measure[0].points);
	printf(" %7.2f %7.2f %7.2f %8.3f", measure[0].first, measure[0].p50, measure[0].p95, measure[0].cpu);
	for (int i = 1; i < n_backends; i++)
	{
		if (measure[i].failed || measure[0].failed)
		{
			printf(" | %7s %7s %8s %5s %-7s", "", "", "", "", measure[i].failed ? "error" : "");
			continue;
		}
		printf(" | %7.2f %7.2f %8.3f %5.2f ", measure[i].first, measure[i].p50, measure[i].cpu, measure[0].cpu / measure[i].cpu);
		print_answer(&measure[i].difference);
	}
	putchar('\n');
	fflush(stdout);
}

/* The worst of it: other series, other points, other values, or only other names. */
static void
print_answer(const AnswerDifference *difference)
{
	char		text[64] = "same";

	if (difference->series_missing + difference->series_extra > 0)
		snprintf(text, sizeof(text), "s-%zu+%zu", difference->series_missing, difference->series_extra);
	else if (difference->points_missing + difference->points_extra > 0)
		snprintf(text, sizeof(text), "p-%zu+%zu", difference->points_missing, difference->points_extra);
	else if (difference->relative > ANSWER_TOLERANCE)
		snprintf(text, sizeof(text), "%.0e", difference->relative);
	else if (difference->names)
		snprintf(text, sizeof(text), "names");
	printf("%-7s", text);
}

static void
print_csv(const Query *query, const Measure *measure)
{
	for (int i = 0; i < n_backends; i++)
	{
		const Measure *m = &measure[i];
		const AnswerDifference *d = &m->difference;

		if (m->failed)
			continue;
		fprintf(csv, "%s,%s,%d,%d,%s,%zu,%zu,%zu,%d,", query->name, query->group, query->window, query->step,
				backends[i].name, m->series, m->points, m->bytes, m->runs);
		fprintf(csv, "%.3f,%.3f,%.3f,%.4f,", m->first, m->p50, m->p95, m->cpu);
		fprintf(csv, "%d,%zu,%zu,%zu,%zu,%.3g\n", d->names, d->series_missing, d->series_extra, d->points_missing,
				d->points_extra, d->relative);
	}
	fflush(csv);
}

static void
print_groups(void)
{
	puts("\nCPU ms of a query, geometric means");
	for (size_t i = 0; i < dashboard_size; i++)
	{
		/* the queries of a group stand together */
		if (i == 0 || strcmp(dashboard[i].group, dashboard[i - 1].group) != 0)
			print_group(dashboard[i].group);
	}
	print_group(NULL);
}

/* NULL means all of them. */
static void
print_group(const char *group)
{
	int			n;
	double		ours = mean_cpu(group, 0, &n);

	if (n == 0)
		return;
	printf("%-15s %3d queries %38s %8.3f", group != NULL ? group : "all", n, "", ours);
	for (int i = 1; i < n_backends; i++)
	{
		double		theirs = mean_cpu(group, i, &n);

		printf(" | %15s %8.3f %5.2f %7s", "", theirs, ours / theirs, "");
	}
	putchar('\n');
}

/* Of the queries that all backends answered. */
static double
mean_cpu(const char *group, int backend, int *n)
{
	double		sum = 0;

	*n = 0;
	for (size_t i = 0; i < dashboard_size; i++)
	{
		bool		answered = true;

		for (int j = 0; j < n_backends; j++)
			answered = answered && measures[i][j].cpu > 0;
		if (!answered || (group != NULL && strcmp(group, dashboard[i].group) != 0))
			continue;
		sum += log(measures[i][backend].cpu);
		(*n)++;
	}
	return *n > 0 ? exp(sum / *n) : 0;
}
