/*
 * regex.h
 *		Prometheus regular expressions: RE2 meaning on PCRE2.
 *
 * A pattern is fully anchored, `.` matches newline, text is UTF-8.  A literal,
 * a prefix (`abc.*`) and a set of alternatives (`a|b|c`) are recognised and
 * not run through PCRE2 at all.  A match limit bounds the work, so no pattern can hang.
 */
#ifndef TSDB_REGEX_H
#define TSDB_REGEX_H

#include "core/base/base.h"

typedef struct TsdbRegex TsdbRegex;

/* TSDB_ERR_SYNTAX with "error parsing regexp: ..." for a bad pattern, or one that only PCRE2 would take. */
extern TsdbStatus tsdb_regex_compile(TsdbArena *arena, TsdbStr pattern, TsdbRegex **regex, TsdbError *error);

/* A match limit that is hit counts as no match; tsdb_regex_limit_hit() tells. */
extern bool tsdb_regex_matches(const TsdbRegex *regex, TsdbStr text);
extern bool tsdb_regex_limit_hit(const TsdbRegex *regex);

/*
 * Expand a replacement template ($1, ${1}, ${name}, $$) with the groups of the match of text.
 * Returns false when text does not match (result untouched).
 */
extern bool tsdb_regex_replace(const TsdbRegex *regex, TsdbStr text, TsdbStr replacement, TsdbBuffer *result);

/* The finite set of strings the pattern can match, if it was recognised as one (n = 0: not). For index lookups. */
extern const TsdbStr *tsdb_regex_alternatives(const TsdbRegex *regex, size_t *n);
/* A literal prefix every match has; empty when none is known. */
extern TsdbStr tsdb_regex_prefix(const TsdbRegex *regex);

#endif							/* TSDB_REGEX_H */
