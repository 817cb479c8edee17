/*
 * dashboard.h
 *		The queries of dashboards, about the metrics of fleet.c.
 */
#ifndef BENCH_DASHBOARD_H
#define BENCH_DASHBOARD_H

#include <stdbool.h>
#include <stddef.h>

#include "backend.h"

#define DASHBOARD_MAX 64

extern const Query dashboard[];
extern const size_t dashboard_size;

extern bool dashboard_wanted(const Query *query, const char *only);

#endif
