/*
 * fuzz_head.c
 *		Any bytes as a head row: reading stays in bounds, and what is valid survives another round.
 */
#include <stdlib.h>

#include "core/chunk/head.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Encodes the samples again, in as many rows as it takes, and compares. */
static void
encode_again(const TsdbHeadSample *samples, size_t n)
{
	uint8_t		buffer[TSDB_HEAD_BUFFER];
	TsdbHeadSample *out = malloc(sizeof(TsdbHeadSample) * (n + 1));

	for (size_t at = 0; at < n;)
	{
		TsdbHeadRow row;
		TsdbError	error;
		size_t		len;
		size_t		n_out;
		size_t		taken = tsdb_head_encode(samples + at, n - at, buffer, &len);

		if (taken == 0 || tsdb_head_validate(buffer, len, &error) != TSDB_OK ||
			tsdb_head_open(&row, buffer, len, &error) != TSDB_OK ||
			tsdb_head_read(&row, 0, TSDB_HEAD_MAX_COLUMNS, out, &n_out, &error) != TSDB_OK || n_out != taken)
			abort();
		for (size_t i = 0; i < taken; i++)
			if (out[i].col != samples[at + i].col || out[i].dt != samples[at + i].dt ||
				tsdb_double_bits(out[i].v) != tsdb_double_bits(samples[at + i].v))
				abort();
		at += taken;
	}
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TsdbHeadRow row;
	TsdbError	error;
	TsdbHeadSample *samples;
	TsdbHeadSample one;
	uint16_t	last;
	size_t		n;
	bool		valid = tsdb_head_validate(data, size, &error) == TSDB_OK;
	bool		readable;

	if (tsdb_head_open(&row, data, size, &error) != TSDB_OK)
	{
		if (valid)
			abort();
		return 0;
	}
	samples = malloc(sizeof(TsdbHeadSample) * row.n_columns);
	readable = tsdb_head_read(&row, 0, TSDB_HEAD_MAX_COLUMNS, samples, &n, &error) == TSDB_OK;
	if (valid)
	{
		if (!readable)
			abort();
		encode_again(samples, n);
	}
	last = (uint16_t) (row.first_column + row.n_columns - 1);
	if (tsdb_head_pick(&row, &last, 1, &one, &n, &error) != TSDB_OK && valid)
		abort();
	free(samples);
	return 0;
}
