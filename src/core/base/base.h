/*
 * base.h
 *		What every room of the core stands on: arena, status, buffers, hash.
 *
 * The core is plain C11.  It takes its memory from a TsdbArena, reports a
 * foreseen failure as a TsdbStatus with a TsdbError, and owns nothing else, so
 * that a callback may leave it by a jump at any point (see src/README.md).
 */
#ifndef TSDB_BASE_H
#define TSDB_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define TSDB_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define tsdb_likely(x) __builtin_expect((x) != 0, 1)
#define tsdb_unlikely(x) __builtin_expect((x) != 0, 0)
#else
#define TSDB_PRINTF(fmt, args)
#define tsdb_likely(x) (x)
#define tsdb_unlikely(x) (x)
#endif

#define TSDB_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- status and error (status.c) ---- */

/*
 * How a core function ended.  src/pg/errors.c maps each code to its SQLSTATE,
 * its Prometheus errorType and its HTTP status; there is no other such table.
 */
typedef enum TsdbStatus
{
	TSDB_OK = 0,
	TSDB_ERR_SYNTAX,			/* a query, selector or duration does not parse or type-check */
	TSDB_ERR_INPUT,				/* received bytes are not what they claim to be */
	TSDB_ERR_LABELS,			/* a label set breaks the rules of the data model */
	TSDB_ERR_ENCODING,			/* text is not valid UTF-8 */
	TSDB_ERR_CORRUPT,			/* stored bytes fail validation */
	TSDB_ERR_EXECUTION,			/* a well-formed query cannot be evaluated */
	TSDB_ERR_LIMIT,				/* a limit of samples, series, depth, size or memory */
	TSDB_ERR_TIMEOUT,			/* the query's own time limit */
	TSDB_ERR_UNSUPPORTED		/* valid, but this version does not do it */
} TsdbStatus;

#define TSDB_ERROR_MESSAGE_MAX 1024
#define TSDB_ERROR_HINT_MAX 512

/*
 * Details of the last failure.  [start, end) is the byte range of the input
 * that is at fault, or -1, -1.  The hint may be empty.
 */
typedef struct TsdbError
{
	TsdbStatus	code;
	int64_t		start;
	int64_t		end;
	char		message[TSDB_ERROR_MESSAGE_MAX];
	char		hint[TSDB_ERROR_HINT_MAX];
} TsdbError;

/* Fill the error and return its code, so that callers can `return` the call. */
extern TsdbStatus tsdb_fail(TsdbError *error, TsdbStatus code, const char *format, ...) TSDB_PRINTF(3, 4);
extern TsdbStatus tsdb_fail_at(TsdbError *error, TsdbStatus code, int64_t start, int64_t end,
							   const char *format, ...) TSDB_PRINTF(5, 6);
extern void tsdb_error_hint(TsdbError *error, const char *format, ...) TSDB_PRINTF(2, 3);
extern void tsdb_error_clear(TsdbError *error);

/* ---- arena (arena.c) ---- */

typedef struct TsdbArenaBlock TsdbArenaBlock;
typedef struct TsdbArena TsdbArena;

/*
 * Memory that is freed as a whole.  acquire() never returns NULL: in the server
 * it throws, in the tests it aborts.  With block_size 0 each object is one
 * acquire(), so that AddressSanitizer sees every overrun; otherwise blocks begin with
 * that size and grow, and a rewind keeps some of them for what comes next.
 */
struct TsdbArena
{
	void	   *(*acquire) (TsdbArena *arena, size_t bytes);
	void		(*release) (TsdbArena *arena, void *block, size_t bytes);
	void	   *context;		/* belongs to acquire and release */
	size_t		block_size;		/* of the next block */
	size_t		acquired;		/* bytes held from acquire() now */
	TsdbArenaBlock *blocks;		/* newest first */
	TsdbArenaBlock *spare;		/* given back by a rewind, newest first */
	size_t		n_spare;
	TsdbArena  *children;		/* newest first */
	TsdbArena  *sibling;		/* of a child: the next one of its parent */
	char	   *cursor;
	char	   *limit;
};

typedef struct TsdbArenaMark
{
	TsdbArenaBlock *blocks;
	char	   *cursor;
	char	   *limit;
} TsdbArenaMark;

