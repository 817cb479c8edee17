/*
 * encoding.c
 *		Lists of numbers as bytes (postings.h draws them).
 */
#include "core/postings/postings.h"

#define FORM_BITS 0x40
#define FORM_LIST 0x80
#define MAX_LISTED 7
#define MAX_HIGH (TSDB_POSTINGS_LIMIT / 64 - 1)

static size_t
put_varint(uint8_t *out, uint64_t value)
{
	size_t		n = 0;

	while (value >= 0x80)
	{
		out[n++] = (uint8_t) (value | 0x80);
		value >>= 7;
	}
	out[n++] = (uint8_t) value;
	return n;
}

/* At most nine bytes. */
static size_t
put_body(uint8_t *out, uint64_t bits)
{
	unsigned	from = (unsigned) __builtin_ctzll(bits) / 8;
	unsigned	to = (63 - (unsigned) __builtin_clzll(bits)) / 8;
	unsigned	count = (unsigned) __builtin_popcountll(bits);
	size_t		n = 1;

	if (count == 1)
	{
		out[0] = (uint8_t) __builtin_ctzll(bits);
		return 1;
	}
	if (to - from + 1 <= count)
	{
		out[0] = (uint8_t) (FORM_BITS | from << 3 | (to - from));
		for (unsigned byte = from; byte <= to; byte++)
			out[n++] = (uint8_t) (bits >> (8 * byte));
		return n;
	}
	out[0] = (uint8_t) (FORM_LIST | count);
	for (; bits != 0; bits &= bits - 1)
		out[n++] = (uint8_t) __builtin_ctzll(bits);
	return n;
}

size_t
tsdb_postings_encode(const TsdbPostingsWord *words, size_t n, uint8_t *out, size_t room, size_t *taken)
{
	size_t		len = 0;

	*taken = 0;
	while (*taken < n)
	{
		uint8_t		word[TSDB_POSTINGS_WORD_MAX];
		uint64_t	gap = *taken == 0 ? 0 : words[*taken].high - words[*taken - 1].high - 1;
		size_t		bytes = put_varint(word, gap);

		bytes += put_body(word + bytes, words[*taken].bits);
		if (bytes > room - len)
			break;
		memcpy(out + len, word, bytes);
		len += bytes;
		++*taken;
	}
	return len;
}

/* 0 when the bytes are none that put_body() writes. */
static inline uint64_t
read_body(TsdbReader *reader)
{
	uint8_t		head = tsdb_read_u8(reader);
	uint64_t	bits = 0;
	unsigned	from = head >> 3 & 7;
	unsigned	n = head & 0x0f;
	const uint8_t *bytes;

	if (tsdb_likely(head < FORM_BITS))
		return UINT64_C(1) << head;
	if (head < FORM_LIST)
	{
		n = (head & 7) + 1;
		bytes = tsdb_read_bytes(reader, n);
		if (bytes == NULL || from + n > 8 || bytes[0] == 0 || bytes[n - 1] == 0)
			return 0;
		for (unsigned i = 0; i < n; i++)
			bits |= (uint64_t) bytes[i] << (8 * (from + i));
		return (unsigned) __builtin_popcountll(bits) < n || (bits & (bits - 1)) == 0 ? 0 : bits;
	}
	bytes = tsdb_read_bytes(reader, n);
	if (head > (FORM_LIST | MAX_LISTED) || n < 2 || bytes == NULL)
		return 0;
	for (unsigned i = 0; i < n; i++)
	{
		if (bytes[i] >= 64 || (i > 0 && bytes[i] <= bytes[i - 1]))
			return 0;
		bits |= UINT64_C(1) << bytes[i];
	}
	return bytes[n - 1] / 8 - bytes[0] / 8 + 1U <= n ? 0 : bits;
}

/* A varint with a last byte of 0 could have done without it. */
static inline bool
read_gap(TsdbReader *reader, uint64_t *gap)
{
	const uint8_t *from = reader->cursor;

	*gap = tsdb_read_varint(reader);
	return !reader->failed && (reader->cursor - from == 1 || reader->cursor[-1] != 0);
}

/* The next word into *word, behind the one that is there. */
static inline bool
read_word(TsdbReader *reader, TsdbPostingsWord *word)
{
	uint64_t	gap;

	if (!read_gap(reader, &gap) || gap > MAX_HIGH || word->high + 1 + gap > MAX_HIGH)
		return false;
	word->high += 1 + gap;
	word->bits = read_body(reader);
	return word->bits != 0 && !reader->failed;
}

static TsdbStatus
corrupt(const void *data, const TsdbReader *reader, TsdbError *error)
{
	return tsdb_fail(error, TSDB_ERR_CORRUPT, "list of numbers is damaged before byte %zu",
					 (size_t) (reader->cursor - (const uint8_t *) data));
}

TsdbStatus
tsdb_postings_decode_words(const void *data, size_t len, uint64_t first, TsdbPostingsWord *words, size_t max, size_t *n,
						   TsdbError *error)
{
	TsdbReader	reader = tsdb_reader(data, len);
	TsdbPostingsWord word = {first / 64 - 1, 0};

	*n = 0;
	while (tsdb_reader_left(&reader) > 0)
	{
		if (*n == max || !read_word(&reader, &word))
			return corrupt(data, &reader, error);
		words[(*n)++] = word;
	}
	if (*n == 0 || words[0].high != first / 64 || (uint64_t) __builtin_ctzll(words[0].bits) != first % 64)
		return tsdb_fail(error, TSDB_ERR_CORRUPT, "list of numbers does not begin with %llu", (unsigned long long) first);
	return TSDB_OK;
}

TsdbStatus
tsdb_postings_decode(const void *data, size_t len, uint64_t first, TsdbPostings *list, TsdbError *error)
{
	size_t		most = len / 2;
	size_t		n;
	TsdbStatus	status;

	if (most == 0)
		return tsdb_fail(error, TSDB_ERR_CORRUPT, "list of numbers is empty or cut off");
	if (most > list->capacity - list->n)
	{
		size_t		capacity = list->capacity * 2 > list->n + most ? list->capacity * 2 : list->n + most;

		list->words = tsdb_grow(list->arena, list->words, list->capacity * sizeof(TsdbPostingsWord),
								capacity * sizeof(TsdbPostingsWord));
		list->capacity = capacity;
	}
	status = tsdb_postings_decode_words(data, len, first, list->words + list->n, most, &n, error);
	if (n > 0 && list->n > 0 && list->words[list->n - 1].high >= list->words[list->n].high)
		list->unsettled = true;
	list->n += n;
	return status;
}
