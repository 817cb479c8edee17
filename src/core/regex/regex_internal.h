/*
 * regex_internal.h
 *		What translate.c and regex.c share.
 */
#ifndef TSDB_REGEX_INTERNAL_H
#define TSDB_REGEX_INTERNAL_H

#include "core/regex/regex.h"

/* translate.c */

/*
 * RE2 syntax to PCRE2 syntax.  Refuses what PCRE2 knows and RE2 does not
 * (back references, look-around, possessive and atomic groups, verbs), so that a
 * pattern means the same here as in Prometheus or is an error.
 */
extern TsdbStatus tsdb_regex_translate(TsdbBuffer *out, TsdbStr pattern, TsdbError *error);

/* shape.c */

typedef enum RegexShape
{
	SHAPE_GENERAL,				/* only PCRE2 can tell */
	SHAPE_ALTERNATIVES,			/* a, a|b|c */
	SHAPE_ANY,					/* .* */
	SHAPE_NOT_EMPTY,			/* .+ */
	SHAPE_PREFIX,				/* abc.* */
	SHAPE_PREFIX_MORE,			/* abc.+ */
	SHAPE_SUFFIX,				/* .*abc */
	SHAPE_CONTAINS				/* .*abc.* */
} RegexShape;

/* SHAPE_ALTERNATIVES: sorted, each once.  The others with text: strings[0].  SHAPE_GENERAL: strings[0] is the literal prefix, maybe empty. */
extern RegexShape tsdb_regex_shape(TsdbArena *arena, TsdbStr pattern, TsdbStr **strings, size_t *n);

#endif							/* TSDB_REGEX_INTERNAL_H */
