/*
 * labels.c
 *		Label sets: build, compare, hash, encode.
 */
#include "core/labels/labels.h"

/* ---- building ---- */

/* Nearly all sets arrive sorted. */
static bool
is_sorted(const TsdbLabel *pairs, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (tsdb_str_compare(pairs[i - 1].name, pairs[i].name) > 0)
			return false;
	return true;
}

static void
sift_down(TsdbLabel *heap, size_t root, size_t n)
{
	for (;;)
	{
		size_t		child = 2 * root + 1;
		TsdbLabel	swap;

		if (child >= n)
			return;
		if (child + 1 < n && tsdb_str_compare(heap[child].name, heap[child + 1].name) < 0)
			child++;
		if (tsdb_str_compare(heap[root].name, heap[child].name) >= 0)
			return;
		swap = heap[root];
		heap[root] = heap[child];
		heap[child] = swap;
		root = child;
	}
}

/* Heap sort: in place, and n log n for hostile input too. */
static void
sort_by_name(TsdbLabel *pairs, size_t n)
{
	if (is_sorted(pairs, n))
		return;
	for (size_t i = n / 2; i-- > 0;)
		sift_down(pairs, i, n);
	for (size_t last = n - 1; last > 0; last--)
	{
		TsdbLabel	swap = pairs[0];

		pairs[0] = pairs[last];
		pairs[last] = swap;
		sift_down(pairs, 0, last);
	}
}

/* Printable head of a name or value for messages. */
static int
shown(TsdbStr text)
{
	return (int) (text.len < 100 ? text.len : tsdb_utf8_valid_prefix(text.data, 100));
}

static TsdbStatus
check_pair(const TsdbLabel *pair, TsdbError *error)
{
	if (pair->name.len == 0)
		return tsdb_fail(error, TSDB_ERR_LABELS, "label name is empty");
	if (!tsdb_utf8_is_valid(pair->name))
		return tsdb_fail(error, TSDB_ERR_ENCODING, "label name is not valid UTF-8");
	if (!tsdb_utf8_is_valid(pair->value))
		return tsdb_fail(error, TSDB_ERR_ENCODING, "value of label \"%.*s\" is not valid UTF-8",
						 shown(pair->name), pair->name.data);
	if (memchr(pair->name.data, '\0', pair->name.len) != NULL ||
		(pair->value.len > 0 && memchr(pair->value.data, '\0', pair->value.len) != NULL))
	{
		tsdb_fail(error, TSDB_ERR_ENCODING, "label \"%.*s\" contains a zero byte", shown(pair->name), pair->name.data);
		tsdb_error_hint(error, "Text in PostgreSQL cannot hold the character U+0000.");
		return error->code;
	}
	if (pair->name.len > TSDB_MAX_LABEL_BYTES || pair->value.len > TSDB_MAX_LABEL_BYTES)
		return tsdb_fail(error, TSDB_ERR_LABELS, "name or value of label \"%.*s\" is longer than %d bytes",
						 shown(pair->name), pair->name.data, TSDB_MAX_LABEL_BYTES);
	return TSDB_OK;
}

TsdbStatus
tsdb_labels_make(TsdbLabel *pairs, size_t n, TsdbLabels *labels, TsdbError *error)
{
	size_t		kept = 0;

	if (n > TSDB_MAX_LABELS)
		return tsdb_fail(error, TSDB_ERR_LABELS, "label set has %zu labels, more than %d", n, TSDB_MAX_LABELS);
	for (size_t i = 0; i < n; i++)
	{
		TsdbStatus	status = check_pair(&pairs[i], error);

		if (status != TSDB_OK)
			return status;
	}
	sort_by_name(pairs, n);
	for (size_t i = 1; i < n; i++)
		if (tsdb_str_equal(pairs[i - 1].name, pairs[i].name))
			return tsdb_fail(error, TSDB_ERR_LABELS, "label name \"%.*s\" is not unique",
							 shown(pairs[i].name), pairs[i].name.data);
	for (size_t i = 0; i < n; i++)
		if (pairs[i].value.len > 0)
			pairs[kept++] = pairs[i];
	*labels = (TsdbLabels){pairs, kept};
	return TSDB_OK;
}

