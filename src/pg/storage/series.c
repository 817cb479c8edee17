/*
 * series.c
 *		Series rows: looked up by their labels, made when they are new, retired.
 *
 * A series is what its canonical labels say.  An index on 32 bits of their hash leads to the few live rows that may be it, and
 * the labels decide.  New rows are made under the series lock of the part, after a second look with a snapshot taken under
 * it: that alone keeps two creators from making the same series, and ids are given out by one at a time.
 *
 * Series that arrive together and have the same origin (job and instance, or
 * what the sender says) become columns of one group, in the order of arrival; series of one
 * instance and time count as one origin.
 * Later ones of that origin fill its newest group up.  Series without an origin
 * only share a group with those they arrive with: nothing says that they will
 * have timestamps in common with others.
 */
#include "postgres.h"

#include <inttypes.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "pg/errors.h"
#include "pg/mem.h"
#include "pg/storage/catalogue.h"
#include "pg/storage/locks.h"
#include "pg/storage/relations.h"
#include "pg/storage/scan.h"
#include "pg/storage/schema.h"
#include "pg/storage/series_cache.h"
#include "pg/storage/series_insert.h"
#include "pg/storage/statement.h"
#include "pg/types/types.h"

#define MAX_ORIGIN_BYTES 512	/* origins are keys of a btree; a longer one ends with its hash */

/* Series that are looked for without the lock before the others are. */
#define LOOK_UP_SAMPLE 32

/* What one creation adds to a part. */
typedef struct Creation
{
	int32		part;
	size_t		n;				/* new series, in order of arrival */
	PgtsdbSeriesWanted **wanted;

	/* Groups that get more columns */
	int			n_grown;
	int32	   *grown;
	int16	   *grown_columns;

	/* Groups that begin; their ids are 0-based until they are known */
	int			n_new;
	int16	   *new_columns;
	Datum	   *new_origins;
} Creation;

static TsdbStr series_origin(TsdbArena *arena, TsdbStr job, TsdbStr instance);
static TsdbStr shorten(TsdbArena *arena, const char *origin, size_t len);
static int32 part_of(const PgtsdbTenant *tenant, TsdbStr job, TsdbStr instance);
static size_t look_up(PgtsdbSeriesWanted **wanted, size_t n);
static void look_up_one(PgtsdbScan *scan, PgtsdbSeriesWanted *wanted);
static bool has_labels(const PgtsdbScan *scan, TsdbStr labels);
static void take_row(const PgtsdbScan *scan, PgtsdbSeriesWanted *wanted);
static uint64 create_missing(const PgtsdbTenant *tenant, PgtsdbSeriesWanted **wanted, size_t n);
static void create_in_part(const PgtsdbTenant *tenant, PgtsdbSeriesWanted **wanted, size_t n);
static void share_origins(PgtsdbSeriesWanted **wanted, size_t n);
static void plan_groups(Creation *creation);
static bool newest_group(PgtsdbScan *scan, int32 part, TsdbStr origin, int32 *group_id, int16 *n_columns);
static int32 take_group_ids(const PgtsdbTenant *tenant, int32 part, int32 n);
static void insert_groups(const Creation *creation, int32 first_id);
static void insert_series(const Creation *creation);
static void insert_by_statement(const Creation *creation);
static void start_at_series(PgtsdbScan *scan, PgtsdbSeriesRef series);
static uint64 run_for_series(PgtsdbStatement *statement, const PgtsdbSeriesRef *series, size_t n);
static Datum series_tids(const PgtsdbSeriesRef *series, size_t n, Snapshot snapshot);
static int	compare_hash(const void *a, const void *b);
static int	compare_scrape(const void *a, const void *b);
static int	compare_origin(const void *a, const void *b);

/* ---- what is wanted ---- */

