/*
 * main.c
 *		Start, wait for a signal, stop.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "gateway/gateway.h"

/* More who ask at once are answered without the database. */
#define METRICS_QUEUE 4

int64_t		gw_started;

static void raise_file_limit(void);

int
main(int argc, char **argv)
{
	sigset_t	signals;
	int			signal_number;

	gw_read_options(argc, argv);
	gw_read_tokens();
	raise_file_limit();
	gw_started = gw_wall_ms();

	/* Blocked in all threads: the one below takes them. */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);

	gw_reads = gw_pool_start("read", gw_options.read_dsn, gw_options.read_connections, gw_options.read_queue,
							 gw_options.query_timeout);
	gw_writes = gw_pool_start("write", gw_options.write_dsn, gw_options.write_connections, gw_options.write_queue,
							  gw_options.write_timeout);
	gw_metrics = gw_pool_start("metrics", gw_options.read_dsn, 1, METRICS_QUEUE, GW_METRICS_TIMEOUT);
	gw_server_start();
	sigwait(&signals, &signal_number);
	gw_log("stopping");
	gw_server_stop();
	gw_log("stopped");
	return 0;
}

/* The usual soft limit is 1024; each connection of a client or to the database is one. */
static void
raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}
