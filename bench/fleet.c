/*
 * fleet.c
 *		A synthetic fleet of hosts that writes its metrics to tsdb.remote_write(), or to a peer over HTTP.
 *
 * Each host has a fixed list of series shaped like those of a node exporter and
 * a service with latency histograms (host.c).  Every `interval` each
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
 * --batch samples (protobuf in snappy) and sends them one after the other, as fast
 * as they are taken; or with --speed each host at its time.  The
 * result is one line per run:
 *
 *		samples=12000000 requests=6000 bytes=... seconds=... p50=... p95=... max=... (milliseconds of a request)
 *
 * SIGTERM ends a run early.  --log keeps how far each host got, and --check
 * compares that with what the server holds (check.c).
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "host.h"
#include "sender.h"

/* Connections wait for each other every so many steps: a Prometheus refuses samples an hour older than its newest. */
#define ABREAST 60

static long steps = 10;
static long skip = 0;
static int	connections = 1;
static double speed = 0;		/* how much faster than the clock; 0: as fast as it goes */
static double began_at = 0;		/* on the clock, in seconds: the time of step 0 */
static FILE *log_file = NULL;
static const char *check_file = NULL;
static long check_hosts = 100;
static pthread_barrier_t abreast;
static volatile sig_atomic_t stopped = 0;

/* ---- time ---- */

static void
stop(int signal_number)
{
	(void) signal_number;
	stopped = 1;
}

/* Those that are scraped first. */
static int
compare_offsets(const void *a, const void *b)
{
	int64_t		x = ((const Host *) a)->offset;
	int64_t		y = ((const Host *) b)->offset;

	return (x > y) - (x < y);
}

/* Waits until the host is to be scraped, and notes when that has passed already. */
static void
wait_for_scrape(Sender *sender, const Host *host, long step)
{
	const double due = began_at + (double) (step * fleet.interval + host->offset) / 1000 / speed;
	double		wait = due - clock_seconds();

	if (-wait > sender->behind_max)
		sender->behind_max = -wait;
	if (sender->catching_up && wait > 0)
	{
		printf("caught_up sender=%d at=%.3f\n", sender->number, clock_seconds());
		fflush(stdout);
		sender->catching_up = false;
	}
	for (; wait > 0 && !stopped; wait = due - clock_seconds())
		usleep((useconds_t) (fmin(wait, 0.2) * 1e6));
}

/* ---- sending ---- */

/* Steps `from` to `until` of the host, those before `skip` without a report. */
static void
report_host(Sender *sender, Host *host, long from, long until)
{
	const long	run = sender_options.run;
	long		n = 0;

	for (long step = from > host->first_step ? from : host->first_step; step < until; step++)
	{
		int64_t		t = host_scrape(host, step);

		if (step < skip)
			continue;
		sender->times[n] = t;
		for (int i = 0; i < fleet.series; i++)
			sender->values[i * run + n] = host->series[i].value;
		n++;
	}
	for (int i = 0; i < fleet.series && n > 0; i++)
		sender_add(sender, &host->series[i], sender->times, sender->values + i * run, n);
}

/* Of one step, or `run` of them.  Answers how many hosts have reported: fewer than n when the run was ended. */
static long
report_hosts(Sender *sender, Host *own, long n, long step)
{
	const long	until = step + sender_options.run < steps ? step + sender_options.run : steps;

	for (long i = 0; i < n; i++)
	{
		if (speed > 0 && step >= skip)
			wait_for_scrape(sender, &own[i], step);
		if (stopped)
			return i;
		report_host(sender, &own[i], step, until);
	}
	return n;
}

/* From which step and until which each host has reported: all of that is acknowledged. */
static void
write_log(const Host *own, long n, long step, long reported)
{
	for (long i = 0; i < n && log_file != NULL; i++)
		fprintf(log_file, "%ld %ld %ld\n", own[i].number, skip, i < reported ? step + sender_options.run : step);
}

static void *
send_all(void *argument)
{
	Sender	   *sender = argument;
	const long	all_hosts = fleet.hosts + fleet.late_hosts;
	long		n = 0;
	long		step = 0;
	long		reported = 0;
	Host	   *own = calloc((size_t) (all_hosts / connections + 1), sizeof(Host));

	for (long number = sender->number; number < all_hosts; number += connections)
		host_build(&own[n++], number);
	if (speed > 0)
		qsort(own, (size_t) n, sizeof(Host), compare_offsets);
	sender_open(sender);
	while (step < steps && !stopped)
	{
		if (speed == 0 && step % ABREAST < sender_options.run)
			pthread_barrier_wait(&abreast);
		reported = report_hosts(sender, own, n, step);
		sender_flush(sender);
		if (reported < n)
			break;
		step += sender_options.run;
		reported = 0;
	}
	write_log(own, n, step, reported);
	sender_close(sender);
	return NULL;
}

/* ---- main ---- */

