/*
 * api_catalogue.c
 *		tsdb.api_series(), api_labels(), api_label_values(), api_metadata() and api_status_tsdb(): what there is.
 *
 * A range of time leaves out series that have no samples in it.  That is a matter of chunks, as
 * in Prometheus (presence.c).  Without a range the catalogue alone answers.  For names and values the label index is asked
 * first, which mostly knows them without a look at every series (find_labels.c).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "core/base/str_table.h"
#include "core/json/json.h"
#include "core/promql/parser.h"
#include "pg/mem.h"
#include "pg/query/api.h"
#include "pg/query/query.h"
#include "pg/storage/find_labels.h"
#include "pg/storage/metadata.h"
#include "pg/storage/overview.h"
#include "pg/storage/presence.h"
#include "pg/storage/reader.h"

#define STATUS_MAX_LIMIT 10000	/* Prometheus web/api/v1 */

/* One match[]. */
typedef struct MatcherSet
{
	TsdbMatcher *matchers;
	size_t		n;
} MatcherSet;

/* The arguments that series, labels and label values have in common. */
typedef struct Request
{
	const PgtsdbTenant *tenant;
	MatcherSet *sets;			/* a series is meant when one of them matches */
	int			n_sets;
	bool		bounded;		/* in time */
	int64		t_lo;
	int64		t_hi;
	int32		limit;			/* 0: none */
} Request;

/* Takes the series of one part that match one set. */
typedef void (*SeriesVisitor) (void *context, const PgtsdbSeries *series, size_t n);

typedef struct FoundSeries
{
	TsdbArena  *arena;
	TsdbLabels *labels;
	size_t		n;
	size_t		capacity;
} FoundSeries;

/* Label names, or the values of one. */
typedef struct FoundLabels
{
	TsdbStr		name;			/* empty: names */
	TsdbStrTable table;
} FoundLabels;

static Request make_request(FunctionCallInfo fcinfo, int first);
static bool check_request(PgtsdbAnswer *answer, FunctionCallInfo fcinfo, int first, const char *parameter, Request *request);
static bool parse_matchers(PgtsdbAnswer *answer, ArrayType *matches, const char *parameter, Request *request);
static bool visit_series(PgtsdbAnswer *answer, const Request *request, TsdbArena *keep, SeriesVisitor visit, void *context);
static bool visit_part(PgtsdbAnswer *answer, const Request *request, const MatcherSet *set, int32 part, TsdbArena *keep,
					   SeriesVisitor visit, void *context);
static bool find_labels(PgtsdbAnswer *answer, const Request *request, FoundLabels *found);
static void collect_series(void *context, const PgtsdbSeries *series, size_t n);
static void collect_names(void *context, const PgtsdbSeries *series, size_t n);
static void collect_values(void *context, const PgtsdbSeries *series, size_t n);
static void sort_series(FoundSeries *found);
static int	compare_labels(const void *a, const void *b);
static size_t cut(const Request *request, size_t n);
static void answer_strings(PgtsdbAnswer *answer, const Request *request, TsdbStrTable *table);
static TsdbMetadata *read_metadata(const PgtsdbTenant *tenant, const TsdbStr *metric, TsdbArena *arena, size_t *n);
static size_t limit_metadata(TsdbMetadata *definitions, size_t n, int32 limit, int32 limit_per_metric);
static int	compare_definitions(const void *a, const void *b);

PG_FUNCTION_INFO_V1(pgtsdb_sql_api_series);
PG_FUNCTION_INFO_V1(pgtsdb_sql_api_labels);
PG_FUNCTION_INFO_V1(pgtsdb_sql_api_label_values);
PG_FUNCTION_INFO_V1(pgtsdb_sql_api_metadata);
PG_FUNCTION_INFO_V1(pgtsdb_sql_api_status_tsdb);

/* tsdb.api_series(matches text[], "start" timestamptz, "end" timestamptz, "limit" int4) */
Datum
pgtsdb_sql_api_series(PG_FUNCTION_ARGS)
{
	Request		request = make_request(fcinfo, 0);
	FoundSeries found = {0};
	PgtsdbAnswer answer;
	size_t		shown;

	pgtsdb_answer_begin(&answer);
	found.arena = answer.arena;
	if (PG_ARGISNULL(0) || ARR_NDIM(PG_GETARG_ARRAYTYPE_P(0)) == 0)
		pgtsdb_answer_bad_data(&answer, NULL, "no match[] parameter provided");
	else if (check_request(&answer, fcinfo, 0, "match[]", &request) &&
			 visit_series(&answer, &request, answer.arena, collect_series, &found))
	{
		sort_series(&found);
		shown = cut(&request, found.n);
		tsdb_json_series(&answer.json, &pgtsdb_env, found.labels, shown, shown < found.n);
	}
	return pgtsdb_answer_finish(&answer);
}

