/*
 * labels_encode.c
 *		The canonical encoding of label sets: written, read, searched.
 *
 *		u8 version = 2 | n x (name, value)
 *
 *		name	one code of a piece that is a whole name, or: 00, codes of text, 00
 *		value	codes of text
 *
 * Codes of text:
 *
 *		20 .. 7e		this byte
 *		01 .. 1f, 7f .. fb	a piece (pieces.txt), or a whole name
 *		fc b, fd b		one of 512 other pieces, or a whole name
 *		ff n, n bytes	1 to 255 bytes that are not printable ASCII
 *
 * A value ends where the next name begins, so there are no lengths; no name and no value has a zero byte.  Of the pieces that
 * text goes on with, the longest is taken, and a run is as long as it can be: a label set has one encoding only, and bytes
 * can be compared instead of labels.  Names and values of metrics take a third to a fifth of their length that way.
 */
#include "core/labels/labels_internal.h"

typedef enum Kind
{
	TEXT,
	NAME,
	SEPARATOR,
	/* the first byte of several */
	LONG,
	RUN,
	BAD
} Kind;

typedef struct Piece
{
	uint16_t	at;				/* in piece_text */
	uint8_t		len;
	uint8_t		kind;
} Piece;

/* The pieces by their codes, those of two bytes from 256 on, and a trie that finds them. */
#include "core/labels/pieces.inc"

#define FIRST_LONG_BYTE 0xfc
#define RUN_BYTE 0xff
#define MAX_RUN 255

/* More than all labels of a set may have; two bytes of damage can stand for forty. */
#define MOST_TEXT ((size_t) TSDB_MAX_LABELS * 2 * TSDB_MAX_LABEL_BYTES)

/* This many bytes are copied at once, and pieces are no longer than three of them. */
#define COPIED 16

static inline bool
is_printable(uint8_t byte)
{
	return byte >= 0x20 && byte < 0x7f;
}

/* ---- writing ---- */

/* The longest piece that the text begins with; its length is 0 when there is none. */
static inline size_t
longest_piece(const uint8_t *at, const uint8_t *end, unsigned *code)
{
	const uint8_t *start = at;
	unsigned	state = TEXT_ROOT;
	size_t		len = 0;

	while (at < end)
	{
		unsigned	next = trie_base[state] + *at++;

		if (trie_check[next] != state)
			break;
		state = next;
		if (trie_code[state] != 0)
		{
			*code = trie_code[state];
			len = (size_t) (at - start);
		}
	}
	return len;
}

/* The code of the piece that is this name, 0 when there is none. */
static unsigned
name_code(TsdbStr name)
{
	unsigned	state = NAME_ROOT;

	for (size_t i = 0; i < name.len; i++)
	{
		unsigned	next = trie_base[state] + (uint8_t) name.data[i];

		if (trie_check[next] != state)
			return 0;
		state = next;
	}
	return trie_code[state];
}

static inline uint8_t *
put_code(uint8_t *out, unsigned code)
{
	if (code >= 256)
		*out++ = (uint8_t) (FIRST_LONG_BYTE + (code - 256) / 256);
	*out++ = (uint8_t) code;
	return out;
}

static uint8_t *
put_run(uint8_t *out, const uint8_t **at, const uint8_t *end)
{
	const uint8_t *start = *at;
	size_t		len = 0;

	while (len < MAX_RUN && start + len < end && !is_printable(start[len]))
		len++;
	*out++ = RUN_BYTE;
	*out++ = (uint8_t) len;
	memcpy(out, start, len);
	*at += len;
	return out + len;
}

static uint8_t *
put_text(uint8_t *out, TsdbStr text)
{
	const uint8_t *at = (const uint8_t *) text.data;
	const uint8_t *end = at + text.len;

	while (at < end)
	{
		unsigned	code;
		size_t		len = longest_piece(at, end, &code);

		if (len > 0)
		{
			out = put_code(out, code);
			at += len;
		}
		else if (is_printable(*at))
			*out++ = *at++;
		else
			out = put_run(out, &at, end);
	}
	return out;
}

/* A byte that is not printable takes three at most. */
static size_t
most_bytes(TsdbLabels labels)
{
	size_t		bytes = 1;

	for (size_t i = 0; i < labels.n; i++)
		bytes += 2 + 3 * (labels.pairs[i].name.len + labels.pairs[i].value.len);
	return bytes;
}

void
tsdb_labels_encode(TsdbBuffer *buffer, TsdbLabels labels)
{
	uint8_t    *out;

	tsdb_buffer_reserve(buffer, most_bytes(labels));
	out = buffer->data + buffer->len;
	*out++ = TSDB_LABELS_VERSION;
	for (size_t i = 0; i < labels.n; i++)
	{
		unsigned	code = name_code(labels.pairs[i].name);

		if (code != 0)
			out = put_code(out, code);
		else
		{
			*out++ = 0;
			out = put_text(out, labels.pairs[i].name);
			*out++ = 0;
		}
		out = put_text(out, labels.pairs[i].value);
	}
	buffer->len = (size_t) (out - buffer->data);
}

