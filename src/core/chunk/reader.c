/*
 * reader.c
 *		Reading chunks: header and directory, timestamps, columns.
 *
 * FORMAT.md has the drawing.  Every length and every count is checked where it
 * is read, so bytes that were never validated do no harm; validation is reading everything.
 *
 * A column with a reference is the sum of its own integers and those of an
 * earlier column, which may have a reference again.  The integers of the column read
 * last are kept: whoever reads neighbours one after the other decodes each once.
 */
#include "core/chunk/chunk_internal.h"

struct TsdbChunkReader
{
	TsdbArena  *arena;

	/* Chunk */
	const uint8_t *data;
	const uint8_t *end;
	const uint8_t *columns;		/* where the first begins */
	TsdbReader	deviations;		/* of the timestamps, unless regular */
	int64_t		t_min;
	int64_t		step;
	unsigned	flags;
	unsigned	n_times;
	unsigned	n_columns;
	unsigned	first_sample;	/* of column 0 */
	unsigned	last_samples;	/* of the last column, counted from its first */
	uint32_t	offsets[TSDB_CHUNK_MAX_COLUMNS + 1];

	/* Scratch for n_times each */
	unsigned	capacity;
	int64_t    *times;
	int64_t    *integers;		/* of the column `cached` */
	int64_t    *more_integers;
	double	   *doubles;
	uint64_t   *present;
	unsigned	first_time;		/* of the timestamps that are made; before it are their deviations */
	int			cached;			/* -1: none */
	unsigned	first_cached;	/* integers of it, from this one on ... */
	unsigned	n_cached;		/* ... up to this one, if it has more */
	TsdbReader	behind_integers;	/* bytes of the column `cached` */
};

/* A column with its first bytes read. */
typedef struct ColumnView
{
	TsdbReader	body;
	ColumnKind	kind;
	int			exponent;
	unsigned	reference;		/* columns back, 0: none */
	bool		has_presence;
	unsigned	first;			/* its samples belong to the timestamps [first, first + count) */
	unsigned	count;
	unsigned	n;				/* how many of these are there */
} ColumnView;

/* ---- header ---- */

TsdbChunkReader *
tsdb_chunk_reader_make(TsdbArena *arena)
{
	TsdbChunkReader *reader = TSDB_NEW(arena, TsdbChunkReader);

	reader->arena = arena;
	reader->cached = -1;
	return reader;
}

static TsdbStatus
corrupt(TsdbError *error, const char *fault)
{
	if (fault == tsdb_fault_reserved)
		return tsdb_fail(error, TSDB_ERR_UNSUPPORTED, "chunk uses %s", fault);
	return tsdb_fail(error, TSDB_ERR_CORRUPT, "invalid chunk: %s", fault);
}

static TsdbStatus
corrupt_column(TsdbError *error, int column, const char *fault)
{
	if (fault == tsdb_fault_reserved)
		return tsdb_fail(error, TSDB_ERR_UNSUPPORTED, "column %d of the chunk uses %s", column, fault);
	return tsdb_fail(error, TSDB_ERR_CORRUPT, "invalid chunk: column %d: %s", column, fault);
}

static void
reserve_scratch(TsdbChunkReader *reader)
{
	unsigned	capacity = reader->capacity < 512 ? 512 : reader->capacity;

	if (reader->n_times <= reader->capacity)
		return;
	while (capacity < reader->n_times)
		capacity *= 2;
	reader->times = TSDB_NEW_ARRAY(reader->arena, int64_t, capacity);
	reader->integers = TSDB_NEW_ARRAY(reader->arena, int64_t, capacity);
	reader->more_integers = TSDB_NEW_ARRAY(reader->arena, int64_t, capacity);
	reader->doubles = TSDB_NEW_ARRAY(reader->arena, double, capacity);
	reader->present = TSDB_NEW_ARRAY(reader->arena, uint64_t, TSDB_PRESENCE_WORDS(capacity));
	reader->capacity = capacity;
}