TsdbLabels
tsdb_labels_copy(TsdbArena *arena, TsdbLabels labels)
{
	TsdbLabel  *pairs = TSDB_NEW_ARRAY(arena, TsdbLabel, labels.n);
	size_t		bytes = 0;
	char	   *text;

	for (size_t i = 0; i < labels.n; i++)
		bytes += labels.pairs[i].name.len + labels.pairs[i].value.len;
	text = tsdb_alloc(arena, bytes);
	for (size_t i = 0; i < labels.n; i++)
	{
		const TsdbLabel *from = &labels.pairs[i];

		memcpy(text, from->name.data, from->name.len);
		pairs[i].name = (TsdbStr){text, from->name.len};
		text += from->name.len;
		memcpy(text, from->value.data, from->value.len);
		pairs[i].value = (TsdbStr){text, from->value.len};
		text += from->value.len;
	}
	return (TsdbLabels){pairs, labels.n};
}

/* ---- reading ---- */

/* Sets are small, and the first byte tells most names apart: a scan beats a binary search. */
TsdbStr
tsdb_labels_get(TsdbLabels labels, TsdbStr name)
{
	for (size_t i = 0; i < labels.n; i++)
		if (tsdb_str_equal(labels.pairs[i].name, name))
			return labels.pairs[i].value;
	return (TsdbStr){NULL, 0};
}

int
tsdb_labels_compare(TsdbLabels a, TsdbLabels b)
{
	size_t		common = a.n < b.n ? a.n : b.n;

	for (size_t i = 0; i < common; i++)
	{
		int			order = tsdb_str_compare(a.pairs[i].name, b.pairs[i].name);

		if (order == 0)
			order = tsdb_str_compare(a.pairs[i].value, b.pairs[i].value);
		if (order != 0)
			return order;
	}
	return (a.n > b.n) - (a.n < b.n);
}

bool
tsdb_labels_equal(TsdbLabels a, TsdbLabels b)
{
	return a.n == b.n && tsdb_labels_compare(a, b) == 0;
}

static bool
is_legacy_name(TsdbStr name, bool colon)
{
	for (size_t i = 0; i < name.len; i++)
	{
		char		c = name.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':') ||
			  (i > 0 && c >= '0' && c <= '9')))
			return false;
	}
	return name.len > 0;
}

bool
tsdb_is_legacy_label_name(TsdbStr name)
{
	return is_legacy_name(name, false);
}

bool
tsdb_is_legacy_metric_name(TsdbStr name)
{
	return is_legacy_name(name, true);
}

/* ---- canonical encoding ---- */

void
tsdb_labels_encode(TsdbBuffer *buffer, TsdbLabels labels)
{
	tsdb_buffer_u8(buffer, TSDB_LABELS_VERSION);
	tsdb_buffer_varint(buffer, labels.n);
	for (size_t i = 0; i < labels.n; i++)
	{
		tsdb_buffer_varint(buffer, labels.pairs[i].name.len);
		tsdb_buffer_append_str(buffer, labels.pairs[i].name);
		tsdb_buffer_varint(buffer, labels.pairs[i].value.len);
		tsdb_buffer_append_str(buffer, labels.pairs[i].value);
	}
}

static size_t
encoded_bytes(TsdbLabels labels)
{
	size_t		bytes = 1 + 10;

	for (size_t i = 0; i < labels.n; i++)
		bytes += 20 + labels.pairs[i].name.len + labels.pairs[i].value.len;
	return bytes;
}

static uint8_t *
put_text(uint8_t *at, TsdbStr text)
{
	size_t		len = text.len;

	while (len >= 0x80)
	{
		*at++ = (uint8_t) (len | 0x80);
		len >>= 7;
	}
	*at++ = (uint8_t) len;
	memcpy(at, text.data, text.len);
	return at + text.len;
}

/* Bytes of tsdb_labels_encode() in memory that has room for them (n <= TSDB_MAX_LABELS fits two varint bytes). */
static size_t
encode_into(uint8_t *out, TsdbLabels labels)
{
	uint8_t    *at = out;

	*at++ = TSDB_LABELS_VERSION;
	if (labels.n >= 0x80)
	{
		*at++ = (uint8_t) (labels.n | 0x80);
		*at++ = (uint8_t) (labels.n >> 7);
	}
	else
		*at++ = (uint8_t) labels.n;
	for (size_t i = 0; i < labels.n; i++)
	{
		at = put_text(at, labels.pairs[i].name);
		at = put_text(at, labels.pairs[i].value);
	}
	return (size_t) (at - out);
}

TsdbHash
tsdb_labels_hash(TsdbArena *arena, TsdbLabels labels)
{
	uint8_t		small[2048];
	size_t		bytes = encoded_bytes(labels);
	TsdbArenaMark mark;
	uint8_t    *large;
	TsdbHash	hash;

	if (bytes <= sizeof(small))
		return tsdb_hash(small, encode_into(small, labels), 0);
	mark = tsdb_arena_mark(arena);
	large = tsdb_alloc(arena, bytes);
	hash = tsdb_hash(large, encode_into(large, labels), 0);
	tsdb_arena_rewind(arena, mark);
	return hash;
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
		if (check_pair(&pairs[i], &error) != TSDB_OK)
			return "a label that breaks the rules of the data model";
	}
	return NULL;
}

