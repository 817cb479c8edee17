/*
 * eval_labels.c
 *		Parts of label sets: what groupings and matchings compare.
 *
 * A grouping looks at each series once per query.  The labels that count are
 * hashed in place, the hash finds a group in an open-addressing table, and the
 * labels of the group's first series settle whether it really is the one.
 */
#include "core/promql/eval_internal.h"

struct EvalGroupSlot
{
	TsdbHash	hash;
	size_t		group_plus_one;	/* 0: empty */
};

/* ---- filters ---- */

static int
compare_names(const void *a, const void *b, const void *context)
{
	(void) context;
	return tsdb_str_compare(*(const TsdbStr *) a, *(const TsdbStr *) b);
}

EvalFilter
tsdb_eval_filter(TsdbArena *arena, const TsdbStr *names, size_t n, bool keep, const char *extra)
{
	TsdbStr    *all = TSDB_NEW_ARRAY(arena, TsdbStr, n + 1);
	size_t		distinct = 0;

	for (size_t i = 0; i < n; i++)
		all[i] = names[i];
	if (extra != NULL)
		all[n++] = tsdb_str(extra);
	tsdb_sort(arena, NULL, all, n, sizeof(TsdbStr), compare_names, NULL);
	for (size_t i = 0; i < n; i++)
		if (distinct == 0 || !tsdb_str_equal(all[distinct - 1], all[i]))
			all[distinct++] = all[i];
	return (EvalFilter){all, distinct, keep};
}

/*
 * Walks the labels that pass.  Both lists are sorted, so one pass is enough;
 * `name` is where the walk stands in the filter.
 */
static const TsdbLabel *
next_passing(const EvalFilter *filter, TsdbLabels labels, size_t *place, size_t *name)
{
	while (*place < labels.n)
	{
		const TsdbLabel *label = &labels.pairs[(*place)++];
		int			order = -1;

		while (*name < filter->n && (order = tsdb_str_compare(filter->names[*name], label->name)) < 0)
			(*name)++;
		if ((*name < filter->n && order == 0) == filter->keep)
			return label;
	}
	return NULL;
}

TsdbLabels
tsdb_eval_filter_apply(TsdbArena *arena, const EvalFilter *filter, TsdbLabels labels)
{
	size_t		place = 0;
	size_t		name = 0;
	size_t		n = 0;
	size_t		most = filter->keep && filter->n < labels.n ? filter->n : labels.n;
	TsdbLabel  *pairs = TSDB_NEW_ARRAY(arena, TsdbLabel, most);
	const TsdbLabel *label;

	while ((label = next_passing(filter, labels, &place, &name)) != NULL)
		pairs[n++] = *label;
	return (TsdbLabels){pairs, n};
}

static TsdbHash
filtered_hash(const EvalFilter *filter, TsdbLabels labels)
{
	TsdbHash	hash = {0, 0};
	size_t		place = 0;
	size_t		name = 0;
	const TsdbLabel *label;

	while ((label = next_passing(filter, labels, &place, &name)) != NULL)
	{
		/* a name that passes because it is listed is known by its place in the list */
		if (filter->keep)
			hash.lo += name + 1;
		else
			hash = tsdb_hash(label->name.data, label->name.len, hash.lo);
		hash = tsdb_hash(label->value.data, label->value.len, hash.lo);
	}
	return hash;
}

static bool
filtered_equal(const EvalFilter *filter, TsdbLabels a, TsdbLabels b)
{
	size_t		place_a = 0;
	size_t		place_b = 0;
	size_t		name_a = 0;
	size_t		name_b = 0;

	for (;;)
	{
		const TsdbLabel *label_a = next_passing(filter, a, &place_a, &name_a);
		const TsdbLabel *label_b = next_passing(filter, b, &place_b, &name_b);

		if (label_a == NULL || label_b == NULL)
			return label_a == label_b;
		if (!tsdb_str_equal(label_a->name, label_b->name) || !tsdb_str_equal(label_a->value, label_b->value))
			return false;
	}
}

/* ---- groups ---- */

#define FIRST_SLOTS 64

static void
set_slots(EvalGroups *groups, size_t n_slots)
{
	groups->n_slots = n_slots;
	groups->slots = TSDB_NEW_ARRAY(groups->arena, struct EvalGroupSlot, n_slots);
	memset(groups->slots, 0, n_slots * sizeof(struct EvalGroupSlot));
}

void
tsdb_eval_groups_init(EvalGroups *groups, const Evaluator *ev, EvalFilter filter, size_t expected)
{
	size_t		n_slots = FIRST_SLOTS;

	while (n_slots / 2 < expected)
		n_slots *= 2;
	*groups = (EvalGroups){.arena = ev->arena, .env = ev->env, .filter = filter};
	groups->capacity = n_slots / 2;
	groups->first = TSDB_NEW_ARRAY(ev->arena, TsdbLabels, groups->capacity);
	set_slots(groups, n_slots);
}

static void
grow(EvalGroups *groups)
{
	struct EvalGroupSlot *old = groups->slots;
	size_t		n_old = groups->n_slots;

	set_slots(groups, n_old * 2);
	for (size_t i = 0; i < n_old; i++)
	{
		size_t		slot = (size_t) old[i].hash.hi & (groups->n_slots - 1);

		if (old[i].group_plus_one == 0)
			continue;
		while (groups->slots[slot].group_plus_one != 0)
			slot = (slot + 1) & (groups->n_slots - 1);
		groups->slots[slot] = old[i];
	}
	groups->first = tsdb_grow(groups->arena, groups->first, groups->capacity * sizeof(TsdbLabels),
							  groups->capacity * 2 * sizeof(TsdbLabels));
	groups->capacity *= 2;
}

