/*
 * rule_table.c
 *		Reads tsdb.alert_rules into what the ruler works with.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "pg/compat.h"
#include "pg/config_values.h"
#include "pg/worker/rules.h"

#define SEVERITY "severity"

/* Columns of the query below. */
enum
{
	RULE_ID = 1,
	TENANT_ID,
	RULE_NAME,
	EXPRESSION,
	INTERVAL,
	FOR_DURATION,
	KEEP_FIRING_FOR,
	LABELS,
	ANNOTATIONS,
	RULE_SEVERITY
};

/* Pairs of a JSON object as they come. */
typedef struct PairList
{
	TsdbLabel  *pairs;
	size_t		n;
} PairList;

static PgtsdbRule *make_rule(HeapTuple tuple, TupleDesc desc);
static PairList pairs_of(HeapTuple tuple, TupleDesc desc, int column, int more);
static void count_pair(void *context, const char *key, int key_len, const char *value, int value_len);
static void add_pair(void *context, const char *key, int key_len, const char *value, int value_len);
static int64 milliseconds(HeapTuple tuple, TupleDesc desc, int column);
static char *text_column(HeapTuple tuple, TupleDesc desc, int column);
static Datum column_value(HeapTuple tuple, TupleDesc desc, int column);

List *
pgtsdb_rules_load(void)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *rules = NIL;

	SPI_connect();
	if (SPI_execute("SELECT rule_id, tenant_id, rule_name, promql_expression, evaluation_interval, for_duration, "
					"keep_firing_for, labels, annotations, severity "
					"FROM tsdb.alert_rules WHERE status OPERATOR(pg_catalog.=) 'ACTIVE'", true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read tsdb.alert_rules");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		MemoryContext spi = MemoryContextSwitchTo(caller);

		rules = lappend(rules, make_rule(SPI_tuptable->vals[i], SPI_tuptable->tupdesc));
		MemoryContextSwitchTo(spi);
	}
	SPI_finish();
	return rules;
}

static PgtsdbRule *
make_rule(HeapTuple tuple, TupleDesc desc)
{
	PgtsdbRule *rule = palloc0_object(PgtsdbRule);
	PairList	labels = pairs_of(tuple, desc, LABELS, 1);
	PairList	annotations = pairs_of(tuple, desc, ANNOTATIONS, 0);
	char	   *severity = text_column(tuple, desc, RULE_SEVERITY);
	bool		has_severity = severity == NULL;

	for (size_t i = 0; i < labels.n; i++)
		has_severity = has_severity || tsdb_str_equal(labels.pairs[i].name, TSDB_STR(SEVERITY));
	if (!has_severity)
		labels.pairs[labels.n++] = (TsdbLabel) {TSDB_STR(SEVERITY), tsdb_str(severity)};

	rule->rule_id = *DatumGetUUIDP(column_value(tuple, desc, RULE_ID));
	rule->tenant_id = text_column(tuple, desc, TENANT_ID);
	rule->expression = text_column(tuple, desc, EXPRESSION);
	rule->interval = milliseconds(tuple, desc, INTERVAL);
	rule->offset = hash_bytes(rule->rule_id.data, UUID_LEN) % rule->interval;
	rule->alert = (TsdbAlertRule) {
		.name = tsdb_str(text_column(tuple, desc, RULE_NAME)),
		.for_ms = milliseconds(tuple, desc, FOR_DURATION),
		.keep_firing_ms = milliseconds(tuple, desc, KEEP_FIRING_FOR),
		.labels = labels.pairs,
		.n_labels = labels.n,
		.annotations = annotations.pairs,
		.n_annotations = annotations.n,
	};
	return rule;
}

int64
pgtsdb_rule_slot(const PgtsdbRule *rule, int64 at)
{
	int64		since = (at - rule->offset) % rule->interval;

	return at - (since < 0 ? since + rule->interval : since);
}

List *
pgtsdb_orphans_load(void)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *orphans = NIL;

	SPI_connect();
	if (SPI_execute("SELECT DISTINCT rule_id, tenant_id FROM tsdb.alert_evaluation_states s WHERE NOT EXISTS "
					"(SELECT FROM tsdb.alert_rules r WHERE r.rule_id OPERATOR(pg_catalog.=) s.rule_id "
					"AND r.tenant_id OPERATOR(pg_catalog.=) s.tenant_id AND r.status OPERATOR(pg_catalog.=) 'ACTIVE')",
					true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read tsdb.alert_evaluation_states");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		MemoryContext spi = MemoryContextSwitchTo(caller);
		PgtsdbOrphan *orphan = palloc_object(PgtsdbOrphan);

		orphan->rule_id = *DatumGetUUIDP(column_value(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1));
		orphan->tenant_id = text_column(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2);
		orphans = lappend(orphans, orphan);
		MemoryContextSwitchTo(spi);
	}
	SPI_finish();
	return orphans;
}

/* ---- columns ---- */

/* With room for some more; whatever is not an object of strings was refused when the row was written. */
static PairList
pairs_of(HeapTuple tuple, TupleDesc desc, int column, int more)
{
	Jsonb	   *object = DatumGetJsonbPCopy(column_value(tuple, desc, column));
	PairList	list = {NULL, more};

	pgtsdb_json_pairs(object, false, count_pair, &list);
	list.pairs = palloc_array(TsdbLabel, list.n);
	list.n = 0;
	pgtsdb_json_pairs(object, false, add_pair, &list);
	return list;
}

static void
count_pair(void *context, const char *key, int key_len, const char *value, int value_len)
{
	((PairList *) context)->n++;
}

static void
add_pair(void *context, const char *key, int key_len, const char *value, int value_len)
{
	PairList   *list = context;

	/* A number's text does not live in the object. */
	list->pairs[list->n++] = (TsdbLabel) {
		{pnstrdup(key, key_len), (size_t) key_len}, {pnstrdup(value, value_len), (size_t) value_len}
	};
}

static int64
milliseconds(HeapTuple tuple, TupleDesc desc, int column)
{
	int64		ms;

	if (!pgtsdb_interval_to_ms(DatumGetIntervalP(column_value(tuple, desc, column)), &ms))
		elog(ERROR, "tsdb.alert_rules has an interval without a length");
	return ms;
}

static char *
text_column(HeapTuple tuple, TupleDesc desc, int column)
{
	Datum		value = column_value(tuple, desc, column);

	return value == (Datum) 0 ? NULL : TextDatumGetCString(value);
}

/* 0 for NULL; all columns are by reference. */
static Datum
column_value(HeapTuple tuple, TupleDesc desc, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(tuple, desc, column, &isnull);

	return isnull ? (Datum) 0 : value;
}
