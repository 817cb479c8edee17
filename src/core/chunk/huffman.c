/*
 * huffman.c
 *		Arrays of unsigned integers by the lengths of their bits: coder 2.
 *
 * For what is neither geometric, as Rice codes want it, nor mostly zero: durations
 * with a long tail, bursts, small numbers with holes.  Each value is a symbol, its
 * number of bits, and the bits behind its leading one; zeros that follow each other are one symbol together.
 *
 *		u16		run symbols R (4 bits) | lowest length less one << 4 (6 bits) | length symbols << 10 (6 bits)
 *		u4		code length of each symbol, 0 (does not occur) to 10: R run symbols, then those of the lengths
 *		[R > 1]	varint number of symbols; else there are as many as values
 *		varint	bytes of the first code stream
 *		bit stream	the codes of symbols 0, 2, 4 ...
 *		bit stream	the codes of symbols 1, 3, 5 ...
 *		bit stream	what each symbol needs besides: j bits of run symbol j, length - 1 bits of a length
 *
 * Run symbol j stands for 2^j zeros and more, as its bits say.  Codes are canonical: counted up
 * through the symbols of each code length, their highest bit first.
 *
 * A decoder of one code stream waits for each symbol to find the next; two streams
 * are decoded side by side.  The other bits are apart from them for the same reason as those of Rice codes.
 */
#include "core/chunk/bit_stream.h"
#include "core/chunk/chunk_internal.h"

#define MAX_CODE 10				/* bits: five codes are within what one load brings */
#define CODES_PER_LOAD 5
#define MAX_RUN_SYMBOLS 13		/* a run of 8,191 zeros is the longest */
#define MAX_LENGTH_SYMBOLS 63
#define MAX_SYMBOLS (MAX_RUN_SYMBOLS + MAX_LENGTH_SYMBOLS)
#define MAX_VALUES TSDB_CHUNK_MAX_TIMES

/* Which symbols there are, and their codes. */
typedef struct Alphabet
{
	unsigned	runs;
	unsigned	lowest;			/* bit length of the first length symbol */
	unsigned	lengths;
	uint8_t		code_bits[MAX_SYMBOLS];
	uint16_t	codes[MAX_SYMBOLS]; /* lowest bit first */
	uint8_t		order[MAX_SYMBOLS]; /* symbols that occur, in the order of their codes */
	uint8_t		ends[MAX_CODE + 1]; /* in order: where those of each code length end */
} Alphabet;

static inline unsigned
n_symbols(const Alphabet *alphabet)
{
	return alphabet->runs + alphabet->lengths;
}

/* Bits that a symbol needs besides its code. */
static inline unsigned
bits_besides(const Alphabet *alphabet, unsigned symbol)
{
	return symbol < alphabet->runs ? symbol : symbol - alphabet->runs + alphabet->lowest - 1;
}

/* ---- codes ---- */

/* The lowest `bits` bits, the other way round. */
static inline uint16_t
reverse(unsigned code, unsigned bits)
{
	code = (code & 0x5555) << 1 | (code >> 1 & 0x5555);
	code = (code & 0x3333) << 2 | (code >> 2 & 0x3333);
	code = (code & 0x0f0f) << 4 | (code >> 4 & 0x0f0f);
	code = (code & 0x00ff) << 8 | code >> 8;
	return (uint16_t) (code >> (16 - bits));
}

/* False when the lengths are not those of a complete code. */
static bool
make_codes(Alphabet *alphabet)
{
	unsigned	count[MAX_CODE + 1] = {0};
	unsigned	n = n_symbols(alphabet);
	unsigned	end = 0;
	unsigned	code = 0;

	for (unsigned i = 0; i < n; i++)
		count[alphabet->code_bits[i]]++;
	alphabet->ends[0] = 0;
	for (unsigned bits = 1; bits <= MAX_CODE; bits++)
	{
		alphabet->ends[bits] = (uint8_t) end;
		end += count[bits];
	}
	for (unsigned i = 0; i < n; i++)
		if (alphabet->code_bits[i] > 0)
			alphabet->order[alphabet->ends[alphabet->code_bits[i]]++] = (uint8_t) i;
	for (unsigned i = 0, bits = 1; bits <= MAX_CODE; bits++)
	{
		code <<= 1;
		for (; i < alphabet->ends[bits]; i++)
			alphabet->codes[alphabet->order[i]] = reverse(code++, bits);
	}
	return code == 1 << MAX_CODE;
}

