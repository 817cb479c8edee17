/*
 * error_text.c
 *		Errors of the front end as the HTTP API of Prometheus words them.
 *
 * A parse error names line and column, both counted from one, columns in
 * bytes.  An error of a duration that was resolved later names its byte range, and
 * tsdb_promql_resolve_durations() has put that into the message already.
 */
#include "core/promql/parser.h"

#include <stdio.h>

/* "12:15: duration must be ..." for the range [12, 15) */
static bool
names_its_range(const TsdbError *error)
{
	char		prefix[64];
	int			len = snprintf(prefix, sizeof(prefix), "%lld:%lld: ", (long long) error->start, (long long) error->end);

	return strncmp(error->message, prefix, (size_t) len) == 0;
}

static void
append_position(TsdbBuffer *buffer, TsdbStr query, int64_t start)
{
	int64_t		line = 1;
	int64_t		line_start = 0;

	if (query.len == 0)
	{
		tsdb_buffer_append_str(buffer, TSDB_STR("unknown position"));
		return;
	}
	for (int64_t i = 0; i < start && i < (int64_t) query.len; i++)
	{
		if (query.data[i] == '\n')
		{
			line++;
			line_start = i + 1;
		}
	}
	tsdb_buffer_printf(buffer, "%lld:%lld", (long long) line, (long long) (start - line_start + 1));
}

void
tsdb_promql_error_text(TsdbBuffer *buffer, TsdbStr query, const TsdbError *error)
{
	if (error->start >= 0 && !names_its_range(error))
	{
		append_position(buffer, query, error->start);
		tsdb_buffer_append_str(buffer, TSDB_STR(": parse error: "));
	}
	tsdb_buffer_append_str(buffer, tsdb_str(error->message));
}