TsdbStatus
pgtsdb_series_describe(TsdbArena *arena, const PgtsdbTenant *tenant, TsdbLabels labels,
					   const char *origin, PgtsdbSeriesWanted *wanted, TsdbError *error)
{
	TsdbStr		job = tsdb_labels_get(labels, TSDB_STR("job"));
	TsdbStr		instance = tsdb_labels_get(labels, TSDB_STR("instance"));
	TsdbStr		metric_name = tsdb_labels_get(labels, TSDB_STR(TSDB_METRIC_NAME));
	TsdbBuffer	encoded;

	memset(wanted, 0, sizeof(*wanted));
	if (metric_name.len == 0)
		return tsdb_fail(error, TSDB_ERR_LABELS, "series has no metric name");
	if (metric_name.len > PGTSDB_MAX_METRIC_NAME_BYTES)
		return tsdb_fail(error, TSDB_ERR_LIMIT, "metric name of %zu bytes is longer than %d",
						 metric_name.len, PGTSDB_MAX_METRIC_NAME_BYTES);

	tsdb_buffer_init(&encoded, arena, 256);
	tsdb_labels_encode(&encoded, labels);
	if (encoded.len > PGTSDB_MAX_LABELS_BYTES)
		return tsdb_fail(error, TSDB_ERR_LIMIT, "labels of series \"%.*s\" take %zu bytes, more than %d",
						 (int) Min(metric_name.len, 64), metric_name.data,
						 encoded.len, PGTSDB_MAX_LABELS_BYTES);
	/* gives back what the buffer had to spare: many are kept */
	wanted->labels = (TsdbStr) {tsdb_grow(arena, encoded.data, encoded.capacity, encoded.len), encoded.len};
	wanted->hash = tsdb_hash(wanted->labels.data, encoded.len, 0);
	if (origin != NULL)
		wanted->origin = shorten(arena, origin, strlen(origin));
	else
	{
		wanted->origin = series_origin(arena, job, instance);
		wanted->instance = tsdb_str_copy(arena, instance);
	}
	wanted->part = part_of(tenant, job, instance);
	return TSDB_OK;
}

static TsdbStr
series_origin(TsdbArena *arena, TsdbStr job, TsdbStr instance)
{
	TsdbBuffer	text;

	if (job.len == 0 && instance.len == 0)
		return (TsdbStr) {"", 0};
	tsdb_buffer_init(&text, arena, job.len + instance.len + 24);
	tsdb_buffer_append_str(&text, TSDB_STR("job="));
	tsdb_quote(&text, job);
	tsdb_buffer_append_str(&text, TSDB_STR(",instance="));
	tsdb_quote(&text, instance);
	return shorten(arena, (const char *) text.data, text.len);
}

static TsdbStr
shorten(TsdbArena *arena, const char *origin, size_t len)
{
	TsdbBuffer	text;
	TsdbHash	hash;
	size_t		kept;

	if (len <= MAX_ORIGIN_BYTES)
		return (TsdbStr) {origin, len};
	hash = tsdb_hash(origin, len, 0);
	kept = tsdb_utf8_valid_prefix(origin, MAX_ORIGIN_BYTES - 34);
	tsdb_buffer_init(&text, arena, MAX_ORIGIN_BYTES);
	tsdb_buffer_append(&text, origin, kept);
	tsdb_buffer_printf(&text, "..%016" PRIx64 "%016" PRIx64, hash.hi, hash.lo);
	return (TsdbStr) {(const char *) text.data, text.len};
}

/* All series of one target lie in one part, whoever sends them. */
static int32
part_of(const PgtsdbTenant *tenant, TsdbStr job, TsdbStr instance)
{
	uint64		hash;

	if (tenant->n_parts == 1)
		return tenant->parts[0];
	hash = tsdb_hash(instance.data, instance.len, tsdb_hash(job.data, job.len, 0).lo).lo;
	return tenant->parts[hash % tenant->n_parts];
}

/* ---- finding ---- */

uint64
pgtsdb_series_resolve(const PgtsdbTenant *tenant, PgtsdbSeriesWanted *wanted, size_t n)
{
	PgtsdbSeriesWanted **missing = palloc_array(PgtsdbSeriesWanted *, n);
	size_t		sample = Min(n, LOOK_UP_SAMPLE);
	size_t		n_missing;
	uint64		created = 0;

	for (size_t i = 0; i < n; i++)
		missing[i] = &wanted[i];
	n_missing = look_up(missing, sample);
	/* where all of a sample are new most others are, too, and the look under the lock, which they need anyway, finds the rest */
	if (n_missing == sample)
		n_missing = n;
	else if (n > sample)
	{
		size_t		n_others = look_up(missing + sample, n - sample);

		memmove(missing + n_missing, missing + sample, n_others * sizeof(*missing));
		n_missing += n_others;
	}
	qsort(missing, n_missing, sizeof(*missing), compare_hash);
	if (n_missing > 0)
		created = create_missing(tenant, missing, n_missing);
	pfree(missing);
	return created;
}

