/*
 * promqlscript.c
 *		promqlscript [--delayed-name-removal] [--list-skipped] [--strict] FILE...
 *
 * Runs PromQL test scripts in memory, through the core alone.
 */
#include "../unit/promql_script.h"

#include <stdlib.h>
#include <string.h>

int
main(int argc, char **argv)
{
	ScriptOptions options = {.report = stdout};
	ScriptResult total = {0};

	for (int i = 1; i < argc; i++)
	{
		ScriptResult result = {0};

		if (strcmp(argv[i], "--delayed-name-removal") == 0)
			options.delayed_name_removal = true;
		else if (strcmp(argv[i], "--list-skipped") == 0)
			options.list_skipped = true;
		else if (strcmp(argv[i], "--strict") == 0)
			options.strict = true;
		else
		{
			script_run_file(argv[i], &options, &result);
			printf("%s: %zu passed, %zu failed, %zu skipped\n", argv[i], result.passed, result.failed, result.skipped);
			total.passed += result.passed;
			total.failed += result.failed;
			total.skipped += result.skipped;
		}
	}
	printf("%zu passed, %zu failed, %zu skipped\n", total.passed, total.failed, total.skipped);
	return total.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