/* The deviations of the timestamps come before the directory: to step over them they must be decoded. */
static const char *
read_deviations(TsdbChunkReader *reader, TsdbReader *in)
{
	if ((reader->flags & CHUNK_FLAG_REGULAR) != 0)
		return NULL;
	return tsdb_stream_read(in, reader->end, reader->times, reader->n_times, 0, reader->n_times, NULL);
}

static const char *
read_cuts(TsdbChunkReader *reader, TsdbReader *in)
{
	uint64_t	first = 0;
	uint64_t	begin;
	uint64_t	samples;

	if ((reader->flags & CHUNK_FLAG_CONTINUES) != 0)
	{
		first = tsdb_read_varint(in);
		if (in->failed || first == 0 || first >= reader->n_times)
			return "first sample of the first column out of range";
	}
	begin = reader->n_columns == 1 ? first : 0;
	samples = reader->n_times - begin;
	if ((reader->flags & CHUNK_FLAG_CUT) != 0)
	{
		uint64_t	cut = tsdb_read_varint(in);

		if (in->failed || cut == 0 || cut >= samples)
			return "number of samples of the last column out of range";
		samples = cut;
	}
	reader->first_sample = (unsigned) first;
	reader->last_samples = (unsigned) samples;
	return NULL;
}

static const char *
read_directory(TsdbChunkReader *reader, TsdbReader *in)
{
	uint64_t	offset = 0;

	for (unsigned i = 0; i < reader->n_columns; i++)
	{
		uint64_t	len = tsdb_read_varint(in);

		reader->offsets[i] = (uint32_t) offset;
		if (len > UINT32_MAX || offset + len > UINT32_MAX)
			return "directory reaches behind the end";
		offset += len;
	}
	reader->offsets[reader->n_columns] = (uint32_t) offset;
	if (in->failed || offset != tsdb_reader_left(in))
		return "directory does not match the length";
	reader->columns = in->cursor;
	return NULL;
}

static const char *
read_header(TsdbChunkReader *reader, TsdbReader *in)
{
	const uint8_t *header = tsdb_read_bytes(in, CHUNK_HEADER_BYTES);
	uint64_t	step;
	const char *fault;

	if (header == NULL)
		return "shorter than its header";
	if (header[0] != TSDB_CHUNK_VERSION)
		return "unknown version";
	reader->flags = header[1];
	reader->n_times = tsdb_load16(header + 2);
	reader->n_columns = header[4];
	if ((reader->flags & ~CHUNK_FLAGS) != 0)
		return "unknown flags";
	if (reader->n_times == 0 || reader->n_times > TSDB_CHUNK_MAX_TIMES)
		return "number of timestamps out of range";
	if (reader->n_columns == 0)
		return "no columns";
	step = tsdb_read_varint(in);
	if (in->failed || step > INT64_MAX || (step == 0) != (reader->n_times == 1))
		return "time step out of range";
	reader->step = (int64_t) step;
	if ((reader->flags & CHUNK_FLAG_BASE) != 0)
		reader->t_min = tsdb_unzigzag(tsdb_read_varint(in));
	reserve_scratch(reader);
	reader->first_time = reader->n_times;
	fault = read_deviations(reader, in);
	if (fault == NULL)
		fault = read_cuts(reader, in);
	if (fault == NULL)
		fault = read_directory(reader, in);
	return fault;
}

TsdbStatus
tsdb_chunk_open(TsdbChunkReader *reader, const void *data, size_t len, int64_t t_min, TsdbError *error)
{
	TsdbReader	in = tsdb_reader(data, len);
	const char *fault;

	reader->data = data;
	reader->end = in.end;
	reader->t_min = t_min;
	reader->cached = -1;
	fault = read_header(reader, &in);
	if (fault == NULL)
		return TSDB_OK;
	/* nothing can be read from it */
	reader->n_times = 0;
	reader->n_columns = 0;
	return corrupt(error, fault);
}