/*
 * Looks for live rows with the latest snapshot.  Those that were not found come
 * first afterwards, in (part, hash) order; answers their number.
 */
static size_t
look_up(PgtsdbSeriesWanted **wanted, size_t n)
{
	static const char *const columns[] = {"part", "hash"};
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	size_t		missing = 0;
	PgtsdbScan	scan;

	qsort(wanted, n, sizeof(*wanted), compare_hash);
	if (!pgtsdb_scan_open_partial(&scan, tsdb_local_table(TSDB_TABLE_SERIES, wanted[0]->part), 2, columns,
								  snapshot, AccessShareLock))
		pgtsdb_table_is_gone("series");
	for (size_t i = 0; i < n; i++)
	{
		look_up_one(&scan, wanted[i]);
		if (!wanted[i]->found)
		{
			PgtsdbSeriesWanted *swap = wanted[missing];

			wanted[missing++] = wanted[i];
			wanted[i] = swap;
		}
	}
	pgtsdb_scan_close(&scan);
	UnregisterSnapshot(snapshot);
	return missing;
}

static void
look_up_one(PgtsdbScan *scan, PgtsdbSeriesWanted *wanted)
{
	pgtsdb_scan_clear(scan);
	pgtsdb_scan_key_int4(scan, 1, BTEqualStrategyNumber, wanted->part);
	pgtsdb_scan_key_int4(scan, 2, BTEqualStrategyNumber, pgtsdb_series_hash(wanted));
	pgtsdb_scan_start(scan);
	while (!wanted->found && pgtsdb_scan_next(scan))
		if (has_labels(scan, wanted->labels))
			take_row(scan, wanted);
}

static bool
has_labels(const PgtsdbScan *scan, TsdbStr labels)
{
	Datum		datum = pgtsdb_scan_value(scan, PGTSDB_SERIES_LABELS);
	struct varlena *stored = PG_DETOAST_DATUM_PACKED(datum);
	bool		same = tsdb_str_equal((TsdbStr) {VARDATA_ANY(stored), VARSIZE_ANY_EXHDR(stored)}, labels);

	if ((Pointer) stored != DatumGetPointer(datum))
		pfree(stored);
	return same;
}

static void
take_row(const PgtsdbScan *scan, PgtsdbSeriesWanted *wanted)
{
	HeapTuple	tuple = ExecFetchSlotHeapTuple(scan->slot, false, NULL);

	wanted->found = true;
	wanted->committed = !TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
	wanted->series.part = wanted->part;
	wanted->series.group_id = DatumGetInt32(pgtsdb_scan_value(scan, PGTSDB_SERIES_GROUP_ID));
	wanted->series.col = DatumGetInt16(pgtsdb_scan_value(scan, PGTSDB_SERIES_COL));
}

/* ---- making ---- */

/* The missing ones are in (part, hash) order. */
static uint64
create_missing(const PgtsdbTenant *tenant, PgtsdbSeriesWanted **wanted, size_t n)
{
	uint64		created = 0;

	for (size_t first = 0, end; first < n; first = end)
	{
		size_t		missing;

		for (end = first + 1; end < n && wanted[end]->part == wanted[first]->part;)
			end++;

		/* Under the lock nobody else makes series of this part, and what was made before it is committed. */
		pgtsdb_lock_in_time(PGTSDB_LOCK_SERIES, wanted[first]->part, ExclusiveLock);
		missing = look_up(&wanted[first], end - first);
		if (missing > 0)
			create_in_part(tenant, &wanted[first], missing);
		created += missing;
	}
	return created;
}

static void
create_in_part(const PgtsdbTenant *tenant, PgtsdbSeriesWanted **wanted, size_t n)
{
	Creation	creation = {.part = wanted[0]->part, .n = n, .wanted = wanted};
	int32		first_id = 0;

	creation.grown = palloc_array(int32, n);
	creation.grown_columns = palloc_array(int16, n);
	creation.new_columns = palloc_array(int16, n);
	creation.new_origins = palloc_array(Datum, n);

	share_origins(wanted, n);
	/* Pointers into the caller's array: its order is that of arrival. */
	qsort(wanted, n, sizeof(*wanted), compare_origin);
	plan_groups(&creation);

	SPI_connect();
	if (creation.n_new > 0)
		first_id = take_group_ids(tenant, creation.part, creation.n_new);
	/* Negative ids are numbers of new groups: -1 is the first. */
	for (size_t i = 0; i < n; i++)
	{
		wanted[i]->found = true;
		wanted[i]->committed = false;
		if (wanted[i]->series.group_id < 0)
			wanted[i]->series.group_id = first_id + (-1 - wanted[i]->series.group_id);
	}
	insert_groups(&creation, first_id);
	insert_series(&creation);
	SPI_finish();
}

