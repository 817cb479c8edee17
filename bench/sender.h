/*
 * sender.h
 *		One connection that writes remote-write requests.
 */
#ifndef BENCH_SENDER_H
#define BENCH_SENDER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <curl/curl.h>
#include <libpq-fe.h>

#include "host.h"
#include "latency.h"

typedef struct Sender
{
	int			number;
	pthread_t	thread;
	PGconn	   *connection;		/* one of the two */
	CURL	   *curl;
	char		refusal[256];	/* what the server said */
	/* the request that is being filled */
	uint8_t    *message;
	size_t		message_len;
	int			samples;
	char	   *compressed;
	/* of one host, for sender_add() */
	int64_t    *times;			/* `run` steps */
	double	   *values;			/* `run` steps of each series */
	/* what has been sent */
	uint64_t	sent_samples;
	uint64_t	sent_requests;
	uint64_t	sent_bytes;
	uint64_t	stored_samples; /* what pgtsdb says, requests that were sent again excluded */
	uint64_t	resent_samples;
	uint64_t	refused;		/* answers that were errors */
	Latencies	latencies;		/* of requests that succeeded */
	double		behind_max;		/* seconds */
	bool		catching_up;	/* since an outage */
} Sender;

/* The same for all senders. */
typedef struct SenderOptions
{
	const char *conninfo;
	const char *url;			/* NULL: pgtsdb by conninfo */
	int			batch;			/* samples of a request, or a few more */
	long		run;			/* samples of a series in a request */
	bool		retry;			/* until it succeeds; otherwise a failure ends the program */
} SenderOptions;

extern SenderOptions sender_options;

extern void fail(const char *what, const char *detail);
extern void sender_open(Sender *sender);
extern void sender_close(Sender *sender);
extern void sender_add(Sender *sender, const Series *series, const int64_t *times, const double *values, long n);
extern void sender_flush(Sender *sender);

#endif
