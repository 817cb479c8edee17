/*
 * match.c
 *		Matchers to rows.
 *
 * A matcher that the empty value does not satisfy wants the rows of some entries: those whose value it
 * matches.  One that the empty value satisfies also wants the rows that do not have the label at all, which no
 * entry has; it is turned round: all rows but those of the entries whose value it does not match.  Either way
 * entries of one name are collected, by looking them up where their values are known, and else by walking over
 * the values with the longest known prefix.  A regular expression is run once for each of these.
 *
 * Of several labels with one value each the one with the fewest rows comes first.  When few rows are left, and the entries of the
 * next matcher hold many times more, looking at the labels of these rows is less work than reading all those entries.
 *
 * Names and values that were cut (entry.c) cannot be decided here either: their rows stay in, and are to be looked at again.
 */
#include "postgres.h"

#include "pg/am/am_internal.h"
#include "pg/mem.h"

/* A row whose labels are looked at costs as much as so many bytes of entries. */
#define BYTES_PER_ROW 256
/* So few rows are looked at whatever the entries of the next matcher hold. */
#define FEW_ROWS 16
/* What an entry costs beside its bytes. */
#define ENTRY_BYTES 32

/* How the entries of a matcher are found, the cheapest first. */
typedef enum Access
{
	ACCESS_EQUAL,				/* one value */
	ACCESS_ALTERNATIVES,		/* several */
	ACCESS_PREFIX,				/* a range of values */
	ACCESS_NAME					/* all of them */
} Access;

typedef struct Term
{
	const TsdbMatcher *matcher;
	bool		subtract;		/* the empty value matches */
	Access		access;
	const TsdbStr *values;
	size_t		n_values;
	TsdbStr		prefix;
} Term;

typedef struct Match
{
	Relation	index;
	int32		part;
	LabelIndexCursor *cursor;
	LabelIndexKey key;
	bool		exact;			/* all that the index knows is asked for, whatever it costs */
	size_t		budget;			/* bytes of entries that may still be read for the matcher at hand */
	bool		recheck;
} Match;

/* Rows of the part that were not in the tree yet. */
typedef struct Pending
{
	int32		part;
	const TsdbMatcher *matchers;
	size_t		n;
	TsdbArena  *arena;			/* of the values of a row alone: a regex keeps memory in that of its own */
	TsdbPostings all;
	TsdbPostings matching;
} Pending;

static void match_pending(void *context, int32 part, uint64 number, TsdbStr labels);
static void match_tree(Match *match, const TsdbMatcher *matchers, size_t n, TsdbPostings *rows);
static void start_rows(Match *match, Term *terms, size_t n, TsdbPostings *rows);
static void start_with_smallest(Match *match, Term *terms, size_t n, TsdbPostings *rows);
static void apply_term(Match *match, const Term *term, TsdbPostings *rows);
static void load_all(Match *match, TsdbPostings *rows);
static void make_term(const TsdbMatcher *matcher, Term *term);
static int	compare_terms(const void *a, const void *b);
static bool collect(Match *match, const Term *term, TsdbPostings *rows);
static bool collect_values(Match *match, const Term *term, TsdbPostings *rows);
static bool collect_range(Match *match, const Term *term, TsdbPostings *rows);
static bool wants(Match *match, const Term *term, TsdbStr value);
static bool load(Match *match, TsdbStr key, TsdbPostings *rows);
static bool spend(Match *match, const LabelIndexEntry *entry);

bool
pgtsdb_label_index_tids(Relation index, int32 part, const TsdbMatcher *matchers, size_t n, bool exact, TsdbPostings *rows)
{
	Match		match = {.index = index, .part = part, .cursor = palloc_object(LabelIndexCursor), .exact = exact};
	Pending		pending = {.part = part, .matchers = matchers, .n = n, .arena = tsdb_arena_child(rows->arena)};

	tsdb_postings_init(&pending.all, rows->arena);
	tsdb_postings_init(&pending.matching, rows->arena);
	/* before the tree, since they move there */
	pgtsdb_am_visit_pending(index, match_pending, &pending);
	match_tree(&match, matchers, n, rows);
	/* they may be in the tree under some of their labels by now, and seem to lack the others */
	tsdb_postings_subtract(rows, &pending.all);
	tsdb_postings_unite(rows, &pending.matching, &pgtsdb_env);
	pfree(match.cursor);
	return match.recheck;
}

