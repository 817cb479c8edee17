/*
 * head.c
 *		Head rows: samples of one group with one timestamp, byte-aligned and stateless.
 *
 *		u8  version = 1
 *		u8  flags: 1 = samples have a dt | others 0
 *		u16 first column
 *		u16 n, columns from the first to the last sample
 *		u16 skip[(n - 1) / 64]		payload offset of column 64, 128, ... of the row
 *		u4  tag[n]					low nibble first; an odd n is filled up with "absent"
 *		payload						per column that is there: [zigzag varint dt] and the bytes of its tag
 *
 *		tag 0		+0, no bytes
 *		tag 1..7	zigzag integer of so many bytes
 *		tag 8..13	zigzag integer of 1 to 6 bytes, divided by 1000
 *		tag 14		absent, no bytes
 *		tag 15		the 8 bytes of the double
 *
 * All integers are little-endian.  The first and the last column are there, so
 * n says nothing that the samples do not.
 *
 * An integer or a decimal is taken only after it has been turned back and compared
 * bit for bit, so -0, NaN payloads, infinities and what is beyond 2^53 end up as tag 15.
 *
 * The encoder writes values with 8-byte stores and advances by less: the buffer
 * has 8 bytes more than a row may have.
 */
#include "core/chunk/head.h"

#include <math.h>

#include "core/chunk/bytes.h"

#define HEADER_BYTES 6
#define FLAG_DT 1

#define TAG_ZERO 0
#define TAG_DECIMAL 7			/* + bytes of the integer */
#define TAG_ABSENT 14
#define TAG_RAW 15
#define MAX_INTEGER_BYTES 7
#define MAX_DECIMAL_BYTES 6
#define DECIMAL_SCALE 1000.0

#define SKIP_COLUMNS 64
#define MAX_SPAN 4096			/* columns of one row: bounds its tags */

/* Absent columns cost 4 bits each, another row about 90 bytes of tuple, header and index entry. */
#define MAX_GAP 192

/* Integers above are not exact in a double; also keeps NaN and infinities away from the conversion. */
#define MAX_EXACT 9007199254740992.0

static const uint8_t tag_bytes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 4, 5, 6, 0, 8};

static inline unsigned
n_skips(unsigned n_columns)
{
	return (n_columns - 1) / SKIP_COLUMNS;
}

static inline unsigned
get_tag(const uint8_t *tags, unsigned i)
{
	return tags[i / 2] >> (i % 2 * 4) & 15;
}

static inline unsigned
zigzag_bytes(uint64_t zigzag)
{
	return (tsdb_bit_length(zigzag) + 7) / 8;
}

/* ---- encoding ---- */

/* Writes up to 8 bytes at p and answers the tag. */
static inline unsigned
encode_value(double v, uint8_t *p)
{
	uint64_t	bits = tsdb_double_bits(v);

	if (bits == 0)
		return TAG_ZERO;
	if (tsdb_likely(fabs(v) < MAX_EXACT))
	{
		int64_t		integer = (int64_t) v;
		double		scaled;
		uint64_t	zigzag;

		if (integer != 0 && (double) integer == v)
		{
			zigzag = tsdb_zigzag(integer);
			tsdb_store64(p, zigzag);
			return zigzag_bytes(zigzag);
		}
		scaled = v * DECIMAL_SCALE;
		integer = (int64_t) (scaled + (scaled < 0 ? -0.5 : 0.5));
		zigzag = tsdb_zigzag(integer);
		if (integer != 0 && zigzag_bytes(zigzag) <= MAX_DECIMAL_BYTES && (double) integer / DECIMAL_SCALE == v)
		{
			tsdb_store64(p, zigzag);
			return TAG_DECIMAL + zigzag_bytes(zigzag);
		}
	}
	tsdb_store64(p, bits);
	return TAG_RAW;
}

static inline uint8_t *
encode_dt(int32_t dt, uint8_t *p)
{
	uint64_t	zigzag = tsdb_zigzag(dt);

	for (; zigzag >= 0x80; zigzag >>= 7)
		*p++ = (uint8_t) (zigzag | 0x80);
	*p++ = (uint8_t) zigzag;
	return p;
}

/* How many of the samples lie close enough together for one row; whether any has a dt. */
static size_t
measure_span(const TsdbHeadSample *samples, size_t n, bool *has_dt)
{
	uint32_t	any_dt = (uint32_t) samples[0].dt;
	size_t		i;

	for (i = 1; i < n; i++)
	{
		/* as unsigned: a column that does not ascend is far away, too, and comes into a row of its own */
		if (samples[i].col - samples[i - 1].col - 1u >= MAX_GAP || samples[i].col - samples[0].col >= MAX_SPAN)
			break;
		any_dt |= (uint32_t) samples[i].dt;
	}
	*has_dt = any_dt != 0;
	return i;
}

