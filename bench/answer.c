/*
 * answer.c
 *		Answers of the Prometheus API: taken apart, and compared with each other.
 *
 * The parser knows vectors and matrices only.  It reads the members of an object
 * in any order and skips those it does not know, as clients do.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"

#define TEXT_MAX 4096
#define LABELS_MAX 64

typedef struct Parser
{
	const char *begin;
	const char *at;				/* the text ends with a NUL, which nothing here accepts */
	Answer	   *answer;
	char		status[32];
	char		message[TEXT_MAX];
} Parser;

/* The labels of one series, while they are read. */
typedef struct LabelList
{
	size_t		n;
	char	   *text[LABELS_MAX];	/* name=value */
	char	   *metric_name;
} LabelList;

typedef bool (*MemberReader) (Parser *parser, const char *name, void *argument);
typedef bool (*ElementReader) (Parser *parser, void *argument);

static bool read_envelope(Parser *parser, const char *name, void *argument);
static bool read_data(Parser *parser, const char *name, void *argument);
static bool read_series(Parser *parser, void *argument);
static bool read_series_member(Parser *parser, const char *name, void *argument);
static bool read_label(Parser *parser, const char *name, void *argument);
static char *join_labels(LabelList *labels);
static bool read_point(Parser *parser, void *argument);
static bool read_object(Parser *parser, MemberReader reader, void *argument);
static bool read_array(Parser *parser, ElementReader reader, void *argument);
static bool skip_value(Parser *parser);
static bool skip_member(Parser *parser, const char *name, void *argument);
static bool skip_element(Parser *parser, void *argument);
static bool read_string(Parser *parser, char *text, size_t size);
static bool read_escape(Parser *parser, char *byte);
static bool read_number(Parser *parser, double *number);
static bool accept(Parser *parser, char c);
static void *grow(void *array, size_t n, size_t size);
static int	compare_texts(const void *a, const void *b);
static int	compare_series(const void *a, const void *b);
static AnswerDifference compare_answers(const Answer *ours, const Answer *theirs, bool with_names);
static void compare_points(const AnswerSeries *ours, const AnswerSeries *theirs, AnswerDifference *difference);
static double relative_difference(double a, double b);

/* ---- parsing ---- */

bool
answer_parse(const char *json, Answer *answer, char *error, size_t error_size)
{
	Parser		parser = {.begin = json, .at = json, .answer = answer};

	memset(answer, 0, sizeof(*answer));
	if (!read_object(&parser, read_envelope, NULL))
		snprintf(error, error_size, "unexpected text at byte %zu: %.60s", (size_t) (parser.at - parser.begin), parser.at);
	else if (strcmp(parser.status, "success") != 0)
		snprintf(error, error_size, "%s", parser.message);
	else
	{
		qsort(answer->series, answer->n_series, sizeof(AnswerSeries), compare_series);
		return true;
	}
	answer_free(answer);
	return false;
}

void
answer_free(Answer *answer)
{
	for (size_t i = 0; i < answer->n_series; i++)
	{
		free(answer->series[i].name);
		free(answer->series[i].labels);
		free(answer->series[i].points);
	}
	free(answer->series);
	memset(answer, 0, sizeof(*answer));
}

static bool
read_envelope(Parser *parser, const char *name, void *argument)
{
	(void) argument;
	if (strcmp(name, "status") == 0)
		return read_string(parser, parser->status, sizeof(parser->status));
	if (strcmp(name, "error") == 0)
		return read_string(parser, parser->message, sizeof(parser->message));
	if (strcmp(name, "data") == 0)
		return read_object(parser, read_data, NULL);
	return skip_value(parser);
}

static bool
read_data(Parser *parser, const char *name, void *argument)
{
	(void) argument;
	return strcmp(name, "result") == 0 ? read_array(parser, read_series, NULL) : skip_value(parser);
}

static bool
read_series(Parser *parser, void *argument)
{
	Answer	   *answer = parser->answer;
	AnswerSeries *series;

	(void) argument;
	answer->series = grow(answer->series, answer->n_series, sizeof(AnswerSeries));
	series = &answer->series[answer->n_series++];
	memset(series, 0, sizeof(*series));
	if (!read_object(parser, read_series_member, series) || series->labels == NULL)
		return false;
	answer->n_points += series->n_points;
	return true;
}

