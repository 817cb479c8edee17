/*
 * fuzz_gateway_matrix.c
 *		Any two texts as answers to range queries: what is taken can be cut and put together, and is still an answer
 *		when its points are points, which nobody checks.
 *
 * The first byte chooses the times, a line break parts the texts.
 */
#include <string.h>

#include "fuzz_check.h"
#include "gateway/parse/parse.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
count_points(const GwMatrix *matrix)
{
	size_t		n = 0;

	for (size_t i = 0; i < matrix->n; i++)
		for (size_t k = 0; k < matrix->series[i].points_len; k++)
			n += matrix->series[i].points[k] == '[';
	return n;
}

/* Brackets where they belong. */
static bool
has_points(const GwMatrix *matrix)
{
	for (size_t i = 0; i < matrix->n; i++)
	{
		const GwMatrixSeries *series = &matrix->series[i];

		for (size_t k = 1; k < series->points_len; k++)
			if ((series->points[k] == '[') != (k > 1 && memcmp(series->points + k - 2, "],", 2) == 0))
				return false;
	}
	return true;
}

static int
compare(const GwMatrixSeries *a, const GwMatrixSeries *b)
{
	int			order = gw_compare_metrics(a->metric, a->metric_len, b->metric, b->metric_len);

	check(gw_compare_metrics(b->metric, b->metric_len, a->metric, a->metric_len) == -order);
	return order;
}

static bool
ascends(const GwMatrix *matrix)
{
	for (size_t i = 1; i < matrix->n; i++)
		if (compare(&matrix->series[i - 1], &matrix->series[i]) >= 0)
			return false;
	return true;
}

static void
check_join(const GwMatrixPiece *early, const GwMatrixPiece *late, size_t points)
{
	GwBuffer	out = {0};
	GwMatrix	joined;

	gw_matrix_join(early, late, &out);
	if (!has_points(early->matrix) || !has_points(late->matrix))
	{
		gw_buffer_free(&out);
		return;
	}
	check(gw_matrix_parse(out.data, out.len, &joined));
	check(joined.notes_len == late->matrix->notes_len && memcmp(joined.notes, late->matrix->notes, joined.notes_len) == 0);
	check(count_points(&joined) <= points);
	if (ascends(early->matrix) && ascends(late->matrix))
		check(ascends(&joined));
	if (early->to == INT64_MAX && late->to == INT64_MAX && early->from == INT64_MIN && late->from == INT64_MIN)
		check(count_points(&joined) == points);
	gw_matrix_free(&joined);
	gw_buffer_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *line_break = size > 1 ? memchr(data + 1, '\n', size - 1) : NULL;
	int64_t		t = size > 0 ? data[0] * INT64_C(500) : 0;
	GwMatrix	a;
	GwMatrix	b;
	char	   *first;
	char	   *second;
	size_t		first_len;
	size_t		second_len;

	if (line_break == NULL)
		return 0;
	first_len = (size_t) (line_break - data - 1);
	second_len = size - first_len - 2;
	first = gw_strndup((const char *) data + 1, first_len);
	second = gw_strndup((const char *) line_break + 1, second_len);
	if (gw_matrix_parse(first, first_len, &a))
	{
		if (gw_matrix_parse(second, second_len, &b))
		{
			size_t		points = count_points(&a) + count_points(&b);

			check_join(&(GwMatrixPiece) {&a, INT64_MIN, INT64_MAX}, &(GwMatrixPiece) {&b, INT64_MIN, INT64_MAX}, points);
			check_join(&(GwMatrixPiece) {&a, INT64_MIN, t}, &(GwMatrixPiece) {&b, t + 1, INT64_MAX}, points);
			check_join(&(GwMatrixPiece) {&a, t, t + 20000}, &(GwMatrixPiece) {&b, t + 20001, t + 40000}, points);
			check(gw_matrix_same_notes(&a, &b) == gw_matrix_same_notes(&b, &a));
			gw_matrix_free(&b);
		}
		gw_matrix_free(&a);
	}
	free(first);
	free(second);
	return 0;
}