/* Encodes n samples of one row; returns how many came before the first that did not fit. */
static size_t
encode_row(const TsdbHeadSample *samples, size_t n, bool has_dt, uint8_t *out, size_t *len)
{
	unsigned	first = samples[0].col;
	unsigned	n_columns = samples[n - 1].col - first + 1u;
	uint8_t    *skips = out + HEADER_BYTES;
	uint8_t    *tags = skips + 2 * n_skips(n_columns);
	uint8_t    *payload = tags + (n_columns + 1) / 2;
	uint8_t    *limit = out + TSDB_HEAD_ROW_LIMIT;
	uint8_t    *p = payload;
	unsigned	next_skip = SKIP_COLUMNS;

	out[0] = TSDB_HEAD_VERSION;
	out[1] = has_dt ? FLAG_DT : 0;
	tsdb_store16(out + 2, first);
	tsdb_store16(out + 4, n_columns);
	memset(tags, TAG_ABSENT | TAG_ABSENT << 4, (n_columns + 1) / 2);

	for (size_t i = 0; i < n; i++)
	{
		unsigned	column = samples[i].col - first;
		unsigned	tag;

		for (; column >= next_skip; next_skip += SKIP_COLUMNS)
			tsdb_store16(skips + 2 * (next_skip / SKIP_COLUMNS - 1), (unsigned) (p - payload));
		if (has_dt)
		{
			if (limit - p < 5)
				return i;
			p = encode_dt(samples[i].dt, p);
		}
		tag = encode_value(samples[i].v, p);
		p += tag_bytes[tag];
		if (tsdb_unlikely(p > limit))
			return i;
		tags[column / 2] = (uint8_t) ((tags[column / 2] & (0xf0 >> (column % 2 * 4))) | tag << (column % 2 * 4));
	}
	*len = (size_t) (p - out);
	return n;
}

size_t
tsdb_head_encode(const TsdbHeadSample *samples, size_t n, uint8_t out[TSDB_HEAD_BUFFER], size_t *len)
{
	bool		has_dt;
	size_t		fit;

	*len = 0;
	if (n == 0)
		return 0;
	n = measure_span(samples, n, &has_dt);
	/* Fewer columns need fewer tags, so what fitted before fits again. */
	while ((fit = encode_row(samples, n, has_dt, out, len)) < n)
		n = fit;
	return n;
}

/* ---- reading ---- */

static TsdbStatus
corrupt(TsdbError *error, const char *what)
{
	return tsdb_fail(error, TSDB_ERR_CORRUPT, "invalid head row: %s", what);
}

TsdbStatus
tsdb_head_open(TsdbHeadRow *row, const void *data, size_t len, TsdbError *error)
{
	const uint8_t *bytes = data;
	size_t		skip_bytes;
	size_t		tag_area;

	if (len < HEADER_BYTES)
		return corrupt(error, "shorter than its header");
	if (bytes[0] != TSDB_HEAD_VERSION)
		return tsdb_fail(error, TSDB_ERR_CORRUPT, "invalid head row: version %u is not known", bytes[0]);
	if ((bytes[1] & ~FLAG_DT) != 0)
		return corrupt(error, "unknown flags");
	row->has_dt = (bytes[1] & FLAG_DT) != 0;
	row->first_column = tsdb_load16(bytes + 2);
	row->n_columns = tsdb_load16(bytes + 4);
	if (row->n_columns == 0 || row->first_column + row->n_columns > TSDB_HEAD_MAX_COLUMNS)
		return corrupt(error, "number of columns out of range");
	skip_bytes = 2 * n_skips(row->n_columns);
	tag_area = (row->n_columns + 1) / 2;
	if (len - HEADER_BYTES < skip_bytes + tag_area)
		return corrupt(error, "shorter than its tags");
	row->skips = bytes + HEADER_BYTES;
	row->tags = row->skips + skip_bytes;
	row->payload = row->tags + tag_area;
	row->end = bytes + len;
	return TSDB_OK;
}

/* A walk over the columns of a row: p is where the payload of `column` begins. */
typedef struct Walk
{
	const TsdbHeadRow *row;
	unsigned	column;
	const uint8_t *p;
} Walk;

/* Starts at the block that `column` lies in. */
static bool
walk_to_block(Walk *walk, unsigned column)
{
	const TsdbHeadRow *row = walk->row;
	unsigned	block = column / SKIP_COLUMNS;
	size_t		offset = block == 0 ? 0 : tsdb_load16(row->skips + 2 * (block - 1));

	walk->column = block * SKIP_COLUMNS;
	walk->p = row->payload + offset;
	return offset <= (size_t) (row->end - row->payload);
}

static inline bool
read_dt(Walk *walk, int32_t *dt)
{
	TsdbReader	reader = {walk->p, walk->row->end, false};
	uint64_t	zigzag = tsdb_read_varint(&reader);

	walk->p = reader.cursor;
	*dt = (int32_t) tsdb_unzigzag(zigzag & UINT32_MAX);
	return !reader.failed && zigzag <= UINT32_MAX;
}

/* Steps over one column; false when it reaches behind the end. */
static inline bool
walk_skip(Walk *walk)
{
	unsigned	tag = get_tag(walk->row->tags, walk->column++);
	int32_t		dt;

	if (walk->row->has_dt && tag != TAG_ABSENT && !read_dt(walk, &dt))
		return false;
	if (walk->row->end - walk->p < tag_bytes[tag])
		return false;
	walk->p += tag_bytes[tag];
	return true;
}

