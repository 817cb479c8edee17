/*
 * range_query.c
 *		/api/v1/query_range, with what was answered before.
 *
 * The database is asked on every request, by tsdb.api_query_range_since(): which of the steps that are kept hold, and the
 * answer for the others.  What comes of both is what the whole query would be answered now.  Warnings and infos are told
 * of an answer as a whole, not of a step; so pieces are only put together when the same is told of both, and else the
 * query is evaluated whole.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/gateway.h"

#define JSON "application/json"
#define EPOCH_2000 INT64_C(946684800000)
/* The year 5138: times beyond it, and before it as far on the other side, are not kept. */
#define FAR_MS INT64_C(100000000000000)

/* Columns of GW_SQL_QUERY_RANGE_SINCE. */
enum
{
	ANSWER,
	ANSWER_FROM,
	MARK,
	KEEP_BEFORE
};

/* Milliseconds throughout. */
typedef struct RangeQuery
{
	int64_t		start;
	int64_t		end;			/* the last step */
	int64_t		step;
	GwBuffer	key;			/* what decides about the value of a step, and who asks */
} RangeQuery;

static bool may_be_kept(GwRequest *request, RangeQuery *query);
static void make_key(GwRequest *request, GwSession *session, RangeQuery *query);
static void answer_with_cache(GwRequest *request, GwSession *session, const GwArguments *arguments, RangeQuery *query);
static bool covers(const GwCacheEntry *entry, const RangeQuery *query);
static PGresult *ask(GwRequest *request, GwSession *session, const GwArguments *arguments, const GwCacheEntry *entry);
static bool answer_from_entry(GwRequest *request, const RangeQuery *query, GwCacheEntry *entry);
static bool answer_joined(GwRequest *request, const RangeQuery *query, const GwCacheEntry *entry, PGresult *result);
static void answer_whole(GwRequest *request, const RangeQuery *query, PGresult *result);
static void keep(const RangeQuery *query, const GwMatrixPiece *early, GwMatrixPiece *late, PGresult *result);
static void release_entry(void *entry);
static int64_t time_column(const PGresult *result, int column);
static int64_t step_before(const RangeQuery *query, int64_t t);

void
gw_handle_query_range(GwRequest *request, GwSession *session)
{
	GwArguments arguments = {0};
	RangeQuery	query = {0};
	PGresult   *result;
	int32_t		limit;

	gw_add_text(&arguments, gw_parameter(&request->parameters, "query"));
	if (!gw_limit_argument(request, &limit) ||
		!gw_time_argument(request, "start", true, &arguments) ||
		!gw_time_argument(request, "end", true, &arguments) ||
		!gw_step_argument(request, &arguments) ||
		!gw_lookback_argument(request, &arguments))
		return;
	if (limit == 0 && may_be_kept(request, &query))
	{
		make_key(request, session, &query);
		answer_with_cache(request, session, &arguments, &query);
		gw_buffer_free(&query.key);
		return;
	}
	gw_add_int(&arguments, limit);
	gw_add_bool(&arguments, *gw_parameter(&request->parameters, "stats") != '\0');
	result = gw_session_run(request, session, GW_SQL_QUERY_RANGE, &arguments);
	if (result != NULL)
		gw_respond_answer(request, result);
}

/* Fills in the times, which are known to be times.  nocache=1 is VictoriaMetrics's. */
static bool
may_be_kept(GwRequest *request, RangeQuery *query)
{
	const char *nocache = gw_parameter(&request->parameters, "nocache");
	int64_t		ns;
	bool		overflow;

	if (gw_options.query_cache_size == 0 || *gw_parameter(&request->parameters, "stats") != '\0' ||
		(*nocache != '\0' && strcmp(nocache, "0") != 0 && strcmp(nocache, "false") != 0) ||
		!gw_parse_time(gw_parameter(&request->parameters, "start"), &query->start) ||
		!gw_parse_time(gw_parameter(&request->parameters, "end"), &query->end) ||
		!gw_parse_duration(gw_parameter(&request->parameters, "step"), &ns, &overflow))
		return false;
	query->step = ns / 1000000;
	if (query->step <= 0 || query->start < -FAR_MS || query->end > FAR_MS || query->end - query->step < query->start)
		return false;
	query->end -= (query->end - query->start) % query->step;
	return true;
}

