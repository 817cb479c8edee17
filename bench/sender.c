/*
 * sender.c
 *		One connection that writes remote-write requests: to tsdb.remote_write(), or to a peer over HTTP.
 *
 * With `retry`, a request that fails is sent again until it succeeds, on a new
 * connection if the old one was lost; requests behind it wait.  So whatever has
 * been sent is acknowledged, and nothing is sent again after it was.
 * Each such stretch is a line on standard output:
 *
 *		outage sender=1 from=1700000000.123 until=1700000004.567 tries=80 why=...
 */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <snappy-c.h>

#include "protobuf.h"
#include "sender.h"

#define SAMPLE_BYTES_MAX 32
#define RETRY_PAUSE_US 50000
/* what is refused for so long is never taken */
#define RETRY_SECONDS_MAX 600

SenderOptions sender_options = {.conninfo = "", .batch = 2000, .run = 1};

static bool open_sql(Sender *sender);
static void open_http(Sender *sender);
static size_t keep_refusal(char *data, size_t size, size_t n, void *argument);
static void send_until_taken(Sender *sender, size_t len);
static void send_again(Sender *sender, size_t len);
static bool try_once(Sender *sender, size_t len);
static bool write_sql(Sender *sender, size_t len);
static bool write_http(Sender *sender, size_t len);
static bool refuse(Sender *sender, const char *why);

void
fail(const char *what, const char *detail)
{
	fprintf(stderr, "fleet: %s: %s\n", what, detail);
	exit(EXIT_FAILURE);
}

/* ---- connections ---- */

void
sender_open(Sender *sender)
{
	/* a request ends with the series that fills it */
	size_t		capacity = (size_t) (sender_options.batch + sender_options.run) * (SERIES_BYTES_MAX + SAMPLE_BYTES_MAX);

	sender->message = malloc(capacity);
	sender->compressed = malloc(snappy_max_compressed_length(capacity));
	sender->times = calloc((size_t) sender_options.run, sizeof(int64_t));
	sender->values = calloc((size_t) (sender_options.run * fleet.series), sizeof(double));
	if (sender_options.url != NULL)
		open_http(sender);
	else if (!open_sql(sender))
		fail("connection", sender->refusal);
}

void
sender_close(Sender *sender)
{
	PQfinish(sender->connection);
	curl_easy_cleanup(sender->curl);
}