/*
 * Series of one instance with the same timestamp come from the same scrape, whatever job they say they belong to
 * (an exporter that tells of others, a federation): the smallest of their origins is that of all.
 */
static void
share_origins(PgtsdbSeriesWanted **wanted, size_t n)
{
	qsort(wanted, n, sizeof(*wanted), compare_scrape);
	for (size_t i = 1; i < n; i++)
		if (wanted[i]->instance.len > 0 && wanted[i]->t == wanted[i - 1]->t &&
			tsdb_str_equal(wanted[i]->instance, wanted[i - 1]->instance))
			wanted[i]->origin = wanted[i - 1]->origin;
}

/* Gives each series its column, origin by origin. */
static void
plan_groups(Creation *creation)
{
	static const char *const columns[] = {"part", "origin"};
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	int32		group_id = 0;
	int16	   *n_columns = NULL;	/* of the group that is being filled */
	PgtsdbScan	scan;

	if (!pgtsdb_scan_open(&scan, tsdb_local_table(TSDB_TABLE_SERIES_GROUPS, creation->part), 2, columns,
						  snapshot, AccessShareLock))
		pgtsdb_table_is_gone("series_groups");
	for (size_t i = 0; i < creation->n; i++)
	{
		PgtsdbSeriesWanted *wanted = creation->wanted[i];
		bool		other_origin = i == 0 || !tsdb_str_equal(wanted->origin, creation->wanted[i - 1]->origin);

		if (other_origin && wanted->origin.len > 0 &&
			newest_group(&scan, creation->part, wanted->origin, &group_id, &creation->grown_columns[creation->n_grown]))
		{
			n_columns = &creation->grown_columns[creation->n_grown];
			creation->grown[creation->n_grown++] = group_id;
		}
		else if (other_origin || *n_columns >= PGTSDB_MAX_GROUP_COLUMNS)
		{
			n_columns = &creation->new_columns[creation->n_new];
			*n_columns = 0;
			creation->new_origins[creation->n_new] =
				PointerGetDatum(cstring_to_text_with_len(wanted->origin.data, wanted->origin.len));
			group_id = -1 - creation->n_new++;
		}
		wanted->series = (PgtsdbSeriesRef) {creation->part, group_id, (*n_columns)++};
	}
	pgtsdb_scan_close(&scan);
	UnregisterSnapshot(snapshot);
}

/* The newest group of an origin, when it has room. */
static bool
newest_group(PgtsdbScan *scan, int32 part, TsdbStr origin, int32 *group_id, int16 *n_columns)
{
	int32		newest = -1;

	pgtsdb_scan_clear(scan);
	pgtsdb_scan_key_int4(scan, 1, BTEqualStrategyNumber, part);
	pgtsdb_scan_key_text(scan, 2, PointerGetDatum(cstring_to_text_with_len(origin.data, origin.len)));
	pgtsdb_scan_start(scan);
	while (pgtsdb_scan_next(scan))
	{
		int32		id = DatumGetInt32(pgtsdb_scan_value(scan, PGTSDB_GROUPS_GROUP_ID));

		if (id <= newest)
			continue;
		newest = id;
		*n_columns = DatumGetInt16(pgtsdb_scan_value(scan, PGTSDB_GROUPS_N_COLUMNS));
	}
	*group_id = newest;
	return newest >= 0 && *n_columns < PGTSDB_MAX_GROUP_COLUMNS;
}

