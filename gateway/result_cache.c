/*
 * result_cache.c
 *		Answers to range queries that were given before, in memory, the least recently used of which go first.
 *
 * An entry is the text of an answer, as far as it may be kept, and the mark by which the database tells what of it still
 * holds.  Nothing is served from here that the database has not agreed to for this request, with the rights of who asks;
 * so an entry need not be right, it only must be what was answered then.
 *
 * Entries do not change.  A longer one takes the place of a shorter one, and who still reads the old one has a reference
 * to it.  The lock is held for a look into the table, never while a database works or an answer is sent.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/gateway.h"

#define BUCKETS 4096
/* What malloc and the lists take, about. */
#define OVERHEAD 128
/* An entry has no more than this share of the memory. */
#define LARGEST_SHARE 4

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* of all below */
static GwCacheEntry *buckets[BUCKETS];
static GwCacheEntry *newest;
static GwCacheEntry *oldest;
static int64_t n_entries;
static int64_t n_bytes;
static int64_t counts[GW_CACHE_EVENTS];

static GwCacheEntry **place_of(const GwBuffer *key, uint64_t hash);
static void link_newest(GwCacheEntry *entry);
static void unlink_used(GwCacheEntry *entry);
static void take_out(GwCacheEntry **place);
static void drop_reference(GwCacheEntry *entry);
static uint64_t hash_of(const GwBuffer *key);

GwCacheEntry *
gw_cache_find(const GwBuffer *key)
{
	GwCacheEntry *entry;

	pthread_mutex_lock(&lock);
	entry = *place_of(key, hash_of(key));
	if (entry != NULL)
	{
		unlink_used(entry);
		link_newest(entry);
		entry->references++;
	}
	pthread_mutex_unlock(&lock);
	return entry;
}

void
gw_cache_hold(GwCacheEntry *entry)
{
	pthread_mutex_lock(&lock);
	entry->references++;
	pthread_mutex_unlock(&lock);
}

void
gw_cache_release(GwCacheEntry *entry)
{
	pthread_mutex_lock(&lock);
	drop_reference(entry);
	pthread_mutex_unlock(&lock);
}

static void
drop_reference(GwCacheEntry *entry)
{
	if (--entry->references > 0)
		return;
	gw_matrix_free(&entry->matrix);
	gw_buffer_free(&entry->json);
	gw_buffer_free(&entry->mark);
	gw_buffer_free(&entry->key);
	free(entry);
}

void
gw_cache_put(const GwBuffer *key, GwBuffer *json, int64_t first, int64_t last, bool exact, const void *mark, size_t mark_len)
{
	GwCacheEntry *entry;
	GwCacheEntry **place;
	GwMatrix	matrix;
	int64_t		bytes;

	gw_buffer_shrink(json);
	if (!gw_matrix_parse(json->data, json->len, &matrix))
	{
		gw_buffer_free(json);
		return;
	}
	bytes = (int64_t) (json->len + matrix.n * sizeof(GwMatrixSeries) * 3 / 2 + key->len + mark_len + sizeof(*entry) + OVERHEAD);
	if (bytes > gw_options.query_cache_size / LARGEST_SHARE)
	{
		gw_matrix_free(&matrix);
		gw_buffer_free(json);
		return;
	}

	entry = gw_alloc(sizeof(*entry));
	gw_buffer_append(&entry->key, key->data, key->len);
	gw_buffer_append(&entry->mark, mark, mark_len);
	entry->json = *json;
	entry->matrix = matrix;
	*json = (GwBuffer) {0};
	entry->first = first;
	entry->last = last;
	entry->exact = exact;
	entry->hash = hash_of(key);
	entry->bytes = bytes;
	entry->references = 1;

	pthread_mutex_lock(&lock);
	place = place_of(key, entry->hash);
	if (*place != NULL)
		take_out(place);
	entry->next = *place;
	*place = entry;
	link_newest(entry);
	n_entries++;
	n_bytes += bytes;
	while (n_bytes > gw_options.query_cache_size)
	{
		take_out(place_of(&oldest->key, oldest->hash));
		counts[GW_CACHE_EVICTION]++;
	}
	pthread_mutex_unlock(&lock);
}

