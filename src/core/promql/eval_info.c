/*
 * eval_info.c
 *		info(): series get the data labels of the info series about the same target.
 *
 * An info series is about the target that its labels "instance" and "job" name, and
 * its metric name says of what kind it is: at one time a target has one info
 * series of a kind, the one with the newest sample.  Which one that is may change
 * from step to step, and with it the labels that a series of the target gets.
 * So the steps of a target are divided into variants, in each of which the same info
 * series hold, and a row becomes one row for each variant it is there in.
 *
 * Rows and info rows are numbered by target once; a target and a name number a kind.
 * What `@` and `offset` say in the first argument governs the info series, too.
 */
#include "core/promql/eval_functions.h"

#define NO_ROW UINT32_MAX

/* Its variants: steps at which the same info series hold, or none. */
typedef struct Target
{
	bool		is_known;		/* they have been found */
	uint32_t   *variant_of;		/* of each step; NULL if there is only one */
	size_t	   *first_step;		/* of each variant */
	size_t		n;
	size_t		capacity;
} Target;

typedef struct Info
{
	Evaluator  *ev;
	const EvalGrid *grid;
	/* Selection */
	TsdbMatcher *names;			/* of the info series */
	size_t		n_names;
	TsdbMatcher *data;			/* those of the second argument that are not about the name */
	size_t		n_data;
	TsdbTimeShift shift;
	/* Rows */
	EvalMatrix *base;
	bool	   *is_ignored;		/* of each row of the base: an info series itself */
	EvalMatrix	infos;			/* their values are the times of their samples in seconds */
	/* Targets and kinds */
	size_t	   *base_targets;
	Target	   *targets;
	size_t		n_targets;
	size_t		n_kinds;
	EvalMembers kinds_of;		/* of each target */
	uint32_t  **holders;		/* of each kind the info row at each step */
} Info;

static TsdbStatus read_arguments(Info *info, const TsdbExpr *expr);
static void ignore_info_series(Info *info);
static TsdbStatus select_info_series(Info *info);
static TsdbStatus find_holders(Info *info);
static TsdbStatus add_labels(Info *info, EvalMatrix *result);

TsdbStatus
tsdb_function_info(Evaluator *ev, const TsdbExpr *expr, const EvalGrid *grid, EvalMatrix *result)
{
	Info		info = {.ev = ev, .grid = grid, .infos = tsdb_eval_matrix_empty(grid)};
	EvalMatrix	base;

	info.base = &base;
	TRY(tsdb_eval_expr(ev, argument(expr, 0), grid, &base));
	TRY(read_arguments(&info, expr));
	ignore_info_series(&info);
	TRY(select_info_series(&info));
	TRY(find_holders(&info));
	TRY(add_labels(&info, result));
	tsdb_eval_drop_empty_rows(result);
	return tsdb_eval_merge_rows(ev, result);
}

/* ---- arguments ---- */

static bool find_time_shift(const TsdbExpr *expr, TsdbTimeShift *shift);

static bool
is_metric_name(TsdbStr name)
{
	return tsdb_str_equal(name, TSDB_STR(TSDB_METRIC_NAME));
}

/* With no matcher of the name it is target_info; with negative ones only it has to end in _info, too. */
static TsdbStatus
read_arguments(Info *info, const TsdbExpr *expr)
{
	TsdbArena  *arena = info->ev->arena;
	const TsdbVectorExpr *selector = expr->call.n_args > 1 ? &argument(expr, 1)->vector : NULL;
	size_t		n = selector != NULL ? selector->n_matchers : 0;
	bool		is_positive = false;

	info->names = TSDB_NEW_ARRAY(arena, TsdbMatcher, n + 1);
	info->data = TSDB_NEW_ARRAY(arena, TsdbMatcher, n);
	for (size_t i = 0; i < n; i++)
	{
		const TsdbMatcher *matcher = &selector->matchers[i];

		if (!is_metric_name(matcher->name))
		{
			info->data[info->n_data++] = *matcher;
			continue;
		}
		info->names[info->n_names++] = *matcher;
		is_positive = is_positive || matcher->type == TSDB_MATCH_EQUAL || matcher->type == TSDB_MATCH_REGEX;
	}
	if (!is_positive)
	{
		bool		is_default = info->n_names == 0;

		TRY(tsdb_matcher_make(arena, is_default ? TSDB_MATCH_EQUAL : TSDB_MATCH_REGEX, TSDB_STR(TSDB_METRIC_NAME),
							  is_default ? TSDB_STR("target_info") : TSDB_STR(".+_info"),
							  &info->names[info->n_names], info->ev->error));
		info->n_names++;
	}
	find_time_shift(expr->call.args[0], &info->shift);
	return TSDB_OK;
}

