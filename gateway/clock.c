/*
 * clock.c
 *		What time it is.
 */
#include "gateway/gateway.h"

static int64_t
milliseconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

int64_t
gw_now(void)
{
	return milliseconds(CLOCK_MONOTONIC);
}

int64_t
gw_wall_ms(void)
{
	return milliseconds(CLOCK_REALTIME);
}

void
gw_put_wall_time(GwBuffer *out, int64_t ms)
{
	time_t		seconds = ms / 1000;
	struct tm	parts;
	char		text[32];

	gmtime_r(&seconds, &parts);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
	gw_buffer_printf(out, "\"%s.%03dZ\"", text, (int) (ms % 1000));
}
