/*
 * promql_script_internal.h
 *		What the reader and the runner of PromQL test scripts share.
 */
#ifndef PROMQL_SCRIPT_INTERNAL_H
#define PROMQL_SCRIPT_INTERNAL_H

#include "promql_script.h"

#include "core/promql/eval.h"
#include "core/promql/memory_source.h"
#include "core/promql/parser.h"

#define MAX_EXPECTED 256
#define MAX_ANNOTATIONS 16
#define MAX_HISTOGRAMS 256

typedef struct Values
{
	double	   *v;				/* NaN with the stale marker's bits: `stale` */
	bool	   *omitted;
	size_t		n;
	bool		histograms;
} Values;

typedef struct ExpectedSeries
{
	TsdbLabels	labels;
	Values		values;
} ExpectedSeries;

typedef enum AnnotationKind
{
	ANNOTATION_FAIL,
	ANNOTATION_WARN,
	ANNOTATION_NO_WARN,
	ANNOTATION_INFO,
	ANNOTATION_NO_INFO
} AnnotationKind;

typedef struct Annotation
{
	AnnotationKind kind;
	TsdbStr		text;			/* empty: anything */
	bool		is_regex;
} Annotation;

typedef struct Case
{
	int			line;
	TsdbStr		query;
	bool		is_range;
	int64_t		start;
	int64_t		end;
	int64_t		step;
	bool		ordered;
	bool		is_scalar;
	double		scalar;
	bool		is_string;
	TsdbStr		string;
	bool		is_range_vector;
	ExpectedSeries series[MAX_EXPECTED];
	size_t		n_series;
	Annotation	annotations[MAX_ANNOTATIONS];
	size_t		n_annotations;
	bool		needs_histograms;
	bool		uses_query_times;	/* start(), end(), range(), step() */
} Case;

typedef enum Command
{
	COMMAND_NONE,				/* an empty line */
	COMMAND_LOAD,
	COMMAND_EVAL,
	COMMAND_CLEAR,
	COMMAND_UNKNOWN
} Command;

typedef struct Script
{
	const char *path;
	const ScriptOptions *options;
	ScriptResult *result;
	TsdbStr    *lines;			/* trimmed, comments empty */
	size_t		n_lines;
	size_t		place;			/* the line at hand */
	TsdbArena	text;			/* of the file */
	TsdbArena	data;			/* of what is loaded */
	TsdbArena	work;			/* of one case */
	TsdbMemorySource source;
	TsdbLabels	histograms[MAX_HISTOGRAMS];	/* series that were to be native histograms */
	size_t		n_histograms;
	bool		has_start_times;
	char		message[2048];	/* why a case failed */
} Script;

#define SHOW(text) (int) (text).len, (text).data

/* Keeps the reason, and returns false. */
extern bool script_fail(Script *script, const char *format, ...) TSDB_PRINTF(2, 3);

/* promql_script_read.c: the command at script->place; it stays at its last line. */
extern bool script_read_file(Script *script);
extern Command script_command(const Script *script);
extern bool script_read_case(Script *script, Case *test);
extern bool script_load(Script *script);
extern void script_clear(Script *script);

#endif							/* PROMQL_SCRIPT_INTERNAL_H */
