/*
 * check.h
 *		Whether the server holds what a fleet wrote.
 */
#ifndef BENCH_CHECK_H
#define BENCH_CHECK_H

#include <stdbool.h>

extern bool check_fleet(const char *path, const char *conninfo, long exact_hosts);

#endif