/* ---- choosing ---- */

/* Within 0.01, and right for powers of two. */
static inline double
near_log2(double x)
{
	uint64_t	bits = tsdb_double_bits(x);
	double		m = tsdb_double_from_bits((bits & ((UINT64_C(1) << 52) - 1)) | tsdb_double_bits(1.0));

	return (double) (int) (bits >> 52) - 1023 + (2 - m / 3) * m - 5.0 / 3;
}

double
tsdb_huffman_bits(const BitHistogram *histogram, unsigned from)
{
	double		n = 0;
	double		codes = 0;
	double		besides = 0;

	for (unsigned i = from; i < histogram->n_classes; i++)
	{
		const BitClass *class = &histogram->classes[i];

		n += class->count;
		codes -= class->count * near_log2(class->count);
		besides += class->count * (class->length > 0 ? class->length - 1 : 0);
	}
	codes += n > 0 ? n * near_log2(n) : 0;
	/* no code is shorter than a bit */
	return besides + (codes < n ? n : codes);
}

/* Head, code lengths with those of some runs, sizes of the streams and their last bytes. */
double
tsdb_huffman_alphabet_bits(const BitHistogram *histogram)
{
	unsigned	first = histogram->zeros > 0;
	unsigned	lengths = first == histogram->n_classes ? 0 :
		histogram->classes[histogram->n_classes - 1].length - histogram->classes[first].length + 1;

	return 16 + 4 * (double) (lengths + (histogram->zeros > 0 ? 3 : 0)) + 16 + 12;
}

typedef struct Node
{
	uint32_t	count;
	uint8_t		parent;
} Node;

/*
 * Code lengths by Huffman's algorithm over the symbols in the order of their counts: inner nodes come
 * out in order, too, so the two smallest are always at one of two heads.  Returns the longest.
 */
static unsigned
assign_lengths(const uint32_t *counts, const uint8_t *order, unsigned n, uint8_t *code_bits)
{
	Node		nodes[2 * MAX_SYMBOLS];
	uint8_t		depth[2 * MAX_SYMBOLS];
	unsigned	leaf = 0;
	unsigned	inner = n;

	for (unsigned i = 0; i < n; i++)
		nodes[i].count = counts[order[i]];
	for (unsigned made = n; made < 2 * n - 1; made++)
	{
		nodes[made].count = 0;
		for (int child = 0; child < 2; child++)
		{
			unsigned	least = leaf < n && (inner == made || nodes[leaf].count <= nodes[inner].count) ? leaf++ : inner++;

			nodes[made].count += nodes[least].count;
			nodes[least].parent = (uint8_t) made;
		}
	}
	depth[2 * n - 2] = 0;
	for (unsigned i = 2 * n - 2; i-- > 0;)
		depth[i] = (uint8_t) (depth[nodes[i].parent] + 1);
	for (unsigned i = 0; i < n; i++)
		code_bits[order[i]] = depth[i];
	return depth[0];
}

/* Rare symbols are counted up until no code is too long. */
static void
find_lengths(const uint32_t *counts, unsigned n, uint8_t *code_bits)
{
	uint32_t	raised[MAX_SYMBOLS];
	uint8_t		order[MAX_SYMBOLS];
	unsigned	used = 0;

	for (unsigned i = 0; i < n; i++)
	{
		unsigned	slot = used;

		code_bits[i] = 0;
		if (counts[i] == 0)
			continue;
		for (; slot > 0 && counts[order[slot - 1]] > counts[i]; slot--)
			order[slot] = order[slot - 1];
		order[slot] = (uint8_t) i;
		used++;
	}
	memcpy(raised, counts, n * sizeof(*counts));
	while (assign_lengths(raised, order, used, code_bits) > MAX_CODE)
		for (unsigned i = 0; i < n; i++)
			raised[i] = raised[i] / 2 + (raised[i] > 0);
}

struct HuffmanPlan
{
	Alphabet	alphabet;
	unsigned	n;				/* symbols */
	bool		runs;
	const uint64_t *numbers;	/* each symbol's: a value, or how many zeros */
	uint8_t    *symbols;
	uint64_t   *own_numbers;
};