/*
 * The time at which the first selector is read: that of the innermost `@` at it or at
 * a subquery around it, minus the offsets from the selector up to there.
 */
static bool
find_time_shift(const TsdbExpr *expr, TsdbTimeShift *shift)
{
	const TsdbExpr *child;
	bool		found = expr->kind == TSDB_EXPR_VECTOR;
	const TsdbTimeShift *own = found ? &expr->vector.shift : &expr->subquery.shift;

	for (size_t place = 0; !found && (child = tsdb_expr_child(expr, place)) != NULL; place++)
		found = find_time_shift(child, shift);
	if (!found || (expr->kind != TSDB_EXPR_VECTOR && expr->kind != TSDB_EXPR_SUBQUERY) || shift->at != TSDB_AT_NONE)
		return found;
	shift->at = own->at;
	shift->at_ms = own->at_ms;
	if (__builtin_add_overflow(shift->offset_ms, own->offset_ms, &shift->offset_ms))
		shift->offset_ms = own->offset_ms > 0 ? INT64_MAX : INT64_MIN;
	return true;
}

static void
ignore_info_series(Info *info)
{
	info->is_ignored = TSDB_NEW_ARRAY(info->ev->arena, bool, info->base->n);
	for (size_t i = 0; i < info->base->n; i++)
	{
		TsdbStr		name = tsdb_labels_get(info->base->rows[i].labels, TSDB_STR(TSDB_METRIC_NAME));

		info->is_ignored[i] = true;
		for (size_t k = 0; k < info->n_names; k++)
			info->is_ignored[i] = info->is_ignored[i] && tsdb_matcher_matches(&info->names[k], name);
	}
}

/* ---- selection of info series ---- */

#define N_IDENTIFYING 2
#define MOST_ALTERNATIVES 1000	/* that a pattern can have and still be looked up, not run */
static const TsdbStr identifying[N_IDENTIFYING] = {{"instance", 8}, {"job", 3}};

/* The values that one identifying label has in the base. */
typedef struct KnownValues
{
	EvalGroups	groups;
	size_t		n;				/* 0: no restriction */
} KnownValues;

static void
find_values(Info *info, TsdbStr label, KnownValues *known)
{
	tsdb_eval_groups_init(&known->groups, info->ev, tsdb_eval_filter(info->ev->arena, &label, 1, true, NULL), 0);
	for (size_t i = 0; i < info->base->n; i++)
		if (!info->is_ignored[i] && tsdb_labels_get(info->base->rows[i].labels, label).len > 0)
			tsdb_eval_groups_add(&known->groups, info->base->rows[i].labels);
	known->n = known->groups.n;
}

static void
quote_pattern(TsdbBuffer *pattern, TsdbStr text)
{
	for (size_t i = 0; i < text.len; i++)
	{
		if (text.data[i] != '\0' && strchr("\\.+*?()|[]{}^$", text.data[i]) != NULL)
			tsdb_buffer_u8(pattern, '\\');
		tsdb_buffer_u8(pattern, (uint8_t) text.data[i]);
	}
}

