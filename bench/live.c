/*
 * live.c
 *		The queries of dashboards at a pace, on data that is being written.
 *
 * One connection asks a query every --every milliseconds, each in its turn, for
 * --seconds or until SIGTERM.  All windows end now, on the clock of fleet.c:
 * --start, --began and --speed mean the same there.  Prints a line per query, and
 * one for all of them:
 *
 *		all runs=600 p50=1.2 p95=310.0 max=900.1 errors=0
 */
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend.h"
#include "dashboard.h"
#include "latency.h"

#define SUCCESS "{\"status\":\"success\""

/* What became of one query. */
typedef struct Asked
{
	Latencies	latencies;
	size_t		errors;
	size_t		bytes;			/* of its last answer */
} Asked;

static const char *conninfo = "";
static const char *only = NULL;
static double seconds = 60;
static double every = 1000;
static double start = 0;
static double began_at = 0;
static double speed = 1;
static Asked asked[DASHBOARD_MAX];
static volatile sig_atomic_t stopped = 0;

static void stop(int signal_number);
static void parse_options(int argc, char **argv);
static void usage(void);
static void ask_in_turns(Backend *backend);
static void ask(Backend *backend, size_t i);
static void wait_until(double time);
static void print_all(void);
static void print_asked(const char *name, Asked *a);

int
main(int argc, char **argv)
{
	Backend		backend = {.kind = BACKEND_API};

	parse_options(argc, argv);
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	backend.where = strdup(conninfo);
	backend_connect(&backend);
	ask_in_turns(&backend);
	backend_disconnect(&backend);
	print_all();
	return EXIT_SUCCESS;
}

static void
stop(int signal_number)
{
	(void) signal_number;
	stopped = 1;
}

static void
parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"conninfo", required_argument, NULL, 'd'},
		{"seconds", required_argument, NULL, 's'},
		{"every", required_argument, NULL, 'e'},
		{"only", required_argument, NULL, 'o'},
		{"start", required_argument, NULL, 't'},
		{"began", required_argument, NULL, 'B'},
		{"speed", required_argument, NULL, 'x'},
		{"help", no_argument, NULL, '?'},
		{0}
	};
	int			option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		switch (option)
		{
			case 'd': conninfo = optarg; break;
			case 's': seconds = atof(optarg); break;
			case 'e': every = atof(optarg); break;
			case 'o': only = optarg; break;
			case 't': start = atof(optarg); break;
			case 'B': began_at = atof(optarg); break;
			case 'x': speed = atof(optarg); break;
			default: usage();
		}
	}
	if (began_at == 0)
		began_at = clock_seconds();
	if (start == 0)
		start = began_at * 1000;
}

static void
usage(void)
{
	puts("usage: live [--conninfo STRING] [--seconds 60] [--every 1000 ms] [--only NAMES]\n"
		 "            [--start MS] [--began SECONDS] [--speed 1]\n"
		 "\n"
		 "  --only    names or groups of queries, separated by commas\n"
		 "  --start, --began, --speed    the clock of the data, as in fleet");
	exit(EXIT_SUCCESS);
}

static void
ask_in_turns(Backend *backend)
{
	const double first = clock_seconds();
	double		due = first;

	while (!stopped && clock_seconds() < first + seconds)
	{
		const double before = due;

		for (size_t i = 0; i < dashboard_size; i++)
		{
			if (!dashboard_wanted(&dashboard[i], only))
				continue;
			wait_until(due);
			if (stopped || clock_seconds() > first + seconds)
				return;
			ask(backend, i);
			/* who is late does not catch up */
			due = fmax(due + every / 1000, clock_seconds());
		}
		if (due == before)
			return;
	}
}

static void
wait_until(double time)
{
	for (double wait = time - clock_seconds(); wait > 0 && !stopped; wait = time - clock_seconds())
		usleep((useconds_t) (fmin(wait, 0.2) * 1e6));
}

static void
ask(Backend *backend, size_t i)
{
	const double now = start / 1000 + (clock_seconds() - began_at) * speed;
	const double began = stopwatch();
	bool		success = backend_run(backend, &dashboard[i], (int64_t) now);

	latency_add(&asked[i].latencies, stopwatch() - began);
	asked[i].bytes = backend->body_len;
	if (success && strncmp(backend->body, SUCCESS, strlen(SUCCESS)) == 0)
		return;
	if (asked[i].errors++ == 0)
		fprintf(stderr, "live: %s: %.200s\n", dashboard[i].name, backend->body);
}

static void
print_all(void)
{
	Asked		all = {0};

	for (size_t i = 0; i < dashboard_size; i++)
	{
		if (asked[i].latencies.n == 0)
			continue;
		print_asked(dashboard[i].name, &asked[i]);
		latency_add_all(&all.latencies, &asked[i].latencies);
		all.errors += asked[i].errors;
	}
	print_asked("all", &all);
}

static void
print_asked(const char *name, Asked *a)
{
	latency_sort(&a->latencies);
	printf("%-15s runs=%zu p50=%.1f p95=%.1f max=%.1f errors=%zu", name, a->latencies.n, latency_percentile(&a->latencies, 0.5),
		   latency_percentile(&a->latencies, 0.95), latency_percentile(&a->latencies, 1), a->errors);
	if (a->bytes > 0)
		printf(" bytes=%zu", a->bytes);
	putchar('\n');
}
