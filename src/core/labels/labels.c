/*
 * labels.c
 *		Label sets: build, compare.
 */
#include "core/labels/labels.h"
#include "core/labels/labels_internal.h"

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

TsdbStatus
tsdb_label_check(const TsdbLabel *pair, TsdbError *error)
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
		TsdbStatus	status = tsdb_label_check(&pairs[i], error);

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

TsdbLabels
tsdb_labels_without(TsdbArena *arena, TsdbLabels labels, TsdbStr name)
{
	TsdbLabel  *kept;
	size_t		n = 0;

	if (tsdb_labels_get(labels, name).data == NULL)
		return labels;
	kept = TSDB_NEW_ARRAY(arena, TsdbLabel, labels.n);
	for (size_t i = 0; i < labels.n; i++)
		if (!tsdb_str_equal(labels.pairs[i].name, name))
			kept[n++] = labels.pairs[i];
	return (TsdbLabels){kept, n};
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
