/*
 * backend.c
 *		What a query is asked of: pgtsdb through SQL, or a peer over the Prometheus HTTP API.
 *
 * Both are asked as a dashboard would: on one connection that stays, with the
 * query as a parameter that the server has to parse each time; through SQL by a prepared statement.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend.h"

#define FORM_MAX 4096

static const char *const statement_names[2] = {"instant", "range"};

static void connect_sql(Backend *backend);
static void connect_http(Backend *backend);
static size_t receive(char *data, size_t size, size_t n, void *argument);
static bool run_sql(Backend *backend, const Query *query, int64_t end);
static void format_time(char *text, size_t size, int64_t seconds);
static bool run_http(Backend *backend, const Query *query, int64_t end);
static bool set_body(Backend *backend, const char *body, size_t len, bool success);

void
backend_connect(Backend *backend)
{
	if (backend->kind == BACKEND_PEER)
		connect_http(backend);
	else
		connect_sql(backend);
}

void
backend_disconnect(Backend *backend)
{
	PQclear(backend->result);
	PQfinish(backend->connection);
	curl_easy_cleanup(backend->curl);
	backend->result = NULL;
	backend->connection = NULL;
	backend->curl = NULL;
}

/* The end of the window is `end`, in seconds. */
bool
backend_run(Backend *backend, const Query *query, int64_t end)
{
	return backend->kind == BACKEND_PEER ? run_http(backend, query, end) : run_sql(backend, query, end);
}

/* With prepared statements, as the gateway and any pool have them. */
static void
connect_sql(Backend *backend)
{
	static const char *const statements[2][2] = {
		{"SELECT tsdb.api_query($1, $2)", "SELECT tsdb.api_query_range($1, $2, $3, $4)"},
		{"SELECT count(*), sum(value) FROM tsdb.promql($1, $2)", "SELECT count(*), sum(value) FROM tsdb.promql($1, $2, $3, $4)"}
	};

	backend->connection = PQconnectdb(backend->where);
	for (int range = 0; range <= 1; range++)
	{
		PGresult   *result = PQprepare(backend->connection, statement_names[range],
									   statements[backend->kind == BACKEND_ROWS][range], 0, NULL);

		if (PQresultStatus(result) != PGRES_COMMAND_OK)
		{
			fprintf(stderr, "query: connection: %s", PQerrorMessage(backend->connection));
			exit(EXIT_FAILURE);
		}
		PQclear(result);
	}
}

/* libcurl connects with the first request and keeps the connection. */
static void
connect_http(Backend *backend)
{
	backend->curl = curl_easy_init();
	if (backend->curl == NULL)
	{
		fputs("query: out of memory\n", stderr);
		exit(EXIT_FAILURE);
	}
	curl_easy_setopt(backend->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(backend->curl, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(backend->curl, CURLOPT_WRITEDATA, backend);
}

static size_t
receive(char *data, size_t size, size_t n, void *argument)
{
	Backend    *backend = argument;
	size_t		len = backend->received_len + size * n;

	if (len + 1 > backend->received_size)
	{
		char	   *larger = realloc(backend->received, 2 * (len + 1));

		if (larger == NULL)
			return 0;
		backend->received = larger;
		backend->received_size = 2 * (len + 1);
	}
	memcpy(backend->received + backend->received_len, data, size * n);
	backend->received[len] = '\0';
	backend->received_len = len;
	return size * n;
}

static bool
run_sql(Backend *backend, const Query *query, int64_t end)
{
	const bool	range = query->window > 0;
	char		start_text[32];
	char		end_text[32];
	char		step_text[32];
	const char *values[] = {query->text, start_text, end_text, step_text};

	format_time(start_text, sizeof(start_text), end - query->window);
	format_time(end_text, sizeof(end_text), end);
	snprintf(step_text, sizeof(step_text), "%d seconds", query->step);
	PQclear(backend->result);
	backend->result = PQexecPrepared(backend->connection, statement_names[range], range ? 4 : 2, values, NULL, NULL, 0);
	if (PQresultStatus(backend->result) != PGRES_TUPLES_OK)
	{
		const char *message = PQerrorMessage(backend->connection);

		return set_body(backend, message, strlen(message), false);
	}
	return set_body(backend, PQgetvalue(backend->result, 0, 0), (size_t) PQgetlength(backend->result, 0, 0), true);
}

static void
format_time(char *text, size_t size, int64_t seconds)
{
	time_t		time = (time_t) seconds;
	struct tm	utc;

	strftime(text, size, "%Y-%m-%d %H:%M:%S+00", gmtime_r(&time, &utc));
}

static bool
run_http(Backend *backend, const Query *query, int64_t end)
{
	char		address[512];
	char		form[FORM_MAX];
	char	   *escaped = curl_easy_escape(backend->curl, query->text, 0);
	int			len = snprintf(form, sizeof(form), "query=%s", escaped);
	CURLcode	code;
	long		status = 0;

	curl_free(escaped);
	if (query->window > 0)
		len += snprintf(form + len, sizeof(form) - (size_t) len, "&start=%lld&end=%lld&step=%d",
						(long long) (end - query->window), (long long) end, query->step);
	else
		len += snprintf(form + len, sizeof(form) - (size_t) len, "&time=%lld", (long long) end);
	if (backend->parameters != NULL)
		snprintf(form + len, sizeof(form) - (size_t) len, "&%s", backend->parameters);
	snprintf(address, sizeof(address), "%s/api/v1/%s", backend->where, query->window > 0 ? "query_range" : "query");

	backend->received_len = 0;
	curl_easy_setopt(backend->curl, CURLOPT_URL, address);
	curl_easy_setopt(backend->curl, CURLOPT_POSTFIELDS, form);
	code = curl_easy_perform(backend->curl);
	if (code != CURLE_OK)
		return set_body(backend, curl_easy_strerror(code), strlen(curl_easy_strerror(code)), false);
	curl_easy_getinfo(backend->curl, CURLINFO_RESPONSE_CODE, &status);
	if (backend->received_len == 0)
		return set_body(backend, "no answer", strlen("no answer"), false);
	return set_body(backend, backend->received, backend->received_len, status == 200);
}

static bool
set_body(Backend *backend, const char *body, size_t len, bool success)
{
	backend->body = body;
	backend->body_len = len;
	return success;
}