/* The first of n ids that were never given out. */
static int32
take_group_ids(const PgtsdbTenant *tenant, int32 part, int32 n)
{
	static PgtsdbStatement take = {
		"UPDATE tsdb.parts SET next_group = next_group OPERATOR(pg_catalog.+) $2"
		" WHERE part OPERATOR(pg_catalog.=) $1 RETURNING next_group OPERATOR(pg_catalog.-) $2",
		SPI_OK_UPDATE_RETURNING
	};
	static PgtsdbStatement add_part = {
		"INSERT INTO tsdb.parts (part, tenant_id) VALUES ($1, $2)", SPI_OK_INSERT
	};
	bool		isnull;

	while (pgtsdb_statement_run(&take, 2, (Oid[]) {INT4OID, INT4OID},
								(Datum[]) {Int32GetDatum(part), Int32GetDatum(n)}) == 0)
		pgtsdb_statement_run(&add_part, 2, (Oid[]) {INT4OID, TEXTOID},
							 (Datum[]) {Int32GetDatum(part), CStringGetTextDatum(tenant->tenant_id)});
	return DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

static void
insert_groups(const Creation *creation, int32 first_id)
{
	static PgtsdbStatement grow = {
		"UPDATE tsdb.series_groups g SET n_columns = u.n, last_seen = pg_catalog.now()"
		" FROM unnest($2, $3) AS u (group_id, n)"
		" WHERE g.part OPERATOR(pg_catalog.=) $1 AND g.group_id OPERATOR(pg_catalog.=) u.group_id",
		SPI_OK_UPDATE
	};
	static PgtsdbStatement begin = {
		"INSERT INTO tsdb.series_groups (created_at, last_seen, part, group_id, n_columns, origin)"
		" SELECT pg_catalog.now(), pg_catalog.now(), $1,"
		" $2 OPERATOR(pg_catalog.+) u.i::pg_catalog.int4 OPERATOR(pg_catalog.-) 1, u.n, u.origin"
		" FROM ROWS FROM (unnest($3, $4)) WITH ORDINALITY AS u (n, origin, i)",
		SPI_OK_INSERT
	};

	if (creation->n_grown > 0)
		pgtsdb_statement_run(&grow, 3, (Oid[]) {INT4OID, INT4ARRAYOID, INT2ARRAYOID},
							 (Datum[]) {
								 Int32GetDatum(creation->part),
								 pgtsdb_int4_array(creation->grown, creation->n_grown),
								 pgtsdb_int2_array(creation->grown_columns, creation->n_grown)
							 });
	if (creation->n_new > 0)
		pgtsdb_statement_run(&begin, 4, (Oid[]) {INT4OID, INT4OID, INT2ARRAYOID, TEXTARRAYOID},
							 (Datum[]) {
								 Int32GetDatum(creation->part),
								 Int32GetDatum(first_id),
								 pgtsdb_int2_array(creation->new_columns, creation->n_new),
								 pgtsdb_datum_array(creation->new_origins, creation->n_new, TEXTOID)
							 });
}

static void
insert_series(const Creation *creation)
{
	if (!pgtsdb_series_insert(creation->wanted, creation->n))
		insert_by_statement(creation);
}

static void
insert_by_statement(const Creation *creation)
{
	static PgtsdbStatement insert = {
		"INSERT INTO tsdb.series (created_at, part, group_id, hash, col, labels)"
		" SELECT pg_catalog.now(), $1, u.group_id, u.hash, u.col, u.labels"
		" FROM unnest($2, $3, $4, $5) AS u (group_id, hash, col, labels)",
		SPI_OK_INSERT
	};
	Oid			type = pgtsdb_type_oid("labels");
	int32	   *group_ids = palloc_array(int32, creation->n);
	int32	   *hashes = palloc_array(int32, creation->n);
	int16	   *cols = palloc_array(int16, creation->n);
	Datum	   *labels = palloc_array(Datum, creation->n);

	for (size_t i = 0; i < creation->n; i++)
	{
		const PgtsdbSeriesWanted *wanted = creation->wanted[i];

		group_ids[i] = wanted->series.group_id;
		hashes[i] = pgtsdb_series_hash(wanted);
		cols[i] = wanted->series.col;
		labels[i] = pgtsdb_bytes_datum(wanted->labels.data, wanted->labels.len);
	}
	pgtsdb_statement_run(&insert, 5,
						 (Oid[]) {INT4OID, INT4ARRAYOID, INT4ARRAYOID, INT2ARRAYOID, get_array_type(type)},
						 (Datum[]) {
							 Int32GetDatum(creation->part),
							 pgtsdb_int4_array(group_ids, creation->n),
							 pgtsdb_int4_array(hashes, creation->n),
							 pgtsdb_int2_array(cols, creation->n),
							 pgtsdb_datum_array(labels, creation->n, type)
						 });
}

/* ---- keeping ---- */

bool
pgtsdb_series_groups_seen(int32 part, const int32 *group_ids, int n)
{
	static PgtsdbStatement seen = {
		"UPDATE tsdb.series_groups SET last_seen = pg_catalog.now()"
		" WHERE part OPERATOR(pg_catalog.=) $1 AND group_id OPERATOR(pg_catalog.=) ANY ($2)"
		" AND last_seen OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) '1 hour'::pg_catalog.interval)",
		SPI_OK_UPDATE
	};

	/* Not worth waiting for: the next write tries again. */
	if (!pgtsdb_lock(PGTSDB_LOCK_SERIES, part, 0, ExclusiveLock, true))
		return false;
	SPI_connect();
	pgtsdb_statement_run(&seen, 2, (Oid[]) {INT4OID, INT4ARRAYOID},
						 (Datum[]) {Int32GetDatum(part), pgtsdb_int4_array(group_ids, n)});
	SPI_finish();
	return true;
}

void
pgtsdb_series_retire(const PgtsdbSeriesRef *series, size_t n)
{
	static PgtsdbStatement retire = {
		"UPDATE tsdb.series SET gone_at = pg_catalog.now()"
		" WHERE ctid OPERATOR(pg_catalog.=) ANY ($1) AND gone_at IS NULL",
		SPI_OK_UPDATE
	};

	SPI_connect();
	for (size_t first = 0, end; first < n; first = end)
	{
		int32		part = series[first].part;

		for (end = first; end < n && series[end].part == part;)
			end++;
		pgtsdb_lock_in_time(PGTSDB_LOCK_WRITERS, part, ExclusiveLock);
		run_for_series(&retire, &series[first], end - first);
		pgtsdb_cache_forget(tsdb_local_table(TSDB_TABLE_SERIES, part), &series[first], end - first);
	}
	SPI_finish();
}

void
pgtsdb_series_find_live(const PgtsdbSeriesRef *series, size_t n, bool *live)
{
	static const char *const columns[] = {"part", "group_id", "col"};
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	PgtsdbScan	scan;

	for (size_t first = 0, end; first < n; first = end)
	{
		int32		part = series[first].part;

		if (!pgtsdb_scan_open(&scan, tsdb_local_table(TSDB_TABLE_SERIES, part), 3, columns, snapshot, AccessShareLock))
			pgtsdb_table_is_gone("series");
		for (end = first; end < n && series[end].part == part; end++)
		{
			start_at_series(&scan, series[end]);
			live[end] = pgtsdb_scan_next(&scan) && slot_attisnull(scan.slot, PGTSDB_SERIES_GONE_AT);
		}
		pgtsdb_scan_close(&scan);
	}
	UnregisterSnapshot(snapshot);
}

static void
start_at_series(PgtsdbScan *scan, PgtsdbSeriesRef series)
{
	pgtsdb_scan_clear(scan);
	pgtsdb_scan_key_int4(scan, 1, BTEqualStrategyNumber, series.part);
	pgtsdb_scan_key_int4(scan, 2, BTEqualStrategyNumber, series.group_id);
	pgtsdb_scan_key_int2(scan, 3, BTEqualStrategyNumber, series.col);
	pgtsdb_scan_start(scan);
}

uint64
pgtsdb_series_remove_retired(const PgtsdbSeriesRef *series, size_t n)
{
	static PgtsdbStatement remove = {
		"DELETE FROM tsdb.series WHERE ctid OPERATOR(pg_catalog.=) ANY ($1) AND gone_at IS NOT NULL",
		SPI_OK_DELETE
	};
	uint64		removed;

	SPI_connect();
	removed = run_for_series(&remove, series, n);
	SPI_finish();
	return removed;
}

/*
 * Runs a statement for the rows of series of one part, which it gets by their addresses: by way of a join the planner
 * may read all others, too.  The snapshot keeps the rows from being vacuumed, and their addresses from others, in between.
 */
static uint64
run_for_series(PgtsdbStatement *statement, const PgtsdbSeriesRef *series, size_t n)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	uint64		processed = pgtsdb_statement_run(statement, 1, (Oid[]) {TIDARRAYOID}, (Datum[]) {series_tids(series, n, snapshot)});

	UnregisterSnapshot(snapshot);
	return processed;
}