size_t
tsdb_chunk_n_times(const TsdbChunkReader *reader)
{
	return reader->n_times;
}

int
tsdb_chunk_n_columns(const TsdbChunkReader *reader)
{
	return (int) reader->n_columns;
}

bool
tsdb_chunk_has_samples(const TsdbChunkReader *reader, int column)
{
	return reader->offsets[column + 1] > reader->offsets[column];
}

TsdbChunkInfo
tsdb_chunk_info(const TsdbChunkReader *reader)
{
	return (TsdbChunkInfo){
		.regular = (reader->flags & CHUNK_FLAG_REGULAR) != 0,
		.has_base = (reader->flags & CHUNK_FLAG_BASE) != 0,
		.step = reader->step,
		.header_bytes = (size_t) (reader->columns - reader->data),
	};
}

/* ---- timestamps ---- */

/* In the highest bit: a < b.  Without a comparison, which baseline x86-64 has no vector instruction for. */
static inline uint64_t
less_bit(int64_t a, int64_t b)
{
	uint64_t	x = (uint64_t) a;
	uint64_t	y = (uint64_t) b;

	return (x & ~y) | (~(x ^ y) & (x - y));
}

static bool
ascend(const int64_t *times, unsigned n)
{
	uint64_t	all = UINT64_MAX;

	for (unsigned i = 1; i < n; i++)
		all &= less_bit(times[i - 1], times[i]);
	return all >> 63 != 0;
}

/* Those number `from` up to the first that is made already. */
static const char *
make_times(TsdbChunkReader *reader, unsigned from)
{
	int64_t    *times = reader->times;
	unsigned	to = reader->first_time;
	uint64_t	time = (uint64_t) reader->t_min + from * (uint64_t) reader->step;

	if ((reader->flags & CHUNK_FLAG_REGULAR) != 0)
		memset(times + from, 0, (to - from) * sizeof(*times));
	else if (from == 0 && times[0] != 0)
		return "first timestamp deviates";
	for (unsigned i = from; i < to; i++, time += (uint64_t) reader->step)
		times[i] = (int64_t) (time + (uint64_t) times[i]);
	reader->first_time = from;
	/* a sum that wraps around does not ascend somewhere */
	return ascend(times + from, (to < reader->n_times ? to + 1 : to) - from) ? NULL : "timestamps do not ascend";
}

/* Makes those number `from` and later. */
static TsdbStatus
need_times(TsdbChunkReader *reader, unsigned from, TsdbError *error)
{
	const char *fault = NULL;

	if (reader->n_times == 0)
		fault = "not open";
	else if (from < reader->first_time)
		fault = make_times(reader, from);
	if (fault == NULL)
		return TSDB_OK;
	reader->n_columns = 0;
	reader->n_times = 0;
	return corrupt(error, fault);
}

TsdbStatus
tsdb_chunk_times(TsdbChunkReader *reader, const int64_t **times, TsdbError *error)
{
	*times = reader->times;
	return need_times(reader, 0, error);
}

