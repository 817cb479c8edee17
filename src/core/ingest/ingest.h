/*
 * ingest.h
 *		Decoders of what senders and targets send; each feeds one sample sink.
 */
#ifndef TSDB_INGEST_H
#define TSDB_INGEST_H

#include "core/base/base.h"
#include "core/labels/labels.h"

typedef struct TsdbSample
{
	int64_t		t;				/* milliseconds since 1970 */
	double		v;
} TsdbSample;

/*
 * A series as one sender wrote it.  `raw` are the bytes that name it there
 * (protobuf label messages, the line up to the value): the same bytes from the
 * same kind of sender always mean the same series, so a cache may key on their
 * hash and ask for labels() on a miss only.  `raw` and the samples live until the
 * call returns.
 */
typedef struct TsdbWireSeries TsdbWireSeries;
struct TsdbWireSeries
{
	TsdbStr		raw;
	/* Decode, sort and check the labels: TSDB_ERR_LABELS, TSDB_ERR_ENCODING, TSDB_ERR_INPUT. Strings live in the arena or in raw. */
	TsdbStatus	(*labels) (const TsdbWireSeries *series, TsdbArena *arena, TsdbLabels *labels, TsdbError *error);
	const void *decoder;		/* belongs to labels() */
	TsdbHash	memo;			/* belongs to the sink's announce(); 0, 0 before it */
};

typedef struct TsdbMetadata
{
	TsdbStr		metric;
	TsdbStr		type;			/* counter, gauge, histogram, gaugehistogram, summary, info, stateset, unknown; empty: not told */
	TsdbStr		help;			/* data NULL: not told */
	TsdbStr		unit;			/* data NULL: not told */
} TsdbMetadata;

/*
 * Where decoded samples go.  Each callback may jump out.  A decoder goes on
 * after it has rejected a part (a line, a series): it tells reject() why and
 * loses nothing else.  Callbacks other than sample may be NULL.
 */
typedef struct TsdbSampleSink TsdbSampleSink;
struct TsdbSampleSink
{
	void		(*samples) (TsdbSampleSink *sink, const TsdbWireSeries *series, const TsdbSample *samples, size_t n);
	void		(*metadata) (TsdbSampleSink *sink, const TsdbMetadata *metadata);
	/* error->start, end: byte range in the decoded body */
	void		(*reject) (TsdbSampleSink *sink, const TsdbError *error);
	/* native histograms and exemplars that this version does not store: counted, not lost silently */
	void		(*unsupported) (TsdbSampleSink *sink, const TsdbWireSeries *series, const char *what, size_t n);
	void	   *context;
	/*
	 * A decoder that knows its series before it hands out their samples tells of each a few
	 * series ahead, so that the sink may have memory fetched meanwhile.
	 */
	void		(*announce) (TsdbSampleSink *sink, TsdbWireSeries *series);
};

/* remote_write.c: io.prometheus.write.v1 (prompb WriteRequest), snappy block format */

typedef struct TsdbIngestLimits
{
	size_t		max_body_bytes;		/* after decompression */
} TsdbIngestLimits;

/* A body that is well-formed as a whole. */
typedef struct TsdbWriteRequest TsdbWriteRequest;

/* TSDB_ERR_INPUT: not snappy, truncated, too large (TSDB_ERR_LIMIT), not protobuf.  The request lives in the arena. */
typedef TsdbStatus (*TsdbWriteOpen) (TsdbArena *arena, const void *body, size_t len, const TsdbIngestLimits *limits,
									 TsdbWriteRequest **request, TsdbError *error);
extern TsdbStatus tsdb_remote_write_open(TsdbArena *arena, const void *body, size_t len, const TsdbIngestLimits *limits,
										 TsdbWriteRequest **request, TsdbError *error);

/*
 * remote_write_v2.c: io.prometheus.write.v2 (Request), the same way.  A series with bad references is one whose labels() fail.
 */
extern TsdbStatus tsdb_remote_write_v2_open(TsdbArena *arena, const void *body, size_t len, const TsdbIngestLimits *limits,
											TsdbWriteRequest **request, TsdbError *error);

