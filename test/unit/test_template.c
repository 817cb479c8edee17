/*
 * test_template.c
 *		Templates of labels and annotations.
 */
#include <math.h>
#include <stdio.h>

#include "core/rules/template.h"
#include "fixture.h"

/* On the series node{instance="db1.example.com:9100", job="node", Ünï="x"}. */
static const char *
expand(const char *text, double value)
{
	static const TsdbLabel pairs[] = {
		{TSDB_STR("__name__"), TSDB_STR("node")},
		{TSDB_STR("instance"), TSDB_STR("db1.example.com:9100")},
		{TSDB_STR("job"), TSDB_STR("node")},
	};
	TsdbTemplateData data = {{pairs, TSDB_COUNT(pairs)}, value};
	TsdbStr		result = tsdb_template_expand(&arena, TSDB_STR("R"), tsdb_str(text), &data);

	return tsdb_strndup(&arena, result.data, result.len);
}

#define EXPANDS(text, value, expected) ck_assert_str_eq(expand(text, value), expected)

START_TEST(text_stays_and_variables_are_replaced)
{
	EXPANDS("", 0, "");
	EXPANDS("no action", 0, "no action");
	EXPANDS("{{ $labels.instance }} is at {{ $value }}", 1.5, "db1.example.com:9100 is at 1.5");
	EXPANDS("{{.Labels.job}}{{.Value}}", 2, "node2");
	EXPANDS("[{{ $labels.absent }}]", 0, "[]");
	EXPANDS("[{{ $externalLabels.region }}]", 0, "[]");
	EXPANDS("{{ $labels }}", 0, "map[__name__:node instance:db1.example.com:9100 job:node]");
	EXPANDS("{{ index $labels \"job\" }} {{ len $labels }}", 0, "node 3");
	EXPANDS("a{{/* said {{ aside */}}b", 0, "ab");
	EXPANDS("a {{- $value -}} b", 3, "a3b");
	EXPANDS("a {{ \"x\" -}}\n  b } }} {", 0, "a xb } }} {");
	EXPANDS("{{ \"q\\\"\\n\" }}{{ `raw \\n` }}", 0, "q\"\nraw \\n");
}
END_TEST

START_TEST(values_print_as_in_go)
{
	EXPANDS("{{ $value }}", 0, "0");
	EXPANDS("{{ $value }}", -0.1, "-0.1");
	EXPANDS("{{ $value }}", 100000, "100000");
	EXPANDS("{{ $value }}", 1000000, "1e+06");
	EXPANDS("{{ $value }}", 1234567.5, "1.2345675e+06");
	EXPANDS("{{ $value }}", 0.0001, "0.0001");
	EXPANDS("{{ $value }}", 0.00001, "1e-05");
	EXPANDS("{{ $value }}", INFINITY, "+Inf");
	EXPANDS("{{ $value }}", -INFINITY, "-Inf");
	EXPANDS("{{ $value }}", NAN, "NaN");
	EXPANDS("{{ 12 }} {{ 1.50 }} {{ -3 }}", 0, "12 1.5 -3");
}
END_TEST

START_TEST(printf_is_that_of_go)
{
	EXPANDS("{{ printf \"%.2f\" $value }}", 2.0 / 3, "0.67");
	EXPANDS("{{ $value | printf \"%.0f%%\" }}", 42.4, "42%");
	EXPANDS("{{ printf \"%s on %s\" $labels.job $labels.instance }}", 0, "node on db1.example.com:9100");
	EXPANDS("{{ printf \"[%6.1f|%-6s|%06.2f|%+d]\" $value \"ab\" $value 5 }}", 3.14159, "[   3.1|ab    |003.14|5]");
	EXPANDS("{{ printf \"%e %g %v\" $value $value $value }}", 1e10, "1.000000e+10 1e+10 1e+10");
	EXPANDS("{{ printf \"%q\" $labels.job }}", 0, "\"node\"");
	EXPANDS("{{ printf \"%.2s\" \"abc\" }}", 0, "ab");
	EXPANDS("{{ printf \"%d\" $value }}", 1.5, "%!d(float64=1.5)");
	EXPANDS("{{ printf \"%f\" \"x\" }}", 0, "%!f(string=x)");
	EXPANDS("{{ printf \"%s %s\" \"x\" }}", 0, "x %!s(MISSING)");
	EXPANDS("{{ printf \"x\" 1 \"b\" }}", 0, "x%!(EXTRA int=1, string=b)");
	EXPANDS("{{ printf \"50%\" }}", 0, "50%!(NOVERB)");
	EXPANDS("{{ printf \"%.3f\" $value }}", INFINITY, "+Inf");
}
END_TEST