static bool
open_sql(Sender *sender)
{
	PGresult   *result;
	bool		success;

	PQfinish(sender->connection);
	sender->connection = PQconnectdb(sender_options.conninfo);
	if (PQstatus(sender->connection) != CONNECTION_OK)
		return refuse(sender, PQerrorMessage(sender->connection));
	result = PQprepare(sender->connection, "write", "SELECT tsdb.remote_write($1::bytea)", 1, NULL);
	success = PQresultStatus(result) == PGRES_COMMAND_OK;
	if (!success)
		refuse(sender, PQerrorMessage(sender->connection));
	PQclear(result);
	return success;
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
		fail(sender_options.url, "out of memory");
	curl_easy_setopt(sender->curl, CURLOPT_URL, sender_options.url);
	curl_easy_setopt(sender->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(sender->curl, CURLOPT_WRITEFUNCTION, keep_refusal);
	curl_easy_setopt(sender->curl, CURLOPT_WRITEDATA, sender);
	curl_easy_setopt(sender->curl, CURLOPT_NOSIGNAL, 1L);
}

static size_t
keep_refusal(char *data, size_t size, size_t n, void *argument)
{
	Sender	   *sender = argument;

	snprintf(sender->refusal, sizeof(sender->refusal), "%.*s", (int) (size * n), data);
	return size * n;
}

/* ---- requests ---- */

static uint8_t *
put_sample(uint8_t *p, int64_t t, double value)
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
put_series(uint8_t *p, const Series *series, const int64_t *times, const double *values, long n)
{
	size_t		len = series->labels_len;

	for (long i = 0; i < n; i++)
		len += 2 + 1 + sizeof(double) + 1 + varint_len((uint64_t) times[i]);
	p = put_varint(p, 1 << 3 | 2);
	p = put_varint(p, len);
	memcpy(p, series->labels, series->labels_len);
	p += series->labels_len;
	for (long i = 0; i < n; i++)
		p = put_sample(p, times[i], values[i]);
	return p;
}

/* Sends the request when it is full. */
void
sender_add(Sender *sender, const Series *series, const int64_t *times, const double *values, long n)
{
	uint8_t    *end = put_series(sender->message + sender->message_len, series, times, values, n);

	sender->message_len = (size_t) (end - sender->message);
	sender->samples += (int) n;
	if (sender->samples >= sender_options.batch)
		sender_flush(sender);
}

void
sender_flush(Sender *sender)
{
	size_t		len = snappy_max_compressed_length(sender->message_len);

	if (sender->samples == 0)
		return;
	if (snappy_compress((const char *) sender->message, sender->message_len, sender->compressed, &len) != SNAPPY_OK)
		fail("snappy", "cannot compress");
	send_until_taken(sender, len);
	sender->sent_samples += (uint64_t) sender->samples;
	sender->sent_requests++;
	sender->sent_bytes += len;
	sender->samples = 0;
	sender->message_len = 0;
}

static void
send_until_taken(Sender *sender, size_t len)
{
	const uint64_t stored_before = sender->stored_samples;

	if (try_once(sender, len))
		return;
	if (!sender_options.retry)
		fail(sender_options.url != NULL ? sender_options.url : "remote_write", sender->refusal);
	send_again(sender, len);
	/* how many of these were there already is not known */
	sender->stored_samples = stored_before;
	sender->resent_samples += (uint64_t) sender->samples;
}

static void
send_again(Sender *sender, size_t len)
{
	const double from = clock_seconds();
	int			tries = 1;
	char		why[sizeof(sender->refusal)];

	memcpy(why, sender->refusal, sizeof(why));
	do
	{
		usleep(RETRY_PAUSE_US);
		tries++;
		if (clock_seconds() > from + RETRY_SECONDS_MAX)
			fail("gave up", sender->refusal);
		if (sender_options.url == NULL && PQstatus(sender->connection) != CONNECTION_OK && !open_sql(sender))
			continue;
		if (try_once(sender, len))
			break;
	} while (true);
	why[strcspn(why, "\n")] = '\0';
	printf("outage sender=%d from=%.3f until=%.3f tries=%d why=%s\n", sender->number, from, clock_seconds(), tries, why);
	fflush(stdout);
	sender->catching_up = true;
}

static bool
try_once(Sender *sender, size_t len)
{
	const double began = stopwatch();
	const bool	success = sender_options.url != NULL ? write_http(sender, len) : write_sql(sender, len);

	if (success)
		latency_add(&sender->latencies, stopwatch() - began);
	return success;
}

static bool
write_sql(Sender *sender, size_t len)
{
	const char *value = sender->compressed;
	const int	value_len = (int) len;
	const int	binary = 1;
	PGresult   *result = PQexecPrepared(sender->connection, "write", 1, &value, &value_len, &binary, 1);
	const bool	success = PQresultStatus(result) == PGRES_TUPLES_OK;
	uint64_t	stored;

	if (success)
	{
		memcpy(&stored, PQgetvalue(result, 0, 0), sizeof(stored));
		sender->stored_samples += be64toh(stored);
	}
	else
	{
		/* a lost connection refuses nothing */
		if (PQstatus(sender->connection) == CONNECTION_OK)
			sender->refused++;
		refuse(sender, PQerrorMessage(sender->connection));
	}
	PQclear(result);
	return success;
}

static bool
write_http(Sender *sender, size_t len)
{
	CURLcode	code;
	long		status = 0;

	curl_easy_setopt(sender->curl, CURLOPT_POSTFIELDS, sender->compressed);
	curl_easy_setopt(sender->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) len);
	sender->refusal[0] = '\0';
	code = curl_easy_perform(sender->curl);
	if (code != CURLE_OK)
		return refuse(sender, curl_easy_strerror(code));
	curl_easy_getinfo(sender->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status / 100 == 2)
		return true;
	sender->refused++;
	return sender->refusal[0] != '\0' ? false : refuse(sender, "the request was refused");
}

static bool
refuse(Sender *sender, const char *why)
{
	snprintf(sender->refusal, sizeof(sender->refusal), "%s", why);
	return false;
}