/* tsdb.api_labels(matches text[], "start" timestamptz, "end" timestamptz, "limit" int4) */
Datum
pgtsdb_sql_api_labels(PG_FUNCTION_ARGS)
{
	Request		request = make_request(fcinfo, 0);
	FoundLabels found = {{NULL, 0}};
	PgtsdbAnswer answer;

	pgtsdb_answer_begin(&answer);
	tsdb_str_table_init(&found.table, answer.arena);
	if (check_request(&answer, fcinfo, 0, NULL, &request) && find_labels(&answer, &request, &found))
		answer_strings(&answer, &request, &found.table);
	return pgtsdb_answer_finish(&answer);
}

/* tsdb.api_label_values(name text, matches text[], "start" timestamptz, "end" timestamptz, "limit" int4) */
Datum
pgtsdb_sql_api_label_values(PG_FUNCTION_ARGS)
{
	Request		request;
	FoundLabels found;
	PgtsdbAnswer answer;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	request = make_request(fcinfo, 1);
	pgtsdb_answer_begin(&answer);
	tsdb_str_table_init(&found.table, answer.arena);
	found.name = tsdb_json_label_name(answer.arena, tsdb_str(text_to_cstring(PG_GETARG_TEXT_PP(0))));
	if (found.name.len == 0)
		pgtsdb_answer_bad_data(&answer, NULL, "invalid label name: \"\"");
	else if (check_request(&answer, fcinfo, 1, NULL, &request) && find_labels(&answer, &request, &found))
		answer_strings(&answer, &request, &found.table);
	return pgtsdb_answer_finish(&answer);
}

/* tsdb.api_metadata(metric text, "limit" int4, limit_per_metric int4) */
Datum
pgtsdb_sql_api_metadata(PG_FUNCTION_ARGS)
{
	const PgtsdbTenant *tenant = pgtsdb_current_tenant(PGTSDB_READ);
	TsdbStr		metric = {NULL, 0};
	PgtsdbAnswer answer;
	TsdbMetadata *definitions;
	size_t		n;

	pgtsdb_answer_begin(&answer);
	if (!PG_ARGISNULL(0))
		metric = tsdb_str(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	definitions = read_metadata(tenant, metric.len > 0 ? &metric : NULL, answer.arena, &n);
	n = limit_metadata(definitions, n, pgtsdb_int_argument(fcinfo, 1, -1), pgtsdb_int_argument(fcinfo, 2, -1));
	tsdb_json_metadata(&answer.json, &pgtsdb_env, definitions, n);
	return pgtsdb_answer_finish(&answer);
}

/* tsdb.api_status_tsdb("limit" int4) */
Datum
pgtsdb_sql_api_status_tsdb(PG_FUNCTION_ARGS)
{
	const PgtsdbTenant *tenant = pgtsdb_current_tenant(PGTSDB_READ);
	int32		limit = pgtsdb_int_argument(fcinfo, 0, 10);
	TsdbHeadFigures head = {.t_min = PG_INT64_MAX, .t_max = PG_INT64_MIN};
	TsdbLabelCounts counts;
	PgtsdbAnswer answer;

	pgtsdb_answer_begin(&answer);
	tsdb_label_counts_init(&counts, answer.arena);
	if (limit < 1)
		pgtsdb_answer_bad_data(&answer, NULL, "limit must be a positive number");
	else if (limit > STATUS_MAX_LIMIT)
		pgtsdb_answer_bad_data(&answer, NULL, psprintf("limit must not exceed %d", STATUS_MAX_LIMIT));
	else
	{
		for (int i = 0; i < tenant->n_parts; i++)
		{
			pgtsdb_count_labels(tenant->parts[i], GetActiveSnapshot(), &counts);
			pgtsdb_count_head_rows(tenant->parts[i], GetActiveSnapshot(), &head.chunks, &head.t_min, &head.t_max);
		}
		tsdb_json_tsdb_status(&answer.json, &pgtsdb_env, &head, &counts, limit);
	}
	return pgtsdb_answer_finish(&answer);
}

/* ---- arguments ---- */

/* What needs no checking of (matches, start, end, limit), which begin at argument `first`. */
static Request
make_request(FunctionCallInfo fcinfo, int first)
{
	return (Request) {
		.tenant = pgtsdb_current_tenant(PGTSDB_READ),
		.bounded = !PG_ARGISNULL(first + 1) || !PG_ARGISNULL(first + 2),
		.t_lo = pgtsdb_time_argument(fcinfo, first + 1, PG_INT64_MIN),
		.t_hi = pgtsdb_time_argument(fcinfo, first + 2, PG_INT64_MAX),
		.limit = pgtsdb_int_argument(fcinfo, first + 3, 0)
	};
}

/* False when something is wrong, which is the answer then.  `parameter` is named in errors of matchers. */
static bool
check_request(PgtsdbAnswer *answer, FunctionCallInfo fcinfo, int first, const char *parameter, Request *request)
{
	if (request->limit < 0)
	{
		pgtsdb_answer_bad_data(answer, "limit", "limit must be non-negative");
		return false;
	}
	return PG_ARGISNULL(first) || parse_matchers(answer, PG_GETARG_ARRAYTYPE_P(first), parameter, request);
}

static bool
parse_matchers(PgtsdbAnswer *answer, ArrayType *matches, const char *parameter, Request *request)
{
	Datum	   *texts;
	bool	   *nulls;
	TsdbError	error;

	deconstruct_array(matches, TEXTOID, -1, false, TYPALIGN_INT, &texts, &nulls, &request->n_sets);
	request->sets = TSDB_NEW_ARRAY(answer->arena, MatcherSet, request->n_sets);
	for (int i = 0; i < request->n_sets; i++)
	{
		MatcherSet *set = &request->sets[i];
		TsdbStr		selector;

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("a selector must not be null")));
		selector = tsdb_str(TextDatumGetCString(texts[i]));
		if (tsdb_promql_parse_selector(answer->arena, selector, &set->matchers, &set->n, &error) != TSDB_OK)
		{
			pgtsdb_answer_error(answer, parameter, selector, &error);
			return false;
		}
	}
	for (int i = 0; i < request->n_sets; i++)
		if (tsdb_matchers_match(request->sets[i].matchers, request->sets[i].n, (TsdbLabels) {0}))
		{
			pgtsdb_answer_bad_data(answer, parameter, "match[] must contain at least one non-empty matcher");
			return false;
		}
	return true;
}