/* Strings with their zero bytes, so that no two keys are alike. */
static void
make_key(GwRequest *request, GwSession *session, RangeQuery *query)
{
	const char *texts[] = {
		session->user, session->role, session->tenant, gw_parameter(&request->parameters, "lookback_delta"),
		gw_parameter(&request->parameters, "query")
	};
	int64_t		numbers[] = {query->step, (query->start % query->step + query->step) % query->step};

	for (int i = 0; i < GW_COUNT(texts); i++)
	{
		gw_buffer_append(&query->key, texts[i] == NULL ? "-" : "+", 1);
		if (texts[i] != NULL)
			gw_buffer_append(&query->key, texts[i], strlen(texts[i]) + 1);
	}
	/* hosts of one DSN are servers of their own, whose marks the others do not know */
	gw_buffer_puts(&query->key, PQhost(session->connection));
	gw_buffer_append(&query->key, "", 1);
	gw_buffer_puts(&query->key, PQport(session->connection));
	gw_buffer_append(&query->key, "", 1);
	gw_buffer_append(&query->key, numbers, sizeof(numbers));
}

static void
answer_with_cache(GwRequest *request, GwSession *session, const GwArguments *arguments, RangeQuery *query)
{
	GwCacheEntry *entry = gw_cache_find(&query->key);
	PGresult   *result;

	if (entry != NULL && covers(entry, query))
	{
		result = ask(request, session, arguments, entry);
		if (result == NULL ||
			(PQgetisnull(result, 0, ANSWER) ? answer_from_entry(request, query, entry) :
			 answer_joined(request, query, entry, result)))
		{
			PQclear(result);
			gw_cache_release(entry);
			return;
		}
		if (!PQgetisnull(result, 0, ANSWER) && time_column(result, ANSWER_FROM) == query->start)
		{
			gw_cache_release(entry);
			answer_whole(request, query, result);
			return;
		}
		PQclear(result);
	}
	if (entry != NULL)
		gw_cache_release(entry);
	result = ask(request, session, arguments, NULL);
	if (result != NULL)
		answer_whole(request, query, result);
}

/* Whether it has the first step, from which on it may be of use. */
static bool
covers(const GwCacheEntry *entry, const RangeQuery *query)
{
	return entry->first <= query->start && query->start <= entry->last;
}

static PGresult *
ask(GwRequest *request, GwSession *session, const GwArguments *arguments, const GwCacheEntry *entry)
{
	GwArguments all = {0};

	gw_add_arguments(&all, arguments);
	if (entry == NULL)
		for (int i = 0; i < 3; i++)
			gw_add_null(&all);
	else
	{
		gw_add_bytes(&all, &entry->mark);
		gw_add_time(&all, entry->first);
		gw_add_time(&all, entry->last);
	}
	return gw_session_run(request, session, GW_SQL_QUERY_RANGE_SINCE, &all);
}

/* All that is asked for is kept, and holds.  False: what is told of it is not known of a part of it. */
static bool
answer_from_entry(GwRequest *request, const RangeQuery *query, GwCacheEntry *entry)
{
	static const GwMatrix nothing = {0};
	bool		all = entry->first == query->start && entry->last == query->end;
	GwMatrixPiece early = {&nothing, 0, -1};
	GwMatrixPiece late = {&entry->matrix, query->start, query->end};
	GwBuffer	body = {0};

	if (gw_matrix_has_notes(&entry->matrix) && !(all && entry->exact))
		return false;
	gw_cache_count(GW_CACHE_HIT);
	if (all)
	{
		gw_cache_hold(entry);
		gw_respond_shared(request, MHD_HTTP_OK, JSON, entry->json.data, entry->json.len, release_entry, entry);
		return true;
	}
	gw_buffer_reserve(&body, entry->json.len);
	gw_matrix_join(&early, &late, &body);
	gw_respond(request, MHD_HTTP_OK, JSON, &body);
	return true;
}

