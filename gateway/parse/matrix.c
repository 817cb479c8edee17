/*
 * matrix.c
 *		Answers to range queries, cut and put together without reading their values.
 *
 *		{"status":"success","data":{"resultType":"matrix","result":[
 *			{"metric":{"__name__":"up"},"values":[[1.5,"1"],[2.5,"3"]]}, ...
 *		]}}
 *
 * with ,"warnings":[..],"infos":[..] before the last bracket.  This is the text that the database makes, without blanks
 * and in this order, and nothing else is taken.  Points of a series ascend by time, and none of their bytes but the first
 * is an opening bracket, so a time is found by halving the text.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/parse/parse.h"

#define HEAD "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":["
#define METRIC "{\"metric\":"
#define VALUES ",\"values\":["
#define NO_NOTES "}}"

/* A text that is read from its beginning. */
typedef struct Reader
{
	const char *at;
	const char *end;
} Reader;

static bool take_text(Reader *reader, const char *text, size_t len);
static bool take_series(Reader *reader, GwMatrixSeries *series);
static bool take_metric(Reader *reader, GwMatrixSeries *series);
static bool take_points(Reader *reader, GwMatrixSeries *series);
static void cut(const GwMatrixPiece *piece, size_t i, const char **points, size_t *len);
static void put_series(GwBuffer *out, const GwMatrixSeries *series, const char *points[2], const size_t lens[2]);

#define take(reader, literal) take_text(reader, literal, sizeof(literal) - 1)

/* ---- reading ---- */

bool
gw_matrix_parse(const char *json, size_t len, GwMatrix *matrix)
{
	Reader		reader = {json, json + len};
	size_t		capacity = 0;

	*matrix = (GwMatrix) {0};
	if (!take(&reader, HEAD))
		return false;
	if (!take(&reader, "]"))
		do
		{
			if (matrix->n == capacity)
			{
				GwMatrixSeries *more;

				capacity = capacity == 0 ? 16 : capacity * 2;
				more = gw_alloc(capacity * sizeof(GwMatrixSeries));
				if (matrix->n > 0)
					memcpy(more, matrix->series, matrix->n * sizeof(GwMatrixSeries));
				free(matrix->series);
				matrix->series = more;
			}
			if (!take_series(&reader, &matrix->series[matrix->n]))
				goto bad;
			matrix->n++;
			if (take(&reader, "]"))
				break;
		} while (take(&reader, ","));
	matrix->notes = reader.at;
	matrix->notes_len = (size_t) (reader.end - reader.at);
	if (reader.at[-1] == ']' && matrix->notes_len >= 2 && reader.at[0] == '}' && reader.end[-1] == '}')
		return true;

bad:
	gw_matrix_free(matrix);
	return false;
}

void
gw_matrix_free(GwMatrix *matrix)
{
	free(matrix->series);
	*matrix = (GwMatrix) {0};
}

static bool
take_text(Reader *reader, const char *text, size_t len)
{
	if ((size_t) (reader->end - reader->at) < len || memcmp(reader->at, text, len) != 0)
		return false;
	reader->at += len;
	return true;
}

static bool
take_series(Reader *reader, GwMatrixSeries *series)
{
	return take(reader, METRIC) && take_metric(reader, series) && take(reader, VALUES) && take_points(reader, series) &&
		take(reader, "]}");
}

/* An object of strings: its end is the first bracket outside of them. */
static bool
take_metric(Reader *reader, GwMatrixSeries *series)
{
	bool		in_string = false;

	series->metric = reader->at;
	if (!take(reader, "{"))
		return false;
	for (; reader->at < reader->end; reader->at++)
	{
		if (*reader->at == '"')
			in_string = !in_string;
		else if (*reader->at == '\\')
		{
			if (++reader->at == reader->end)
				return false;
		}
		else if (*reader->at == '}' && !in_string)
		{
			reader->at++;
			series->metric_len = (size_t) (reader->at - series->metric);
			return true;
		}
	}
	return false;
}

/* Values are numbers, so the first curly bracket is that of the series. */
static bool
take_points(Reader *reader, GwMatrixSeries *series)
{
	const char *bracket = memchr(reader->at, '}', (size_t) (reader->end - reader->at));

	if (bracket == NULL || bracket - reader->at < 2 || *reader->at != '[' || bracket[-1] != ']' || bracket[-2] != ']')
		return false;
	series->points = reader->at;
	reader->at = bracket - 1;
	series->points_len = (size_t) (reader->at - series->points);
	return true;
}

/* ---- notes ---- */

bool
gw_matrix_has_notes(const GwMatrix *matrix)
{
	return matrix->notes_len != sizeof(NO_NOTES) - 1 || memcmp(matrix->notes, NO_NOTES, matrix->notes_len) != 0;
}

