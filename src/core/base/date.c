/*
 * date.c
 *		Days to dates of the proleptic Gregorian calendar, and times as RFC 3339 writes them.
 *
 * Years are counted from March, so that the leap day is the last day of one, and in eras of
 * 400 years, which all have the same number of days (Hinnant, chrono-compatible low-level
 * date algorithms).
 */
#include "core/base/base.h"

#define DAYS_PER_ERA 146097
#define DAYS_BEFORE_1970 719468	/* since 1 March of the year 0 */
#define SECONDS_PER_DAY 86400

TsdbDate
tsdb_date_of_day(int64_t day)
{
	int64_t		days = day + DAYS_BEFORE_1970;
	int64_t		era = days / DAYS_PER_ERA - (days % DAYS_PER_ERA < 0);
	int			of_era = (int) (days - era * DAYS_PER_ERA);
	int			year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int			of_year = of_era - (365 * year + year / 4 - year / 100);
	int			from_march = (5 * of_year + 2) / 153;
	int			month = from_march < 10 ? from_march + 3 : from_march - 9;

	return (TsdbDate) {
		.year = era * 400 + year + (month <= 2),
		.month = month,
		.day = of_year - (153 * from_march + 2) / 5 + 1,
	};
}

void
tsdb_buffer_time(TsdbBuffer *buffer, int64_t seconds, char between)
{
	int64_t		day = seconds / SECONDS_PER_DAY - (seconds % SECONDS_PER_DAY < 0);
	int			of_day = (int) (seconds - day * SECONDS_PER_DAY);
	TsdbDate	date = tsdb_date_of_day(day);

	tsdb_buffer_printf(buffer, "%04lld-%02d-%02d%c%02d:%02d:%02d", (long long) date.year, date.month, date.day, between,
					   of_day / 3600, of_day / 60 % 60, of_day % 60);
}
