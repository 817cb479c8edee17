/*
 * gateway.h
 *		pgtsdb-gateway: Prometheus's HTTP API in front of a database with pgtsdb.
 *
 * Two kinds of threads.  A few belong to libmicrohttpd and do all input and output of all connections;
 * they never wait for the database.  The others belong to two pools, one for reads and one for writes; each
 * takes a request out of its pool's queue, asks the database on a session, and prepares the answer, which
 * the first kind then sends.  A request is owned by one thread at a time, so it needs no lock.
 */
#ifndef GW_GATEWAY_H
#define GW_GATEWAY_H

#include <libpq-fe.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "gateway/parse/parse.h"

#define GW_COUNT(array) ((int) (sizeof(array) / sizeof((array)[0])))

typedef struct GwRequest GwRequest;
typedef struct GwSession GwSession;
typedef struct GwPool GwPool;

/* ---- options.c ---- */

typedef struct GwOptions
{
	char	   *listen;			/* host:port; [::1]:9090; :9090 is every address */
	char	   *write_dsn;
	char	   *read_dsn;
	char	   *anonymous_role; /* "": who does not say who he is, is refused */
	char	   *tokens_file;
	char	   *cors_origin;	/* "": no cross-origin reads */
	char	   *tls_cert;
	char	   *tls_key;
	int			write_connections;
	int			read_connections;
	int			write_queue;
	int			read_queue;
	int			queue_timeout;	/* this and all times below in milliseconds */
	int			query_timeout;
	int			write_timeout;
	int			connect_timeout;
	int			connection_lifetime;
	int			request_timeout;	/* for the client to send a request in */
	int			response_timeout;	/* for the client to take an answer in */
	int			idle_timeout;
	int			stop_timeout;
	int			max_connections;
	int			io_threads;
	int64_t		max_header; /* this and the next three in bytes */
	int64_t		max_body;
	int64_t		max_form;
	int64_t		max_memory; /* of all bodies together */
	int64_t		query_cache_size;	/* bytes; 0: no cache */
	int			max_ahead;	/* seconds; 0: no limit, as for the next */
} GwOptions;

extern GwOptions gw_options;

/* Ends the process when they make no sense, or when only help was wanted. */
extern void gw_read_options(int argc, char **argv);
/* A JSON object of those that are no secret. */
extern void gw_options_json(GwBuffer *out);

/* ---- log.c ---- */

