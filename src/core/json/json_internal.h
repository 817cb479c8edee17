/*
 * json_internal.h
 *		What the writers of answers share.
 */
#ifndef TSDB_JSON_INTERNAL_H
#define TSDB_JSON_INTERNAL_H

#include "core/json/json.h"

/* JSON as it stands, not as a string. */
static inline void
append_text(TsdbBuffer *buffer, const char *text)
{
	tsdb_buffer_append_str(buffer, tsdb_str(text));
}

static inline void
append_bool(TsdbBuffer *buffer, bool value)
{
	append_text(buffer, value ? "true" : "false");
}

/* [ before the first element of a list, a comma before the others. */
static inline void
append_separator(TsdbBuffer *buffer, size_t place)
{
	tsdb_buffer_u8(buffer, place == 0 ? '[' : ',');
}

/* ] behind the last of n elements, or all of a list that has none. */
static inline void
append_list_end(TsdbBuffer *buffer, size_t n)
{
	append_text(buffer, n == 0 ? "[]" : "]");
}

#endif							/* TSDB_JSON_INTERNAL_H */
