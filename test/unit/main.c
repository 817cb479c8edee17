/*
 * main.c
 *		Runs every suite of test/unit.
 *
 * suites.inc is made by unit.mk from the names of the files: test_labels.c
 * brings labels_suite().  Tests run in this process, not in forked children,
 * so that LeakSanitizer sees all of them at exit; CK_FORK=yes forks, and
 * CK_RUN_SUITE and CK_RUN_CASE choose, as always with check.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define SUITE(room) extern Suite *room##_suite(void);
#include "suites.inc"
#undef SUITE

int
main(void)
{
	SRunner    *runner = srunner_create(NULL);
	int			run;
	int			failed;

#define SUITE(room) srunner_add_suite(runner, room##_suite());
#include "suites.inc"
#undef SUITE

	if (getenv("CK_FORK") == NULL)
		srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_ENV);
	run = srunner_ntests_run(runner);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);

	printf("unit: %d passed, %d failed\n", run - failed, failed);
	return failed == 0 && run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