/* First position in [low, high) whose time is not before t. */
static unsigned
find_time(const int64_t *times, unsigned low, unsigned high, int64_t t)
{
	while (low < high)
	{
		unsigned	middle = low + (high - low) / 2;

		if (times[middle] < t)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Timestamps that are made at once, from the end of a chunk. */
#define FIRST_BLOCK 64

TsdbStatus
tsdb_chunk_times_between(TsdbChunkReader *reader, int64_t t_first, int64_t t_last, const int64_t **times, size_t *first, size_t *n,
						 TsdbError *error)
{
	unsigned	n_times = reader->n_times;
	unsigned	from = n_times;

	/* what is asked for is mostly all of it or its end */
	do
	{
		unsigned	block = from < n_times ? n_times - from : FIRST_BLOCK;
		TsdbStatus	status;

		from = from > block ? from - block : 0;
		status = need_times(reader, from, error);
		if (status != TSDB_OK)
			return status;
	} while (from > 0 && reader->times[from] >= t_first);
	*times = reader->times;
	*first = find_time(reader->times, from, n_times, t_first);
	*n = (t_last == INT64_MAX ? n_times : find_time(reader->times, from, n_times, t_last + 1));
	*n -= *n < *first ? *n : *first;
	return TSDB_OK;
}

/* ---- columns ---- */

#define CACHE_LINE 64

/* Columns of the numbers from first up to last - 1. */
static void
prefetch_columns(const TsdbChunkReader *reader, unsigned first, unsigned last)
{
	const uint8_t *end = reader->columns + reader->offsets[last];

	for (const uint8_t *at = reader->columns + reader->offsets[first]; at < end; at += CACHE_LINE)
		__builtin_prefetch(at);
}

void
tsdb_chunk_prefetch(const TsdbChunkReader *reader, int column)
{
	if (column >= 0 && (unsigned) column < reader->n_columns)
		prefetch_columns(reader, (unsigned) column, (unsigned) column + 1);
}

static inline void
set_bits(uint64_t *words, unsigned from, unsigned n)
{
	while (n > 0)
	{
		unsigned	bit = from % 64;
		unsigned	here = n < 64 - bit ? n : 64 - bit;

		words[from / 64] |= tsdb_low_bits(UINT64_MAX, here) << bit;
		from += here;
		n -= here;
	}
}

/* Run lengths, present first, until the samples of the column are used up. */
static const char *
read_presence(ColumnView *view, uint64_t *present)
{
	unsigned	done = 0;
	bool		is_present = true;

	view->n = 0;
	while (done < view->count)
	{
		uint64_t	run = tsdb_read_varint(&view->body);

		if (view->body.failed || run > view->count - done || (run == 0 && done > 0))
			return "presence does not fit the samples";
		if (is_present)
		{
			set_bits(present, view->first + done, (unsigned) run);
			view->n += (unsigned) run;
		}
		/* a second zero would go on for ever */
		if (run == 0 && !is_present)
			return "presence does not fit the samples";
		done += (unsigned) run;
		is_present = !is_present;
	}
	return view->n > 0 ? NULL : "column without a sample";
}

/*
 * Reads what stands before the numbers.  The bits of samples that are there are
 * set in present, which is all zeros.  A column of length 0 gives n = 0.
 */
static const char *
view_column(const TsdbChunkReader *reader, unsigned column, uint64_t *present, ColumnView *view)
{
	unsigned	head;

	view->body = tsdb_reader(reader->columns + reader->offsets[column], reader->offsets[column + 1] - reader->offsets[column]);
	view->first = column == 0 ? reader->first_sample : 0;
	view->count = column == reader->n_columns - 1 ? reader->last_samples : reader->n_times - view->first;
	view->n = view->count;
	if (tsdb_reader_left(&view->body) == 0)
	{
		view->n = 0;
		return NULL;
	}
	head = tsdb_read_u8(&view->body);
	view->kind = (ColumnKind) (head & 3);
	view->exponent = head >> 2 & 15;
	view->has_presence = (head & COLUMN_PRESENCE) != 0;
	view->reference = 0;
	if (view->has_presence)
	{
		const char *fault = read_presence(view, present);

		if (fault != NULL)
			return fault;
	}
	else
		set_bits(present, view->first, view->n);

	if (view->kind == KIND_BITS && view->exponent > BITS_GORILLA)
		return tsdb_fault_reserved;
	if (view->exponent > MAX_EXPONENT && !(view->kind == KIND_CONSTANT && view->exponent == CONSTANT_BITS))
		return "exponent out of range";
	if ((head & COLUMN_REFERENCE) != 0)
	{
		view->reference = tsdb_read_u8(&view->body);
		if (view->body.failed || view->reference == 0 || view->reference > MAX_REFERENCE || view->reference > column)
			return "reference out of range";
		if (view->kind == KIND_CONSTANT || (view->kind == KIND_BITS && view->exponent != BITS_INTEGERS) || view->has_presence)
			return "reference of a column that cannot have one";
	}
	return NULL;
}

static const char *
check_reference(const ColumnView *view, const ColumnView *target)
{
	if (target->n == 0 || target->kind == KIND_CONSTANT || !tsdb_same_integers(target->kind, view->kind) ||
		target->exponent != view->exponent || target->has_presence || target->first != view->first || target->n < view->n)
		return "reference to a column that does not fit";
	return NULL;
}

/* Only corrections may follow the integers, when these have been read to their end. */
static const char *
check_end(const ColumnView *view, unsigned wanted)
{
	return wanted < view->n ? NULL : view->body.failed || (view->kind != KIND_CORRECTED && tsdb_reader_left(&view->body) > 0) ?
		"column has the wrong length" : NULL;
}

/* Adds the differences of a column's own integers to those in reader->integers: what is behind an offset is one of them. */
static const char *
add_own_differences(TsdbChunkReader *reader, ColumnView *view, unsigned from, unsigned wanted)
{
	int64_t    *sum = reader->integers;
	const char *fault;

	if (tsdb_reader_left(&view->body) > 0 && view->body.cursor[0] == REFERENCE_EQUAL)
	{
		view->body.cursor++;
		sum[from] = (int64_t) ((uint64_t) sum[from] + (uint64_t) tsdb_unzigzag(tsdb_read_varint(&view->body)));
		return check_end(view, view->n);
	}
	fault = tsdb_stream_add_differences(&view->body, reader->end, sum, reader->more_integers, view->n, from, wanted);
	return fault == NULL ? check_end(view, wanted) : fault;
}

/*
 * Differences are added up as well as integers, and most streams hold differences.  So a chain that nothing is known
 * of, the last count of a histogram say, is summed up along time but once.
 */
static const char *
load_chain(TsdbChunkReader *reader, ColumnView *chain, unsigned depth, unsigned from, unsigned wanted)
{
	int64_t    *sum = reader->integers;
	const char *fault;

	memset(sum + from, 0, (wanted - from) * sizeof(*sum));
	for (unsigned i = depth + 1; i-- > 0;)
	{
		fault = add_own_differences(reader, &chain[i], from, wanted);
		if (fault != NULL)
			return fault;
	}
	for (unsigned i = from + 1; i < wanted; i++)
		sum[i] = (int64_t) ((uint64_t) sum[i] + (uint64_t) sum[i - 1]);
	return NULL;
}

static const char *
add_own_integers(TsdbChunkReader *reader, ColumnView *view, unsigned from, unsigned wanted)
{
	int64_t    *sum = reader->integers;

	if (tsdb_reader_left(&view->body) > 0 && view->body.cursor[0] == REFERENCE_EQUAL)
	{
		uint64_t	offset;

		view->body.cursor++;
		offset = (uint64_t) tsdb_unzigzag(tsdb_read_varint(&view->body));
		for (unsigned i = from; i < wanted; i++)
			sum[i] = (int64_t) ((uint64_t) sum[i] + offset);
		wanted = view->n;
	}
	else
	{
		const char *fault = tsdb_stream_read(&view->body, reader->end, reader->more_integers, view->n, from, wanted, NULL);

		if (fault != NULL)
			return fault;
		for (unsigned i = from; i < wanted; i++)
			sum[i] = (int64_t) ((uint64_t) sum[i] + (uint64_t) reader->more_integers[i]);
	}
	return check_end(view, wanted);
}

/* Most references are to the column before, and no bytes before those of a chain are in the processor's cache. */
#define LIKELY_CHAIN 8

static bool
is_cached(const TsdbChunkReader *reader, unsigned column, unsigned from, unsigned wanted)
{
	return reader->cached == (int) column && reader->first_cached <= from && reader->n_cached >= wanted;
}

/*
 * Fills reader->integers with those of a column from number `from` up to wanted, from the end of its chain of references on.  All
 * to the last one when corrections are behind them, since only the end of the integers tells where these begin.
 */
static const char *
load_integers(TsdbChunkReader *reader, unsigned column, const ColumnView *view, unsigned from, unsigned wanted)
{
	ColumnView	chain[MAX_CHAIN + 1];
	unsigned	depth = 0;
	unsigned	at = column;
	bool		cached;
	const char *fault;

	wanted = view->kind == KIND_CORRECTED ? view->n : wanted;
	cached = is_cached(reader, column, from, wanted);
	if (cached)
		return NULL;
	chain[0] = *view;
	if (view->reference != 0)
		prefetch_columns(reader, column > LIKELY_CHAIN ? column - LIKELY_CHAIN : 0, column);
	while (!cached && chain[depth].reference != 0)
	{
		at -= chain[depth].reference;
		cached = is_cached(reader, at, from, wanted);
		if (++depth > MAX_CHAIN)
			return "chain of references is too long";
		/* its bits are of no use here: a column with gaps is no target */
		fault = view_column(reader, at, reader->present, &chain[depth]);
		if (fault == NULL)
			fault = check_reference(&chain[depth - 1], &chain[depth]);
		if (fault != NULL)
			return fault;
	}
	reader->cached = -1;
	fault = NULL;
	if (!cached && depth > 0)
		fault = load_chain(reader, chain, depth, from, wanted);
	else if (!cached)
	{
		fault = tsdb_stream_read(&chain[0].body, reader->end, reader->integers, view->n, from, wanted, NULL);
		if (fault == NULL)
			fault = check_end(&chain[0], wanted);
	}
	while (cached && fault == NULL && depth-- > 0)
		fault = add_own_integers(reader, &chain[depth], from, wanted);
	if (fault != NULL)
		return fault;
	reader->cached = (int) column;
	reader->first_cached = from;
	reader->n_cached = wanted;
	reader->behind_integers = chain[0].body;
	return NULL;
}

/* Applies the corrections to the doubles of the decimals number from to from + n. */
static const char *
correct_values(TsdbChunkReader *reader, const ColumnView *view, unsigned from, unsigned n, double *values)
{
	TsdbReader	in = reader->behind_integers;
	const char *fault = tsdb_stream_read(&in, reader->end, reader->more_integers, view->n, from, from + n, NULL);

	if (fault != NULL)
		return fault;
	tsdb_correct_doubles(values, reader->more_integers + from, n);
	return from + n == view->n && tsdb_reader_left(&in) > 0 ? "column has the wrong length" : NULL;
}

static const char *
read_constant(ColumnView *view, double *value)
{
	if (view->exponent == CONSTANT_BITS)
	{
		const uint8_t *bits = tsdb_read_bytes(&view->body, 8);

		*value = bits == NULL ? 0 : tsdb_double_from_bits(tsdb_load64(bits));
	}
	else
		*value = (double) tsdb_unzigzag(tsdb_read_varint(&view->body)) / tsdb_powers_of_ten[view->exponent];
	return view->body.failed || tsdb_reader_left(&view->body) > 0 ? "column has the wrong length" : NULL;
}

/* The samples number from to from + n of those that are there. */
static const char *
load_values(TsdbChunkReader *reader, unsigned column, ColumnView *view, unsigned from, unsigned n, double *values)
{
	const char *fault;
	double		constant;

	if (view->kind == KIND_CONSTANT)
	{
		fault = read_constant(view, &constant);
		for (unsigned i = 0; i < n; i++)
			values[i] = constant;
		return fault;
	}
	if (view->kind == KIND_BITS && view->exponent == BITS_GORILLA)
	{
		fault = tsdb_gorilla_read(&view->body, reader->doubles, view->n, from + n);
		memcpy(values, reader->doubles + from, n * sizeof(*values));
		if (fault == NULL && from + n == view->n && tsdb_reader_left(&view->body) > 0)
			fault = "column has the wrong length";
		return fault;
	}
	fault = load_integers(reader, column, view, from, from + n);
	if (fault != NULL)
		return fault;
	if (view->kind == KIND_BITS)
		tsdb_bits_to_doubles(reader->integers + from, n, values);
	else
		tsdb_decimals_to_doubles(reader->integers + from, n, view->exponent, values);
	return view->kind == KIND_CORRECTED ? correct_values(reader, view, from, n, values) : NULL;
}

/* Column, with its presence in reader->present. */
static TsdbStatus
start_column(TsdbChunkReader *reader, int column, ColumnView *view, TsdbError *error)
{
	const char *fault;

	if (column < 0 || (unsigned) column >= reader->n_columns)
		return corrupt_column(error, column, "not in this chunk");
	memset(reader->present, 0, TSDB_PRESENCE_WORDS(reader->n_times) * sizeof(uint64_t));
	fault = view_column(reader, (unsigned) column, reader->present, view);
	return fault == NULL ? TSDB_OK : corrupt_column(error, column, fault);
}

TsdbStatus
tsdb_chunk_read_column(TsdbChunkReader *reader, int column, double *values, uint64_t *present, TsdbError *error)
{
	ColumnView	view;
	const char *fault;
	TsdbStatus	status = start_column(reader, column, &view, error);

	if (status != TSDB_OK)
		return status;
	memcpy(present, reader->present, TSDB_PRESENCE_WORDS(reader->n_times) * sizeof(uint64_t));
	if (view.n == 0)
		return TSDB_OK;
	fault = load_values(reader, (unsigned) column, &view, 0, view.n, view.has_presence ? reader->doubles : values + view.first);
	if (fault != NULL)
		return corrupt_column(error, column, fault);
	if (view.has_presence)
		for (unsigned i = 0, at = view.first; i < view.n; at++)
			if (tsdb_presence_get(present, at))
				values[at] = reader->doubles[i++];
	return TSDB_OK;
}

static unsigned
count_bits(const uint64_t *words, unsigned from, unsigned to)
{
	unsigned	count = 0;

	while (from < to)
	{
		unsigned	bit = from % 64;
		unsigned	here = to - from < 64 - bit ? to - from : 64 - bit;

		count += (unsigned) __builtin_popcountll(tsdb_low_bits(words[from / 64] >> bit, here));
		from += here;
	}
	return count;
}

TsdbStatus
tsdb_chunk_read_range(TsdbChunkReader *reader, int column, size_t from, size_t to,
					  int64_t *t, double *v, size_t *n, TsdbError *error)
{
	const int64_t *times = reader->times;
	ColumnView	view;
	const char *fault;
	unsigned	low;
	unsigned	high;
	unsigned	taken = 0;
	TsdbStatus	status = need_times(reader, (unsigned) from, error);

	*n = 0;
	if (status == TSDB_OK)
		status = start_column(reader, column, &view, error);
	if (status != TSDB_OK || view.n == 0)
		return status;
	low = from > view.first ? (unsigned) from : view.first;
	high = to < view.first + view.count ? (unsigned) to : view.first + view.count;
	if (low >= high)
		return TSDB_OK;
	if (!view.has_presence)
	{
		taken = high - low;
		if (taken < to - from)
			memcpy(t, times + low, taken * sizeof(*t));
		low -= view.first;
	}
	else
	{
		for (unsigned at = low; at < high; at++)
			if (tsdb_presence_get(reader->present, at))
				t[taken++] = times[at];
		low = count_bits(reader->present, view.first, low);
		if (taken == 0)
			return TSDB_OK;
	}
	fault = load_values(reader, (unsigned) column, &view, low, taken, v);
	if (fault != NULL)
		return corrupt_column(error, column, fault);
	*n = taken;
	return TSDB_OK;
}

TsdbStatus
tsdb_chunk_read_samples(TsdbChunkReader *reader, int column, int64_t t_first, int64_t t_last,
						int64_t *t, double *v, size_t *n, TsdbError *error)
{
	const int64_t *times;
	size_t		first;
	size_t		wanted;
	TsdbStatus	status = TSDB_OK;

	*n = 0;
	if (t_first > t_last)
		return tsdb_chunk_times(reader, &times, error);
	status = tsdb_chunk_times_between(reader, t_first, t_last, &times, &first, &wanted, error);
	if (status == TSDB_OK)
		status = tsdb_chunk_read_range(reader, column, first, first + wanted, t, v, n, error);
	if (status == TSDB_OK && *n == wanted)
		memcpy(t, times + first, *n * sizeof(*t));
	return status;
}

/* ---- information ---- */

TsdbStatus
tsdb_chunk_column_info(TsdbChunkReader *reader, int column, TsdbChunkColumnInfo *info, TsdbError *error)
{
	static const char *const coders[] = {"rice", "zero runs", "huffman", "digits"};
	ColumnView	view;
	StreamInfo	stream;
	const char *fault;
	TsdbStatus	status = start_column(reader, column, &view, error);

	*info = (TsdbChunkColumnInfo){.order = -1};
	if (status != TSDB_OK || view.n == 0)
		return status;
	info->bytes = reader->offsets[column + 1] - reader->offsets[column];
	info->n_samples = view.n;
	info->reference = (int) view.reference;
	if (view.kind == KIND_CONSTANT)
		info->number = "constant";
	else if (view.kind == KIND_DECIMAL)
		info->number = "decimal";
	else if (view.kind == KIND_CORRECTED)
		info->number = "corrected decimal";
	else
		info->number = view.exponent == BITS_GORILLA ? "gorilla" : "bits";
	if (view.kind != KIND_BITS && view.exponent != CONSTANT_BITS)
		info->exponent = view.exponent;
	if (view.kind == KIND_CONSTANT || (view.kind == KIND_BITS && view.exponent == BITS_GORILLA))
		return TSDB_OK;
	if (view.reference != 0 && tsdb_reader_left(&view.body) > 0 && view.body.cursor[0] == REFERENCE_EQUAL)
		return TSDB_OK;
	fault = tsdb_stream_read(&view.body, reader->end, reader->more_integers, view.n, 0, view.n, &stream);
	if (fault != NULL)
		return corrupt_column(error, column, fault);
	info->order = stream.order;
	info->coder = view.n > 1 ? coders[stream.coder] : NULL;
	return TSDB_OK;
}

TsdbStatus
tsdb_chunk_validate(TsdbArena *arena, const void *data, size_t len, TsdbError *error)
{
	TsdbArenaMark mark = tsdb_arena_mark(arena);
	TsdbChunkReader *reader = tsdb_chunk_reader_make(arena);
	const int64_t *times;
	TsdbStatus	status = tsdb_chunk_open(reader, data, len, 0, error);

	if (status == TSDB_OK)
		status = tsdb_chunk_times(reader, &times, error);
	if (status == TSDB_OK)
	{
		double	   *values = TSDB_NEW_ARRAY(arena, double, reader->n_times);
		uint64_t   *present = TSDB_NEW_ARRAY(arena, uint64_t, TSDB_PRESENCE_WORDS(reader->n_times));

		for (unsigned i = 0; i < reader->n_columns && status == TSDB_OK; i++)
			status = tsdb_chunk_read_column(reader, (int) i, values, present, error);
	}
	tsdb_arena_rewind(arena, mark);
	return status;
}