size_t
tsdb_eval_groups_add(EvalGroups *groups, TsdbLabels labels)
{
	TsdbHash	hash = filtered_hash(&groups->filter, labels);
	size_t		slot;

	if (groups->n == groups->capacity)
		grow(groups);
	slot = (size_t) hash.hi & (groups->n_slots - 1);
	while (groups->slots[slot].group_plus_one != 0)
	{
		struct EvalGroupSlot *found = &groups->slots[slot];

		if (found->hash.lo == hash.lo && found->hash.hi == hash.hi &&
			filtered_equal(&groups->filter, groups->first[found->group_plus_one - 1], labels))
			return found->group_plus_one - 1;
		slot = (slot + 1) & (groups->n_slots - 1);
	}
	groups->first[groups->n] = labels;
	groups->slots[slot] = (struct EvalGroupSlot){hash, groups->n + 1};
	return groups->n++;
}

size_t *
tsdb_eval_number_rows(EvalGroups *groups, const EvalMatrix *matrix)
{
	size_t	   *numbers = TSDB_NEW_ARRAY(groups->arena, size_t, matrix->n);

	for (size_t i = 0; i < matrix->n; i++)
	{
		tsdb_check_interrupt(groups->env);
		numbers[i] = tsdb_eval_groups_add(groups, matrix->rows[i].labels);
	}
	return numbers;
}

/* A counting sort. */
EvalMembers
tsdb_eval_members(TsdbArena *arena, const size_t *groups, size_t n_rows, size_t n_groups)
{
	EvalMembers members = {TSDB_NEW_ARRAY(arena, size_t, n_groups + 1), TSDB_NEW_ARRAY(arena, size_t, n_rows)};

	memset(members.starts, 0, (n_groups + 1) * sizeof(size_t));
	for (size_t i = 0; i < n_rows; i++)
		members.starts[groups[i] + 1]++;
	for (size_t g = 0; g < n_groups; g++)
		members.starts[g + 1] += members.starts[g];
	for (size_t i = 0; i < n_rows; i++)
		members.rows[members.starts[groups[i]]++] = i;
	/* each start has moved to the next one */
	for (size_t g = n_groups; g > 0; g--)
		members.starts[g] = members.starts[g - 1];
	members.starts[0] = 0;
	return members;
}

/* ---- changed label sets ---- */

static bool
says_what_is_measured(TsdbStr name)
{
	return name.len == 8 && (memcmp(name.data, "__name__", 8) == 0 ||
							 memcmp(name.data, "__type__", 8) == 0 ||
							 memcmp(name.data, "__unit__", 8) == 0);
}

/* Without the name, and the type and unit that some senders give as labels. */
TsdbLabels
tsdb_eval_without_name(TsdbArena *arena, TsdbLabels labels)
{
	size_t		first = labels.n;
	size_t		n_dropped = 0;
	size_t		n = 0;
	TsdbLabel  *pairs;

	for (size_t i = 0; i < labels.n; i++)
		if (says_what_is_measured(labels.pairs[i].name))
		{
			first = n_dropped++ == 0 ? i : first;
		}
	if (n_dropped == 0)
		return labels;
	/* nearly always the name is the first label, and then nothing need be copied */
	if (n_dropped == 1 && first == 0)
		return (TsdbLabels){labels.pairs + 1, labels.n - 1};
	pairs = TSDB_NEW_ARRAY(arena, TsdbLabel, labels.n - n_dropped);
	for (size_t i = 0; i < labels.n; i++)
		if (!says_what_is_measured(labels.pairs[i].name))
			pairs[n++] = labels.pairs[i];
	return (TsdbLabels){pairs, n};
}

TsdbLabels
tsdb_eval_with_label(TsdbArena *arena, TsdbLabels labels, TsdbStr name, TsdbStr value)
{
	TsdbLabel  *pairs = TSDB_NEW_ARRAY(arena, TsdbLabel, labels.n + 1);
	size_t		n = 0;
	bool		placed = value.len == 0;

	for (size_t i = 0; i < labels.n; i++)
	{
		int			order = tsdb_str_compare(labels.pairs[i].name, name);

		if (order >= 0 && !placed)
		{
			pairs[n++] = (TsdbLabel){name, value};
			placed = true;
		}
		if (order != 0)
			pairs[n++] = labels.pairs[i];
	}
	if (!placed)
		pairs[n++] = (TsdbLabel){name, value};
	return (TsdbLabels){pairs, n};
}

void
tsdb_eval_print_labels(TsdbBuffer *buffer, TsdbLabels labels)
{
	tsdb_buffer_u8(buffer, '{');
	for (size_t i = 0; i < labels.n; i++)
	{
		if (i > 0)
			tsdb_buffer_append_str(buffer, TSDB_STR(", "));
		if (tsdb_is_legacy_label_name(labels.pairs[i].name))
			tsdb_buffer_append_str(buffer, labels.pairs[i].name);
		else
			tsdb_quote(buffer, labels.pairs[i].name);
		tsdb_buffer_u8(buffer, '=');
		tsdb_quote(buffer, labels.pairs[i].value);
	}
	tsdb_buffer_u8(buffer, '}');
}