/* ---- table and list ---- */

/* Where the pointer to the entry is, or the null behind the last one of its bucket. */
static GwCacheEntry **
place_of(const GwBuffer *key, uint64_t hash)
{
	GwCacheEntry **place = &buckets[hash % BUCKETS];

	while (*place != NULL && ((*place)->hash != hash || (*place)->key.len != key->len ||
							  memcmp((*place)->key.data, key->data, key->len) != 0))
		place = &(*place)->next;
	return place;
}

static void
link_newest(GwCacheEntry *entry)
{
	entry->older = newest;
	entry->newer = NULL;
	if (newest != NULL)
		newest->newer = entry;
	else
		oldest = entry;
	newest = entry;
}

static void
unlink_used(GwCacheEntry *entry)
{
	if (entry->newer != NULL)
		entry->newer->older = entry->older;
	else
		newest = entry->older;
	if (entry->older != NULL)
		entry->older->newer = entry->newer;
	else
		oldest = entry->newer;
}

/* Out of both; whoever reads it goes on. */
static void
take_out(GwCacheEntry **place)
{
	GwCacheEntry *entry = *place;

	*place = entry->next;
	unlink_used(entry);
	n_entries--;
	n_bytes -= entry->bytes;
	drop_reference(entry);
}

/* FNV-1a. */
static uint64_t
hash_of(const GwBuffer *key)
{
	uint64_t	hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < key->len; i++)
		hash = (hash ^ (unsigned char) key->data[i]) * UINT64_C(0x100000001b3);
	return hash ^ hash >> 32;
}

/* ---- figures ---- */

void
gw_cache_count(GwCacheEvent event)
{
	pthread_mutex_lock(&lock);
	counts[event]++;
	pthread_mutex_unlock(&lock);
}

void
gw_cache_metrics(GwBuffer *out)
{
	static const struct
	{
		const char *name;
		const char *help;
	}			events[] = {
		[GW_CACHE_HIT] = {"hits", "Range queries of which every step was in the cache."},
		[GW_CACHE_PARTIAL_HIT] = {"partial_hits", "Range queries of which some steps were in the cache."},
		[GW_CACHE_MISS] = {"misses", "Range queries that might have been in the cache, and were evaluated whole."},
		[GW_CACHE_INVALIDATION] = {"invalidations", "Range queries of which steps in the cache had changed."},
		[GW_CACHE_EVICTION] = {"evictions", "Answers that had to make room for others."},
	};
	int64_t		copies[GW_CACHE_EVENTS];
	int64_t		entries;
	int64_t		bytes;

	pthread_mutex_lock(&lock);
	memcpy(copies, counts, sizeof(copies));
	entries = n_entries;
	bytes = n_bytes;
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < GW_CACHE_EVENTS; i++)
		gw_buffer_printf(out, "# HELP pgtsdb_gateway_query_cache_%s_total %s\n"
						 "# TYPE pgtsdb_gateway_query_cache_%s_total counter\n"
						 "pgtsdb_gateway_query_cache_%s_total %lld\n",
						 events[i].name, events[i].help, events[i].name, events[i].name, (long long) copies[i]);
	gw_buffer_printf(out, "# HELP pgtsdb_gateway_query_cache_entries Answers in the cache of range queries.\n"
					 "# TYPE pgtsdb_gateway_query_cache_entries gauge\npgtsdb_gateway_query_cache_entries %lld\n"
					 "# HELP pgtsdb_gateway_query_cache_bytes Memory that they take.\n"
					 "# TYPE pgtsdb_gateway_query_cache_bytes gauge\npgtsdb_gateway_query_cache_bytes %lld\n",
					 (long long) entries, (long long) bytes);
}