static void
release_entry(void *entry)
{
	gw_cache_release(entry);
}

/* The kept steps up to those that were evaluated now.  False: that would not be the answer to the whole. */
static bool
answer_joined(GwRequest *request, const RangeQuery *query, const GwCacheEntry *entry, PGresult *result)
{
	int64_t		from = time_column(result, ANSWER_FROM);
	GwMatrix	fresh;
	GwMatrixPiece early = {&entry->matrix, query->start, from - 1};
	GwMatrixPiece late = {&fresh, from, query->end};
	GwBuffer	body = {0};

	if (from < entry->last)
		gw_cache_count(GW_CACHE_INVALIDATION);
	if (from <= query->start || !gw_matrix_parse(PQgetvalue(result, 0, ANSWER), PQgetlength(result, 0, ANSWER), &fresh))
		return false;
	if (!gw_matrix_same_notes(&entry->matrix, &fresh))
	{
		gw_matrix_free(&fresh);
		return false;
	}
	gw_cache_count(GW_CACHE_PARTIAL_HIT);
	gw_buffer_reserve(&body, entry->json.len + (size_t) PQgetlength(result, 0, ANSWER));
	gw_matrix_join(&early, &late, &body);
	gw_respond(request, MHD_HTTP_OK, JSON, &body);

	/* what lies before the query is kept as long as it is no more than the query itself */
	early.from = query->start - entry->first <= query->end - query->start ? entry->first : query->start;
	keep(query, &early, &late, result);
	gw_matrix_free(&fresh);
	return true;
}

/* Takes the result over. */
static void
answer_whole(GwRequest *request, const RangeQuery *query, PGresult *result)
{
	static const GwMatrix nothing = {0};
	GwMatrix	fresh;
	GwMatrixPiece early = {&nothing, query->start, query->start - 1};
	GwMatrixPiece late = {&fresh, query->start, query->end};

	if (!PQgetisnull(result, 0, MARK) &&
		gw_matrix_parse(PQgetvalue(result, 0, ANSWER), PQgetlength(result, 0, ANSWER), &fresh))
	{
		gw_cache_count(GW_CACHE_MISS);
		keep(query, &early, &late, result);
		gw_matrix_free(&fresh);
	}
	gw_respond_answer(request, result);
}

/* Puts the steps of both pieces that may be kept into the cache, if there are any. */
static void
keep(const RangeQuery *query, const GwMatrixPiece *early, GwMatrixPiece *late, PGresult *result)
{
	GwBuffer	json = {0};
	int64_t		last;

	if (PQgetisnull(result, 0, MARK))
		return;
	last = step_before(query, time_column(result, KEEP_BEFORE));
	if (last > query->end)
		last = query->end;
	if (last < late->from)
		last = late->from - query->step;	/* those that were kept before */
	if (last < early->from)
		return;
	late->to = last;
	gw_buffer_reserve(&json, (size_t) PQgetlength(result, 0, ANSWER));
	gw_matrix_join(early, late, &json);
	gw_cache_put(&query->key, &json, early->from, last, last == query->end, PQgetvalue(result, 0, MARK),
				 (size_t) PQgetlength(result, 0, MARK));
}

/* The last step before t, which may be before the start. */
static int64_t
step_before(const RangeQuery *query, int64_t t)
{
	return t <= query->start ? query->start - query->step : query->start + (t - 1 - query->start) / query->step * query->step;
}

static int64_t
time_column(const PGresult *result, int column)
{
	uint64_t	wire;
	int64_t		us;

	memcpy(&wire, PQgetvalue(result, 0, column), sizeof(wire));
	us = (int64_t) be64toh(wire);
	return us / 1000 - (us % 1000 < 0) + EPOCH_2000;
}