/* ---- codes ---- */

typedef struct Code
{
	Kind		kind;			/* TEXT, NAME, SEPARATOR or BAD */
	unsigned	number;			/* of a piece */
	const char *text;
	size_t		len;
} Code;

/* Those of several bytes. */
static void
read_long_code(const uint8_t **at, const uint8_t *end, Code *code)
{
	size_t		left = (size_t) (end - *at);
	const Piece *piece;

	if (code->kind == LONG && left > 0)
	{
		code->number = 256 + (code->number - FIRST_LONG_BYTE) * 256 + *(*at)++;
		piece = &pieces[code->number];
		*code = (Code){piece->kind, code->number, piece_text + piece->at, piece->len};
	}
	else if (code->kind == RUN && left > 0 && **at > 0 && **at < left)
	{
		*code = (Code){TEXT, code->number, (const char *) *at + 1, **at};
		*at += 1 + code->len;
	}
	else
		code->kind = BAD;
}

/* There is one byte at least. */
static inline Code
read_code(const uint8_t **at, const uint8_t *end)
{
	unsigned	byte = *(*at)++;
	const Piece *piece = &pieces[byte];
	Code		code = {piece->kind, byte, piece_text + piece->at, piece->len};

	if (tsdb_unlikely(code.kind >= LONG))
		read_long_code(at, end, &code);
	return code;
}

/* ---- reading ---- */

/* What there is up to `end`, which is where the first label with a fault begins. */
typedef struct Extent
{
	size_t		n_labels;
	size_t		n_bytes;		/* of names and values */
	const uint8_t *end;
	const char *fault;			/* or NULL */
} Extent;

static Extent
measure(const uint8_t *at, const uint8_t *end)
{
	Extent		extent = {.end = at};
	size_t		n_labels = 0;
	size_t		n_bytes = 0;
	bool		in_name = false;

	while (at < end)
	{
		const uint8_t *start = at;
		Code		code = read_code(&at, end);

		if (n_bytes > MOST_TEXT)
		{
			extent.fault = "more text than labels may have";
			return extent;
		}
		if (code.kind == BAD || (in_name && code.kind == NAME) || (n_labels == 0 && code.kind == TEXT))
		{
			extent.fault = "a code that is none";
			return extent;
		}
		if (code.kind != TEXT)
		{
			if (!in_name)
			{
				extent = (Extent){n_labels++, n_bytes, start, NULL};
				if (n_labels > TSDB_MAX_LABELS)
				{
					extent.fault = "too many labels";
					return extent;
				}
			}
			in_name = code.kind == SEPARATOR && !in_name;
		}
		n_bytes += code.len;
	}
	if (in_name)
		extent.fault = "a name without a value";
	else
		extent = (Extent){n_labels, n_bytes, at, NULL};
	return extent;
}

/* Writes a multiple of COPIED bytes when the text is in piece_text, which has as many behind its end. */
static inline char *
copy_text(char *out, const Code *code, bool is_piece)
{
	if (tsdb_unlikely(!is_piece))
		memcpy(out, code->text, code->len);
	else
	{
		memcpy(out, code->text, COPIED);
		if (tsdb_unlikely(code->len > COPIED))
			memcpy(out + COPIED, code->text + COPIED, 2 * COPIED);
	}
	return out + code->len;
}

/* Bytes that were measured. */
static TsdbLabels
expand(TsdbArena *arena, const uint8_t *at, const Extent *extent)
{
	TsdbLabel  *pairs = TSDB_NEW_ARRAY(arena, TsdbLabel, extent->n_labels);
	TsdbLabel  *pair = NULL;
	char	   *out = tsdb_alloc(arena, extent->n_bytes + 3 * COPIED);
	char	   *start = out;
	bool		in_name = false;

	while (at < extent->end)
	{
		Code		code = read_code(&at, extent->end);

		if (code.kind == TEXT)
		{
			out = copy_text(out, &code, code.number != RUN_BYTE);
			continue;
		}
		if (in_name)
			pair->name = (TsdbStr){start, (size_t) (out - start)};
		else
		{
			if (pair != NULL)
				pair->value = (TsdbStr){start, (size_t) (out - start)};
			pair = pair == NULL ? pairs : pair + 1;
			pair->name = (TsdbStr){code.text, code.len};
		}
		in_name = code.kind == SEPARATOR && !in_name;
		start = out;
	}
	if (pair != NULL)
		pair->value = (TsdbStr){start, (size_t) (out - start)};
	return (TsdbLabels){pairs, extent->n_labels};
}