/* Aligned to 16 bytes; never NULL, also for zero bytes. */
extern void *tsdb_alloc(TsdbArena *arena, size_t bytes);
extern void *tsdb_alloc0(TsdbArena *arena, size_t bytes);
/* count * size with a check for overflow: a limit error is the caller's duty, so overflow asks acquire for SIZE_MAX. */
extern void *tsdb_alloc_array(TsdbArena *arena, size_t count, size_t size);
/* Grows in place when the object is the newest of its block. */
extern void *tsdb_grow(TsdbArena *arena, void *object, size_t old_bytes, size_t new_bytes);
extern char *tsdb_strndup(TsdbArena *arena, const char *text, size_t length);
/* Everything allocated after the mark goes away at the rewind. */
extern TsdbArenaMark tsdb_arena_mark(const TsdbArena *arena);
extern void tsdb_arena_rewind(TsdbArena *arena, TsdbArenaMark mark);
/* Everything goes away, but a few blocks stay for what comes next. */
extern void tsdb_arena_reset(TsdbArena *arena);
/*
 * An empty arena with the callbacks of its parent: memory with a shorter life, under the same limit.
 * It is freed with its parent, which must not be rewound to before its making.
 */
extern TsdbArena *tsdb_arena_child(TsdbArena *parent);
/* Releases all blocks, those of its children too; the arena can be used again. */
extern void tsdb_arena_free(TsdbArena *arena);
/* An arena over malloc and free, which aborts the process when out of memory: for tests, fuzzers and tools. */
extern void tsdb_arena_init_malloc(TsdbArena *arena, size_t block_size);

#define TSDB_NEW(arena, type) ((type *) tsdb_alloc0((arena), sizeof(type)))
#define TSDB_NEW_ARRAY(arena, type, count) ((type *) tsdb_alloc_array((arena), (count), sizeof(type)))

/* ---- sorting (sort.c) ---- */

/* Stable, n log n in the worst case; takes n * size bytes of the arena meanwhile. compare() must not jump out. */
typedef int (*TsdbCompare) (const void *a, const void *b, const void *context);
typedef struct TsdbEnv TsdbEnv;
extern void tsdb_sort(TsdbArena *arena, const TsdbEnv *env, void *base, size_t n, size_t size, TsdbCompare compare,
					  const void *context);

/* ---- strings ---- */

/* Bytes that someone else owns; not terminated. */
typedef struct TsdbStr
{
	const char *data;
	size_t		len;
} TsdbStr;

#define TSDB_STR(literal) ((TsdbStr){(literal), sizeof(literal) - 1})

static inline TsdbStr
tsdb_str(const char *text)
{
	return (TsdbStr){text, strlen(text)};
}