/* ---- series, names and values ---- */

/* The sets of matchers that a series may satisfy: one without matchers when none is given. */
static const MatcherSet *
sets_of(const Request *request, int *n)
{
	static const MatcherSet all = {NULL, 0};

	*n = Max(request->n_sets, 1);
	return request->n_sets > 0 ? request->sets : &all;
}

/*
 * All series that are asked for, some of them several times.  Their labels live in `keep`; when that is NULL, until
 * the visitor returns.  False when that failed, which is the answer then.
 */
static bool
visit_series(PgtsdbAnswer *answer, const Request *request, TsdbArena *keep, SeriesVisitor visit, void *context)
{
	int			n_sets;
	const MatcherSet *sets = sets_of(request, &n_sets);

	for (int i = 0; i < n_sets; i++)
		for (int part = 0; part < request->tenant->n_parts; part++)
			if (!visit_part(answer, request, &sets[i], request->tenant->parts[part], keep, visit, context))
				return false;
	return true;
}

static bool
visit_part(PgtsdbAnswer *answer, const Request *request, const MatcherSet *set, int32 part, TsdbArena *keep,
		   SeriesVisitor visit, void *context)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "pgtsdb selection", ALLOCSET_DEFAULT_SIZES);
	TsdbArena  *arena = keep != NULL ? keep : pgtsdb_query_arena(scratch);
	PgtsdbSeries *series;
	size_t		n;
	TsdbError	error;

	if (pgtsdb_select_series(part, GetActiveSnapshot(), arena, set->matchers, set->n, &series, &n, &error) != TSDB_OK)
	{
		pgtsdb_answer_error(answer, NULL, (TsdbStr) {NULL, 0}, &error);
		return false;
	}
	if (request->bounded)
		n = pgtsdb_keep_present_series(series, n, GetActiveSnapshot(), request->t_lo, request->t_hi);
	visit(context, series, n);
	MemoryContextDelete(scratch);
	return true;
}

/* What the series have that are asked for; as visit_series(). */
static bool
find_labels(PgtsdbAnswer *answer, const Request *request, FoundLabels *found)
{
	int			n_sets;
	const MatcherSet *sets = sets_of(request, &n_sets);

	for (int i = 0; i < n_sets; i++)
		for (int part = 0; part < request->tenant->n_parts; part++)
		{
			PgtsdbLabelSearch search = {
				.part = request->tenant->parts[part], .snapshot = GetActiveSnapshot(), .name = found->name,
				.matchers = sets[i].matchers, .n_matchers = sets[i].n,
				.bounded = request->bounded, .t_lo = request->t_lo, .t_hi = request->t_hi, .limit = request->limit
			};

			if (!pgtsdb_find_labels(&search, &found->table) &&
				!visit_part(answer, request, &sets[i], search.part, NULL, found->name.len > 0 ? collect_values : collect_names, found))
				return false;
		}
	return true;
}