HuffmanPlan *
tsdb_huffman_plan_make(TsdbArena *arena, size_t n)
{
	HuffmanPlan *plan = tsdb_alloc(arena, sizeof(HuffmanPlan));

	/* a gap of zeros is written where the next value goes, and then is or is not kept */
	plan->symbols = tsdb_alloc(arena, n + 1);
	plan->own_numbers = TSDB_NEW_ARRAY(arena, uint64_t, n + 1);
	return plan;
}

#define FIRST_LENGTH MAX_RUN_SYMBOLS	/* while symbols are counted, 13 is length 1 */

/* Symbols and numbers of runs and values, without a branch: there may or may not be zeros before a value. */
static void
find_runs(HuffmanPlan *plan, const uint64_t *values, size_t n, uint32_t *counts)
{
	uint16_t	places[MAX_VALUES];
	size_t		n_places = tsdb_find_values(values, n, places);
	unsigned	m = 0;
	size_t		at = 0;

	for (size_t i = 0; i < n_places; at = places[i++] + 1)
	{
		uint64_t	zeros = places[i] - at;

		plan->symbols[m] = (uint8_t) (tsdb_bit_length(zeros | 1) - 1);
		plan->own_numbers[m] = zeros;
		m += zeros > 0;
		plan->own_numbers[m] = values[places[i]];
		plan->symbols[m++] = (uint8_t) (FIRST_LENGTH - 1 + tsdb_bit_length(values[places[i]]));
	}
	if (at < n)
	{
		plan->symbols[m] = (uint8_t) (tsdb_bit_length(n - at) - 1);
		plan->own_numbers[m++] = n - at;
	}
	for (unsigned i = 0; i < m; i++)
		counts[plan->symbols[i]]++;
	plan->n = m;
	plan->numbers = plan->own_numbers;
}

/* The alphabet that has these symbols; false when it would be too small or too large. */
static bool
make_alphabet(Alphabet *alphabet, const uint32_t *counts)
{
	unsigned	last = FIRST_LENGTH + 63;
	unsigned	first = FIRST_LENGTH;

	alphabet->runs = MAX_RUN_SYMBOLS;
	while (alphabet->runs > 0 && counts[alphabet->runs - 1] == 0)
		alphabet->runs--;
	while (last > FIRST_LENGTH && counts[last] == 0)
		last--;
	while (first < last && counts[first] == 0)
		first++;
	alphabet->lowest = first - FIRST_LENGTH + 1;
	alphabet->lengths = last - first + 1;
	return alphabet->lengths <= MAX_LENGTH_SYMBOLS && counts[last] > 0 && (alphabet->runs > 0 || last > first);
}

size_t
tsdb_huffman_plan(HuffmanPlan *plan, const BitHistogram *histogram, const uint64_t *values, size_t n, bool runs)
{
	uint32_t	counts[FIRST_LENGTH + 64] = {0};
	Alphabet   *alphabet = &plan->alphabet;
	size_t		bits = 0;
	unsigned	skipped;

	plan->runs = runs;
	if (runs)
		find_runs(plan, values, n, counts);
	else
	{
		for (unsigned i = 0; i < histogram->n_classes; i++)
			counts[histogram->classes[i].length == 0 ? 0 : FIRST_LENGTH - 1 + histogram->classes[i].length] =
				(uint32_t) histogram->classes[i].count;
		plan->n = (unsigned) n;
		plan->numbers = values;
	}
	if (!make_alphabet(alphabet, counts))
		return SIZE_MAX;
	skipped = FIRST_LENGTH - 1 + alphabet->lowest - alphabet->runs;
	memmove(counts + alphabet->runs, counts + alphabet->runs + skipped, alphabet->lengths * sizeof(*counts));
	find_lengths(counts, n_symbols(alphabet), alphabet->code_bits);
	for (unsigned i = 0; i < n_symbols(alphabet); i++)
		bits += counts[i] * (alphabet->code_bits[i] + bits_besides(alphabet, i));
	return 2 + (n_symbols(alphabet) + 1) / 2 + (alphabet->runs > 1 ? 2 : 0) + 2 + bits / 8 + 3;
}

/* ---- writing ---- */

