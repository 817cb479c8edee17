/*
 * fixture.h
 *		What most suites stand on: an arena that gives each object a malloc() of its own, and an error.
 */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <check.h>

#include "core/base/base.h"

static TsdbArena arena;
static TsdbError error __attribute__((unused));

static void
setup(void)
{
	tsdb_arena_init_malloc(&arena, 0);
	tsdb_error_clear(&error);
}

static void
teardown(void)
{
	tsdb_arena_free(&arena);
	ck_assert_uint_eq(arena.acquired, 0);
}

#endif							/* FIXTURE_H */