static inline double
decode_value(unsigned tag, uint64_t word)
{
	if (tag == TAG_RAW)
		return tsdb_double_from_bits(word);
	word = tsdb_low_bits(word, tag_bytes[tag] * 8u);
	if (tag <= MAX_INTEGER_BYTES)
		return (double) tsdb_unzigzag(word);
	return (double) tsdb_unzigzag(word) / DECIMAL_SCALE;
}

/* Reads one column; *found tells whether it is there. */
static inline bool
walk_read(Walk *walk, TsdbHeadSample *sample, bool *found)
{
	unsigned	tag = get_tag(walk->row->tags, walk->column);

	*found = tag != TAG_ABSENT;
	if (*found)
	{
		sample->col = (uint16_t) (walk->row->first_column + walk->column);
		sample->dt = 0;
		if (walk->row->has_dt && !read_dt(walk, &sample->dt))
			return false;
		if (walk->row->end - walk->p < tag_bytes[tag])
			return false;
		sample->v = decode_value(tag, tsdb_load64_until(walk->p, walk->row->end));
		walk->p += tag_bytes[tag];
	}
	walk->column++;
	return true;
}

bool
tsdb_head_has(const TsdbHeadRow *row, unsigned col)
{
	return col >= row->first_column && col - row->first_column < row->n_columns &&
		get_tag(row->tags, col - row->first_column) != TAG_ABSENT;
}

TsdbStatus
tsdb_head_read(const TsdbHeadRow *row, unsigned first, unsigned n_cols, TsdbHeadSample *out, size_t *n, TsdbError *error)
{
	Walk		walk = {row, 0, row->payload};
	uint64_t	behind = (uint64_t) first + n_cols;
	unsigned	last;

	*n = 0;
	if (first < row->first_column)
		first = row->first_column;
	if (behind <= first || first - row->first_column >= row->n_columns)
		return TSDB_OK;
	first -= row->first_column;
	behind -= row->first_column;
	last = behind < row->n_columns ? (unsigned) behind : row->n_columns;

	if (!walk_to_block(&walk, first))
		return corrupt(error, "skip offset behind the end");
	while (walk.column < first)
		if (!walk_skip(&walk))
			return corrupt(error, "shorter than its values");
	while (walk.column < last)
	{
		bool		found;

		if (!walk_read(&walk, &out[*n], &found))
			return corrupt(error, "shorter than its values");
		*n += found;
	}
	return TSDB_OK;
}

TsdbStatus
tsdb_head_pick(const TsdbHeadRow *row, const uint16_t *cols, size_t n_cols, TsdbHeadSample *out, size_t *n, TsdbError *error)
{
	Walk		walk = {row, 0, row->payload};

	*n = 0;
	for (size_t i = 0; i < n_cols; i++)
	{
		unsigned	column = cols[i] - row->first_column;
		bool		found;

		if (cols[i] < row->first_column || column >= row->n_columns)
			continue;
		if (get_tag(row->tags, column) == TAG_ABSENT)
			continue;
		if (column < walk.column)
			continue;			/* the same column twice */
		if (column / SKIP_COLUMNS > walk.column / SKIP_COLUMNS && !walk_to_block(&walk, column))
			return corrupt(error, "skip offset behind the end");
		while (walk.column < column)
			if (!walk_skip(&walk))
				return corrupt(error, "shorter than its values");
		if (!walk_read(&walk, &out[*n], &found))
			return corrupt(error, "shorter than its values");
		*n += found;
	}
	return TSDB_OK;
}

TsdbStatus
tsdb_head_validate(const void *data, size_t len, TsdbError *error)
{
	TsdbHeadRow row;
	Walk		walk;
	TsdbStatus	status = tsdb_head_open(&row, data, len, error);

	if (status != TSDB_OK)
		return status;
	if (len > TSDB_HEAD_ROW_LIMIT)
		return corrupt(error, "longer than a row may be");
	if (get_tag(row.tags, 0) == TAG_ABSENT || get_tag(row.tags, row.n_columns - 1) == TAG_ABSENT)
		return corrupt(error, "first or last column is absent");
	if (row.n_columns % 2 != 0 && get_tag(row.tags, row.n_columns) != TAG_ABSENT)
		return corrupt(error, "a tag behind the last column");

	walk = (Walk){&row, 0, row.payload};
	while (walk.column < row.n_columns)
	{
		if (walk.column > 0 && walk.column % SKIP_COLUMNS == 0 &&
			walk.p != row.payload + tsdb_load16(row.skips + 2 * (walk.column / SKIP_COLUMNS - 1)))
			return corrupt(error, "skip offset does not meet its column");
		if (!walk_skip(&walk))
			return corrupt(error, "shorter than its values");
	}
	if (walk.p != row.end)
		return corrupt(error, "bytes behind the last value");
	return TSDB_OK;
}
