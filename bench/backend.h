/*
 * backend.h
 *		What a query is asked of: pgtsdb through SQL, or a peer over the Prometheus HTTP API.
 */
#ifndef BENCH_BACKEND_H
#define BENCH_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <curl/curl.h>
#include <libpq-fe.h>

typedef struct Query
{
	const char *name;
	const char *group;
	int			window;			/* seconds up to the end of the data; 0 is an instant query */
	int			step;
	const char *text;
} Query;

typedef enum BackendKind
{
	BACKEND_API,				/* tsdb.api_query(), tsdb.api_query_range(): JSON */
	BACKEND_ROWS,				/* count(*) and sum(value) of tsdb.promql() */
	BACKEND_PEER				/* /api/v1/query, /api/v1/query_range: JSON */
} BackendKind;

typedef struct Backend
{
	BackendKind kind;
	char	   *name;
	pid_t		pid;			/* the top of its processes */
	char	   *where;			/* connection string, or URL without the path of the API */
	char	   *parameters;		/* of a peer: what follows query, times and step in the request */
	/* while connected */
	PGconn	   *connection;
	PGresult   *result;
	CURL	   *curl;
	char	   *received;
	size_t		received_len;
	size_t		received_size;
	/* of the last query, until the next one */
	const char *body;			/* NUL-terminated; what went wrong if it failed */
	size_t		body_len;
} Backend;

extern void backend_connect(Backend *backend);
extern void backend_disconnect(Backend *backend);
extern bool backend_run(Backend *backend, const Query *query, int64_t end);

#endif
