/*
 * labels.h
 *		Label sets and matchers of the Prometheus data model.
 *
 * A label set is sorted by name, has no name twice and no empty value (an
 * empty value means "label not set").  Names and values are UTF-8; names are
 * not empty.  The metric name is the label __name__.
 *
 * The canonical encoding (stored in tsdb.labels, hashed for series identity) writes names and values with one or two bytes
 * for each piece of a fixed list of names, words and endings that metrics are made of; labels_encode.c draws it.
 */
#ifndef TSDB_LABELS_H
#define TSDB_LABELS_H

#include "core/base/base.h"
#include "core/regex/regex.h"

#define TSDB_LABELS_VERSION 2
#define TSDB_METRIC_NAME "__name__"
#define TSDB_MAX_LABELS 1024			/* pairs of one set */
#define TSDB_MAX_LABEL_BYTES 65535		/* of one name or value */

typedef struct TsdbLabel
{
	TsdbStr		name;
	TsdbStr		value;
} TsdbLabel;

typedef struct TsdbLabels
{
	const TsdbLabel *pairs;
	size_t		n;
} TsdbLabels;

/* labels.c */

/*
 * Sort, drop empty values and check: TSDB_ERR_LABELS for a name twice, an empty
 * name or a limit, TSDB_ERR_ENCODING for bytes that are not UTF-8.  Keeps pointing
 * to the caller's bytes; `pairs` itself is reordered.
 */
extern TsdbStatus tsdb_labels_make(TsdbLabel *pairs, size_t n, TsdbLabels *labels, TsdbError *error);
/* A deep copy in the arena. */
extern TsdbLabels tsdb_labels_copy(TsdbArena *arena, TsdbLabels labels);
/* The value of a label, {NULL, 0} when it is not set. */
extern TsdbStr tsdb_labels_get(TsdbLabels labels, TsdbStr name);
/* The set without one label, in the arena when it has that label. */
extern TsdbLabels tsdb_labels_without(TsdbArena *arena, TsdbLabels labels, TsdbStr name);
/* Order of Prometheus labels.Compare: name, value, name, value ...; the shorter set first. */
extern int	tsdb_labels_compare(TsdbLabels a, TsdbLabels b);
extern bool tsdb_labels_equal(TsdbLabels a, TsdbLabels b);
/* Legacy names: [a-zA-Z_][a-zA-Z0-9_]*, and for metrics also ':'. */
extern bool tsdb_is_legacy_label_name(TsdbStr name);
extern bool tsdb_is_legacy_metric_name(TsdbStr name);

/* labels_encode.c */

/* The only encoding of these labels: equal bytes are equal labels. */
extern void tsdb_labels_encode(TsdbBuffer *buffer, TsdbLabels labels);
/* TSDB_ERR_CORRUPT for anything tsdb_labels_encode() does not write. */
extern TsdbStatus tsdb_labels_decode(TsdbArena *arena, const void *data, size_t len, TsdbLabels *labels, TsdbError *error);
/* The same for bytes of our own tables: what the labels are made of was checked when they were written. */
extern TsdbStatus tsdb_labels_read(TsdbArena *arena, const void *data, size_t len, TsdbLabels *labels, TsdbError *error);
/* The same without an error: damaged bytes give the labels before the damage. */
extern TsdbLabels tsdb_labels_view(TsdbArena *arena, const void *data, size_t len);
/* The value of one label in such bytes, without decoding them all: {NULL, 0} when it is not set. */
extern TsdbStr tsdb_labels_find(TsdbArena *arena, const void *data, size_t len, TsdbStr name);

/* labels_text.c */

/*
 * {a="x", b="y"} or name{a="x"}, as Prometheus prints a metric: a name that is
 * not a legacy one is quoted, a metric name then moves into the braces.
 */
extern void tsdb_labels_print(TsdbBuffer *buffer, TsdbLabels labels);
/* Puts text in double quotes with the escapes of Go's strconv.Quote. */
extern void tsdb_quote(TsdbBuffer *buffer, TsdbStr text);
/* Reads what tsdb_labels_print() writes. TSDB_ERR_SYNTAX with the byte range. */
extern TsdbStatus tsdb_labels_parse(TsdbArena *arena, TsdbStr text, TsdbLabels *labels, TsdbError *error);

/* matcher.c */

typedef enum TsdbMatchType
{
	TSDB_MATCH_EQUAL,
	TSDB_MATCH_NOT_EQUAL,
	TSDB_MATCH_REGEX,
	TSDB_MATCH_NOT_REGEX
} TsdbMatchType;

typedef struct TsdbMatcher
{
	TsdbMatchType type;
	TsdbStr		name;
	TsdbStr		value;			/* the pattern, for a regex */
	TsdbRegex  *regex;			/* NULL unless a regex */
} TsdbMatcher;

/* Compiles the pattern of a regex matcher. */
extern TsdbStatus tsdb_matcher_make(TsdbArena *arena, TsdbMatchType type, TsdbStr name, TsdbStr value,
									TsdbMatcher *matcher, TsdbError *error);
/* An absent label is the empty value. */
extern bool tsdb_matcher_matches(const TsdbMatcher *matcher, TsdbStr value);
extern bool tsdb_matchers_match(const TsdbMatcher *matchers, size_t n, TsdbLabels labels);
/* name="value", as Prometheus prints it */
extern void tsdb_matcher_print(TsdbBuffer *buffer, const TsdbMatcher *matcher);

#endif							/* TSDB_LABELS_H */
