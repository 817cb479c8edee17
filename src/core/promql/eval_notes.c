/*
 * eval_notes.c
 *		Warnings and infos that go out with a result, in Prometheus's words.
 *
 * A note that says the same as an earlier one replaces it, so that its position
 * is the last that gave rise to it; notes about repaired histograms add up.
 * Positions become "line:column" only when the query is done.  Thousands of
 * different notes help nobody: after NOTES_MAX further texts are left out.
 */
#include "core/promql/eval_internal.h"

#include <math.h>
#include <stdio.h>

#define NOTES_MAX 1000

/* What repaired histograms have in common. */
typedef struct Repair
{
	int64_t		t_min;
	int64_t		t_max;
	double		min_bucket;
	double		max_bucket;
	double		max_diff;
	size_t		samples;
} Repair;

typedef struct Note
{
	struct Note *next;
	TsdbStr		text;
	TsdbRange	position;
	bool		is_warning;
	bool		is_repair;
	Repair		repair;
} Note;

struct EvalNotes
{
	Note	   *first;
	Note	  **end;
	size_t		n_warnings;
	size_t		n_infos;
};

EvalNotes *
tsdb_eval_notes_make(TsdbArena *arena)
{
	EvalNotes  *notes = TSDB_NEW(arena, EvalNotes);

	notes->end = &notes->first;
	return notes;
}

/* The note with this text: an earlier one, or a new one, which is not kept when there are too many. */
static Note *
find_or_add(Evaluator *ev, bool is_warning, TsdbStr text, bool *is_new)
{
	EvalNotes  *notes = ev->notes;
	Note	   *note;

	for (note = notes->first; note != NULL; note = note->next)
		if (note->is_warning == is_warning && tsdb_str_equal(note->text, text))
		{
			*is_new = false;
			return note;
		}
	note = TSDB_NEW(ev->arena, Note);
	note->is_warning = is_warning;
	note->text = tsdb_str_copy(ev->arena, text);
	*is_new = true;
	if (notes->n_warnings + notes->n_infos == NOTES_MAX)
		return note;
	*notes->end = note;
	notes->end = &note->next;
	if (is_warning)
		notes->n_warnings++;
	else
		notes->n_infos++;
	return note;
}

static void add(Evaluator *ev, bool is_warning, TsdbRange position, const char *format, va_list args) TSDB_PRINTF(4, 0);

static void
add(Evaluator *ev, bool is_warning, TsdbRange position, const char *format, va_list args)
{
	char		text[TSDB_ERROR_MESSAGE_MAX];
	int			length = vsnprintf(text, sizeof(text), format, args);
	bool		is_new;

	if (length < 0)
		return;
	if ((size_t) length >= sizeof(text))
		length = (int) tsdb_utf8_valid_prefix(text, sizeof(text) - 1);
	find_or_add(ev, is_warning, (TsdbStr){text, (size_t) length}, &is_new)->position = position;
}

void
tsdb_eval_warn(Evaluator *ev, TsdbRange position, const char *format, ...)
{
	va_list		args;

	va_start(args, format);
	add(ev, true, position, format, args);
	va_end(args);
}

void
tsdb_eval_info(Evaluator *ev, TsdbRange position, const char *format, ...)
{
	va_list		args;

	va_start(args, format);
	add(ev, false, position, format, args);
	va_end(args);
}

static TsdbStr
buffer_text(const TsdbBuffer *buffer)
{
	return (TsdbStr){(const char *) buffer->data, buffer->len};
}

void
tsdb_eval_info_metric(Evaluator *ev, TsdbRange position, const char *what, TsdbStr name)
{
	TsdbBuffer	text;
	bool		is_new;

	tsdb_buffer_init(&text, ev->arena, 128);
	tsdb_buffer_append_str(&text, tsdb_str(what));
	tsdb_buffer_u8(&text, ' ');
	tsdb_quote(&text, name);
	find_or_add(ev, false, buffer_text(&text), &is_new)->position = position;
}

void
tsdb_eval_warn_quantile(Evaluator *ev, TsdbRange position, double q)
{
	char		number[TSDB_NUMBER_MAX];

	tsdb_eval_warn(ev, position, "PromQL warning: quantile value should be between 0 and 1, got %s",
				   tsdb_eval_format_g(number, q));
}

static void
append_for_metric(TsdbBuffer *text, TsdbStr name)
{
	if (name.len == 0)
		return;
	tsdb_buffer_append_str(text, TSDB_STR(" for metric name "));
	tsdb_quote(text, name);
}