static void
match_pending(void *context, int32 part, uint64 number, TsdbStr labels)
{
	Pending    *pending = context;
	bool		matches = true;

	if (part != pending->part)
		return;
	tsdb_postings_add(&pending->all, number);
	for (size_t i = 0; i < pending->n && matches; i++)
		matches = tsdb_matcher_matches(&pending->matchers[i],
									   tsdb_labels_find(pending->arena, labels.data, labels.len, pending->matchers[i].name));
	tsdb_arena_reset(pending->arena);
	if (matches)
		tsdb_postings_add(&pending->matching, number);
}

static void
match_tree(Match *match, const TsdbMatcher *matchers, size_t n, TsdbPostings *rows)
{
	Term	   *terms = palloc_array(Term, Max(n, 1));

	for (size_t i = 0; i < n; i++)
		make_term(&matchers[i], &terms[i]);
	qsort(terms, n, sizeof(Term), compare_terms);
	start_rows(match, terms, n, rows);
	for (size_t i = n > 0 && !terms[0].subtract ? 1 : 0; i < n && rows->n > 0; i++)
		apply_term(match, &terms[i], rows);
	pfree(terms);
}

/* The rows of the first term, or all of them when every one of the terms subtracts. */
static void
start_rows(Match *match, Term *terms, size_t n, TsdbPostings *rows)
{
	size_t		n_equal = 0;

	match->budget = SIZE_MAX;
	if (n == 0 || terms[0].subtract)
	{
		load_all(match, rows);
		return;
	}
	while (n_equal < n && !terms[n_equal].subtract && terms[n_equal].access == ACCESS_EQUAL)
		n_equal++;
	if (n_equal > 1)
		start_with_smallest(match, terms, n_equal, rows);
	else
		(void) collect(match, &terms[0], rows);
}

/* Reads a little of each list, then more of each, until it has all of one, which becomes the first term. */
static void
start_with_smallest(Match *match, Term *terms, size_t n, TsdbPostings *rows)
{
	for (size_t bytes = LABEL_INDEX_MAX_POSTINGS + ENTRY_BYTES;; bytes *= 4)
		for (size_t i = 0; i < n; i++)
		{
			Term		term = terms[i];

			match->budget = bytes;
			rows->n = 0;
			if (!collect(match, &term, rows))
				continue;
			terms[i] = terms[0];
			terms[0] = term;
			return;
		}
}

static void
apply_term(Match *match, const Term *term, TsdbPostings *rows)
{
	uint64		n = match->exact ? 0 : tsdb_postings_count(rows);
	TsdbPostings of_term;

	if (!match->exact && n <= FEW_ROWS)
	{
		match->recheck = true;
		return;
	}
	match->budget = match->exact ? SIZE_MAX : Max(n * BYTES_PER_ROW, LABEL_INDEX_MAX_POSTINGS + ENTRY_BYTES);
	tsdb_postings_init(&of_term, rows->arena);
	if (!collect(match, term, &of_term))
		match->recheck = true;
	else if (term->subtract)
		tsdb_postings_subtract(rows, &of_term);
	else
		tsdb_postings_intersect(rows, &of_term);
}

static void
load_all(Match *match, TsdbPostings *rows)
{
	pgtsdb_am_make_key(&match->key, match->part, TSDB_STR(""), TSDB_STR(LABEL_INDEX_ALL));
	(void) load(match, (TsdbStr) {match->key.data, match->key.len}, rows);
}

static void
make_term(const TsdbMatcher *matcher, Term *term)
{
	bool		equal = matcher->type == TSDB_MATCH_EQUAL || matcher->type == TSDB_MATCH_NOT_EQUAL;
	bool		positive = matcher->type == TSDB_MATCH_EQUAL || matcher->type == TSDB_MATCH_REGEX;

	*term = (Term) {.matcher = matcher, .access = ACCESS_NAME};
	term->subtract = tsdb_matcher_matches(matcher, TSDB_STR(""));
	/* values that are equal or match are collected to be intersected by = and =~, to be subtracted by != and !~ */
	if (positive == term->subtract)
		return;
	if (equal)
	{
		term->access = ACCESS_EQUAL;
		term->values = &matcher->value;
		term->n_values = 1;
		return;
	}
	term->values = tsdb_regex_alternatives(matcher->regex, &term->n_values);
	term->prefix = tsdb_regex_prefix(matcher->regex);
	if (term->n_values > 0)
		term->access = term->n_values == 1 ? ACCESS_EQUAL : ACCESS_ALTERNATIVES;
	else if (term->prefix.len > 0)
		term->access = ACCESS_PREFIX;
}