static Datum
series_tids(const PgtsdbSeriesRef *series, size_t n, Snapshot snapshot)
{
	static const char *const columns[] = {"part", "group_id", "col"};
	ItemPointerData *tids = palloc_array(ItemPointerData, n);
	Datum	   *datums = palloc_array(Datum, n);
	size_t		n_found = 0;
	PgtsdbScan	scan;

	if (!pgtsdb_scan_open(&scan, tsdb_local_table(TSDB_TABLE_SERIES, series->part), lengthof(columns), columns, snapshot,
						  AccessShareLock))
		pgtsdb_table_is_gone("series");
	for (size_t i = 0; i < n; i++)
	{
		pgtsdb_scan_clear(&scan);
		pgtsdb_scan_key_int4(&scan, 1, BTEqualStrategyNumber, series[i].part);
		pgtsdb_scan_key_int4(&scan, 2, BTEqualStrategyNumber, series[i].group_id);
		pgtsdb_scan_key_int2(&scan, 3, BTEqualStrategyNumber, series[i].col);
		pgtsdb_scan_start(&scan);
		if (!pgtsdb_scan_next(&scan))
			continue;
		tids[n_found] = scan.slot->tts_tid;
		datums[n_found] = PointerGetDatum(&tids[n_found]);
		n_found++;
	}
	pgtsdb_scan_close(&scan);
	return pgtsdb_datum_array(datums, n_found, TIDOID);
}