START_TEST(numbers_for_people)
{
	EXPANDS("{{ $value | humanize }}", 0, "0");
	EXPANDS("{{ $value | humanize }}", 1234567, "1.235M");
	EXPANDS("{{ $value | humanize }}", -0.0123, "-12.3m");
	EXPANDS("{{ $value | humanize }}", 999, "999");
	EXPANDS("{{ $value | humanize }}", 1e30, "1e+06Y");
	EXPANDS("{{ $value | humanize }}", NAN, "NaN");
	EXPANDS("{{ $value | humanize1024 }}", 1048576, "1Mi");
	EXPANDS("{{ $value | humanize1024 }}", 0.5, "0.5");
	EXPANDS("{{ humanize1024 \"2048\" }}", 0, "2ki");
	EXPANDS("{{ $value | humanizePercentage }}", 0.1234567, "12.35%");
	EXPANDS("{{ $value | humanizeDuration }}", 0, "0s");
	EXPANDS("{{ $value | humanizeDuration }}", 1.5, "1.5s");
	EXPANDS("{{ $value | humanizeDuration }}", 0.0042, "4.2ms");
	EXPANDS("{{ $value | humanizeDuration }}", 3661, "1h 1m 1s");
	EXPANDS("{{ $value | humanizeDuration }}", -86400 - 61, "-1d 0h 1m 1s");
	EXPANDS("{{ $value | humanizeDuration }}", 899.99, "14m 59s");
	EXPANDS("{{ $value | humanizeTimestamp }}", 0, "1970-01-01 00:00:00 +0000 UTC");
	EXPANDS("{{ $value | humanizeTimestamp }}", 1435065584.128, "2015-06-23 13:19:44.128000021 +0000 UTC");
	EXPANDS("{{ $value | humanizeTimestamp }}", -1, "1969-12-31 23:59:59 +0000 UTC");
	EXPANDS("{{ $value | humanizeTimestamp }}", 951782400, "2000-02-29 00:00:00 +0000 UTC");
}
END_TEST

START_TEST(text_functions)
{
	EXPANDS("{{ $labels.job | toUpper }}{{ toLower \"ABc\" }}", 0, "NODEabc");
	EXPANDS("{{ title \"disk is full\" }}", 0, "Disk Is Full");
	EXPANDS("{{ stripPort $labels.instance }}", 0, "db1.example.com");
	EXPANDS("{{ stripPort \"[::1]:9\" }} {{ stripPort \"x\" }}", 0, "::1 x");
	EXPANDS("{{ stripDomain $labels.instance }}", 0, "db1:9100");
	EXPANDS("{{ stripDomain \"10.1.2.3:80\" }} {{ stripDomain \"a.b\" }} {{ stripDomain \"a\" }}", 0, "10.1.2.3:80 a a");
	EXPANDS("{{ urlQueryEscape \"a b/ü&\" }}", 0, "a+b%2F%C3%BC%26");
	EXPANDS("{{ $labels.instance | stripDomain | stripPort | toUpper | printf \"<%s>\" }}", 0, "<DB1>");
	EXPANDS("{{ printf \"%s\" (humanize (printf \"%.0f\" $value)) }}", 12345, "12.35k");
}
END_TEST

START_TEST(errors_become_text)
{
	EXPANDS("a\n{{ nope 1 }}", 0, "<error expanding template: error parsing template __alert_R: "
			"template: __alert_R:2: function \"nope\" not defined>");
	EXPANDS("{{ if $value }}x{{ end }}", 0, "<error expanding template: error parsing template __alert_R: "
			"template: __alert_R:1: \"if\" is not supported in templates>");
	EXPANDS("{{ $labels.job | humanize }}", 0, "<error expanding template: error executing template __alert_R: "
			"template: __alert_R:1: error calling humanize: parsing \"node\": invalid syntax>");
	EXPANDS("{{ $value", 0, "<error expanding template: error parsing template __alert_R: "
			"template: __alert_R:1: unclosed action>");
	EXPANDS("{{ $x }}", 0, "<error expanding template: error parsing template __alert_R: "
			"template: __alert_R:1: undefined variable \"$x\">");
	EXPANDS("{{ toUpper }}", 0, "<error expanding template: error executing template __alert_R: "
			"template: __alert_R:1: wrong number of args for toUpper: want 1 got 0>");
}
END_TEST

static void
check_fails(const char *text, TsdbStatus status, int start, int end)
{
	ck_assert_msg(tsdb_template_check(&arena, tsdb_str(text), &error) == status, "%s", text);
	ck_assert_int_eq(error.start, start);
	ck_assert_int_eq(error.end, end);
}

START_TEST(check_finds_what_no_series_can_mend)
{
	ck_assert_int_eq(tsdb_template_check(&arena, TSDB_STR("{{ $labels.x | humanize }}"), &error), TSDB_OK);
	check_fails("x {{ nope }}", TSDB_ERR_SYNTAX, 5, 9);
	check_fails("{{ range $labels }}", TSDB_ERR_UNSUPPORTED, 3, 8);
	check_fails("{{ \"x }}", TSDB_ERR_SYNTAX, 3, 8);
	check_fails("{{ }}", TSDB_ERR_SYNTAX, 3, 3);
	check_fails("{{", TSDB_ERR_SYNTAX, 2, 2);
	check_fails("{{ $value 1 }}", TSDB_ERR_SYNTAX, 3, 10);
	check_fails("{{ (((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))) }}", TSDB_ERR_SYNTAX, 35, 35);
	check_fails("{{ printf \"%x\" 1 }}", TSDB_ERR_UNSUPPORTED, 3, 3);
	check_fails("{{ 1 ; 2 }}", TSDB_ERR_SYNTAX, 5, 6);
	check_fails("{{/* x }}", TSDB_ERR_SYNTAX, 2, 9);
}
END_TEST

extern Suite *template_suite(void);

Suite *
template_suite(void)
{
	Suite	   *suite = suite_create("template");
	TCase	   *cases = tcase_create("template");

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, text_stays_and_variables_are_replaced);
	tcase_add_test(cases, values_print_as_in_go);
	tcase_add_test(cases, printf_is_that_of_go);
	tcase_add_test(cases, numbers_for_people);
	tcase_add_test(cases, text_functions);
	tcase_add_test(cases, errors_become_text);
	tcase_add_test(cases, check_finds_what_no_series_can_mend);
	suite_add_tcase(suite, cases);
	return suite;
}