static void
collect_series(void *context, const PgtsdbSeries *series, size_t n)
{
	FoundSeries *found = context;

	if (found->n + n > found->capacity)
	{
		size_t		more = Max(found->capacity * 2, found->n + n);

		found->labels = tsdb_grow(found->arena, found->labels, found->capacity * sizeof(TsdbLabels), more * sizeof(TsdbLabels));
		found->capacity = more;
	}
	for (size_t i = 0; i < n; i++)
		found->labels[found->n++] = series[i].labels;
}

static void
collect_names(void *context, const PgtsdbSeries *series, size_t n)
{
	FoundLabels *found = context;

	for (size_t i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		for (size_t pair = 0; pair < series[i].labels.n; pair++)
			tsdb_str_table_add(&found->table, series[i].labels.pairs[pair].name);
	}
}

static void
collect_values(void *context, const PgtsdbSeries *series, size_t n)
{
	FoundLabels *found = context;

	for (size_t i = 0; i < n; i++)
	{
		TsdbStr		value = tsdb_labels_get(series[i].labels, found->name);

		CHECK_FOR_INTERRUPTS();
		if (value.len > 0)
			tsdb_str_table_add(&found->table, value);
	}
}

/* Each label set once: several selectors may match it, and so may several columns that had it one after the other. */
static void
sort_series(FoundSeries *found)
{
	size_t		kept = 0;

	if (found->n > 1)
		qsort(found->labels, found->n, sizeof(TsdbLabels), compare_labels);
	for (size_t i = 0; i < found->n; i++)
		if (kept == 0 || !tsdb_labels_equal(found->labels[kept - 1], found->labels[i]))
			found->labels[kept++] = found->labels[i];
	found->n = kept;
}

static int
compare_labels(const void *a, const void *b)
{
	return tsdb_labels_compare(*(const TsdbLabels *) a, *(const TsdbLabels *) b);
}

/* How many of n are shown. */
static size_t
cut(const Request *request, size_t n)
{
	return request->limit > 0 ? Min(n, (size_t) request->limit) : n;
}

static void
answer_strings(PgtsdbAnswer *answer, const Request *request, TsdbStrTable *table)
{
	size_t		shown = cut(request, table->n);

	tsdb_str_table_sort(table);
	tsdb_json_strings(&answer->json, &pgtsdb_env, table, shown, shown < table->n);
}

/* ---- metadata ---- */

/* Of all parts, sorted, each definition once. */
static TsdbMetadata *
read_metadata(const PgtsdbTenant *tenant, const TsdbStr *metric, TsdbArena *arena, size_t *n)
{
	TsdbMetadata *all = NULL;
	size_t		n_all = 0;
	size_t		kept = 0;

	for (int i = 0; i < tenant->n_parts; i++)
	{
		size_t		more;
		TsdbMetadata *definitions = pgtsdb_metadata_read(tenant->parts[i], metric, GetActiveSnapshot(), arena, &more);

		if (more == 0)
			continue;
		all = tsdb_grow(arena, all, n_all * sizeof(TsdbMetadata), (n_all + more) * sizeof(TsdbMetadata));
		memcpy(all + n_all, definitions, more * sizeof(TsdbMetadata));
		n_all += more;
	}
	if (n_all > 1)
		qsort(all, n_all, sizeof(TsdbMetadata), compare_definitions);
	for (size_t i = 0; i < n_all; i++)
		if (kept == 0 || compare_definitions(&all[kept - 1], &all[i]) != 0)
			all[kept++] = all[i];
	*n = kept;
	return all;
}

static int
compare_definitions(const void *a, const void *b)
{
	const TsdbMetadata *x = a;
	const TsdbMetadata *y = b;
	int			order = tsdb_str_compare(x->metric, y->metric);

	if (order == 0)
		order = tsdb_str_compare(x->type, y->type);
	if (order == 0)
		order = tsdb_str_compare(x->unit, y->unit);
	return order != 0 ? order : tsdb_str_compare(x->help, y->help);
}

/* At most so many metrics, none if negative, with at most so many definitions each, if positive; answers how many are left. */
static size_t
limit_metadata(TsdbMetadata *definitions, size_t n, int32 limit, int32 limit_per_metric)
{
	size_t		kept = 0;
	int32		n_metrics = 0;
	int32		of_metric = 0;

	for (size_t i = 0; i < n; i++)
	{
		if (i == 0 || !tsdb_str_equal(definitions[i].metric, definitions[i - 1].metric))
		{
			if (limit >= 0 && n_metrics == limit)
				break;
			n_metrics++;
			of_metric = 0;
		}
		if (limit_per_metric <= 0 || of_metric++ < limit_per_metric)
			definitions[kept++] = definitions[i];
	}
	return kept;
}