/* What starts the intersection should be small, and so should the work before it may turn out to be empty. */
static int
compare_terms(const void *a, const void *b)
{
	const Term *x = a;
	const Term *y = b;

	if (x->subtract != y->subtract)
		return x->subtract ? 1 : -1;
	if (x->access != y->access)
		return (int) x->access - (int) y->access;
	return (x->n_values > y->n_values) - (x->n_values < y->n_values);
}

/* False: the budget was not enough for all of its entries. */
static bool
collect(Match *match, const Term *term, TsdbPostings *rows)
{
	bool		whole;

	if (term->matcher->name.len > LABEL_INDEX_MAX_TEXT)
	{
		/* the entry may be of another name with the same hash */
		match->recheck = true;
		if (term->subtract)
			return true;
	}
	if (term->access == ACCESS_EQUAL || term->access == ACCESS_ALTERNATIVES)
		whole = collect_values(match, term, rows);
	else
		whole = collect_range(match, term, rows);
	tsdb_postings_settle(rows, &pgtsdb_env);
	return whole;
}

static bool
collect_values(Match *match, const Term *term, TsdbPostings *rows)
{
	for (size_t i = 0; i < term->n_values; i++)
	{
		TsdbStr		value = term->values[i];

		if (value.len > LABEL_INDEX_MAX_TEXT)
		{
			match->recheck = true;
			if (term->subtract)
				continue;
		}
		if (value.len == 0)
			continue;			/* no row has it; those without the label are another matter */
		pgtsdb_am_make_key(&match->key, match->part, term->matcher->name, value);
		if (!load(match, (TsdbStr) {match->key.data, match->key.len}, rows))
			return false;
	}
	return true;
}

static bool
collect_range(Match *match, const Term *term, TsdbPostings *rows)
{
	TsdbStr		before = pgtsdb_am_key_prefix(&match->key, match->part, term->matcher->name);
	size_t		name_len = before.len;
	size_t		prefix_len = Min(term->prefix.len, LABEL_INDEX_MAX_TEXT / 2);
	LabelIndexKey last = {0};
	bool		wanted = false;
	const LabelIndexEntry *entry;

	if (prefix_len > 0)
		memcpy(match->key.data + name_len, term->prefix.data, prefix_len);
	before.len += prefix_len;
	pgtsdb_am_seek(match->cursor, match->index, (LabelIndexPlace) {before, 0});
	while ((entry = pgtsdb_am_next(match->cursor)) != NULL)
	{
		if (entry->key_len < before.len || memcmp(entry->key, before.data, before.len) != 0)
			break;
		if (last.len != entry->key_len || memcmp(last.data, entry->key, last.len) != 0)
		{
			last.len = entry->key_len;
			memcpy(last.data, entry->key, last.len);
			wanted = wants(match, term, (TsdbStr) {last.data + name_len, last.len - name_len});
		}
		if (!spend(match, entry))
			return false;
		if (wanted)
			pgtsdb_am_decode(match->index, match->cursor->block, entry, rows);
	}
	return true;
}

static bool
wants(Match *match, const Term *term, TsdbStr value)
{
	if (pgtsdb_am_is_cut(value))
	{
		match->recheck = true;
		return !term->subtract;
	}
	return tsdb_matcher_matches(term->matcher, value) != term->subtract;
}

/* All rows with the key, or false when they do not fit into the budget. */
static bool
load(Match *match, TsdbStr key, TsdbPostings *rows)
{
	const LabelIndexEntry *entry;

	pgtsdb_am_seek(match->cursor, match->index, (LabelIndexPlace) {key, 0});
	while ((entry = pgtsdb_am_next(match->cursor)) != NULL && tsdb_str_equal((TsdbStr) {entry->key, entry->key_len}, key))
	{
		if (!spend(match, entry))
			return false;
		pgtsdb_am_decode(match->index, match->cursor->block, entry, rows);
	}
	return true;
}

static bool
spend(Match *match, const LabelIndexEntry *entry)
{
	size_t		cost = entry->data_len + ENTRY_BYTES;

	if (cost > match->budget)
		return false;
	match->budget -= cost;
	return true;
}

void
pgtsdb_am_load(LabelIndexCursor *cursor, Relation index, TsdbStr key, TsdbPostings *rows)
{
	const LabelIndexEntry *entry;

	pgtsdb_am_seek(cursor, index, (LabelIndexPlace) {key, 0});
	while ((entry = pgtsdb_am_next(cursor)) != NULL && tsdb_str_equal((TsdbStr) {entry->key, entry->key_len}, key))
		pgtsdb_am_decode(index, cursor->block, entry, rows);
}