static void
usage(void)
{
	puts("usage: fleet [--conninfo STRING | --url http://HOST:PORT/api/v1/write]\n"
		 "             [--hosts 100] [--late-hosts 0 --late-start STEP] [--series 100] [--steps 10] [--skip 0]\n"
		 "             [--connections 1] [--batch 2000] [--run 1] [--interval 15000 ms] [--start MS] [--seed 1]\n"
		 "             [--speed FACTOR [--began SECONDS]] [--retry] [--log FILE]\n"
		 "       fleet --check FILE [--check-hosts 100] ...\n"
		 "\n"
		 "  --speed   sends each scrape at its time, on a clock that is so much faster than the real one\n"
		 "  --began   the real time of step 0, in seconds since 1970; now if not given\n"
		 "  --retry   sends what failed again until it succeeds\n"
		 "  --log     writes how far each host got: all of that has been acknowledged\n"
		 "  --check   compares what such a run wrote, with the same options, with what the server holds: the number of\n"
		 "            samples of every host, and all samples of --check-hosts of them");
	exit(EXIT_SUCCESS);
}

static void
check_options(void)
{
	if (fleet.hosts < 1 || fleet.late_hosts < 0 || fleet.late_start < 0 || fleet.interval < 1 ||
		fleet.series < 1 || fleet.series > SERIES_MAX ||
		connections < 1 || sender_options.batch < 1 || sender_options.run < 1 || speed < 0)
		usage();
	if (began_at == 0)
		began_at = clock_seconds();
}

static FILE *
open_log(const char *path)
{
	FILE	   *file = fopen(path, "w");

	if (file == NULL)
		fail(path, strerror(errno));
	return file;
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
		{"speed", required_argument, NULL, 'x'},
		{"began", required_argument, NULL, 'B'},
		{"retry", no_argument, NULL, 'y'},
		{"log", required_argument, NULL, 'o'},
		{"check", required_argument, NULL, 'C'},
		{"check-hosts", required_argument, NULL, 'H'},
		{"help", no_argument, NULL, '?'},
		{0}
	};
	int			option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		switch (option)
		{
			case 'd': sender_options.conninfo = optarg; break;
			case 'u': sender_options.url = optarg; break;
			case 'h': fleet.hosts = atol(optarg); break;
			case 'l': fleet.late_hosts = atol(optarg); break;
			case 'L': fleet.late_start = atol(optarg); break;
			case 'n': fleet.series = atoi(optarg); break;
			case 's': steps = atol(optarg); break;
			case 'k': skip = atol(optarg); break;
			case 'R': sender_options.run = atol(optarg); break;
			case 'c': connections = atoi(optarg); break;
			case 'b': sender_options.batch = atoi(optarg); break;
			case 'i': fleet.interval = atoll(optarg); break;
			case 't': fleet.start = atoll(optarg); break;
			case 'r': fleet.seed = strtoull(optarg, NULL, 10); break;
			case 'x': speed = atof(optarg); break;
			case 'B': began_at = atof(optarg); break;
			case 'y': sender_options.retry = true; break;
			case 'o': log_file = open_log(optarg); break;
			case 'C': check_file = optarg; break;
			case 'H': check_hosts = atol(optarg); break;
			default: usage();
		}
	}
	check_options();
}

static void
add_to_total(Sender *total, Sender *sender)
{
	total->sent_samples += sender->sent_samples;
	total->sent_requests += sender->sent_requests;
	total->sent_bytes += sender->sent_bytes;
	total->stored_samples += sender->stored_samples;
	total->resent_samples += sender->resent_samples;
	total->refused += sender->refused;
	total->behind_max = fmax(total->behind_max, sender->behind_max);
	latency_add_all(&total->latencies, &sender->latencies);
}

static void
print_total(Sender *total, double seconds)
{
	const Latencies *latencies = &total->latencies;

	latency_sort(&total->latencies);
	printf("samples=%llu requests=%llu bytes=%llu seconds=%.2f p50=%.1f p95=%.1f max=%.1f", (unsigned long long) total->sent_samples,
		   (unsigned long long) total->sent_requests, (unsigned long long) total->sent_bytes, seconds,
		   latency_percentile(latencies, 0.5), latency_percentile(latencies, 0.95), latency_percentile(latencies, 1));
	if (sender_options.url == NULL && total->stored_samples + total->resent_samples != total->sent_samples)
		printf(" not_stored=%lld", (long long) (total->sent_samples - total->resent_samples - total->stored_samples));
	if (sender_options.retry)
		printf(" refused=%llu resent=%llu", (unsigned long long) total->refused, (unsigned long long) total->resent_samples);
	if (speed > 0)
		printf(" behind_max=%.1f", total->behind_max);
	putchar('\n');
}

static void
run_fleet(void)
{
	Sender	   *senders = calloc((size_t) connections, sizeof(Sender));
	Sender		total = {0};
	const double began = clock_seconds();

	pthread_barrier_init(&abreast, NULL, (unsigned) connections);
	for (int i = 0; i < connections; i++)
	{
		senders[i].number = i;
		errno = pthread_create(&senders[i].thread, NULL, send_all, &senders[i]);
		if (errno != 0)
			fail("thread", strerror(errno));
	}
	for (int i = 0; i < connections; i++)
	{
		pthread_join(senders[i].thread, NULL);
		add_to_total(&total, &senders[i]);
	}
	print_total(&total, clock_seconds() - began);
	if (log_file != NULL && fclose(log_file) != 0)
		fail("log", strerror(errno));
}

int
main(int argc, char **argv)
{
	parse_options(argc, argv);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	if (check_file != NULL)
		return check_fleet(check_file, sender_options.conninfo, check_hosts) ? EXIT_SUCCESS : EXIT_FAILURE;
	run_fleet();
	return EXIT_SUCCESS;
}
