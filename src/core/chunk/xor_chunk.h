/*
 * xor_chunk.h
 *		Chunks as Prometheus has them: what remote read streams.
 */
#ifndef TSDB_XOR_CHUNK_H
#define TSDB_XOR_CHUNK_H

#include "core/base/base.h"

/* As Prometheus cuts them. */
#define TSDB_XOR_CHUNK_SAMPLES 120

/* Appends the bytes of a chunk of n samples, 1 to 65535, in ascending order of time. */
extern void tsdb_xor_chunk_write(TsdbBuffer *out, const int64_t *t, const double *v, size_t n);

#endif							/* TSDB_XOR_CHUNK_H */