static void
write_alphabet(TsdbBuffer *out, const Alphabet *alphabet)
{
	uint8_t		head[2];

	tsdb_store16(head, alphabet->runs | (alphabet->lowest - 1) << 4 | alphabet->lengths << 10);
	tsdb_buffer_append(out, head, sizeof(head));
	for (unsigned i = 0; i < n_symbols(alphabet); i += 2)
		tsdb_buffer_u8(out, (uint8_t) (alphabet->code_bits[i] |
									   (i + 1 < n_symbols(alphabet) ? alphabet->code_bits[i + 1] << 4 : 0)));
}

/* Symbols as numbers of the alphabet, and the bits that their codes take in each stream. */
static void
number_symbols(HuffmanPlan *plan, size_t bits[2])
{
	const Alphabet *alphabet = &plan->alphabet;

	bits[0] = 0;
	bits[1] = 0;
	for (unsigned i = 0; i < plan->n; i++)
	{
		unsigned	length = plan->runs && plan->symbols[i] < FIRST_LENGTH ? 0 : tsdb_bit_length(plan->numbers[i]);
		unsigned	symbol = length > 0 ? length - alphabet->lowest + alphabet->runs : plan->runs ? plan->symbols[i] : 0;

		plan->symbols[i] = (uint8_t) symbol;
		bits[i % 2] += alphabet->code_bits[symbol];
	}
}

/* The codes of every other symbol. */
static void
write_codes(TsdbBuffer *out, const HuffmanPlan *plan, unsigned from, size_t bytes)
{
	const Alphabet *alphabet = &plan->alphabet;
	uint8_t    *at;
	uint64_t	word = 0;
	unsigned	used = 0;

	tsdb_buffer_reserve(out, bytes + 8);
	at = out->data + out->len;
	for (unsigned i = from; i < plan->n; i += 2)
	{
		unsigned	symbol = plan->symbols[i];

		word |= (uint64_t) alphabet->codes[symbol] << used;
		used += alphabet->code_bits[symbol];
		tsdb_store64(at, word);
		at += used / 8;
		word >>= used & ~7u;
		used &= 7;
	}
	out->len += bytes;
}

static void
write_besides(TsdbBuffer *out, const HuffmanPlan *plan)
{
	BitWriter	writer = {out, 0, 0};

	for (unsigned i = 0; i < plan->n; i++)
	{
		unsigned	bits = bits_besides(&plan->alphabet, plan->symbols[i]);

		bits_put(&writer, tsdb_low_bits(plan->numbers[i], bits), bits);
	}
	bits_flush(&writer);
}

void
tsdb_huffman_write(TsdbBuffer *out, HuffmanPlan *plan)
{
	size_t		bits[2];

	make_codes(&plan->alphabet);
	write_alphabet(out, &plan->alphabet);
	number_symbols(plan, bits);
	if (plan->alphabet.runs > 1)
		tsdb_buffer_varint(out, plan->n);
	tsdb_buffer_varint(out, (bits[0] + 7) / 8);
	write_codes(out, plan, 0, (bits[0] + 7) / 8);
	write_codes(out, plan, 1, (bits[1] + 7) / 8);
	write_besides(out, plan);
}

/* ---- reading ---- */

static const char *
read_alphabet(TsdbReader *in, Alphabet *alphabet)
{
	const uint8_t *bytes = tsdb_read_bytes(in, 2);
	unsigned	head = bytes == NULL ? 0 : tsdb_load16(bytes);
	unsigned	n;

	alphabet->runs = head & 15;
	alphabet->lowest = (head >> 4 & 63) + 1;
	alphabet->lengths = head >> 10;
	n = n_symbols(alphabet);
	if (alphabet->runs > MAX_RUN_SYMBOLS || alphabet->lowest + alphabet->lengths > 65)
		return "Huffman symbols out of range";
	bytes = tsdb_read_bytes(in, (n + 1) / 2);
	if (bytes == NULL || (n % 2 != 0 && bytes[n / 2] >> 4 != 0))
		return "Huffman code lengths are truncated";
	for (unsigned i = 0; i < n; i++)
	{
		alphabet->code_bits[i] = bytes[i / 2] >> i % 2 * 4 & 15;
		if (alphabet->code_bits[i] > MAX_CODE)
			return "Huffman code length out of range";
	}
	return make_codes(alphabet) ? NULL : "Huffman codes are not complete";
}