void
tsdb_eval_warn_bucket(Evaluator *ev, TsdbRange position, TsdbStr bucket, TsdbStr name)
{
	TsdbBuffer	text;
	bool		is_new;

	tsdb_buffer_init(&text, ev->arena, 128);
	tsdb_buffer_append_str(&text, TSDB_STR("PromQL warning: "
										   "bucket label \"le\" is missing or has a malformed value of "));
	tsdb_quote(&text, bucket);
	append_for_metric(&text, name);
	find_or_add(ev, true, buffer_text(&text), &is_new)->position = position;
}

void
tsdb_eval_info_monotonicity(Evaluator *ev, TsdbRange position, TsdbStr name, int64_t t,
							double min_bucket, double max_bucket, double max_diff)
{
	TsdbBuffer	text;
	Note	   *note;
	Repair	   *all;
	bool		is_new;

	tsdb_buffer_init(&text, ev->arena, 256);
	tsdb_buffer_append_str(&text, TSDB_STR("PromQL info: input to histogram_quantile needed to be fixed for monotonicity "
										   "(see https://prometheus.io/docs/prometheus/latest/querying/functions/"
										   "#histogram_quantile)"));
	append_for_metric(&text, name);
	note = find_or_add(ev, false, buffer_text(&text), &is_new);
	all = &note->repair;
	if (is_new)
	{
		note->is_repair = true;
		note->position = position;
		*all = (Repair){t, t, min_bucket, max_bucket, max_diff, 1};
		return;
	}
	all->t_min = t < all->t_min ? t : all->t_min;
	all->t_max = t > all->t_max ? t : all->t_max;
	all->min_bucket = min_bucket < all->min_bucket ? min_bucket : all->min_bucket;
	all->max_bucket = max_bucket > all->max_bucket ? max_bucket : all->max_bucket;
	all->max_diff = max_diff > all->max_diff ? max_diff : all->max_diff;
	all->samples++;
}

/* ---- numbers and times as Go prints them ---- */

const char *
tsdb_eval_format_g(char out[TSDB_NUMBER_MAX], double value)
{
	tsdb_format_general_double(out, value);
	return out;
}

static void
append_time(TsdbBuffer *text, int64_t ms)
{
	tsdb_buffer_time(text, ms / 1000, 'T');
	tsdb_buffer_u8(text, 'Z');
}

/* ---- result ---- */

static void
append_position(TsdbBuffer *text, TsdbStr query, TsdbRange position)
{
	size_t		line = 1;
	int64_t		line_break = -1;

	if (query.len == 0)
		return;
	if (position.start < 0 || (size_t) position.start > query.len)
	{
		tsdb_buffer_append_str(text, TSDB_STR(" (invalid position)"));
		return;
	}
	for (int32_t i = 0; i < position.start; i++)
		if (query.data[i] == '\n')
		{
			line_break = i;
			line++;
		}
	tsdb_buffer_printf(text, " (%zu:%lld)", line, (long long) (position.start - line_break));
}

static void
append_repair(TsdbBuffer *text, const Repair *repair)
{
	char		from[TSDB_NUMBER_MAX];
	char		to[TSDB_NUMBER_MAX];

	tsdb_buffer_printf(text, ", from buckets %s to %s, with a max diff of %.2g, over %zu samples from ",
					   tsdb_eval_format_g(from, repair->min_bucket), tsdb_eval_format_g(to, repair->max_bucket),
					   repair->max_diff, repair->samples);
	append_time(text, repair->t_min);
	tsdb_buffer_append_str(text, TSDB_STR(" to "));
	append_time(text, repair->t_max);
}

static TsdbStr
note_text(Evaluator *ev, const Note *note)
{
	TsdbBuffer	text;

	tsdb_buffer_init(&text, ev->arena, note->text.len + 16);
	tsdb_buffer_append_str(&text, note->text);
	if (note->is_repair && ev->options.query.len > 0)
		append_repair(&text, &note->repair);
	append_position(&text, ev->options.query, note->position);
	return buffer_text(&text);
}

void
tsdb_eval_notes_result(Evaluator *ev, TsdbQueryResult *result)
{
	result->warnings = TSDB_NEW_ARRAY(ev->arena, TsdbStr, ev->notes->n_warnings);
	result->infos = TSDB_NEW_ARRAY(ev->arena, TsdbStr, ev->notes->n_infos);
	for (const Note *note = ev->notes->first; note != NULL; note = note->next)
	{
		TsdbStr		text = note_text(ev, note);

		if (note->is_warning)
			result->warnings[result->n_warnings++] = text;
		else
			result->infos[result->n_infos++] = text;
	}
}
