/*
 * types.h
 *		The SQL types tsdb.labels, tsdb.selector and tsdb.chunk as C sees them.
 */
#ifndef PGTSDB_TYPES_H
#define PGTSDB_TYPES_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/jsonb.h"

#include "core/labels/labels.h"

/* A value of a varlena type with these bytes. */
static inline Datum
pgtsdb_bytes_datum(const void *data, size_t len)
{
	struct varlena *value = palloc(VARHDRSZ + len);

	SET_VARSIZE(value, VARHDRSZ + len);
	memcpy(VARDATA(value), data, len);
	return PointerGetDatum(value);
}

/* ---- labels.c ---- */

/* tsdb.labels is a varlena around the canonical encoding of core/labels. */
extern Datum pgtsdb_labels_datum(TsdbLabels labels);
/*
 * The label set in a stored value, which must live as long as the answer: strings
 * point into it, unless it had to be detoasted.  Bytes were checked when they came in, so they are not checked again;
 * whatever they are, nothing outside of them is read.
 */
extern TsdbLabels pgtsdb_datum_labels(TsdbArena *arena, Datum datum);

#define PG_GETARG_LABELS(arena, n) pgtsdb_datum_labels((arena), PG_GETARG_DATUM(n))
#define PG_RETURN_LABELS(labels) PG_RETURN_DATUM(pgtsdb_labels_datum(labels))

/* {"__name__": "up", ...} and back; TSDB_ERR_LABELS for anything but an object of strings. */
extern Jsonb *pgtsdb_labels_jsonb(TsdbLabels labels);
extern TsdbStatus pgtsdb_jsonb_labels(TsdbArena *arena, Jsonb *jsonb, TsdbLabels *labels, TsdbError *error);

/* ---- selector.c ---- */

/* tsdb.selector is text: a PromQL selector in canonical form.  The matchers live in the arena. */
extern void pgtsdb_datum_selector(TsdbArena *arena, Datum datum, TsdbMatcher **matchers, size_t *n);

/* ---- chunk.c ---- */

/* tsdb.chunk is a varlena around the bytes of core/chunk; it is stored plain, so this is no more than a look at its length. */
static inline const uint8_t *
pgtsdb_datum_chunk(Datum datum, size_t *len)
{
	struct varlena *stored = PG_DETOAST_DATUM_PACKED(datum);

	*len = VARSIZE_ANY_EXHDR(stored);
	return (const uint8_t *) VARDATA_ANY(stored);
}

#endif							/* PGTSDB_TYPES_H */