static bool
read_series_member(Parser *parser, const char *name, void *argument)
{
	AnswerSeries *series = argument;

	if (strcmp(name, "metric") == 0 && series->labels == NULL)
	{
		LabelList	labels = {0};
		bool		done = read_object(parser, read_label, &labels);

		series->labels = join_labels(&labels);
		series->name = labels.metric_name != NULL ? labels.metric_name : strdup("");
		return done;
	}
	if (strcmp(name, "values") == 0)
		return read_array(parser, read_point, series);
	if (strcmp(name, "value") == 0)
		return read_point(parser, series);
	return skip_value(parser);
}

static bool
read_label(Parser *parser, const char *name, void *argument)
{
	LabelList  *labels = argument;
	char		value[TEXT_MAX];
	size_t		size;

	if (labels->n == LABELS_MAX || !read_string(parser, value, sizeof(value)))
		return false;
	if (strcmp(name, "__name__") == 0)
	{
		free(labels->metric_name);
		labels->metric_name = strdup(value);
		return true;
	}
	size = strlen(name) + strlen(value) + 2;
	labels->text[labels->n] = malloc(size);
	snprintf(labels->text[labels->n++], size, "%s=%s", name, value);
	return true;
}

static char *
join_labels(LabelList *labels)
{
	size_t		len = 0;
	char	   *joined;

	qsort(labels->text, labels->n, sizeof(char *), compare_texts);
	for (size_t i = 0; i < labels->n; i++)
		len += strlen(labels->text[i]) + 1;
	joined = calloc(1, len + 1);
	len = 0;
	for (size_t i = 0; i < labels->n; i++)
	{
		len += (size_t) sprintf(joined + len, "%s\n", labels->text[i]);
		free(labels->text[i]);
	}
	return joined;
}

/* [seconds, "value"] */
static bool
read_point(Parser *parser, void *argument)
{
	AnswerSeries *series = argument;
	char		text[64];
	double		seconds;
	char	   *end;

	if (!accept(parser, '[') || !read_number(parser, &seconds) || !accept(parser, ',') ||
		!read_string(parser, text, sizeof(text)) || !accept(parser, ']'))
		return false;
	series->points = grow(series->points, series->n_points, sizeof(AnswerPoint));
	series->points[series->n_points++] = (AnswerPoint){llround(seconds * 1000), strtod(text, &end)};
	return end != text && *end == '\0';
}

/* ---- JSON ---- */

static bool
read_object(Parser *parser, MemberReader reader, void *argument)
{
	char		name[TEXT_MAX];

	if (!accept(parser, '{'))
		return false;
	if (accept(parser, '}'))
		return true;
	do
	{
		if (!read_string(parser, name, sizeof(name)) || !accept(parser, ':') || !reader(parser, name, argument))
			return false;
	} while (accept(parser, ','));
	return accept(parser, '}');
}

static bool
read_array(Parser *parser, ElementReader reader, void *argument)
{
	if (!accept(parser, '['))
		return false;
	if (accept(parser, ']'))
		return true;
	do
	{
		if (!reader(parser, argument))
			return false;
	} while (accept(parser, ','));
	return accept(parser, ']');
}

static bool
skip_value(Parser *parser)
{
	char		text[TEXT_MAX];
	size_t		len;

	parser->at += strspn(parser->at, " \t\r\n");
	switch (*parser->at)
	{
		case '{':
			return read_object(parser, skip_member, NULL);
		case '[':
			return read_array(parser, skip_element, NULL);
		case '"':
			return read_string(parser, text, sizeof(text));
		default:
			/* a number, true, false or null */
			len = strspn(parser->at, "+-.0123456789abcdefghijklmnopqrstuvwxyzE");
			parser->at += len;
			return len > 0;
	}
}

static bool
skip_member(Parser *parser, const char *name, void *argument)
{
	(void) name;
	(void) argument;
	return skip_value(parser);
}

static bool
skip_element(Parser *parser, void *argument)
{
	(void) argument;
	return skip_value(parser);
}

static bool
read_string(Parser *parser, char *text, size_t size)
{
	size_t		n = 0;

	if (!accept(parser, '"'))
		return false;
	while (*parser->at != '"')
	{
		char		byte = *parser->at++;

		if (byte == '\0' || n + 1 == size)
			return false;
		if (byte == '\\' && !read_escape(parser, &byte))
			return false;
		text[n++] = byte;
	}
	parser->at++;
	text[n] = '\0';
	return true;
}

