/*
 * postings.h
 *		Sorted lists of numbers below 2^48, such as the addresses of the rows that have a label.
 *
 * In memory a list is an array of words: 64 neighbouring numbers and a bit for
 * each.  Rows that share a label were often made together and lie side by side,
 * so one word stands for many of them, and lists are intersected, united and subtracted
 * word by word.
 *
 * In bytes, which say nothing of the first number (whoever stores them knows it):
 *
 *		list   n x word
 *		word   varint gap | body
 *		gap    number / 64, less that of the word before, less 1; 0 in the first word
 *		body   the numbers of the word, modulo 64, in the shortest of three forms:
 *
 *		00xxxxxx                                   one: xxxxxx
 *		01sssnnn | nnn+1 bytes                     some: bytes sss ... sss+nnn of the word's bits, lowest first;
 *		                                           neither the first nor the last byte is 0
 *		1000kkkk | kkkk x 00xxxxxx                 kkkk of them, ascending, 2 <= kkkk <= 7, where that is shorter
 *
 * 25 neighbours take 6 bytes, one number in each of many pages takes 2 or 3.  One list
 * has one encoding.  Taking a number away never makes it longer: each form needs no more
 * bytes for fewer bits, and a gap that swallows a word of at least two bytes is at most as long as the
 * two gaps were.  So vacuum of an index never needs room.
 */
#ifndef TSDB_POSTINGS_H
#define TSDB_POSTINGS_H

#include "core/base/base.h"

#define TSDB_POSTINGS_LIMIT (UINT64_C(1) << 48)	/* numbers are below */
/* Room for any one word. */
#define TSDB_POSTINGS_WORD_MAX 19

typedef struct TsdbPostingsWord
{
	uint64_t	high;			/* of numbers 64 * high ... 64 * high + 63 */
	uint64_t	bits;			/* never 0 */
} TsdbPostingsWord;

typedef struct TsdbPostings
{
	TsdbArena  *arena;
	TsdbPostingsWord *words;	/* ascending, but see tsdb_postings_settle() */
	size_t		n;
	size_t		capacity;
	bool		unsettled;
} TsdbPostings;

/* ---- lists (postings.c) ---- */

extern void tsdb_postings_init(TsdbPostings *list, TsdbArena *arena);
/* Cheap in ascending order. */
extern void tsdb_postings_add(TsdbPostings *list, uint64_t number);
extern uint64_t tsdb_postings_count(const TsdbPostings *list);
/* How many numbers are in both. */
extern uint64_t tsdb_postings_count_common(const TsdbPostings *list, const TsdbPostings *with);
extern bool tsdb_postings_contain(const TsdbPostings *list, uint64_t number);

/* Both change `list` only.  Lists must be settled. */
extern void tsdb_postings_intersect(TsdbPostings *list, const TsdbPostings *with);
extern void tsdb_postings_subtract(TsdbPostings *list, const TsdbPostings *what);
extern void tsdb_postings_unite(TsdbPostings *list, const TsdbPostings *with, const TsdbEnv *env);
/* Decoding appends, in whatever order the lists come; this brings their union into order, once for all of them. */
extern void tsdb_postings_settle(TsdbPostings *list, const TsdbEnv *env);

typedef struct TsdbPostingsIterator
{
	const TsdbPostings *list;
	size_t		word;			/* the next one */
	uint64_t	high;
	uint64_t	bits;			/* what is left of the word before it */
} TsdbPostingsIterator;

extern TsdbPostingsIterator tsdb_postings_iterate(const TsdbPostings *list);
extern bool tsdb_postings_next(TsdbPostingsIterator *iterator, uint64_t *number);

/* ---- bytes (encoding.c) ---- */

/*
 * As many of the words as fit into `room`, which is at least TSDB_POSTINGS_WORD_MAX when there are any; answers the
 * bytes written, and in *taken how many words they hold.
 */
extern size_t tsdb_postings_encode(const TsdbPostingsWord *words, size_t n, uint8_t *out, size_t room, size_t *taken);
/* Appends; *words as far as they are sound.  TSDB_ERR_CORRUPT for anything that tsdb_postings_encode() does not write. */
extern TsdbStatus tsdb_postings_decode(const void *data, size_t len, uint64_t first, TsdbPostings *list, TsdbError *error);
/* The same into memory of the caller: at most `max` words, TSDB_ERR_CORRUPT when there are more.  `len` / 2 is always enough. */
extern TsdbStatus tsdb_postings_decode_words(const void *data, size_t len, uint64_t first, TsdbPostingsWord *words, size_t max,
											 size_t *n, TsdbError *error);

#endif							/* TSDB_POSTINGS_H */
