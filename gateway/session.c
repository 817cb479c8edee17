/*
 * session.c
 *		A connection to the database, and who uses it.
 *
 * Sessions are used by one request after the other, of different clients.  Role, tenant and time limit are
 * set when they differ from those of the request before.  The gateway runs no SQL but its own
 * (statements.c), so nobody else can set them.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/gateway.h"

/* The server keeps the time limit; this much later the connection counts as dead. */
#define SERVER_GRACE_MS 5000
/* How often a wait looks whether the gateway shall stop. */
#define POLL_MS 200

static PGconn *start_connection(const char *dsn, const char *user, const char *password);
static bool finish_connection(GwRequest *request, PGconn *connection);
static int connect_patience(const GwRequest *request);
static void refuse_connection(GwRequest *request, PGconn *connection);
static void take_notice(void *session, const PGresult *notice);
static bool set_limits(GwRequest *request, GwSession *session);
static bool same_text(const char *a, const char *b);
static void remember(char **where, const char *text);
static bool send_statement(GwSession *session, GwStatement statement, const GwArguments *arguments);
static PGresult *run(GwRequest *request, GwSession *session, GwStatement statement, const GwArguments *arguments,
					 const char **cancelled);
static PGresult *next_row(GwRequest *request, GwSession *session, const char **cancelled);
static bool prepare(GwRequest *request, GwSession *session, GwStatement statement, const char **cancelled);
static PGresult *take_result(GwRequest *request, GwSession *session, const char **cancelled);
static void wait_for_server(GwRequest *request, GwSession *session, const char **cancelled);
static bool client_is_gone(const GwRequest *request);
static void cancel(PGconn *connection);
static void answer_failure(GwRequest *request, GwSession *session, PGresult *result, const char *cancelled);

/* ---- open and close ---- */

GwSession *
gw_session_open(GwRequest *request, const char *dsn, const char *user, const char *password)
{
	PGconn	   *connection = start_connection(dsn, user, password);
	GwSession  *session;

	if (connection == NULL || !finish_connection(request, connection))
	{
		if (request->status == 0)
			refuse_connection(request, connection);
		PQfinish(connection);
		return NULL;
	}

	/* A server that asks for no password would take anybody for anybody. */
	if (user != NULL && !PQconnectionUsedPassword(connection))
	{
		static time_t last;

		gw_log_seldom(&last, "the database asks role \"%s\" for no password, so it cannot be used with basic authorization", user);
		gw_fail(request, GW_UNAUTHORIZED, "role cannot be used with a password");
		PQfinish(connection);
		return NULL;
	}

	PQsetErrorVerbosity(connection, PQERRORS_DEFAULT);
	session = gw_alloc(sizeof(GwSession));
	session->connection = connection;
	session->opened = gw_now();
	remember(&session->user, user);
	remember(&session->password, password);
	PQsetNoticeReceiver(connection, take_notice, session);
	if (set_limits(request, session))
		return session;
	gw_session_close(session);
	return NULL;
}

/* The SQLSTATE of a refusal is to be had from the message only. */
static PGconn *
start_connection(const char *dsn, const char *user, const char *password)
{
	const char *names[] = {"fallback_application_name", "tcp_user_timeout", "dbname", "client_encoding",
	user != NULL ? "user" : NULL, "password", NULL};
	const char *values[] = {"pgtsdb-gateway", "30000", dsn, "UTF8", user, password, NULL};
	PGconn	   *connection = PQconnectStartParams(names, values, 1);

	if (connection != NULL)
		PQsetErrorVerbosity(connection, PQERRORS_VERBOSE);
	return connection;
}

/* Who answers anyway shall do so in time. */
static int
connect_patience(const GwRequest *request)
{
	bool		anyway = (request->route->flags & GW_ANYWAY) != 0 && gw_options.connect_timeout > GW_METRICS_TIMEOUT;

	return anyway ? GW_METRICS_TIMEOUT : gw_options.connect_timeout;
}

