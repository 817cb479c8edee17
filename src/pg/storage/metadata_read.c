/*
 * metadata_read.c
 *		Type, help text and unit of metrics, out of tsdb.metric_definitions.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "pg/storage/metadata.h"
#include "pg/storage/relations.h"
#include "pg/storage/scan.h"
#include "pg/storage/schema.h"
#include "pg/storage/storage_internal.h"

static TsdbStr read_text(const PgtsdbScan *scan, AttrNumber column, TsdbArena *arena);

TsdbMetadata *
pgtsdb_metadata_read(int32 part, const TsdbStr *metric, Snapshot snapshot, TsdbArena *arena, size_t *n)
{
	static const char *const columns[] = {"part", "metric_name"};
	TsdbMetadata *definitions = NULL;
	size_t		capacity = 0;
	PgtsdbScan	scan;

	*n = 0;
	if (!pgtsdb_scan_open(&scan, tsdb_local_table(TSDB_TABLE_METRIC_DEFINITIONS, part), lengthof(columns), columns, snapshot,
						  AccessShareLock))
		return NULL;
	pgtsdb_scan_clear(&scan);
	pgtsdb_scan_key_int4(&scan, 1, BTEqualStrategyNumber, part);
	if (metric != NULL)
		pgtsdb_scan_key_text(&scan, 2, PointerGetDatum(cstring_to_text_with_len(metric->data, metric->len)));
	pgtsdb_scan_start(&scan);
	while (pgtsdb_scan_next(&scan))
	{
		if (*n == capacity)
		{
			size_t		more = capacity == 0 ? 64 : capacity * 2;

			definitions = pgtsdb_grow_array(arena, definitions, capacity, more);
			capacity = more;
		}
		definitions[(*n)++] = (TsdbMetadata) {
			.metric = read_text(&scan, PGTSDB_DEFINITIONS_METRIC_NAME, arena),
			.type = read_text(&scan, PGTSDB_DEFINITIONS_TYPE, arena),
			.help = read_text(&scan, PGTSDB_DEFINITIONS_HELP, arena),
			.unit = read_text(&scan, PGTSDB_DEFINITIONS_UNIT, arena)
		};
	}
	pgtsdb_scan_close(&scan);
	return definitions;
}

static TsdbStr
read_text(const PgtsdbScan *scan, AttrNumber column, TsdbArena *arena)
{
	bool		isnull;
	Datum		datum = slot_getattr(scan->slot, column, &isnull);
	struct varlena *stored;
	TsdbStr		text;

	if (isnull)
		return (TsdbStr) {NULL, 0};
	stored = PG_DETOAST_DATUM_PACKED(datum);
	text = tsdb_str_copy(arena, (TsdbStr) {VARDATA_ANY(stored), VARSIZE_ANY_EXHDR(stored)});
	if ((Pointer) stored != DatumGetPointer(datum))
		pfree(stored);
	return text;
}
