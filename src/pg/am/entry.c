/*
 * entry.c
 *		Keys and entries: (part, name, value) as bytes that compare like them, and what stands behind them.
 */
#include "postgres.h"

#include "port/pg_bswap.h"

#include "pg/am/am_internal.h"

/* No UTF-8 has this byte. */
#define CUT_MARK '\xff'
#define CUT_HASH_CHARS 32
#define CUT_PREFIX (LABEL_INDEX_MAX_TEXT - 1 - CUT_HASH_CHARS)

static void append_text(LabelIndexKey *key, TsdbStr text);

/* Text has no zero byte, so one between name and value makes the order of bytes that of (part, name, value). */
void
pgtsdb_am_make_key(LabelIndexKey *key, int32 part, TsdbStr name, TsdbStr value)
{
	pgtsdb_am_key_prefix(key, part, name);
	append_text(key, value);
}

/* What all values of a name have in front. */
TsdbStr
pgtsdb_am_key_prefix(LabelIndexKey *key, int32 part, TsdbStr name)
{
	uint32		ordered = pg_hton32((uint32) part ^ 0x80000000);

	memcpy(key->data, &ordered, sizeof(ordered));
	key->len = sizeof(ordered);
	append_text(key, name);
	key->data[key->len++] = '\0';
	return (TsdbStr) {key->data, key->len};
}

static void
append_text(LabelIndexKey *key, TsdbStr text)
{
	static const char digits[] = "0123456789abcdef";
	TsdbHash	hash;
	char	   *to = key->data + key->len;

	if (text.len <= LABEL_INDEX_MAX_TEXT)
	{
		if (text.len > 0)
			memcpy(to, text.data, text.len);
		key->len += text.len;
		return;
	}
	hash = tsdb_hash(text.data, text.len, 0);
	memcpy(to, text.data, CUT_PREFIX);
	to += CUT_PREFIX;
	*to++ = CUT_MARK;
	for (int i = 60; i >= 0; i -= 4)
		*to++ = digits[hash.hi >> i & 15];
	for (int i = 60; i >= 0; i -= 4)
		*to++ = digits[hash.lo >> i & 15];
	key->len += LABEL_INDEX_MAX_TEXT;
}

TsdbLabel
pgtsdb_am_key_label(TsdbStr key)
{
	const char *name = key.data + 4;
	const char *end = key.data + key.len;
	const char *zero = key.len > 4 ? memchr(name, '\0', key.len - 4) : NULL;

	if (zero == NULL)
		return (TsdbLabel) {{name, 0}, {name, 0}};
	return (TsdbLabel) {{name, zero - name}, {zero + 1, end - zero - 1}};
}

bool
pgtsdb_am_is_cut(TsdbStr text)
{
	return text.len == LABEL_INDEX_MAX_TEXT && text.data[CUT_PREFIX] == CUT_MARK;
}

TsdbStr
pgtsdb_am_uncut(TsdbStr text)
{
	return (TsdbStr) {text.data, tsdb_utf8_valid_prefix(text.data, CUT_PREFIX)};
}

Size
pgtsdb_am_make_entry(LabelIndexEntry *entry, LabelIndexPlace place, const void *data, Size data_len)
{
	Size		size = LABEL_INDEX_ENTRY_SIZE(place.key.len, data_len);
	char	   *end = entry->key + place.key.len + data_len;

	entry->key_len = (uint16) place.key.len;
	entry->data_len = (uint16) data_len;
	entry->first = pgtsdb_am_tid(place.first);
	memcpy(entry->key, place.key.data, place.key.len);
	if (data_len > 0)
		memcpy(entry->key + place.key.len, data, data_len);
	memset(end, 0, (char *) entry + size - end);
	return size;
}

uint64
pgtsdb_am_first_number(const TsdbPostingsWord *words)
{
	return words->high * 64 + (uint64) __builtin_ctzll(words->bits);
}

size_t
pgtsdb_am_make_leaf_entry(LabelIndexEntry *entry, TsdbStr key, const TsdbPostingsWord *words, size_t n)
{
	uint8		data[LABEL_INDEX_MAX_POSTINGS];
	size_t		taken;
	size_t		len = tsdb_postings_encode(words, n, data, sizeof(data), &taken);

	pgtsdb_am_make_entry(entry, (LabelIndexPlace) {key, pgtsdb_am_first_number(words)}, data, len);
	return taken;
}

/*
 * The fewer bytes of the key, the more children a page can have.  What the last entry of an inner page leads to reaches up to
 * the next entry, so between inner pages there is no choice.
 */
Size
pgtsdb_am_make_separator(LabelIndexEntry *entry, bool leaf, const LabelIndexEntry *left, const LabelIndexEntry *right,
						 BlockNumber child)
{
	LabelIndexPlace place = pgtsdb_am_place(right);
	BlockIdData block;
	size_t		common = 0;

	while (common < left->key_len && common < right->key_len && left->key[common] == right->key[common])
		common++;
	if (leaf && common < right->key_len)
		place = (LabelIndexPlace) {{right->key, common + 1}, 0};
	BlockIdSet(&block, child);
	return pgtsdb_am_make_entry(entry, place, &block, sizeof(block));
}