static bool
finish_connection(GwRequest *request, PGconn *connection)
{
	int64_t		deadline = gw_now() + connect_patience(request);
	PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;

	while (PQstatus(connection) != CONNECTION_BAD)
	{
		struct pollfd wait = {PQsocket(connection), wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT, 0};
		int			ready = poll(&wait, 1, POLL_MS);

		if (ready == 0 && (gw_now() > deadline || gw_stopping))
		{
			gw_fail(request, GW_UNAVAILABLE, "the database does not answer");
			return false;
		}
		if (ready <= 0)
			continue;
		wanted = PQconnectPoll(connection);
		if (wanted == PGRES_POLLING_OK)
			return true;
		if (wanted == PGRES_POLLING_FAILED)
			return false;
	}
	return false;
}

/* Who may not connect learns that; what is wrong with the database is for the log. */
static void
refuse_connection(GwRequest *request, PGconn *connection)
{
	static time_t last;
	const char *message = PQerrorMessage(connection);
	char		sqlstate[6];
	bool		own = request->authorization.kind == GW_BASIC;

	gw_find_sqlstate(message, sqlstate);
	if (own && strncmp(sqlstate, "28", 2) == 0)
	{
		gw_fail(request, GW_UNAUTHORIZED, "unknown role or wrong password");
		return;
	}
	gw_log_seldom(&last, "could not connect to the database: %.*s", (int) strcspn(message, "\n"), message);
	gw_fail(request, GW_UNAVAILABLE, "the database cannot be reached");
}

static bool
set_limits(GwRequest *request, GwSession *session)
{
	char		ahead[16];
	GwArguments arguments = {0};
	PGresult   *result;

	snprintf(ahead, sizeof(ahead), "%ds", gw_options.max_ahead);
	gw_add_text(&arguments, ahead);
	result = gw_session_run(request, session, GW_SQL_LIMITS, &arguments);
	PQclear(result);
	return result != NULL;
}

void
gw_session_close(GwSession *session)
{
	PQfinish(session->connection);
	if (session->password != NULL)
		explicit_bzero(session->password, strlen(session->password));
	free(session->user);
	free(session->password);
	free(session->role);
	free(session->tenant);
	gw_buffer_free(&session->warning);
	free(session);
}

/* Between two requests the server has nothing to say but that it goes. */
bool
gw_session_is_well(GwSession *session)
{
	struct pollfd wait = {PQsocket(session->connection), POLLIN, 0};

	if (gw_now() - session->opened > gw_options.connection_lifetime)
		return false;
	while (PQstatus(session->connection) == CONNECTION_OK && poll(&wait, 1, 0) > 0)
		if (!PQconsumeInput(session->connection))
			return false;
	return PQstatus(session->connection) == CONNECTION_OK &&
		PQtransactionStatus(session->connection) == PQTRANS_IDLE;
}

/* Kept for who asked: the write functions tell by a warning what they could not store. */
static void
take_notice(void *context, const PGresult *notice)
{
	GwSession  *session = context;
	const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *detail = PQresultErrorField(notice, PG_DIAG_MESSAGE_DETAIL);

	if (severity == NULL || strcmp(severity, "WARNING") != 0 || session->warning.len > 0)
		return;
	gw_buffer_puts(&session->warning, PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY));
	if (detail != NULL)
		gw_buffer_printf(&session->warning, ". %s", detail);
}

/* ---- who uses it ---- */