TsdbStatus
tsdb_labels_read(TsdbArena *arena, const void *data, size_t len, TsdbLabels *labels, TsdbError *error)
{
	const uint8_t *at = data;
	Extent		extent;

	if (len == 0)
		return tsdb_fail(error, TSDB_ERR_CORRUPT, "label set is truncated");
	if (*at != TSDB_LABELS_VERSION)
		return tsdb_fail(error, TSDB_ERR_CORRUPT, "label set has format version %u, not %d", *at, TSDB_LABELS_VERSION);
	extent = measure(at + 1, at + len);
	if (extent.fault != NULL)
		return tsdb_fail(error, TSDB_ERR_CORRUPT, "label set has %s", extent.fault);
	*labels = expand(arena, at + 1, &extent);
	return TSDB_OK;
}

/* Only what tsdb_labels_make() lets through: sorted, unique, nothing empty. */
static const char *
check_decoded(const TsdbLabel *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		TsdbError	error;

		if (pairs[i].value.len == 0)
			return "an empty label value";
		if (i > 0 && tsdb_str_compare(pairs[i - 1].name, pairs[i].name) >= 0)
			return "label names that are not in ascending order";
		if (tsdb_label_check(&pairs[i], &error) != TSDB_OK)
			return "a label that breaks the rules of the data model";
	}
	return NULL;
}

static bool
is_encoding_of(TsdbArena *arena, const void *data, size_t len, TsdbLabels labels)
{
	TsdbArenaMark mark = tsdb_arena_mark(arena);
	TsdbBuffer	again;
	bool		same;

	tsdb_buffer_init(&again, arena, 0);
	tsdb_labels_encode(&again, labels);
	same = again.len == len && memcmp(again.data, data, len) == 0;
	tsdb_arena_rewind(arena, mark);
	return same;
}

TsdbStatus
tsdb_labels_decode(TsdbArena *arena, const void *data, size_t len, TsdbLabels *labels, TsdbError *error)
{
	TsdbStatus	status = tsdb_labels_read(arena, data, len, labels, error);
	const char *fault;

	if (status != TSDB_OK)
		return status;
	fault = check_decoded(labels->pairs, labels->n);
	if (fault == NULL && !is_encoding_of(arena, data, len, *labels))
		fault = "another encoding than the shortest";
	return fault == NULL ? TSDB_OK : tsdb_fail(error, TSDB_ERR_CORRUPT, "label set has %s", fault);
}

TsdbLabels
tsdb_labels_view(TsdbArena *arena, const void *data, size_t len)
{
	const uint8_t *at = data;
	Extent		extent;

	if (len == 0)
		return (TsdbLabels){NULL, 0};
	extent = measure(at + 1, at + len);
	return expand(arena, at + 1, &extent);
}

/* ---- searching ---- */

/* Behind the text, whose codes go on from here; answers whether it is this one. */
static bool
skip_name(const uint8_t **at, const uint8_t *end, TsdbStr name)
{
	bool		same = true;
	size_t		len = 0;

	while (*at < end)
	{
		Code		code = read_code(at, end);

		if (code.kind != TEXT)
			return same && len == name.len;
		same = same && code.len <= name.len - len && memcmp(name.data + len, code.text, code.len) == 0;
		len += same ? code.len : 0;
	}
	return false;
}

/* Where the value that begins here ends, and how long it is. */
static const uint8_t *
end_of_value(const uint8_t *at, const uint8_t *end, size_t *len)
{
	for (*len = 0; at < end;)
	{
		const uint8_t *start = at;
		Code		code = read_code(&at, end);

		if (code.kind != TEXT)
			return start;
		*len += code.len;
	}
	return at;
}

static TsdbStr
expand_value(TsdbArena *arena, const uint8_t *at, const uint8_t *end, size_t len)
{
	char	   *value = tsdb_alloc(arena, len + 3 * COPIED);
	char	   *out = value;

	while (at < end)
	{
		Code		code = read_code(&at, end);

		out = copy_text(out, &code, code.number != RUN_BYTE);
	}
	return (TsdbStr){value, len};
}

TsdbStr
tsdb_labels_find(TsdbArena *arena, const void *data, size_t len, TsdbStr name)
{
	const uint8_t *at = data;
	const uint8_t *end = at + len;
	unsigned	wanted = name_code(name);

	/* behind the version */
	for (at += len > 0; at < end;)
	{
		Code		code = read_code(&at, end);
		const uint8_t *value;
		size_t		value_len;
		bool		found = code.kind == SEPARATOR ? skip_name(&at, end, name) : code.kind == NAME && code.number == wanted;

		value = at;
		at = end_of_value(value, end, &value_len);
		if (found)
			return expand_value(arena, value, at, value_len);
	}
	return (TsdbStr){NULL, 0};
}
