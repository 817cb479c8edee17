/*
 * pool.c
 *		A queue of requests, and workers with sessions that serve them.
 *
 * A worker uses one session at a time, so there are never more sessions than workers.  Idle ones wait in a list, newest
 * use first; a worker takes one with the credentials of its request, or opens one, in place of the one that
 * was idle for longest when all that there may be are open.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/gateway.h"

struct GwPool
{
	const char *name;
	const char *dsn;
	int			size;
	int			queue_limit;
	int			timeout;		/* of statements, milliseconds */
	pthread_t  *workers;

	pthread_mutex_t lock;		/* of all below */
	pthread_cond_t changed;
	GwRequest  *first;
	GwRequest **last;
	int			n_queued;
	int			n_busy;
	GwSession  *idle;
	int			n_open;
	bool		stopping;
	int64_t		served;
	int64_t		refused;		/* no room in the queue */
	int64_t		expired;		/* waited too long */
	int64_t		connects;
};

GwPool	   *gw_reads;
GwPool	   *gw_writes;
GwPool	   *gw_metrics;

static void *work(void *pool);
static GwRequest *next_request(GwPool *pool);
static bool serve(GwPool *pool, GwRequest *request);
static GwSession *take_session(GwPool *pool, GwRequest *request, const char *user, const char *password);
static GwSession *unlink_idle(GwPool *pool, const char *user, const char *password);
static GwSession *unlink_oldest(GwPool *pool);
static void give_back(GwPool *pool, GwSession *session);

GwPool *
gw_pool_start(const char *name, const char *dsn, int size, int queue, int timeout)
{
	GwPool	   *pool = gw_alloc(sizeof(GwPool));

	pool->name = name;
	pool->dsn = dsn;
	pool->size = size;
	pool->queue_limit = queue;
	pool->timeout = timeout;
	pool->last = &pool->first;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->changed, NULL);
	pool->workers = gw_alloc(size * sizeof(pthread_t));
	for (int i = 0; i < size; i++)
		if (pthread_create(&pool->workers[i], NULL, work, pool) != 0)
		{
			gw_log("could not start a thread");
			exit(1);
		}
	return pool;
}

/* Suspended before it is queued, for a worker may be done with it at once. */
bool
gw_pool_submit(GwPool *pool, GwRequest *request)
{
	bool		room;

	pthread_mutex_lock(&pool->lock);
	room = !pool->stopping && pool->n_queued < pool->queue_limit + pool->size - pool->n_busy;
	if (room)
	{
		MHD_suspend_connection(request->connection);
		request->queued = gw_now();
		request->next = NULL;
		*pool->last = request;
		pool->last = &request->next;
		pool->n_queued++;
		pthread_cond_signal(&pool->changed);
	}
	else
		pool->refused++;
	pthread_mutex_unlock(&pool->lock);
	if (!room)
		gw_fail(request, GW_UNAVAILABLE, "too many requests are waiting");
	return room;
}

static void *
work(void *arg)
{
	GwPool	   *pool = arg;
	GwRequest  *request;

	while ((request = next_request(pool)) != NULL)
	{
		struct MHD_Connection *connection = request->connection;
		bool		ours = serve(pool, request);

		if (ours && request->status == 0)	/* a route that answers anyway */
			request->route->handle(request, NULL);
		pthread_mutex_lock(&pool->lock);
		pool->n_busy--;
		pool->served++;
		pthread_mutex_unlock(&pool->lock);
		if (ours)
			MHD_resume_connection(connection);
	}
	return NULL;
}

static GwRequest *
next_request(GwPool *pool)
{
	GwRequest  *request;

	pthread_mutex_lock(&pool->lock);
	while (pool->first == NULL && !pool->stopping)
		pthread_cond_wait(&pool->changed, &pool->lock);
	request = pool->first;
	if (request != NULL)
	{
		pool->first = request->next;
		if (pool->first == NULL)
			pool->last = &pool->first;
		pool->n_queued--;
		pool->n_busy++;
	}
	pthread_mutex_unlock(&pool->lock);
	return request;
}