/* Answers about the fleet hold nothing beyond ASCII; Go writes <, > and & as \u003c and so on. */
static bool
read_escape(Parser *parser, char *byte)
{
	static const char letters[] = "\"\\/bfnrt";
	static const char meanings[] = "\"\\/\b\f\n\r\t";
	const char *letter;
	unsigned	code;

	if (*parser->at == 'u')
	{
		if (sscanf(parser->at + 1, "%4x", &code) != 1 || code == 0 || code > 0x7f)
			return false;
		*byte = (char) code;
		parser->at += 5;
		return true;
	}
	letter = *parser->at != '\0' ? strchr(letters, *parser->at) : NULL;
	if (letter == NULL)
		return false;
	*byte = meanings[letter - letters];
	parser->at++;
	return true;
}

static bool
read_number(Parser *parser, double *number)
{
	char	   *end;

	*number = strtod(parser->at, &end);
	if (end == parser->at)
		return false;
	parser->at = end;
	return true;
}

static bool
accept(Parser *parser, char c)
{
	parser->at += strspn(parser->at, " \t\r\n");
	if (*parser->at != c)
		return false;
	parser->at++;
	return true;
}

/* Room for one more than n, made when n is a power of two. */
static void *
grow(void *array, size_t n, size_t size)
{
	if ((n & (n - 1)) != 0)
		return array;
	array = realloc(array, (n == 0 ? 1 : n * 2) * size);
	if (array == NULL)
	{
		fputs("query: out of memory\n", stderr);
		exit(EXIT_FAILURE);
	}
	return array;
}

static int
compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static int
compare_series(const void *a, const void *b)
{
	const AnswerSeries *x = a;
	const AnswerSeries *y = b;
	int			order = strcmp(x->labels, y->labels);

	return order != 0 ? order : strcmp(x->name, y->name);
}

/* ---- comparing ---- */

AnswerDifference
answer_compare(const Answer *ours, const Answer *theirs)
{
	AnswerDifference with = compare_answers(ours, theirs, true);
	AnswerDifference without;

	if (with.series_missing == 0 && with.series_extra == 0)
		return with;
	without = compare_answers(ours, theirs, false);
	without.names = true;
	return without.series_missing + without.series_extra < with.series_missing + with.series_extra ? without : with;
}

static AnswerDifference
compare_answers(const Answer *ours, const Answer *theirs, bool with_names)
{
	AnswerDifference difference = {0};
	size_t		i = 0;
	size_t		j = 0;

	while (i < ours->n_series && j < theirs->n_series)
	{
		const AnswerSeries *x = &ours->series[i];
		const AnswerSeries *y = &theirs->series[j];
		int			order = with_names ? compare_series(x, y) : strcmp(x->labels, y->labels);

		if (order == 0)
			compare_points(x, y, &difference);
		else if (order < 0)
			difference.series_missing++;
		else
			difference.series_extra++;
		i += order <= 0;
		j += order >= 0;
	}
	difference.series_missing += ours->n_series - i;
	difference.series_extra += theirs->n_series - j;
	return difference;
}

static void
compare_points(const AnswerSeries *ours, const AnswerSeries *theirs, AnswerDifference *difference)
{
	size_t		i = 0;
	size_t		j = 0;

	while (i < ours->n_points && j < theirs->n_points)
	{
		const AnswerPoint *x = &ours->points[i];
		const AnswerPoint *y = &theirs->points[j];

		if (x->time == y->time)
			difference->relative = fmax(difference->relative, relative_difference(x->value, y->value));
		else if (x->time < y->time)
			difference->points_missing++;
		else
			difference->points_extra++;
		i += x->time <= y->time;
		j += x->time >= y->time;
	}
	difference->points_missing += ours->n_points - i;
	difference->points_extra += theirs->n_points - j;
}

static double
relative_difference(double a, double b)
{
	if (a == b || (isnan(a) && isnan(b)))
		return 0;
	if (!isfinite(a) || !isfinite(b))
		return INFINITY;
	return fabs(a - b) / fmax(fabs(a), fabs(b));
}