static TsdbStatus
match_listed(Info *info, TsdbStr label, const KnownValues *known, TsdbMatcher *matcher)
{
	TsdbBuffer	pattern;

	tsdb_buffer_init(&pattern, info->ev->arena, 32 * known->n);
	for (size_t i = 0; i < known->n; i++)
	{
		if (i > 0)
			tsdb_buffer_u8(&pattern, '|');
		quote_pattern(&pattern, tsdb_labels_get(known->groups.first[i], label));
	}
	return tsdb_matcher_make(info->ev->arena, TSDB_MATCH_REGEX, label,
							 (TsdbStr){(const char *) pattern.data, pattern.len}, matcher, info->ev->error);
}

/* One of the values; if they are too many or too long for a pattern, any but the empty one. */
static TsdbStatus
match_values(Info *info, TsdbStr label, const KnownValues *known, TsdbMatcher *matcher)
{
	TsdbStatus	status = TSDB_ERR_LIMIT;

	if (known->n <= MOST_ALTERNATIVES)
		status = match_listed(info, label, known, matcher);
	if (status != TSDB_ERR_LIMIT)
		return status;
	tsdb_error_clear(info->ev->error);
	return tsdb_matcher_make(info->ev->arena, TSDB_MATCH_NOT_EQUAL, label, TSDB_STR(""), matcher, info->ev->error);
}

/* What match_values() lets through for want of a pattern. */
static void
drop_unknown(Info *info, KnownValues *known)
{
	size_t		kept = 0;

	for (size_t i = 0; i < info->infos.n; i++)
		if (tsdb_eval_groups_add(&known->groups, info->infos.rows[i].labels) < known->n)
			info->infos.rows[kept++] = info->infos.rows[i];
	info->infos.n = kept;
}

static TsdbStatus
select_info_series(Info *info)
{
	TsdbArena  *arena = info->ev->arena;
	TsdbMatcher *matchers = TSDB_NEW_ARRAY(arena, TsdbMatcher, info->n_names + info->n_data + N_IDENTIFYING);
	TsdbExpr	selector = {
		.kind = TSDB_EXPR_VECTOR,
		.type = TSDB_VALUE_VECTOR,
		.vector = {.matchers = matchers, .shift = info->shift}
	};
	size_t	   *n = &selector.vector.n_matchers;
	KnownValues known[N_IDENTIFYING];

	for (size_t k = 0; k < N_IDENTIFYING; k++)
	{
		find_values(info, identifying[k], &known[k]);
		if (known[k].n > 0)
			TRY(match_values(info, identifying[k], &known[k], &matchers[(*n)++]));
	}
	if (*n == 0)
		return TSDB_OK;
	for (size_t i = 0; i < info->n_data; i++)
		matchers[(*n)++] = info->data[i];
	for (size_t i = 0; i < info->n_names; i++)
		matchers[(*n)++] = info->names[i];
	TRY(tsdb_eval_selector_timestamps(info->ev, &selector, info->grid, &info->infos));
	for (size_t k = 0; k < N_IDENTIFYING; k++)
		if (known[k].n > 0)
			drop_unknown(info, &known[k]);
	return TSDB_OK;
}

/* ---- which info series holds ---- */

/* Two info series of one kind whose samples have the same time, the first that a walk over the steps meets. */
typedef struct Conflict
{
	size_t		step;			/* SIZE_MAX: none */
	size_t		row;
	size_t		holder;
} Conflict;

static void number_kinds(Info *info, EvalMembers *rows_of);
static const bool *steps_with_base(const Info *info);

static void
hold(const Info *info, const EvalMembers *rows_of, size_t kind, const bool *asked, Conflict *conflict)
{
	uint32_t   *holder = info->holders[kind];

	for (size_t step = 0; step < info->grid->n; step++)
		holder[step] = NO_ROW;
	for (size_t k = rows_of->starts[kind]; k < rows_of->starts[kind + 1]; k++)
	{
		size_t		row = rows_of->rows[k];
		const double *times = info->infos.rows[row].v;

		for (size_t step = 0; step < info->grid->n; step++)
		{
			double		held;

			if (is_absent(times[step]))
				continue;
			held = holder[step] == NO_ROW ? -INFINITY : info->infos.rows[holder[step]].v[step];
			if (held == times[step] && asked[step] &&
				(step < conflict->step || (step == conflict->step && row < conflict->row)))
				*conflict = (Conflict){step, row, holder[step]};
			if (held < times[step])
				holder[step] = (uint32_t) row;
		}
	}
}