/* What the next bits are: symbol << 6 | bits of its code, and so the bits of CODES_PER_LOAD codes are their sum modulo 64. */
typedef struct CodeTable
{
	unsigned	bits;			/* of an index */
	uint16_t	entries[1 << MAX_CODE];
} CodeTable;

/*
 * A table for one more bit is twice the table before, and then has the codes of that length.  Eight entries are copied
 * at least: those that are too many are written again.
 */
static void
make_table(const Alphabet *alphabet, CodeTable *table)
{
	unsigned	longest = MAX_CODE;
	unsigned	i = 0;

	while (alphabet->ends[longest - 1] == alphabet->ends[MAX_CODE])
		longest--;
	table->bits = longest;
	memset(table->entries, 0, 16 * sizeof(uint16_t));
	for (unsigned bits = 1; bits <= longest; bits++)
	{
		size_t		half = (size_t) 1 << (bits - 1);

		for (size_t j = 0; j < half; j += 8)
			memmove(table->entries + half + j, table->entries + j, 8 * sizeof(uint16_t));
		for (; i < alphabet->ends[bits]; i++)
			table->entries[alphabet->codes[alphabet->order[i]]] = (uint16_t) (alphabet->order[i] << 6 | bits);
	}
}

/* Zeros for what is missing: the positions tell afterwards. */
static inline uint64_t
load_codes(const uint8_t *start, size_t position, const uint8_t *load_end)
{
	return tsdb_load64_until(start + position / 8, load_end) >> (position % 8);
}

static const char *
read_codes(TsdbReader *in, const uint8_t *load_end, const CodeTable *table, uint64_t first_bytes, uint8_t *symbols, size_t n)
{
	const uint8_t *first = in->cursor;
	const uint8_t *second = tsdb_read_bytes(in, first_bytes);
	BitReader	check;
	size_t		positions[2] = {0, 0};
	uint64_t	mask = (UINT64_C(1) << table->bits) - 1;
	size_t		i = 0;

	if (second == NULL)
		return "Huffman codes are truncated";
	second = in->cursor;
	for (; i + 2 * CODES_PER_LOAD <= n; i += 2 * CODES_PER_LOAD)
	{
		uint64_t	a = load_codes(first, positions[0], load_end);
		uint64_t	b = load_codes(second, positions[1], load_end);
		unsigned	sum_a = 0;
		unsigned	sum_b = 0;
		unsigned	entry;

#define READ_CODE(word, sum, k) \
	entry = table->entries[word & mask]; \
	symbols[i + (k)] = (uint8_t) (entry >> 6); \
	word >>= entry & 63; \
	sum += entry

		READ_CODE(a, sum_a, 0);
		READ_CODE(b, sum_b, 1);
		READ_CODE(a, sum_a, 2);
		READ_CODE(b, sum_b, 3);
		READ_CODE(a, sum_a, 4);
		READ_CODE(b, sum_b, 5);
		READ_CODE(a, sum_a, 6);
		READ_CODE(b, sum_b, 7);
		READ_CODE(a, sum_a, 8);
		READ_CODE(b, sum_b, 9);
#undef READ_CODE
		positions[0] += sum_a & 63;
		positions[1] += sum_b & 63;
	}
	for (; i < n; i++)
	{
		unsigned	entry = table->entries[load_codes(i % 2 == 0 ? first : second, positions[i % 2], load_end) & mask];

		symbols[i] = (uint8_t) (entry >> 6);
		positions[i % 2] += entry & 63;
	}
	check = (BitReader){first, second, positions[0]};
	if (!bits_finish(&check, in) || in->cursor != second)
		return "first stream of Huffman codes has the wrong length";
	check = (BitReader){second, in->end, positions[1]};
	return bits_finish(&check, in) ? NULL : "Huffman codes are truncated";
}

/* What each symbol is: base with the bits besides, which are in mask. */
typedef struct SymbolValues
{
	uint64_t	base[MAX_SYMBOLS];
	uint64_t	mask[MAX_SYMBOLS];
	uint64_t	keep[MAX_SYMBOLS];	/* all ones; 0 for a run: its value is how many zeros it has */
	uint8_t		bits[MAX_SYMBOLS];
} SymbolValues;

