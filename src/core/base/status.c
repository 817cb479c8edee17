/*
 * status.c
 *		Failures as values.
 */
#include "core/base/base.h"

#include <stdio.h>

static void print(char *to, size_t size, const char *format, va_list args) TSDB_PRINTF(3, 0);
static TsdbStatus fail(TsdbError *error, TsdbStatus code, int64_t start, int64_t end, const char *format,
					   va_list args) TSDB_PRINTF(5, 0);

/* Messages quote received bytes and parts of them, and must be text all the same. */
static void
print(char *to, size_t size, const char *format, va_list args)
{
	char		raw[TSDB_ERROR_MESSAGE_MAX];

	vsnprintf(raw, sizeof(raw), format, args);
	tsdb_utf8_copy(to, size, raw);
}

static TsdbStatus
fail(TsdbError *error, TsdbStatus code, int64_t start, int64_t end, const char *format, va_list args)
{
	error->code = code;
	error->start = start;
	error->end = end;
	error->hint[0] = '\0';
	print(error->message, sizeof(error->message), format, args);
	return code;
}

TsdbStatus
tsdb_fail(TsdbError *error, TsdbStatus code, const char *format, ...)
{
	va_list		args;

	va_start(args, format);
	fail(error, code, -1, -1, format, args);
	va_end(args);
	return code;
}

TsdbStatus
tsdb_fail_at(TsdbError *error, TsdbStatus code, int64_t start, int64_t end, const char *format, ...)
{
	va_list		args;

	va_start(args, format);
	fail(error, code, start, end, format, args);
	va_end(args);
	return code;
}

void
tsdb_error_hint(TsdbError *error, const char *format, ...)
{
	va_list		args;

	va_start(args, format);
	print(error->hint, sizeof(error->hint), format, args);
	va_end(args);
}

void
tsdb_error_clear(TsdbError *error)
{
	error->code = TSDB_OK;
	error->start = error->end = -1;
	error->message[0] = error->hint[0] = '\0';
}