bool
gw_session_enter(GwRequest *request, GwSession *session, const char *role, int timeout_ms)
{
	const char *tenant = *request->tenant == '\0' ? NULL : request->tenant;
	char		timeout[16];
	GwArguments arguments = {0};
	PGresult   *result;

	if (session->timeout == timeout_ms && same_text(session->role, role) && same_text(session->tenant, tenant))
		return true;
	session->timeout = 0;		/* until all of it is told */
	snprintf(timeout, sizeof(timeout), "%d", timeout_ms);
	gw_add_text(&arguments, role);
	gw_add_text(&arguments, tenant);
	gw_add_text(&arguments, timeout);
	result = gw_session_run(request, session, GW_SQL_ENTER, &arguments);
	if (result == NULL)
		return false;
	PQclear(result);
	remember(&session->role, role);
	remember(&session->tenant, tenant);
	session->timeout = timeout_ms;
	return true;
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
remember(char **where, const char *text)
{
	free(*where);
	*where = text == NULL ? NULL : gw_strndup(text, strlen(text));
}

/* ---- statements ---- */

PGresult *
gw_session_run(GwRequest *request, GwSession *session, GwStatement statement, const GwArguments *arguments)
{
	const char *cancelled = NULL;
	PGresult   *result = NULL;

	session->warning.len = 0;
	if (prepare(request, session, statement, &cancelled))
		result = run(request, session, statement, arguments, &cancelled);
	else if (request->status != 0)
		return NULL;
	if (result != NULL && PQresultStatus(result) == PGRES_TUPLES_OK)
		return result;
	answer_failure(request, session, result, cancelled);
	PQclear(result);
	return NULL;
}

static bool
prepare(GwRequest *request, GwSession *session, GwStatement statement, const char **cancelled)
{
	const GwSql *sql = &gw_sql[statement];
	char		name[16];
	PGresult   *result;

	if (session->prepared[statement])
		return true;
	snprintf(name, sizeof(name), "s%d", statement);
	if (!PQsendPrepare(session->connection, name, sql->text, sql->n_arguments, sql->types))
		return false;
	result = take_result(request, session, cancelled);
	session->prepared[statement] = result != NULL && PQresultStatus(result) == PGRES_COMMAND_OK;
	if (!session->prepared[statement])
		answer_failure(request, session, result, *cancelled);
	PQclear(result);
	return session->prepared[statement];
}

static PGresult *
run(GwRequest *request, GwSession *session, GwStatement statement, const GwArguments *arguments, const char **cancelled)
{
	return send_statement(session, statement, arguments) ? take_result(request, session, cancelled) : NULL;
}

static bool
send_statement(GwSession *session, GwStatement statement, const GwArguments *arguments)
{
	char		name[16];

	snprintf(name, sizeof(name), "s%d", statement);
	return PQsendQueryPrepared(session->connection, name, arguments->n, arguments->values, arguments->lengths,
							   arguments->formats, gw_sql[statement].binary);
}

/* ---- row by row ---- */

bool
gw_session_run_rows(GwRequest *request, GwSession *session, GwStatement statement, const GwArguments *arguments,
					GwTakeRow take, void *context)
{
	const char *cancelled = NULL;
	PGresult   *result = NULL;
	bool		whole = false;

	session->warning.len = 0;
	if (!prepare(request, session, statement, &cancelled))
	{
		answer_failure(request, session, NULL, cancelled);
		return false;
	}
	if (send_statement(session, statement, arguments) && PQsetSingleRowMode(session->connection))
		result = next_row(request, session, &cancelled);
	while (result != NULL && PQresultStatus(result) == PGRES_SINGLE_TUPLE)
	{
		if (!take(context, result) && cancelled == NULL)
		{
			cancelled = "the client does not take the answer";
			cancel(session->connection);
		}
		result = next_row(request, session, &cancelled);
	}
	whole = result != NULL && PQresultStatus(result) == PGRES_TUPLES_OK && cancelled == NULL;
	if (!whole && !session->handed_over)
		answer_failure(request, session, result, cancelled);
	while (result != NULL && PQstatus(session->connection) == CONNECTION_OK)
	{
		PQclear(result);
		result = next_row(request, session, &cancelled);
	}
	PQclear(result);
	return whole;
}

static PGresult *
next_row(GwRequest *request, GwSession *session, const char **cancelled)
{
	wait_for_server(request, session, cancelled);
	if (PQstatus(session->connection) == CONNECTION_OK && PQisBusy(session->connection))
		return NULL;			/* it is dead */
	return PQgetResult(session->connection);
}

/* The last result; one statement has one, and perhaps an error behind it when the connection breaks. */
static PGresult *
take_result(GwRequest *request, GwSession *session, const char **cancelled)
{
	PGresult   *last = NULL;
	PGresult   *result;

	for (;;)
	{
		wait_for_server(request, session, cancelled);
		if (PQstatus(session->connection) == CONNECTION_OK && PQisBusy(session->connection))
			return last;		/* it is dead */
		result = PQgetResult(session->connection);
		if (result == NULL)
			return last;
		PQclear(last);
		last = result;
	}
}

/*
 * Until a result can be taken.  Cancels what runs when the client has gone, or the gateway shall stop;
 * gives up on a server that keeps no time limit.
 */
static void
wait_for_server(GwRequest *request, GwSession *session, const char **cancelled)
{
	bool		ours = !session->handed_over;
	bool		anyway = ours && (request->route->flags & GW_ANYWAY) != 0;
	int64_t		deadline = gw_now() + (session->timeout > 0 ? session->timeout : connect_patience(request)) +
		(anyway ? POLL_MS : SERVER_GRACE_MS);

	while (PQstatus(session->connection) == CONNECTION_OK && PQisBusy(session->connection))
	{
		struct pollfd wait[] = {{PQsocket(session->connection), POLLIN, 0}, {ours ? request->socket : -1, POLLRDHUP, 0}};

		if (poll(wait, *cancelled == NULL ? 2 : 1, POLL_MS) < 0 && errno != EINTR)
			return;
		if (wait[0].revents != 0 && !PQconsumeInput(session->connection))
			return;
		if (gw_now() > deadline)
			return;
		if (*cancelled == NULL && gw_stopping)
			*cancelled = "the gateway is stopping";
		else if (*cancelled == NULL && wait[1].revents != 0 && client_is_gone(request))
			*cancelled = "the client has gone";
		else
			continue;
		cancel(session->connection);
	}
}

static bool
client_is_gone(const GwRequest *request)
{
	struct pollfd wait = {request->socket, POLLRDHUP, 0};

	return poll(&wait, 1, 0) > 0 && (wait.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static void
cancel(PGconn *connection)
{
	PGcancel   *handle = PQgetCancel(connection);
	char		problem[256];

	if (handle != NULL)
		PQcancel(handle, problem, sizeof(problem));
	PQfreeCancel(handle);
}

static void
answer_failure(GwRequest *request, GwSession *session, PGresult *result, const char *cancelled)
{
	const char *sqlstate = result != NULL ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	const char *message = result != NULL ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	const char *detail = result != NULL ? PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL) : NULL;
	GwProblem	problem;

	if (request->status != 0)
		return;
	if (cancelled != NULL)
		gw_fail(request, gw_stopping ? GW_UNAVAILABLE : GW_CANCELED, "%s", cancelled);
	else if (sqlstate == NULL || message == NULL || PQstatus(session->connection) != CONNECTION_OK)
		gw_fail(request, GW_UNAVAILABLE, "lost the connection to the database");
	else
	{
		problem = gw_problem_of_sqlstate(sqlstate);
		if (problem == GW_UNAUTHORIZED)
			problem = GW_FORBIDDEN; /* it is the gateway's own role that may not be that role */
		if (problem == GW_TIMEOUT)
			gw_fail(request, problem, "query timed out in expression evaluation");
		else if (problem == GW_INTERNAL)
		{
			static time_t last;

			gw_log_seldom(&last, "the database failed: %s (%s)", message, sqlstate);
			gw_fail(request, problem, "%s", message);
		}
		else
			gw_fail(request, problem, "%s%s%s", message, detail != NULL ? ": " : "", detail != NULL ? detail : "");
	}
}