static inline bool
tsdb_str_equal(TsdbStr a, TsdbStr b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Bytewise, the shorter first: the order of Go strings, and of labels. */
extern int	tsdb_str_compare(TsdbStr a, TsdbStr b);
extern TsdbStr tsdb_str_copy(TsdbArena *arena, TsdbStr text);

/* utf8.c */
/* Length of the valid prefix; equals len when all of it is valid UTF-8 (RFC 3629). */
extern size_t tsdb_utf8_valid_prefix(const char *data, size_t len);
static inline bool
tsdb_utf8_is_valid(TsdbStr text)
{
	return tsdb_utf8_valid_prefix(text.data, text.len) == text.len;
}
/*
 * As much as fits into size > 0 bytes with the terminating zero, never a part of a character; bytes
 * that are not UTF-8 become U+FFFD.  Answers the length.  For messages that quote what was received.
 */
extern size_t tsdb_utf8_copy(char *to, size_t size, const char *from);

/* ---- growing buffer and bounded reader (buffer.c) ---- */

typedef struct TsdbBuffer
{
	TsdbArena  *arena;
	uint8_t    *data;
	size_t		len;
	size_t		capacity;
} TsdbBuffer;

extern void tsdb_buffer_init(TsdbBuffer *buffer, TsdbArena *arena, size_t capacity);
extern void tsdb_buffer_reserve(TsdbBuffer *buffer, size_t more);
extern void tsdb_buffer_append(TsdbBuffer *buffer, const void *data, size_t len);
extern void tsdb_buffer_append_str(TsdbBuffer *buffer, TsdbStr text);
extern void tsdb_buffer_printf(TsdbBuffer *buffer, const char *format, ...) TSDB_PRINTF(2, 3);
extern void tsdb_buffer_varint(TsdbBuffer *buffer, uint64_t value);
/* Puts a zero behind the content, which len does not count. */
extern char *tsdb_buffer_cstring(TsdbBuffer *buffer);

static inline void
tsdb_buffer_u8(TsdbBuffer *buffer, uint8_t byte)
{
	if (tsdb_unlikely(buffer->len == buffer->capacity))
		tsdb_buffer_reserve(buffer, 1);
	buffer->data[buffer->len++] = byte;
}

/*
 * Reads received or stored bytes and never past their end.  After a failure
 * `failed` stays set and every read returns zero, so that a caller may check
 * once per record.
 */
typedef struct TsdbReader
{
	const uint8_t *cursor;
	const uint8_t *end;
	bool		failed;
} TsdbReader;

static inline TsdbReader
tsdb_reader(const void *data, size_t len)
{
	return (TsdbReader){(const uint8_t *) data, (const uint8_t *) data + len, false};
}

static inline size_t
tsdb_reader_left(const TsdbReader *reader)
{
	return (size_t) (reader->end - reader->cursor);
}

extern uint64_t tsdb_read_varint_slow(TsdbReader *reader);

/* The next len bytes, NULL when there are less. */
static inline const uint8_t *
tsdb_read_bytes(TsdbReader *reader, uint64_t len)
{
	const uint8_t *bytes = reader->cursor;

	if (tsdb_unlikely(len > tsdb_reader_left(reader)))
	{
		reader->failed = true;
		reader->cursor = reader->end;
		return NULL;
	}
	reader->cursor += len;
	return bytes;
}

/* LEB128 of at most 10 bytes (protobuf varint). */
static inline uint64_t
tsdb_read_varint(TsdbReader *reader)
{
	if (tsdb_likely(reader->cursor < reader->end && *reader->cursor < 0x80))
		return *reader->cursor++;
	return tsdb_read_varint_slow(reader);
}

static inline uint8_t
tsdb_read_u8(TsdbReader *reader)
{
	if (tsdb_unlikely(reader->cursor >= reader->end))
	{
		reader->failed = true;
		return 0;
	}
	return *reader->cursor++;
}

static inline uint64_t
tsdb_zigzag(int64_t value)
{
	return ((uint64_t) value << 1) ^ (uint64_t) -(int64_t) (value < 0);
}

static inline int64_t
tsdb_unzigzag(uint64_t value)
{
	return (int64_t) ((value >> 1) ^ (0 - (value & 1)));
}

/* ---- dates (date.c) ---- */

typedef struct TsdbDate
{
	int64_t		year;
	int			month;			/* 1 to 12 */
	int			day;			/* 1 to 31 */
} TsdbDate;

/* Of a day counted from 1970-01-01. */
extern TsdbDate tsdb_date_of_day(int64_t day);
/* 2026-11-21T07:12:00 of a time in seconds since 1970, in UTC; `between` is the T. */
extern void tsdb_buffer_time(TsdbBuffer *buffer, int64_t seconds, char between);

/* ---- hash (hash.c) ---- */

/* XXH3 128 bit; 0, 0 never comes out, so tables may use it for "empty". */
typedef struct TsdbHash
{
	uint64_t	lo;
	uint64_t	hi;
} TsdbHash;

extern TsdbHash tsdb_hash(const void *data, size_t len, uint64_t seed);

/* ---- crc32c.c ---- */

extern uint32_t tsdb_crc32c(const void *data, size_t len);

/* ---- numbers (number.c) ---- */

/* Room for any result of the formatters below. */
#define TSDB_NUMBER_MAX 352

/* Decimal digits, at most 20, not terminated; returns how many. */
extern size_t tsdb_format_u64(char *out, uint64_t number);
/*
 * Shortest digits that read back to the same double, as Go's strconv writes
 * them: tsdb_format_double() like 'f' with format letter -1; tsdb_format_json_double()
 * the same, but with exponent below 1e-6 and from 1e21 (Prometheus util/jsonutil).
 * tsdb_format_general_double() like 'g', which is %v: with exponent below 1e-4 and from 1e6.
 * NaN, +Inf, -Inf.  Returns the length; the text is terminated.
 */
extern size_t tsdb_format_double(char *out, double value);
extern size_t tsdb_format_json_double(char *out, double value);
extern size_t tsdb_format_general_double(char *out, double value);
/*
 * Go's strconv.ParseFloat for decimal and hexadecimal floats, inf, infinity, nan in any case; no underscores, all of
 * text.  False also when out of range, and then *value is infinite.
 */
extern bool tsdb_parse_double(TsdbStr text, double *value);

#define TSDB_STALE_NAN_BITS UINT64_C(0x7ff0000000000002)	/* Prometheus model/value */
#define TSDB_NORMAL_NAN_BITS UINT64_C(0x7ff8000000000001)

static inline uint64_t
tsdb_double_bits(double value)
{
	uint64_t	bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static inline double
tsdb_double_from_bits(uint64_t bits)
{
	double		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static inline bool
tsdb_is_stale(double value)
{
	return tsdb_double_bits(value) == TSDB_STALE_NAN_BITS;
}

/* ---- environment ---- */

/* How the world reaches long-running core code.  interrupt() may jump out. */
struct TsdbEnv
{
	void		(*interrupt) (void *context);	/* may be NULL */
	void	   *context;
	int64_t		(*clock) (void *context);	/* nanoseconds since any time, never back; may be NULL */
};

static inline void
tsdb_check_interrupt(const TsdbEnv *env)
{
	if (env != NULL && env->interrupt != NULL)
		env->interrupt(env->context);
}

static inline int64_t
tsdb_clock(const TsdbEnv *env)
{
	return env != NULL && env->clock != NULL ? env->clock(env->context) : 0;
}

#endif							/* TSDB_BASE_H */
