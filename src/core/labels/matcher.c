/*
 * matcher.c
 *		Label matchers: =, !=, =~, !~.  An absent label is the empty value.
 */
#include "core/labels/labels.h"

TsdbStatus
tsdb_matcher_make(TsdbArena *arena, TsdbMatchType type, TsdbStr name, TsdbStr value, TsdbMatcher *matcher,
				  TsdbError *error)
{
	*matcher = (TsdbMatcher){type, name, value, NULL};
	if (type == TSDB_MATCH_REGEX || type == TSDB_MATCH_NOT_REGEX)
		return tsdb_regex_compile(arena, value, &matcher->regex, error);
	return TSDB_OK;
}

bool
tsdb_matcher_matches(const TsdbMatcher *matcher, TsdbStr value)
{
	switch (matcher->type)
	{
		case TSDB_MATCH_EQUAL:
			return tsdb_str_equal(matcher->value, value);
		case TSDB_MATCH_NOT_EQUAL:
			return !tsdb_str_equal(matcher->value, value);
		case TSDB_MATCH_REGEX:
			return tsdb_regex_matches(matcher->regex, value);
		case TSDB_MATCH_NOT_REGEX:
			return !tsdb_regex_matches(matcher->regex, value);
	}
	return false;
}

bool
tsdb_matchers_match(const TsdbMatcher *matchers, size_t n, TsdbLabels labels)
{
	for (size_t i = 0; i < n; i++)
		if (!tsdb_matcher_matches(&matchers[i], tsdb_labels_get(labels, matchers[i].name)))
			return false;
	return true;
}

void
tsdb_matcher_print(TsdbBuffer *buffer, const TsdbMatcher *matcher)
{
	static const char *const operators[] = {"=", "!=", "=~", "!~"};

	if (tsdb_is_legacy_label_name(matcher->name))
		tsdb_buffer_append_str(buffer, matcher->name);
	else
		tsdb_quote(buffer, matcher->name);
	tsdb_buffer_append_str(buffer, tsdb_str(operators[matcher->type]));
	tsdb_quote(buffer, matcher->value);
}
