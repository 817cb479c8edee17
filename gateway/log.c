/*
 * log.c
 *		Lines on standard error.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "gateway/gateway.h"

#define SELDOM_SECONDS 10

static pthread_mutex_t seldom_lock = PTHREAD_MUTEX_INITIALIZER;

static void put_line(const char *format, va_list args);

void
gw_log(const char *format, ...)
{
	va_list		args;

	va_start(args, format);
	put_line(format, args);
	va_end(args);
}

void
gw_log_seldom(time_t *last, const char *format, ...)
{
	time_t		now = time(NULL);
	bool		due;
	va_list		args;

	pthread_mutex_lock(&seldom_lock);
	due = now - *last >= SELDOM_SECONDS;
	if (due)
		*last = now;
	pthread_mutex_unlock(&seldom_lock);
	if (!due)
		return;
	va_start(args, format);
	put_line(format, args);
	va_end(args);
}

/* One write for each line, so that those of several threads do not mix. */
static void
put_line(const char *format, va_list args)
{
	char		line[1024];
	time_t		now = time(NULL);
	struct tm	parts;
	size_t		len;

	gmtime_r(&now, &parts);
	len = strftime(line, sizeof(line), "%Y-%m-%d %H:%M:%S UTC pgtsdb-gateway: ", &parts);
	vsnprintf(line + len, sizeof(line) - len, format, args);
	fprintf(stderr, "%s\n", line);
}
