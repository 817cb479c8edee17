/*
 * text_internal.h
 *		What the files of the text format share: the scanner of a line, and its numbers.
 */
#ifndef TSDB_TEXT_INTERNAL_H
#define TSDB_TEXT_INTERNAL_H

#include "core/ingest/ingest.h"

static inline bool
is_digit(char c)
{
	return (uint8_t) (c - '0') < 10;
}

static inline bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Where a scanned series puts its pairs; names and values are unescaped into the arena when they need it. */
typedef struct PairList
{
	TsdbArena  *arena;
	TsdbLabel  *pairs;
	size_t		n;
	size_t		capacity;
} PairList;

typedef struct Scanner
{
	const char *p;
	const char *end;			/* of the line, its break not included */
	PairList   *pairs;			/* NULL: check the syntax only */
	const char *problem;		/* why the scan stopped, */
	const char *problem_at;		/* and where */
} Scanner;

static inline void
skip_blanks(Scanner *scanner)
{
	while (scanner->p < scanner->end && is_blank(*scanner->p))
		scanner->p++;
}

/* A word that ends at a blank; empty at the end of the line. */
static inline TsdbStr
scan_word(Scanner *scanner)
{
	const char *start = scanner->p;

	while (scanner->p < scanner->end && !is_blank(*scanner->p))
		scanner->p++;
	return (TsdbStr){start, (size_t) (scanner->p - start)};
}

/* ---- text_series.c ---- */

/* Ends right behind the name or the closing brace. */
extern bool tsdb_text_scan_series(Scanner *scanner);
/* A name without quotes, which for metrics may have colons; empty when there is none. */
extern TsdbStr tsdb_text_scan_name(Scanner *scanner, bool colons);
/* What stands between the quotes, escapes and all; the scanner is at the first quote. */
extern bool tsdb_text_scan_string(Scanner *scanner, TsdbStr *content);
/* The escapes \\ and \n, and in quoted text \"; the same bytes when there are none. */
extern TsdbStr tsdb_text_unescape(TsdbArena *arena, TsdbStr text, bool quoted);
/* The labels of the target join those that were scraped. */
extern void tsdb_text_add_target_labels(PairList *list, const TsdbTextOptions *options);

/* ---- text_numbers.c ---- */

/* Go's ParseFloat without the hexadecimal floats, which Prometheus refuses here. */
extern bool tsdb_text_parse_value(TsdbStr text, double *value);
/* [-]digits into a number of milliseconds. */
extern bool tsdb_text_parse_milliseconds(TsdbStr text, int64_t *t);
/* Seconds with decimals; what is below a millisecond is cut off. */
extern bool tsdb_text_parse_seconds(TsdbStr text, int64_t *t);

#endif							/* TSDB_TEXT_INTERNAL_H */