static void
make_values(const Alphabet *alphabet, SymbolValues *of)
{
	for (unsigned i = 0; i < n_symbols(alphabet); i++)
	{
		of->bits[i] = (uint8_t) bits_besides(alphabet, i);
		of->base[i] = UINT64_C(1) << of->bits[i];
		of->mask[i] = of->base[i] - 1;
		of->keep[i] = i < alphabet->runs ? 0 : UINT64_MAX;
	}
}

/*
 * Joins symbols with their bits besides until there are `wanted` values.  `runs` when some symbols are more than one
 * zero: these are left behind without a branch, since runs and values come as they like.  `wide` when values may have more
 * bits than one load.  Returns how many values there are then.
 */
static inline size_t
join_symbols(const Alphabet *alphabet, BitReader *bits, const uint8_t *load_end, bool runs, bool wide,
			 const uint8_t *symbols, size_t n_codes, uint64_t *values, size_t wanted)
{
	SymbolValues of;
	BitReader	reader = *bits;
	size_t		room = load_end - reader.start >= 8 ? (size_t) (load_end - reader.start - 7) * 8 : 0;
	size_t		at = 0;
	size_t		i = 0;

	make_values(alphabet, &of);
	if (!runs)
		of.base[0] &= of.keep[0];
	for (; i < n_codes && (runs ? at : i) < wanted; i++)
	{
		unsigned	symbol = symbols[i];
		uint64_t	value = of.base[symbol];

		if (tsdb_unlikely(reader.position >= room || wide))
			value |= bits_get(&reader, of.bits[symbol]);
		else
		{
			value |= tsdb_load64(reader.start + reader.position / 8) >> (reader.position % 8) & of.mask[symbol];
			reader.position += of.bits[symbol];
		}
		if (runs)
		{
			values[at] = value & of.keep[symbol];
			at += (value & ~of.keep[symbol]) + (of.keep[symbol] & 1);
		}
		else
			values[i] = value;
	}
	bits->position = reader.position;
	/* more symbols than values are as wrong as fewer */
	return i < n_codes ? SIZE_MAX : runs ? at : i;
}

/* The loop above once for each case. */
static size_t
join_any(const Alphabet *alphabet, BitReader *bits, const uint8_t *load_end, const uint8_t *symbols, size_t n_codes,
		 uint64_t *values, size_t wanted)
{
	bool		runs = alphabet->runs > 1;

	if (runs)
		memset(values, 0, wanted * sizeof(*values));
	if (alphabet->lowest + alphabet->lengths - 2 > LOADED_BITS)
		return join_symbols(alphabet, bits, load_end, runs, true, symbols, n_codes, values, wanted);
	return runs ? join_symbols(alphabet, bits, load_end, true, false, symbols, n_codes, values, wanted) :
		join_symbols(alphabet, bits, load_end, false, false, symbols, n_codes, values, wanted);
}

const char *
tsdb_huffman_read(TsdbReader *in, const uint8_t *load_end, uint64_t *values, size_t n, size_t wanted)
{
	Alphabet	alphabet;
	CodeTable	table;
	uint8_t		symbols[MAX_VALUES];
	uint64_t	n_codes = n;
	uint64_t	first_bytes;
	size_t		n_values;
	BitReader	bits;
	const char *fault = read_alphabet(in, &alphabet);

	if (fault != NULL)
		return fault;
	if (alphabet.runs > 1)
		n_codes = tsdb_read_varint(in);
	first_bytes = tsdb_read_varint(in);
	if (in->failed || n_codes == 0 || n_codes > n)
		return "number of Huffman symbols out of range";
	make_table(&alphabet, &table);
	fault = read_codes(in, load_end, &table, first_bytes, symbols, n_codes);
	if (fault != NULL)
		return fault;
	bits = (BitReader){in->cursor, in->end, 0};
	n_values = join_any(&alphabet, &bits, load_end, symbols, n_codes, values, wanted);
	if (wanted < n)
		return n_values < wanted ? "Huffman codes are not the number of values" : NULL;
	if (n_values != n)
		return "Huffman codes are not the number of values";
	return bits_finish(&bits, in) ? NULL : "bits of Huffman symbols are truncated";
}