static inline TsdbStr
read_text(TsdbReader *reader)
{
	uint64_t	bytes = tsdb_read_varint(reader);

	return (TsdbStr){(const char *) tsdb_read_bytes(reader, bytes), bytes};
}

TsdbStatus
tsdb_labels_read(TsdbArena *arena, const void *data, size_t len, TsdbLabels *labels, TsdbError *error)
{
	TsdbReader	reader = tsdb_reader(data, len);
	uint8_t		version = tsdb_read_u8(&reader);
	uint64_t	n = tsdb_read_varint(&reader);
	TsdbLabel  *pairs;

	if (!reader.failed && version != TSDB_LABELS_VERSION)
		return tsdb_fail(error, TSDB_ERR_CORRUPT, "label set has format version %u, not %d", version, TSDB_LABELS_VERSION);
	/* a pair takes four bytes at least, so a hostile count cannot ask for much memory */
	if (reader.failed || n > TSDB_MAX_LABELS || n > tsdb_reader_left(&reader) / 4)
		return tsdb_fail(error, TSDB_ERR_CORRUPT, "label set is truncated");
	pairs = TSDB_NEW_ARRAY(arena, TsdbLabel, n);
	for (uint64_t i = 0; i < n; i++)
	{
		pairs[i].name = read_text(&reader);
		pairs[i].value = read_text(&reader);
		if (reader.failed)
			return tsdb_fail(error, TSDB_ERR_CORRUPT, "label set is truncated");
	}
	if (tsdb_reader_left(&reader) > 0)
		return tsdb_fail(error, TSDB_ERR_CORRUPT, "label set has %zu bytes behind its end", tsdb_reader_left(&reader));
	*labels = (TsdbLabels){pairs, n};
	return TSDB_OK;
}

TsdbStatus
tsdb_labels_decode(TsdbArena *arena, const void *data, size_t len, TsdbLabels *labels, TsdbError *error)
{
	TsdbStatus	status = tsdb_labels_read(arena, data, len, labels, error);
	const char *fault;

	if (status != TSDB_OK)
		return status;
	fault = check_decoded(labels->pairs, labels->n);
	return fault == NULL ? TSDB_OK : tsdb_fail(error, TSDB_ERR_CORRUPT, "label set has %s", fault);
}

TsdbLabels
tsdb_labels_view(TsdbArena *arena, const void *data, size_t len)
{
	TsdbReader	reader = tsdb_reader(data, len);
	uint64_t	n;
	TsdbLabel  *pairs;
	uint64_t	i;

	tsdb_read_u8(&reader);
	n = tsdb_read_varint(&reader);
	if (n > tsdb_reader_left(&reader) / 4)
		n = 0;
	pairs = TSDB_NEW_ARRAY(arena, TsdbLabel, n);
	for (i = 0; i < n; i++)
	{
		pairs[i].name = read_text(&reader);
		pairs[i].value = read_text(&reader);
		if (reader.failed)
			break;
	}
	return (TsdbLabels){pairs, i};
}

/* Lengths below 128 are one byte; this is all that nearly every label takes. */
static inline bool
read_length(const uint8_t **at, const uint8_t *end, size_t *length)
{
	TsdbReader	reader;

	if (tsdb_likely(*at < end && **at < 0x80))
	{
		*length = *(*at)++;
		return *length <= (size_t) (end - *at);
	}
	reader = tsdb_reader(*at, (size_t) (end - *at));
	*length = tsdb_read_varint(&reader);
	*at = reader.cursor;
	return !reader.failed && *length <= tsdb_reader_left(&reader);
}

TsdbStr
tsdb_labels_find(const void *data, size_t len, TsdbStr name)
{
	const uint8_t *at = data;
	const uint8_t *end = at + len;
	size_t		n;

	if (len == 0)
		return (TsdbStr){NULL, 0};
	at++;						/* the version */
	if (!read_length(&at, end, &n))
		return (TsdbStr){NULL, 0};
	for (size_t i = 0; i < n; i++)
	{
		size_t		name_len;
		size_t		value_len;
		const uint8_t *found;

		if (!read_length(&at, end, &name_len))
			break;
		found = at;
		at += name_len;
		if (!read_length(&at, end, &value_len))
			break;
		if (name_len == name.len && memcmp(found, name.data, name_len) == 0)
			return (TsdbStr){(const char *) at, value_len};
		at += value_len;
	}
	return (TsdbStr){NULL, 0};
}