/* False: it has been handed over, and its connection resumed. */
static bool
serve(GwPool *pool, GwRequest *request)
{
	const char *user;
	const char *password;
	const char *role;
	GwSession  *session;
	int			timeout = pool->timeout;
	bool		ours;

	if (gw_now() - request->queued > gw_options.queue_timeout || gw_stopping)
	{
		__atomic_add_fetch(&pool->expired, 1, __ATOMIC_RELAXED);
		gw_fail(request, GW_UNAVAILABLE, "waited too long for a connection to the database");
		return true;
	}
	if (!gw_identify(request, &user, &password, &role) || (pool == gw_reads && !gw_query_timeout(request, &timeout)))
		return true;
	session = take_session(pool, request, user, password);
	if (session == NULL)
		return true;
	session->handed_over = false;
	if (gw_session_enter(request, session, role, timeout))
		request->route->handle(request, session);
	ours = !session->handed_over;
	give_back(pool, session);
	return ours;
}

static GwSession *
take_session(GwPool *pool, GwRequest *request, const char *user, const char *password)
{
	GwSession  *session;
	GwSession  *surplus = NULL;

	for (;;)
	{
		pthread_mutex_lock(&pool->lock);
		session = unlink_idle(pool, user, password);
		if (session == NULL)
		{
			if (pool->n_open == pool->size)
				surplus = unlink_oldest(pool);
			else
				pool->n_open++;
			pool->connects++;
		}
		pthread_mutex_unlock(&pool->lock);
		if (session == NULL)
			break;
		if (gw_session_is_well(session))
			return session;
		gw_session_close(session);
		pthread_mutex_lock(&pool->lock);
		pool->n_open--;
		pthread_mutex_unlock(&pool->lock);
	}

	if (surplus != NULL)
		gw_session_close(surplus);
	session = gw_session_open(request, pool->dsn, user, password);
	if (session == NULL)
	{
		pthread_mutex_lock(&pool->lock);
		pool->n_open--;
		pthread_mutex_unlock(&pool->lock);
	}
	return session;
}

static GwSession *
unlink_idle(GwPool *pool, const char *user, const char *password)
{
	for (GwSession **at = &pool->idle; *at != NULL; at = &(*at)->next)
	{
		GwSession  *session = *at;

		if (user == NULL ? session->user != NULL :
			session->user == NULL || strcmp(session->user, user) != 0 || !gw_same_secret(session->password, password))
			continue;
		*at = session->next;
		return session;
	}
	return NULL;
}

static GwSession *
unlink_oldest(GwPool *pool)
{
	GwSession **at = &pool->idle;
	GwSession  *session;

	while (*at != NULL && (*at)->next != NULL)
		at = &(*at)->next;
	session = *at;
	if (session != NULL)
		*at = NULL;
	return session;
}

static void
give_back(GwPool *pool, GwSession *session)
{
	bool		well = gw_session_is_well(session);

	pthread_mutex_lock(&pool->lock);
	if (well)
	{
		session->next = pool->idle;
		pool->idle = session;
	}
	else
		pool->n_open--;
	pthread_mutex_unlock(&pool->lock);
	if (!well)
		gw_session_close(session);
}

void
gw_pool_stop(GwPool *pool)
{
	GwSession  *session;

	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
	for (int i = 0; i < pool->size; i++)
		pthread_join(pool->workers[i], NULL);
	while ((session = unlink_oldest(pool)) != NULL)
		gw_session_close(session);
}

void
gw_pool_metrics(GwPool *pool, GwBuffer *out, const char *metric)
{
	struct
	{
		const char *name;
		int64_t		value;
	}			values[7];

	pthread_mutex_lock(&pool->lock);
	memcpy(values, (typeof(values)) {
		{"queue_length", pool->n_queued}, {"busy_workers", pool->n_busy}, {"open_connections", pool->n_open},
		{"served_total", pool->served}, {"refused_total", pool->refused}, {"expired_total", pool->expired},
		{"connects_total", pool->connects}
	}, sizeof(values));
	pthread_mutex_unlock(&pool->lock);
	for (int i = 0; i < GW_COUNT(values); i++)
		if (strcmp(values[i].name, metric) == 0)
			gw_buffer_printf(out, "pgtsdb_gateway_pool_%s{pool=\"%s\"} %lld\n", metric, pool->name, (long long) values[i].value);
}