/* "3 more warning annotations omitted": not told which. */
bool
gw_matrix_same_notes(const GwMatrix *a, const GwMatrix *b)
{
	static const char omitted[] = " annotations omitted\"";

	return a->notes_len == b->notes_len && memcmp(a->notes, b->notes, a->notes_len) == 0 &&
		memmem(a->notes, a->notes_len, omitted, sizeof(omitted) - 1) == NULL;
}

/* ---- cutting ---- */

/* The time behind an opening bracket: seconds, with at most three digits behind the point. */
static int64_t
time_of_point(const char *point, const char *end)
{
	const char *c = point + 1;
	bool		negative = c < end && *c == '-';
	uint64_t	ms = 0;
	int			digits = 0;

	c += negative;
	for (; c < end && *c >= '0' && *c <= '9'; c++)
		ms = ms * 10 + (uint64_t) (*c - '0');
	if (c < end && *c == '.')
		for (c++; c < end && *c >= '0' && *c <= '9' && digits < 3; c++, digits++)
			ms = ms * 10 + (uint64_t) (*c - '0');
	for (; digits < 3; digits++)
		ms *= 10;
	return (int64_t) (negative ? 0 - ms : ms);
}

/* Where the first point of that time or later is; their end when there is none. */
static size_t
find_time(const char *points, size_t len, int64_t t)
{
	size_t		lo = 0;			/* a point; all before it are earlier */
	size_t		hi = len;		/* a point or the end; it and all behind it are not */

	if (len == 0 || time_of_point(points, points + len) >= t)
		return 0;
	while (lo < hi)
	{
		size_t		middle = lo + (hi - lo) / 2;
		const char *next;

		while (middle > lo && points[middle] != '[')
			middle--;
		if (time_of_point(points + middle, points + len) >= t)
		{
			hi = middle;
			continue;
		}
		next = memchr(points + middle + 1, '[', len - middle - 1);
		lo = next == NULL ? len : (size_t) (next - points);
	}
	return lo;
}

/* Without the comma in front of the next point. */
static void
cut(const GwMatrixPiece *piece, size_t i, const char **points, size_t *len)
{
	const GwMatrixSeries *series = &piece->matrix->series[i];
	size_t		from = find_time(series->points, series->points_len, piece->from);
	size_t		to = series->points_len;

	if (piece->to < INT64_MAX)
		to = find_time(series->points, series->points_len, piece->to + 1);
	*points = series->points + from;
	*len = to <= from ? 0 : to - from - (to < series->points_len);
}

/* ---- putting together ---- */

void
gw_matrix_join(const GwMatrixPiece *early, const GwMatrixPiece *late, GwBuffer *out)
{
	const GwMatrixPiece *pieces[2] = {early, late};
	size_t		at[2] = {0, 0};
	const GwMatrix *notes = late->matrix;
	const char *points[2] = {"", ""};
	size_t		lens[2];

	gw_buffer_append(out, HEAD, sizeof(HEAD) - 1);
	while (at[0] < early->matrix->n || at[1] < late->matrix->n)
	{
		const GwMatrixSeries *of[2];
		int			order;

		for (int p = 0; p < 2; p++)
			of[p] = at[p] < pieces[p]->matrix->n ? &pieces[p]->matrix->series[at[p]] : NULL;
		order = of[0] == NULL ? 1 : of[1] == NULL ? -1 :
			gw_compare_metrics(of[0]->metric, of[0]->metric_len, of[1]->metric, of[1]->metric_len);
		for (int p = 0; p < 2; p++)
		{
			lens[p] = 0;
			if (p == 0 ? order <= 0 : order >= 0)
				cut(pieces[p], at[p]++, &points[p], &lens[p]);
		}
		if (lens[0] > 0 || lens[1] > 0)
			put_series(out, of[order > 0], points, lens);
	}
	if (out->data[out->len - 1] == ',')
		out->len--;
	gw_buffer_append(out, "]", 1);
	gw_buffer_append(out, notes->notes, notes->notes_len);
}

static void
put_series(GwBuffer *out, const GwMatrixSeries *series, const char *points[2], const size_t lens[2])
{
	gw_buffer_reserve(out, series->metric_len + lens[0] + lens[1] + 64);
	gw_buffer_append(out, METRIC, sizeof(METRIC) - 1);
	gw_buffer_append(out, series->metric, series->metric_len);
	gw_buffer_append(out, VALUES, sizeof(VALUES) - 1);
	gw_buffer_append(out, points[0], lens[0]);
	if (lens[0] > 0 && lens[1] > 0)
		gw_buffer_append(out, ",", 1);
	gw_buffer_append(out, points[1], lens[1]);
	gw_buffer_append(out, "]},", 3);
}
