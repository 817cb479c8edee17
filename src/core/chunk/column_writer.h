/*
 * column_writer.h
 *		One column to its bytes; private to the chunk codec.
 */
#ifndef TSDB_COLUMN_WRITER_H
#define TSDB_COLUMN_WRITER_H

#include "core/chunk/chunk_internal.h"

/* Columns before that are tried as a reference: half of what there is to gain is within 2, nearly all within 8. */
#define REFERENCE_CANDIDATES 8

/* The integers of a column, for those behind it that may refer to it. */
typedef struct ColumnIntegers
{
	int64_t    *values;
	size_t		n;				/* 0: no reference to this one */
	unsigned	column;
	ColumnKind	kind;
	int			exponent;
	unsigned	chain;			/* references behind each other, its own included */
} ColumnIntegers;

typedef struct ColumnWriter
{
	/* Settings */
	TsdbChunkCodec codec;

	/* Scratch */
	StreamScratch stream;
	double	   *gathered;
	int64_t    *differences;
	int64_t    *corrections;
	TsdbBuffer	gorilla;

	/* The column written last, then those kept before it */
	ColumnIntegers integers[REFERENCE_CANDIDATES + 1];
} ColumnWriter;

extern void tsdb_column_writer_init(ColumnWriter *writer, TsdbArena *arena, TsdbChunkCodec codec, size_t max_samples);
/* Forgets the kept columns: a reference never leaves its row. */
extern void tsdb_column_writer_start_row(ColumnWriter *writer);
/*
 * Appends the samples [from, to) of a column to out, as number `column` of the row;
 * returns how many there are.  May refer to kept columns unless from is behind
 * the begin of the row's timestamps.
 */
extern size_t tsdb_column_write(ColumnWriter *writer, const TsdbChunkColumn *input, size_t from, size_t to,
								unsigned column, bool may_refer, TsdbBuffer *out);
/* The column written last is part of the row: keep its integers. */
extern void tsdb_column_writer_keep(ColumnWriter *writer);

#endif							/* TSDB_COLUMN_WRITER_H */