static TsdbStatus
fail_conflict(const Info *info, const Conflict *conflict)
{
	TsdbBuffer	texts[2];
	size_t		rows[2] = {conflict->holder, conflict->row};
	long long	time = llround(info->infos.rows[conflict->row].v[conflict->step] * 1000);

	for (int i = 0; i < 2; i++)
	{
		tsdb_buffer_init(&texts[i], info->ev->arena, 128);
		tsdb_eval_print_labels(&texts[i], info->infos.rows[rows[i]].labels);
	}
	return tsdb_eval_fail(info->ev, "found duplicate series for info metric: existing %s @ %lld, new %s @ %lld",
						  tsdb_buffer_cstring(&texts[0]), time, tsdb_buffer_cstring(&texts[1]), time);
}

static TsdbStatus
find_holders(Info *info)
{
	EvalMembers rows_of;
	Conflict	conflict = {SIZE_MAX, 0, 0};
	const bool *asked;

	if (info->infos.n >= NO_ROW)
		return tsdb_fail(info->ev->error, TSDB_ERR_LIMIT, "too many info series");
	number_kinds(info, &rows_of);
	TRY(tsdb_eval_count_samples(info->ev, info->n_kinds, info->grid->n));
	asked = steps_with_base(info);
	for (size_t kind = 0; kind < info->n_kinds; kind++)
	{
		tsdb_check_interrupt(info->ev->env);
		info->holders[kind] = TSDB_NEW_ARRAY(info->ev->arena, uint32_t, info->grid->n);
		hold(info, &rows_of, kind, asked, &conflict);
	}
	return conflict.step == SIZE_MAX ? TSDB_OK : fail_conflict(info, &conflict);
}

/* Kinds in the order of the info series, which is that of their labels. */
static void
number_kinds(Info *info, EvalMembers *rows_of)
{
	TsdbArena  *arena = info->ev->arena;
	EvalGroups	targets;
	EvalGroups	kinds;
	const size_t *kind_of;
	size_t	   *target_of;

	tsdb_eval_groups_init(&targets, info->ev, tsdb_eval_filter(arena, identifying, N_IDENTIFYING, true, NULL), info->base->n);
	info->base_targets = tsdb_eval_number_rows(&targets, info->base);
	tsdb_eval_groups_init(&kinds, info->ev, tsdb_eval_filter(arena, identifying, N_IDENTIFYING, true, TSDB_METRIC_NAME),
						  info->infos.n);
	kind_of = tsdb_eval_number_rows(&kinds, &info->infos);
	*rows_of = tsdb_eval_members(arena, kind_of, info->infos.n, kinds.n);

	info->n_kinds = kinds.n;
	info->holders = TSDB_NEW_ARRAY(arena, uint32_t *, kinds.n);
	target_of = TSDB_NEW_ARRAY(arena, size_t, kinds.n);
	for (size_t kind = 0; kind < kinds.n; kind++)
		target_of[kind] = tsdb_eval_groups_add(&targets, kinds.first[kind]);
	info->n_targets = targets.n;
	info->kinds_of = tsdb_eval_members(arena, target_of, kinds.n, targets.n);
	info->targets = TSDB_NEW_ARRAY(arena, Target, targets.n);
	memset(info->targets, 0, targets.n * sizeof(Target));
}

