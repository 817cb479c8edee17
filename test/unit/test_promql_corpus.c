/*
 * test_promql_corpus.c
 *		Every script of test/promql, in memory; test/t runs the same ones through SQL.
 */
#include <check.h>
#include <glob.h>
#include <stdlib.h>

#include "promql_script.h"

Suite	   *promql_corpus_suite(void);

static void
run_all(bool delayed_name_removal)
{
	ScriptOptions options = {.delayed_name_removal = delayed_name_removal, .strict = true, .report = stdout};
	glob_t		files;

	ck_assert_int_eq(glob("test/promql/*.test", 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++)
	{
		ScriptResult result = {0};

		script_run_file(files.gl_pathv[i], &options, &result);
		ck_assert_msg(result.failed == 0, "%s: %zu failed", files.gl_pathv[i], result.failed);
		ck_assert_msg(result.passed > 0, "%s: nothing to run", files.gl_pathv[i]);
	}
	globfree(&files);
}

START_TEST(scripts_pass)
{
	run_all(false);
}
END_TEST

Suite *
promql_corpus_suite(void)
{
	Suite	   *suite = suite_create("promql_corpus");
	TCase	   *scripts = tcase_create("scripts");

	tcase_set_timeout(scripts, 120);
	tcase_add_test(scripts, scripts_pass);
	suite_add_tcase(suite, scripts);
	return suite;
}
