/*
 * keywords.c
 *		The words that are tokens of their own.
 */
#include "core/promql/lexer.h"

static const struct
{
	const char *word;
	TokenType	type;
}			keywords[] =
{
	{"and", TOKEN_AND},
	{"or", TOKEN_OR},
	{"unless", TOKEN_UNLESS},
	{"atan2", TOKEN_ATAN2},
	{"sum", TOKEN_SUM},
	{"avg", TOKEN_AVG},
	{"count", TOKEN_COUNT},
	{"min", TOKEN_MIN},
	{"max", TOKEN_MAX},
	{"group", TOKEN_GROUP},
	{"stddev", TOKEN_STDDEV},
	{"stdvar", TOKEN_STDVAR},
	{"topk", TOKEN_TOPK},
	{"bottomk", TOKEN_BOTTOMK},
	{"count_values", TOKEN_COUNT_VALUES},
	{"quantile", TOKEN_QUANTILE},
	{"limitk", TOKEN_LIMITK},
	{"limit_ratio", TOKEN_LIMIT_RATIO},
	{"offset", TOKEN_OFFSET},
	{"smoothed", TOKEN_SMOOTHED},
	{"anchored", TOKEN_ANCHORED},
	{"by", TOKEN_BY},
	{"without", TOKEN_WITHOUT},
	{"on", TOKEN_ON},
	{"ignoring", TOKEN_IGNORING},
	{"group_left", TOKEN_GROUP_LEFT},
	{"group_right", TOKEN_GROUP_RIGHT},
	{"fill", TOKEN_FILL},
	{"fill_left", TOKEN_FILL_LEFT},
	{"fill_right", TOKEN_FILL_RIGHT},
	{"bool", TOKEN_BOOL},
	{"start", TOKEN_START},
	{"end", TOKEN_END},
	{"step", TOKEN_STEP},
	{"range", TOKEN_RANGE},
	{"max_of", TOKEN_MAX_OF},
	{"min_of", TOKEN_MIN_OF},
	{"inf", TOKEN_NUMBER},
	{"nan", TOKEN_NUMBER},
};

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c + ('a' - 'A')) : c;
}

static bool
equals_keyword(TsdbStr word, const char *keyword)
{
	for (size_t i = 0; i < word.len; i++)
		if (lower(word.data[i]) != keyword[i])
			return false;
	return keyword[word.len] == '\0';
}

TokenType
tsdb_find_keyword(TsdbStr word)
{
	for (size_t i = 0; i < TSDB_COUNT(keywords); i++)
		if (equals_keyword(word, keywords[i].word))
			return keywords[i].type;
	return TOKEN_IDENTIFIER;
}