/* ---- helpers ---- */

char *
pgtsdb_series_name(PgtsdbSeriesRef series)
{
	static const char *const columns[] = {"part", "group_id", "col"};
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TsdbArena  *arena = pgtsdb_arena_create(CurrentMemoryContext, 0, NULL);
	TsdbBuffer	text;
	PgtsdbScan	scan;

	tsdb_buffer_init(&text, arena, 256);
	if (!pgtsdb_scan_open(&scan, tsdb_local_table(TSDB_TABLE_SERIES, series.part), 3, columns,
						  snapshot, AccessShareLock))
		pgtsdb_table_is_gone("series");
	start_at_series(&scan, series);
	if (pgtsdb_scan_next(&scan))
	{
		struct varlena *bytes = PG_DETOAST_DATUM(pgtsdb_scan_value(&scan, PGTSDB_SERIES_LABELS));
		TsdbLabels	labels;
		TsdbError	error;

		pgtsdb_check(tsdb_labels_decode(arena, VARDATA(bytes), VARSIZE(bytes) - VARHDRSZ, &labels, &error), &error);
		tsdb_labels_print(&text, labels);
	}
	else
		tsdb_buffer_printf(&text, "%d.%d.%d", series.part, series.group_id, series.col);
	pgtsdb_scan_close(&scan);
	UnregisterSnapshot(snapshot);
	return tsdb_buffer_cstring(&text);
}

/* The order of the index. */
static int
compare_hash(const void *a, const void *b)
{
	const PgtsdbSeriesWanted *x = *(PgtsdbSeriesWanted *const *) a;
	const PgtsdbSeriesWanted *y = *(PgtsdbSeriesWanted *const *) b;

	if (x->part != y->part)
		return x->part < y->part ? -1 : 1;
	return pgtsdb_series_compare_hash(x, y);
}

static int
compare_scrape(const void *a, const void *b)
{
	const PgtsdbSeriesWanted *x = *(PgtsdbSeriesWanted *const *) a;
	const PgtsdbSeriesWanted *y = *(PgtsdbSeriesWanted *const *) b;
	int			order = tsdb_str_compare(x->instance, y->instance);

	if (order == 0 && x->t != y->t)
		order = x->t < y->t ? -1 : 1;
	return order != 0 ? order : tsdb_str_compare(x->origin, y->origin);
}

/* Within an origin by place in the caller's array. */
static int
compare_origin(const void *a, const void *b)
{
	const PgtsdbSeriesWanted *x = *(PgtsdbSeriesWanted *const *) a;
	const PgtsdbSeriesWanted *y = *(PgtsdbSeriesWanted *const *) b;
	int			order = tsdb_str_compare(x->origin, y->origin);

	if (order != 0)
		return order;
	return x < y ? -1 : x > y;
}
