/*
 * functions_labels.c
 *		label_replace() and label_join(): series get other labels, values stay.
 *
 * Series that become equal are united unless they have a time in common.
 */
#include "core/promql/eval_functions.h"

/* Any UTF-8 is a label name, as in Prometheus 3. */
static bool
is_label_name(TsdbStr name)
{
	return name.len > 0 && tsdb_utf8_is_valid(name);
}

static void
set_label(Evaluator *ev, EvalRow *row, TsdbStr name, TsdbStr value)
{
	row->labels = tsdb_eval_with_label(ev->arena, row->labels, name, value);
	if (tsdb_str_equal(name, TSDB_STR(TSDB_METRIC_NAME)))
		row->drop_name = false;
}

TsdbStatus
tsdb_function_label_replace(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	TsdbStr		destination = string_argument(expr, 1);
	TsdbStr		replacement = string_argument(expr, 2);
	TsdbStr		source = string_argument(expr, 3);
	TsdbStr		pattern = string_argument(expr, 4);
	TsdbRegex  *regex;

	if (tsdb_regex_compile(ev->arena, pattern, &regex, ev->error) != TSDB_OK)
		return tsdb_eval_fail(ev, "invalid regular expression in label_replace(): %.*s",
							  (int) pattern.len, pattern.data);
	if (!is_label_name(destination))
		return tsdb_eval_fail(ev, "invalid destination label name in label_replace(): %.*s",
							  (int) destination.len, destination.data);
	TRY(tsdb_eval_expr(ev, argument(expr, 0), grid, result));
	for (size_t i = 0; i < result->n; i++)
	{
		TsdbStr		value = tsdb_labels_get(result->rows[i].labels, source);
		TsdbBuffer	replaced;

		tsdb_check_interrupt(ev->env);
		if (value.data == NULL)
			value = TSDB_STR("");
		tsdb_buffer_init(&replaced, ev->arena, replacement.len + value.len);
		if (tsdb_regex_replace(regex, value, replacement, &replaced))
			set_label(ev, &result->rows[i], destination, (TsdbStr){(const char *) replaced.data, replaced.len});
	}
	return tsdb_eval_merge_rows(ev, result);
}

static TsdbStr
join_values(Evaluator *ev, const TsdbExpr *expr, TsdbLabels labels)
{
	TsdbStr		separator = string_argument(expr, 2);
	TsdbBuffer	joined;

	tsdb_buffer_init(&joined, ev->arena, 64);
	for (size_t k = 3; k < expr->call.n_args; k++)
	{
		if (k > 3)
			tsdb_buffer_append_str(&joined, separator);
		tsdb_buffer_append_str(&joined, tsdb_labels_get(labels, string_argument(expr, k)));
	}
	return (TsdbStr){(const char *) joined.data, joined.len};
}

TsdbStatus
tsdb_function_label_join(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	TsdbStr		destination = string_argument(expr, 1);

	for (size_t k = 3; k < expr->call.n_args; k++)
	{
		TsdbStr		source = string_argument(expr, k);

		if (!is_label_name(source))
			return tsdb_eval_fail(ev, "invalid source label name in label_join(): %.*s",
								  (int) source.len, source.data);
	}
	if (!is_label_name(destination))
		return tsdb_eval_fail(ev, "invalid destination label name in label_join(): %.*s",
							  (int) destination.len, destination.data);
	TRY(tsdb_eval_expr(ev, argument(expr, 0), grid, result));
	for (size_t i = 0; i < result->n; i++)
	{
		EvalRow    *row = &result->rows[i];

		tsdb_check_interrupt(ev->env);
		set_label(ev, row, destination, join_values(ev, expr, row->labels));
	}
	return tsdb_eval_merge_rows(ev, result);
}
