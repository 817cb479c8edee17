/*
 * fuzz_gateway_times.c
 *		Any text as a time and as a duration: what is taken is within bounds and reads back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/parse/parse.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

/* Times that a float holds to the millisecond. */
static void
check_time(int64_t ms)
{
	char		text[64];
	int64_t		again;

	require(ms >= -INT64_C(1000000000000000000) && ms <= INT64_C(1000000000000000000));
	if (llabs(ms) > INT64_C(100000000000000))
		return;
	snprintf(text, sizeof(text), "%s%" PRId64 ".%03d", ms < 0 ? "-" : "", (int64_t) (llabs(ms) / 1000), (int) (llabs(ms) % 1000));
	require(gw_parse_time(text, &again) && again == ms);
}

static void
check_duration(int64_t ns)
{
	char		text[64];
	int64_t		again;
	bool		overflow;

	if (ns < 0)
		return;
	snprintf(text, sizeof(text), "%" PRId64 "ms", ns / 1000000);
	require(gw_parse_duration(text, &again, &overflow) && again == ns / 1000000 * 1000000 && !overflow);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *text = gw_strndup((const char *) data, size);
	int64_t		value;
	bool		overflow;

	if (gw_parse_time(text, &value))
		check_time(value);
	if (gw_parse_duration(text, &value, &overflow))
		check_duration(value);
	free(text);
	return 0;
}