/* Where no series wants labels, nobody minds that they are ambiguous. */
static const bool *
steps_with_base(const Info *info)
{
	bool	   *asked = TSDB_NEW_ARRAY(info->ev->arena, bool, info->grid->n);

	for (size_t step = 0; step < info->grid->n; step++)
	{
		asked[step] = false;
		for (size_t i = 0; i < info->base->n && !asked[step]; i++)
			asked[step] = !is_absent(info->base->rows[i].v[step]);
	}
	return asked;
}

/* ---- variants of a target ---- */

static uint32_t find_variant(const Info *info, size_t target, size_t step, uint32_t last);

static TsdbStatus
find_variants(Info *info, size_t number)
{
	Target	   *target = &info->targets[number];
	TsdbArena  *arena = info->ev->arena;
	size_t		steps = info->grid->n;
	uint32_t	last = 0;

	if (target->is_known)
		return TSDB_OK;
	target->is_known = true;
	target->n = target->capacity = 1;
	target->first_step = TSDB_NEW(arena, size_t);
	for (size_t step = 0; step < steps; step++)
	{
		last = find_variant(info, number, step, last);
		if (last == target->capacity)
		{
			target->first_step = tsdb_grow(arena, target->first_step, target->capacity * sizeof(size_t),
										   target->capacity * 2 * sizeof(size_t));
			target->capacity *= 2;
		}
		if (last == target->n)
			target->first_step[target->n++] = step;
		if (last > 0 && target->variant_of == NULL)
		{
			TRY(tsdb_eval_count_samples(info->ev, 1, steps));
			target->variant_of = TSDB_NEW_ARRAY(arena, uint32_t, steps);
			memset(target->variant_of, 0, steps * sizeof(uint32_t));
		}
		if (target->variant_of != NULL)
			target->variant_of[step] = last;
	}
	return TSDB_OK;
}

static bool
same_holders(const Info *info, size_t target, size_t a, size_t b)
{
	for (size_t k = info->kinds_of.starts[target]; k < info->kinds_of.starts[target + 1]; k++)
	{
		const uint32_t *holder = info->holders[info->kinds_of.rows[k]];

		if (holder[a] != holder[b])
			return false;
	}
	return true;
}

/* The variant of the step before it, mostly; as many as there are for a new one. */
static uint32_t
find_variant(const Info *info, size_t number, size_t step, uint32_t last)
{
	const Target *target = &info->targets[number];

	if (same_holders(info, number, step, target->first_step[last]))
		return last;
	tsdb_check_interrupt(info->ev->env);
	for (uint32_t variant = 0; variant < target->n; variant++)
		if (same_holders(info, number, step, target->first_step[variant]))
			return variant;
	return (uint32_t) target->n;
}

/* ---- labels ---- */

/* What the rows of a walk over steps and series would fail with first. */
typedef struct LabelConflict
{
	size_t		step;			/* SIZE_MAX: none */
	TsdbStr		label;
} LabelConflict;

static TsdbStatus enrich(Info *info, size_t i, EvalMatrix *result, LabelConflict *conflict);

static TsdbStatus
add_labels(Info *info, EvalMatrix *result)
{
	size_t		most = 0;
	LabelConflict conflict = {SIZE_MAX, {NULL, 0}};

	for (size_t i = 0; i < info->base->n; i++)
	{
		tsdb_check_interrupt(info->ev->env);
		TRY(find_variants(info, info->base_targets[i]));
		most += info->is_ignored[i] ? 1 : info->targets[info->base_targets[i]].n;
	}
	*result = (EvalMatrix){TSDB_NEW_ARRAY(info->ev->arena, EvalRow, most), 0, info->grid->n};
	for (size_t i = 0; i < info->base->n; i++)
	{
		tsdb_check_interrupt(info->ev->env);
		if (info->is_ignored[i])
			result->rows[result->n++] = info->base->rows[i];
		else
			TRY(enrich(info, i, result, &conflict));
	}
	if (conflict.step != SIZE_MAX)
		return tsdb_eval_fail(info->ev, "conflicting label: %.*s", (int) conflict.label.len, conflict.label.data);
	return TSDB_OK;
}

