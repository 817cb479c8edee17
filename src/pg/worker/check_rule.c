/*
 * check_rule.c
 *		Triggers on the tables of rules: refuse what could not be evaluated, wake the ruler.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "core/promql/parser.h"
#include "core/rules/template.h"
#include "pg/config_values.h"
#include "pg/errors.h"
#include "pg/mem.h"
#include "pg/worker/worker.h"

#define LEAST_INTERVAL_MS 100
#define MOST_MS (INT64CONST(366) * 24 * 3600 * 1000)

/* A row under check. */
typedef struct Row
{
	HeapTuple	tuple;
	TupleDesc	desc;
	const char *rule_name;
	const char *column;			/* whose pairs are looked at */
	TsdbArena  *arena;
} Row;

static Datum column_value(const Row *row, const char *name);
static void name_rule(void *arg);
static void check_expression(const Row *row);
static void check_duration(const Row *row, const char *column, int64 least_ms);
static void check_pairs(Row *row, const char *column, const char *example);
static void check_pair(void *context, const char *key, int key_len, const char *value, int value_len);
static void warn_of_template(const Row *row, const char *key, int key_len, TsdbStr text);

PG_FUNCTION_INFO_V1(pgtsdb_check_alert_rule);
PG_FUNCTION_INFO_V1(pgtsdb_wake_ruler);

Datum
pgtsdb_check_alert_rule(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	ErrorContextCallback context = {error_context_stack, name_rule, NULL};
	Row			row;
	Datum		name;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) || TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function is the trigger of tsdb.alert_rules")));
	row = (Row) {
		.tuple = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple,
		.desc = RelationGetDescr(trigger->tg_relation),
		.arena = pgtsdb_arena_create(CurrentMemoryContext, 0, NULL),
	};
	name = column_value(&row, "rule_name");
	row.rule_name = name == (Datum) 0 ? "" : TextDatumGetCString(name);

	context.arg = &row;
	error_context_stack = &context;
	check_expression(&row);
	check_duration(&row, "evaluation_interval", LEAST_INTERVAL_MS);
	check_duration(&row, "for_duration", 0);
	check_duration(&row, "keep_firing_for", 0);
	check_pairs(&row, "labels", "{\"team\": \"storage\"}");
	check_pairs(&row, "annotations", "{\"summary\": \"{{ $labels.instance }} is down\"}");
	error_context_stack = context.previous;
	return PointerGetDatum(row.tuple);
}

Datum
pgtsdb_wake_ruler(PG_FUNCTION_ARGS)
{
	pgtsdb_wake_worker_at_commit(PGTSDB_WORKER_RULER);
	return PointerGetDatum(NULL);
}

/* 0 for NULL, which the table refuses by itself where it must; all columns are by reference. */
static Datum
column_value(const Row *row, const char *name)
{
	int			number = SPI_fnumber(row->desc, name);
	bool		isnull = true;
	Datum		value = number <= 0 ? (Datum) 0 : SPI_getbinval(row->tuple, row->desc, number, &isnull);

	return isnull ? (Datum) 0 : value;
}

static void
name_rule(void *arg)
{
	errcontext("rule \"%s\"", ((Row *) arg)->rule_name);
}

static void
check_expression(const Row *row)
{
	Datum		value = column_value(row, "promql_expression");
	char	   *query;
	TsdbExpr   *expr;
	TsdbError	error;

	if (value == (Datum) 0)
		return;
	query = TextDatumGetCString(value);
	tsdb_error_clear(&error);
	if (tsdb_promql_parse(row->arena, tsdb_str(query), NULL, &expr, &error) != TSDB_OK)
		pgtsdb_raise_in(&error, query);
	if (expr->type != TSDB_VALUE_VECTOR && expr->type != TSDB_VALUE_SCALAR)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the expression of a rule must answer an instant vector or a scalar, not %s",
						expr->type == TSDB_VALUE_MATRIX ? "a range vector" : "a string"),
				 expr->type == TSDB_VALUE_MATRIX ? errhint("Apply a function such as rate() or max_over_time() to the range.") : 0));
}

static void
check_duration(const Row *row, const char *column, int64 least_ms)
{
	Datum		value = column_value(row, column);
	int64		ms;
	bool		fixed;

	if (value == (Datum) 0)
		return;
	fixed = pgtsdb_interval_to_ms(DatumGetIntervalP(value), &ms);
	if (fixed && ms >= least_ms && ms <= MOST_MS)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid %s \"%s\"", column, DatumGetCString(DirectFunctionCall1(interval_out, value))),
			 errdetail("It must be at least " INT64_FORMAT " ms and at most a year.", least_ms),
			 fixed ? 0 : errhint("Months have no fixed length: write days or hours.")));
}

static void
check_pairs(Row *row, const char *column, const char *example)
{
	Datum		value = column_value(row, column);

	row->column = column;
	if (value == (Datum) 0 || pgtsdb_json_pairs(DatumGetJsonbP(value), false, check_pair, row))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s are not an object of strings", column),
			 errhint("Write for instance %s.", example)));
}

static void
check_pair(void *context, const char *key, int key_len, const char *value, int value_len)
{
	const Row  *row = context;

	if (key_len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a name in %s is empty", row->column)));
	if (tsdb_str_equal((TsdbStr) {key, (size_t) key_len}, TSDB_STR(TSDB_METRIC_NAME)) && strcmp(row->column, "labels") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid label name \"%s\"", TSDB_METRIC_NAME),
				 errdetail("An alert has no metric name; its name is the label alertname.")));
	if (key_len > TSDB_MAX_LABEL_BYTES || value_len > TSDB_MAX_LABEL_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("\"%s\" in %s is longer than %d bytes", pnstrdup(key, Min(key_len, 64)), row->column, TSDB_MAX_LABEL_BYTES)));
	warn_of_template(row, key, key_len, (TsdbStr) {value, (size_t) value_len});
}

/* Not an error: the alert must alert, and rules come from places that know more functions than we do. */
static void
warn_of_template(const Row *row, const char *key, int key_len, TsdbStr text)
{
	TsdbError	error;

	tsdb_error_clear(&error);
	if (tsdb_template_check(row->arena, text, &error) == TSDB_OK)
		return;
	ereport(WARNING,
			(errcode(ERRCODE_SYNTAX_ERROR),
			 errmsg("the template \"%s\" in %s cannot be expanded: %s", pnstrdup(key, key_len), row->column, error.message),
			 errdetail("The alert will show this error in its place.")));
}