extern void gw_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* For what may happen thousands of times: at most one line of a kind in 10 s. */
extern void gw_log_seldom(time_t *last, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- clock.c ---- */

/* Milliseconds of a clock that is never set, and of the one on the wall. */
extern int64_t gw_now(void);
extern int64_t gw_wall_ms(void);
/* As Prometheus writes times in JSON. */
extern void gw_put_wall_time(GwBuffer *out, int64_t ms);

/* ---- router.c ---- */

typedef enum GwRunsOn
{
	GW_LOCAL,					/* answered at once, by the thread that read the request */
	GW_READS,
	GW_WRITES,
	GW_METRICS					/* apart from both, so that they tell of those when they are full */
} GwRunsOn;

#define GW_GET 1
#define GW_POST 2
#define GW_PUT 4
#define GW_HEAD 8

#define GW_PLAIN_ERRORS 1		/* errors are text, not JSON */
#define GW_OPEN 2				/* asks nobody who he is */
#define GW_CORS 4
#define GW_ROOT_ONLY 8			/* not under /prometheus */
#define GW_BODY 16				/* takes a body that is no form, up to max_body */
#define GW_ANYWAY 32			/* when the database fails, is handled without a session, and answers what it can */

typedef struct GwRoute
{
	const char *path;			/* one element may be "*": the argument */
	int			methods;
	int			flags;
	GwRunsOn	runs_on;
	void		(*handle) (GwRequest *request, GwSession *session); /* no session when local */
} GwRoute;

extern const GwRoute gw_routes[];
extern const int gw_n_routes;
/* NULL when there is none.  Sets argument and under_prefix. */
extern const GwRoute *gw_find_route(GwRequest *request, const char *path);
extern int	gw_method(const char *method);

/* ---- request.c: one request, from its first line to the end of its answer ---- */

struct GwRequest
{
	struct MHD_Connection *connection;
	int			socket;
	const GwRoute *route;		/* NULL: there is none */
	char	   *uri;			/* as it came */
	char	   *argument;
	bool		under_prefix;
	bool		is_head;
	bool		begun;			/* its headers have been looked at */
	bool		complete;		/* its body has been looked at; from here on it is answered or in a pool */
	int64_t		received;		/* gw_now(), as the next */
	int64_t		queued;

	GwParameters parameters;	/* of the body, then of the URL, as Go merges them */
	GwBuffer	body;
	size_t		body_limit;
	bool		too_large;
	size_t		discarded;		/* bytes beyond the limit */

	GwAuthorization authorization;
	char	   *tenant;			/* "" when the headers name none */
	bool		accepts_gzip;
	bool		gzip_body;
	char	   *content_type;
	char	   *content_encoding;
	char	   *origin;			/* of a browser's script */

	char	   *failure;		/* of a route that answers anyway: what kept the database from it; NULL: nothing */
	bool		unreachable;	/* that was: it could not be asked */
	unsigned	status;			/* 0: not answered yet */
	struct MHD_Response *response;
	GwRequest  *next;			/* in a pool's queue */
};

extern GwRequest *gw_request_create(struct MHD_Connection *connection, const char *uri);
extern void gw_request_free(GwRequest *request);
/* Looks at the headers; answers at once what cannot be served. */
extern void gw_request_begin(GwRequest *request, const char *method);
/* False: more than the client may send at all. */
extern bool gw_request_take_body(GwRequest *request, const char *bytes, size_t len);
/* The body is there: reads the parameters; answers at once what cannot be served. */
extern void gw_request_complete(GwRequest *request);

/* ---- respond.c: answers; each request gets exactly one ---- */

typedef enum GwProblem
{
	GW_BAD_DATA,
	GW_EXECUTION,
	GW_CANCELED,
	GW_TIMEOUT,
	GW_INTERNAL,
	GW_NOT_FOUND,
	GW_UNAVAILABLE,				/* try again later */
	GW_UNAUTHORIZED,
	GW_FORBIDDEN,
	GW_METHOD,
	GW_TOO_LARGE,
	GW_MEDIA_TYPE,
	GW_BUDGET,
	GW_NOT_PROVIDED				/* and never will be: nothing to repeat */
} GwProblem;

/* Takes the bytes of the buffer over. */
extern void gw_respond(GwRequest *request, unsigned status, const char *content_type, GwBuffer *body);
/* The first value of the result is the body; takes the result over. */
extern void gw_respond_result(GwRequest *request, unsigned status, const char *content_type, PGresult *result);
/* The same bytes may be another's as well; release(owner) is called when they are not needed any more. */
extern void gw_respond_shared(GwRequest *request, unsigned status, const char *content_type, char *data, size_t len,
							  void (*release) (void *owner), void *owner);
extern void gw_respond_empty(GwRequest *request, unsigned status);
extern void gw_respond_json(GwRequest *request, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* In JSON or as text, as the route says. */
extern void gw_fail(GwRequest *request, GwProblem problem, const char *format, ...) __attribute__((format(printf, 3, 4)));
extern void gw_fail_parameter(GwRequest *request, const char *parameter, const char *format, ...)
			__attribute__((format(printf, 3, 4)));
/* To the answer that has been made. */
extern void gw_add_header(GwRequest *request, const char *name, const char *value);
/* HTTP status of an errorType of the Prometheus API. */
extern unsigned gw_status_of_type(const char *type, size_t len);

/* ---- stream.c: an answer that is sent while it is still being made ---- */

typedef struct GwStream GwStream;

/* Answers 200; from here on the request is no longer the worker's. */
extern GwStream *gw_stream_start(GwRequest *request, GwSession *session, const char *content_type);
/* Waits for a while when the client has much to take.  False: it does not take it. */
extern bool gw_stream_put(GwStream *stream, const char *bytes, size_t len);
/* The worker's last call.  Not whole: the client shall notice. */
extern void gw_stream_end(GwStream *stream, bool whole);

/* ---- sqlstate.c ---- */

extern GwProblem gw_problem_of_sqlstate(const char *sqlstate);
/* The SQLSTATE in a message of verbosity "verbose", or "". */
extern void gw_find_sqlstate(const char *message, char sqlstate[6]);

/* ---- statements.c ---- */

typedef enum GwStatement
{
	GW_SQL_ENTER,				/* role, tenant, timeout */
	GW_SQL_LIMITS,				/* how far from now samples may be */
	GW_SQL_READY,
	GW_SQL_QUERY,
	GW_SQL_QUERY_RANGE,
	GW_SQL_QUERY_RANGE_SINCE,	/* the mark and the steps that are kept */
	GW_SQL_LABELS,
	GW_SQL_LABEL_VALUES,
	GW_SQL_SERIES,
	GW_SQL_METADATA,
	GW_SQL_RULES,
	GW_SQL_ALERTS,
	GW_SQL_TARGETS,
	GW_SQL_TARGETS_METADATA,
	GW_SQL_SCRAPE_POOLS,
	GW_SQL_FEATURES,
	GW_SQL_METRICS,
	GW_SQL_NAMES_CARDINALITY,
	GW_SQL_VALUES_CARDINALITY,
	GW_SQL_FORMAT_QUERY,
	GW_SQL_PARSE_QUERY,
	GW_SQL_STATUS_TSDB,
	GW_SQL_FEDERATE,
	GW_SQL_REMOTE_READ,
	GW_SQL_REMOTE_WRITE,
	GW_SQL_REMOTE_WRITE_2,
	GW_SQL_PUSH,
	GW_SQL_DELETE_SERIES,
	GW_STATEMENTS
} GwStatement;

#define GW_MAX_ARGUMENTS 8

typedef struct GwSql
{
	const char *text;
	int			n_arguments;
	Oid			types[GW_MAX_ARGUMENTS];
	bool		binary;			/* the result */
} GwSql;

extern const GwSql gw_sql[GW_STATEMENTS];

typedef struct GwArguments
{
	int			n;
	const char *values[GW_MAX_ARGUMENTS];
	int			lengths[GW_MAX_ARGUMENTS];
	int			formats[GW_MAX_ARGUMENTS];
	char		scratch[GW_MAX_ARGUMENTS][16];
} GwArguments;

/* What they point to must live until the statement has run.  NULL is null. */
extern void gw_add_null(GwArguments *arguments);
extern void gw_add_text(GwArguments *arguments, const char *text);
extern void gw_add_bytes(GwArguments *arguments, const GwBuffer *bytes);
extern void gw_add_time(GwArguments *arguments, int64_t ms);
extern void gw_add_interval(GwArguments *arguments, int64_t ns);
extern void gw_add_int(GwArguments *arguments, int32_t number);
extern void gw_add_bool(GwArguments *arguments, bool yes);
/* Those of one list behind those of another, which must live as long. */
extern void gw_add_arguments(GwArguments *arguments, const GwArguments *others);

/* ---- session.c: a connection to the database, and who uses it ---- */

struct GwSession
{
	PGconn	   *connection;
	char	   *user;			/* whose credentials it was opened with; NULL: those of the DSN */
	char	   *password;
	int64_t		opened;
	bool		prepared[GW_STATEMENTS];

	/* What GW_SQL_ENTER last told it; NULL: nothing yet */
	char	   *role;
	char	   *tenant;
	int			timeout;

	GwBuffer	warning;		/* of the statement that ran last */
	bool		handed_over;	/* the request that is worked on has been answered, and is not ours any more */
	GwSession  *next;			/* in its pool */
};

/* NULL when it could not be opened; then the request has been answered. */
extern GwSession *gw_session_open(GwRequest *request, const char *dsn, const char *user, const char *password);
extern void gw_session_close(GwSession *session);
/* Whether it can take another request: not when the server has closed it meanwhile. */
extern bool gw_session_is_well(GwSession *session);
/* Makes it act for the role and tenant of the request.  False: answered. */
extern bool gw_session_enter(GwRequest *request, GwSession *session, const char *role, int timeout_ms);
/* NULL when it failed; then the request has been answered. */
extern PGresult *gw_session_run(GwRequest *request, GwSession *session, GwStatement statement, const GwArguments *arguments);

/*
 * The same, row by row, none of which is held.  take() owns the row; when it answers false, the statement is cancelled.  False:
 * it did not come to its end; then the request has been answered, unless it has been handed over.
 */
typedef bool (*GwTakeRow) (void *context, PGresult *row);
extern bool gw_session_run_rows(GwRequest *request, GwSession *session, GwStatement statement, const GwArguments *arguments,
								GwTakeRow take, void *context);

/* ---- identity.c ---- */

/* Reads the file of tokens; ends the process when it cannot. */
extern void gw_read_tokens(void);
/*
 * With whose credentials the database is asked, and as which role (NULL: as who connects).  False: answered.
 */
extern bool gw_identify(GwRequest *request, const char **user, const char **password, const char **role);

/* ---- pool.c ---- */

extern GwPool *gw_reads;
extern GwPool *gw_writes;
extern GwPool *gw_metrics;
/* Time for the database to tell its metrics in, milliseconds: a scrape has ten seconds as a rule. */
#define GW_METRICS_TIMEOUT 3000

extern GwPool *gw_pool_start(const char *name, const char *dsn, int size, int queue, int timeout);
/* Suspends the connection and queues the request; when there is no room, answers it and returns false. */
extern bool gw_pool_submit(GwPool *pool, GwRequest *request);
/* Takes no more; waits for those that have begun, which are cancelled when gw_stopping is set. */
extern void gw_pool_stop(GwPool *pool);
extern void gw_pool_metrics(GwPool *pool, GwBuffer *out, const char *metric);

/* ---- server.c ---- */

/* On the wall's clock. */
extern int64_t gw_started;
/* Set when what runs shall end at once. */
extern volatile bool gw_stopping;

/* Ends the process when the address cannot be had. */
extern void gw_server_start(void);
extern void gw_server_stop(void);
/* Bytes of bodies that are held now; false when there would be too many. */
extern bool gw_reserve_memory(int64_t bytes);
extern void gw_release_memory(int64_t bytes);

/* ---- metrics.c ---- */

extern void gw_count_request(const GwRoute *route, unsigned status, int64_t ms);
extern void gw_count_connection(int change);
extern void gw_count_bytes(int64_t in, int64_t out);
extern int	gw_open_connections(void);

/* ---- result_cache.c: answers to range queries that were given before ---- */

typedef struct GwCacheEntry GwCacheEntry;

/* What follows the lists does not change while there is a reference. */
struct GwCacheEntry
{
	GwCacheEntry *next;			/* in its bucket */
	GwCacheEntry *newer;		/* in the order of use */
	GwCacheEntry *older;
	int			references;		/* the table's is one */

	GwBuffer	key;
	uint64_t	hash;
	int64_t		bytes;
	GwBuffer	json;			/* an answer with the steps first .. last, milliseconds */
	GwMatrix	matrix;			/* the same */
	int64_t		first;
	int64_t		last;
	bool		exact;			/* its notes are those of these steps; else of some more */
	GwBuffer	mark;			/* by which the database knows what it was computed from */
};

typedef enum GwCacheEvent
{
	GW_CACHE_HIT,
	GW_CACHE_PARTIAL_HIT,
	GW_CACHE_MISS,
	GW_CACHE_INVALIDATION,
	GW_CACHE_EVICTION,
	GW_CACHE_EVENTS
} GwCacheEvent;

/* A reference to the entry, to be released; NULL when there is none. */
extern GwCacheEntry *gw_cache_find(const GwBuffer *key);
/* One reference more. */
extern void gw_cache_hold(GwCacheEntry *entry);
extern void gw_cache_release(GwCacheEntry *entry);
/* In place of what is there.  Takes the bytes of the answer over, and drops them when they are too many. */
extern void gw_cache_put(const GwBuffer *key, GwBuffer *json, int64_t first, int64_t last, bool exact,
						 const void *mark, size_t mark_len);
extern void gw_cache_count(GwCacheEvent event);
extern void gw_cache_metrics(GwBuffer *out);

/* ---- the routes ---- */

/* query_arguments.c: what the routes ask their parameters.  False: answered. */
extern bool gw_time_argument(GwRequest *request, const char *name, bool required, GwArguments *arguments);
extern bool gw_step_argument(GwRequest *request, GwArguments *arguments);
extern bool gw_lookback_argument(GwRequest *request, GwArguments *arguments);
extern bool gw_limit_argument(GwRequest *request, int32_t *limit);
extern bool gw_int_argument(GwRequest *request, const char *name, int32_t otherwise, const char *problem, int32_t *number);
extern bool gw_query_timeout(GwRequest *request, int *timeout_ms);
/* As Go quotes a string, for errors; to be freed. */
extern char *gw_quoted(const char *text);
/* The array literal of all values of match[], or of another parameter. */
extern void gw_matches(GwRequest *request, GwBuffer *out);
extern void gw_array_argument(GwRequest *request, const char *name, GwBuffer *out);

/* query_routes.c */
extern void gw_handle_query(GwRequest *request, GwSession *session);
extern void gw_handle_query_exemplars(GwRequest *request, GwSession *session);
extern void gw_handle_labels(GwRequest *request, GwSession *session);
extern void gw_handle_label_values(GwRequest *request, GwSession *session);
extern void gw_handle_series(GwRequest *request, GwSession *session);
extern void gw_handle_metadata(GwRequest *request, GwSession *session);
extern void gw_handle_label_names_cardinality(GwRequest *request, GwSession *session);
extern void gw_handle_label_values_cardinality(GwRequest *request, GwSession *session);
extern void gw_handle_active_series(GwRequest *request, GwSession *session);
extern void gw_handle_rules(GwRequest *request, GwSession *session);
extern void gw_handle_alerts(GwRequest *request, GwSession *session);
extern void gw_handle_targets(GwRequest *request, GwSession *session);
extern void gw_handle_targets_metadata(GwRequest *request, GwSession *session);
extern void gw_handle_scrape_pools(GwRequest *request, GwSession *session);
extern void gw_handle_format_query(GwRequest *request, GwSession *session);
extern void gw_handle_parse_query(GwRequest *request, GwSession *session);
extern void gw_handle_features(GwRequest *request, GwSession *session);
extern void gw_handle_read(GwRequest *request, GwSession *session);
extern void gw_handle_federate(GwRequest *request, GwSession *session);

/* The database has made the answer, or the API's error object; takes the result over. */
extern void gw_respond_answer(GwRequest *request, PGresult *result);

/* range_query.c */
extern void gw_handle_query_range(GwRequest *request, GwSession *session);

/* write_routes.c */
extern void gw_handle_write(GwRequest *request, GwSession *session);
extern void gw_handle_push(GwRequest *request, GwSession *session);
extern void gw_handle_delete_series(GwRequest *request, GwSession *session);

/* status_routes.c */
extern void gw_handle_healthy(GwRequest *request, GwSession *session);
extern void gw_handle_ready(GwRequest *request, GwSession *session);
extern void gw_handle_metrics(GwRequest *request, GwSession *session);
extern void gw_handle_buildinfo(GwRequest *request, GwSession *session);
extern void gw_handle_runtimeinfo(GwRequest *request, GwSession *session);
extern void gw_handle_config(GwRequest *request, GwSession *session);
extern void gw_handle_flags(GwRequest *request, GwSession *session);
extern void gw_handle_status_tsdb(GwRequest *request, GwSession *session);
extern void gw_handle_status_blocks(GwRequest *request, GwSession *session);
extern void gw_handle_alertmanagers(GwRequest *request, GwSession *session);
extern void gw_handle_walreplay(GwRequest *request, GwSession *session);
extern void gw_handle_notifications(GwRequest *request, GwSession *session);
extern void gw_handle_clean_tombstones(GwRequest *request, GwSession *session);
extern void gw_handle_snapshot(GwRequest *request, GwSession *session);
extern void gw_handle_reload(GwRequest *request, GwSession *session);

#endif							/* GW_GATEWAY_H */