static bool merge_labels(const Info *info, size_t target, size_t step, TsdbLabels base, TsdbLabels *merged,
						 TsdbStr *conflict);
static bool has_holder(const Info *info, size_t target, size_t step);
static bool may_be_missing(const Info *info);

/* The values of one variant: those of the row at its steps. */
static TsdbStatus
values_of_variant(Info *info, const EvalRow *row, const Target *target, size_t variant, double **values)
{
	*values = row->v;
	if (target->n == 1)
		return TSDB_OK;
	TRY(tsdb_eval_count_samples(info->ev, 1, info->grid->n));
	*values = TSDB_NEW_ARRAY(info->ev->arena, double, info->grid->n);
	for (size_t step = 0; step < info->grid->n; step++)
		(*values)[step] = target->variant_of[step] == variant ? row->v[step] : absent_value();
	return TSDB_OK;
}

static size_t
first_step(const EvalRow *row, size_t steps)
{
	size_t		step = 0;

	while (step < steps && is_absent(row->v[step]))
		step++;
	return step;
}

static TsdbStatus
enrich(Info *info, size_t i, EvalMatrix *result, LabelConflict *conflict)
{
	size_t		number = info->base_targets[i];
	const Target *target = &info->targets[number];

	for (size_t variant = 0; variant < target->n; variant++)
	{
		EvalRow		row = info->base->rows[i];
		size_t		step = target->first_step[variant];
		TsdbStr		label;

		if (!has_holder(info, number, step) && !may_be_missing(info))
			continue;
		TRY(values_of_variant(info, &info->base->rows[i], target, variant, &row.v));
		if (!merge_labels(info, number, step, row.labels, &row.labels, &label) &&
			first_step(&row, info->grid->n) < conflict->step)
			*conflict = (LabelConflict){first_step(&row, info->grid->n), label};
		result->rows[result->n++] = row;
	}
	return TSDB_OK;
}

static bool
has_holder(const Info *info, size_t target, size_t step)
{
	for (size_t k = info->kinds_of.starts[target]; k < info->kinds_of.starts[target + 1]; k++)
		if (info->holders[info->kinds_of.rows[k]][step] != NO_ROW)
			return true;
	return false;
}

/* Whether series without an info series stay: unless the second argument asks for a label. */
static bool
may_be_missing(const Info *info)
{
	for (size_t i = 0; i < info->n_data; i++)
		if (!tsdb_matcher_matches(&info->data[i], TSDB_STR("")))
			return false;
	return true;
}

/* All labels are data labels unless the second argument names some. */
static bool
is_wanted(const Info *info, TsdbStr name)
{
	if (is_metric_name(name))
		return false;
	for (size_t i = 0; i < info->n_data; i++)
		if (tsdb_str_equal(info->data[i].name, name))
			return true;
	return info->n_data == 0;
}

/* A label that the series has already stays; false where two info series give one label two values. */
static bool
merge_labels(const Info *info, size_t target, size_t step, TsdbLabels base, TsdbLabels *merged, TsdbStr *conflict)
{
	*merged = base;
	for (size_t k = info->kinds_of.starts[target]; k < info->kinds_of.starts[target + 1]; k++)
	{
		uint32_t	row = info->holders[info->kinds_of.rows[k]][step];
		TsdbLabels	labels;

		if (row == NO_ROW)
			continue;
		labels = info->infos.rows[row].labels;
		for (size_t i = 0; i < labels.n; i++)
		{
			const TsdbLabel *label = &labels.pairs[i];
			TsdbStr		present = tsdb_labels_get(*merged, label->name);

			if (!is_wanted(info, label->name) || tsdb_labels_get(base, label->name).len > 0)
				continue;
			if (present.len > 0 && !tsdb_str_equal(present, label->value))
			{
				*conflict = label->name;
				return false;
			}
			*merged = tsdb_eval_with_label(info->ev->arena, *merged, label->name, label->value);
		}
	}
	return true;
}