/* Hands all that is in it to the sink; may be repeated. */
extern void tsdb_write_request_feed(const TsdbWriteRequest *request, TsdbSampleSink *sink);

extern size_t tsdb_write_request_samples(const TsdbWriteRequest *request);
/* How many samples it has, and their first and last time; those are not set when there are none. */
extern size_t tsdb_write_request_times(const TsdbWriteRequest *request, int64_t *t_min, int64_t *t_max);

/*
 * The values that the first series has for these labels, as they stand in the body: not checked, {NULL, 0} when it does not
 * have the label or the value is empty.
 */
extern void tsdb_write_request_peek(const TsdbWriteRequest *request, const TsdbStr *names, size_t n, TsdbStr *values);

/* remote_read.c: prometheus.ReadRequest, and ReadResponse of type SAMPLES; snappy block format */

typedef struct TsdbReadQuery
{
	int64_t		t_min;			/* milliseconds, both inclusive */
	int64_t		t_max;
	TsdbMatcher *matchers;
	size_t		n_matchers;
} TsdbReadQuery;

typedef struct TsdbReadRequest
{
	TsdbReadQuery *queries;
	size_t		n;
	bool		takes_samples;
	bool		wants_chunks;	/* STREAMED_XOR_CHUNKS, and rather than samples */
} TsdbReadRequest;

/* As for remote write; TSDB_ERR_UNSUPPORTED when the sender takes neither. */
extern TsdbStatus tsdb_remote_read_decode(TsdbArena *arena, const void *body, size_t len, const TsdbIngestLimits *limits,
										  TsdbReadRequest *request, TsdbError *error);
/* A series of a result, a result of the response, in order; then the block to send. */
extern void tsdb_remote_read_series(TsdbBuffer *result, TsdbLabels labels, const int64_t *t, const double *v, size_t n);
extern void tsdb_remote_read_result(TsdbBuffer *response, const TsdbBuffer *result);
extern TsdbStr tsdb_remote_read_compress(TsdbArena *arena, const TsdbBuffer *response);

/* remote_read_chunks.c: ChunkedReadResponse, type STREAMED_XOR_CHUNKS */

typedef struct TsdbFrameWriter
{
	TsdbBuffer	out;			/* the frames */
	TsdbBuffer	series;			/* scratch, as those below */
	TsdbBuffer	message;
	TsdbBuffer	chunk;
} TsdbFrameWriter;

extern void tsdb_frames_init(TsdbFrameWriter *writer, TsdbArena *arena);
/* Appends one series of the query with this number; whoever reads wants them in the order of their labels. */
extern void tsdb_frames_add(TsdbFrameWriter *writer, size_t query, TsdbLabels labels, const int64_t *t, const double *v, size_t n);

/* text_format.c: Prometheus text format 0.0.4 and what is common with OpenMetrics 1.0 */

typedef struct TsdbTextOptions
{
	int64_t		now;				/* timestamp in ms of lines without one */
	bool		openmetrics;		/* timestamps are seconds, and `# EOF` must be the last line */
	bool		honor_timestamps;	/* false: `now` for every line */
	TsdbLabels	target_labels;		/* added to every series */
	bool		honor_labels;		/* a clash keeps the scraped label; else it becomes exported_<name> */
} TsdbTextOptions;

typedef struct TsdbTextResult
{
	size_t		samples;
	size_t		rejected;			/* lines */
} TsdbTextResult;

/*
 * A malformed line is rejected and the next one read.  A sample's `raw` is the
 * text from the metric name up to the value; its labels() add the target labels, so
 * whoever keys on raw needs a key of those and of honor_labels too.  Fails as a
 * whole, with TSDB_ERR_INPUT after the samples were handed over, only when an
 * OpenMetrics body was cut short or goes on after its end.
 */
extern TsdbStatus tsdb_text_decode(TsdbArena *arena, TsdbStr body, const TsdbTextOptions *options,
								   TsdbSampleSink *sink, TsdbTextResult *result, TsdbError *error);

#endif							/* TSDB_INGEST_H */
