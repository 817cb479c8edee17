/*
 * promql_script.h
 *		Runs PromQL test scripts in memory.  test/promql/README.md describes their language.
 */
#ifndef PROMQL_SCRIPT_H
#define PROMQL_SCRIPT_H

#include <stdbool.h>
#include <stdio.h>

typedef struct ScriptOptions
{
	bool		delayed_name_removal;
	bool		strict;			/* what cannot be run is a failure, not skipped */
	bool		list_skipped;
	FILE	   *report;			/* a line for each failure */
} ScriptOptions;

typedef struct ScriptResult
{
	size_t		passed;
	size_t		failed;
	size_t		skipped;
} ScriptResult;

/* Adds to the result.  A file that cannot be read or understood is a failure. */
extern void script_run_file(const char *path, const ScriptOptions *options, ScriptResult *result);

#endif							/* PROMQL_SCRIPT_H */
