/*
 * remote_write_internal.h
 *		What the decoders of both versions of remote write share, and remote read with them.
 */
#ifndef TSDB_REMOTE_WRITE_INTERNAL_H
#define TSDB_REMOTE_WRITE_INTERNAL_H

#include "core/ingest/ingest.h"
#include "core/ingest/protobuf.h"

typedef struct TsdbWriteEntry
{
	TsdbWireSeries series;
	size_t		first_sample;
	size_t		n_samples;
	size_t		n_exemplars;
	size_t		n_histograms;
} TsdbWriteEntry;

struct TsdbWriteRequest
{
	TsdbArena  *arena;
	const uint8_t *start;		/* of the message */
	TsdbWriteEntry *entries;
	size_t		n_entries;
	size_t		entries_room;
	TsdbSample *samples;
	size_t		n_samples;
	size_t		samples_room;
	TsdbMetadata *metadata;
	size_t		n_metadata;
	size_t		metadata_room;
	TsdbError  *error;			/* while it is walked */
};

/* The labels() of a series whose `raw` is a run of label fields of version 1. */
extern TsdbStatus tsdb_write_labels(const TsdbWireSeries *series, TsdbArena *arena, TsdbLabels *labels, TsdbError *error);
/* The array, with room for more. */
extern void *tsdb_write_room(TsdbArena *arena, void *array, size_t *room, size_t size);
/* Reads a message Sample; what is new in version 2 is skipped. */
extern bool tsdb_write_sample(TsdbWriteRequest *request, TsdbReader message);
extern TsdbStr tsdb_write_type(uint64_t number);
/* `what` is named in errors: "remote write". */
extern TsdbStatus tsdb_write_decompress(TsdbArena *arena, const char *what, const void *body, size_t len,
										const TsdbIngestLimits *limits, TsdbReader *message, TsdbError *error);
/* An empty request, and the message of the body that it is to be walked from. */
extern TsdbStatus tsdb_write_begin(TsdbArena *arena, const void *body, size_t len, const TsdbIngestLimits *limits,
								   TsdbWriteRequest **request, TsdbReader *message, TsdbError *error);

/* remote_read.c: fields of a message */

extern void tsdb_read_put_bytes(TsdbBuffer *out, int field, const void *bytes, size_t len);
extern void tsdb_read_put_label(TsdbBuffer *out, TsdbBuffer *scratch, const TsdbLabel *label);

#endif							/* TSDB_REMOTE_WRITE_INTERNAL_H */
