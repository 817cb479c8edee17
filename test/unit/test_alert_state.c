/*
 * test_alert_state.c
 *		The states of alerts over time.
 *
 * A rule runs through a script: each step gives the time in seconds and the
 * series that the expression answers then, and expects each alert as
 * "labels state".
 */
#include <stdio.h>

#include "core/rules/alert_state.h"
#include "fixture.h"

static TsdbAlertRule rule;
static TsdbAlert *alerts;
static size_t n_alerts;

static void
start_rule(void)
{
	rule = (TsdbAlertRule) {.name = TSDB_STR("HighLoad")};
	alerts = NULL;
	n_alerts = 0;
}

static TsdbLabels
labels_of(const char *text)
{
	TsdbLabels	labels;

	ck_assert_msg(tsdb_labels_parse(&arena, tsdb_str(text), &labels, &error) == TSDB_OK, "%s: %s", text, error.message);
	return labels;
}

/* One evaluation at `seconds` of up to four series, all with this value; forgotten alerts leave the list afterwards. */
static TsdbStatus
evaluate_value(int seconds, double value, const char *const *series)
{
	TsdbAlertSample samples[4];
	size_t		n = 0;

	for (; series[n] != NULL; n++)
		samples[n] = (TsdbAlertSample) {labels_of(series[n]), value};
	return tsdb_alert_evaluate(&arena, &rule, (int64_t) seconds * 1000, alerts, n_alerts, samples, n, &alerts, &n_alerts, &error);
}

#define EVALUATE(seconds, ...) evaluate_value(seconds, 1, (const char *const[]) {__VA_ARGS__, NULL})
#define SERIES_NONE NULL

static void
forget_inactive(void)
{
	size_t		kept = 0;

	for (size_t i = 0; i < n_alerts; i++)
		if (alerts[i].state != TSDB_ALERT_INACTIVE)
			alerts[kept++] = alerts[i];
	n_alerts = kept;
}

static const char *
states(void)
{
	TsdbBuffer	out;

	tsdb_buffer_init(&out, &arena, 64);
	for (size_t i = 0; i < n_alerts; i++)
	{
		if (i > 0)
			tsdb_buffer_printf(&out, "; ");
		tsdb_labels_print(&out, alerts[i].labels);
		tsdb_buffer_printf(&out, " %s", tsdb_alert_state_name(alerts[i].state));
		if (alerts[i].changed)
			tsdb_buffer_printf(&out, "*");
	}
	forget_inactive();
	return tsdb_buffer_cstring(&out);
}

#define A "{alertname=\"HighLoad\", i=\"a\"}"
#define B "{alertname=\"HighLoad\", i=\"b\"}"

START_TEST(without_for_it_fires_at_once)
{
	ck_assert_int_eq(EVALUATE(100, "load{i=\"a\"}"), TSDB_OK);
	ck_assert_int_eq(alerts[0].active_at, 100000);
	ck_assert_int_eq(alerts[0].fired_at, 100000);
	ck_assert_int_eq(alerts[0].previous, TSDB_ALERT_INACTIVE);
	ck_assert_str_eq(states(), A " firing*");
	ck_assert_int_eq(EVALUATE(115, "load{i=\"a\"}"), TSDB_OK);
	ck_assert_str_eq(states(), A " firing");
}
END_TEST

START_TEST(it_fires_when_for_is_over_and_not_before)
{
	rule.for_ms = 60000;
	ck_assert_int_eq(EVALUATE(0, "load{i=\"a\"}"), TSDB_OK);
	ck_assert_str_eq(states(), A " pending*");
	ck_assert_int_eq(EVALUATE(59, "load{i=\"a\"}"), TSDB_OK);
	ck_assert_str_eq(states(), A " pending");
	ck_assert_int_eq(EVALUATE(60, "load{i=\"a\"}"), TSDB_OK);
	ck_assert_int_eq(alerts[0].active_at, 0);
	ck_assert_int_eq(alerts[0].fired_at, 60000);
	ck_assert_int_eq(alerts[0].previous, TSDB_ALERT_PENDING);
	ck_assert_str_eq(states(), A " firing*");
}
END_TEST

START_TEST(a_pending_alert_that_vanishes_is_forgotten_and_starts_anew)
{
	rule.for_ms = 60000;
	ck_assert_int_eq(EVALUATE(0, "load{i=\"a\"}"), TSDB_OK);
	ck_assert_str_eq(states(), A " pending*");
	ck_assert_int_eq(EVALUATE(30, SERIES_NONE), TSDB_OK);
	ck_assert_str_eq(states(), A " inactive*");
	ck_assert_uint_eq(n_alerts, 0);
	ck_assert_int_eq(EVALUATE(60, "load{i=\"a\"}"), TSDB_OK);
	ck_assert_int_eq(alerts[0].active_at, 60000);
	ck_assert_str_eq(states(), A " pending*");
}
END_TEST

START_TEST(label_sets_have_states_of_their_own)
{
	rule.for_ms = 30000;
	ck_assert_int_eq(EVALUATE(0, "load{i=\"a\"}"), TSDB_OK);
	ck_assert_str_eq(states(), A " pending*");
	ck_assert_int_eq(EVALUATE(15, "load{i=\"b\"}", "load{i=\"a\"}"), TSDB_OK);
	ck_assert_str_eq(states(), A " pending; " B " pending*");
	ck_assert_int_eq(EVALUATE(30, "load{i=\"b\"}", "load{i=\"a\"}"), TSDB_OK);
	ck_assert_str_eq(states(), A " firing*; " B " pending");
	ck_assert_int_eq(EVALUATE(45, "load{i=\"b\"}"), TSDB_OK);
	ck_assert_str_eq(states(), A " resolved*; " B " firing*");
}
END_TEST

START_TEST(a_resolved_alert_is_kept_for_fifteen_minutes)
{
	EVALUATE(0, "load{i=\"a\"}");
	ck_assert_str_eq(states(), A " firing*");
	EVALUATE(15, SERIES_NONE);
	ck_assert_int_eq(alerts[0].resolved_at, 15000);
	ck_assert_int_eq(alerts[0].fired_at, 0);
	ck_assert_str_eq(states(), A " resolved*");
	EVALUATE(15 + 900, SERIES_NONE);
	ck_assert_str_eq(states(), A " resolved");
	EVALUATE(15 + 901, SERIES_NONE);
	ck_assert_int_eq(alerts[0].previous, TSDB_ALERT_RESOLVED);
	ck_assert_str_eq(states(), A " inactive*");
}
END_TEST

START_TEST(a_resolved_alert_that_comes_back_waits_again_and_is_not_forgotten)
{
	rule.for_ms = 10000;
	EVALUATE(0, "load{i=\"a\"}");
	states();
	EVALUATE(10, "load{i=\"a\"}");
	ck_assert_str_eq(states(), A " firing*");
	EVALUATE(20, SERIES_NONE);
	ck_assert_str_eq(states(), A " resolved*");
	EVALUATE(30, "load{i=\"a\"}");
	ck_assert_int_eq(alerts[0].active_at, 30000);
	ck_assert_int_eq(alerts[0].fired_at, 10000);
	ck_assert_int_eq(alerts[0].resolved_at, 20000);
	ck_assert_str_eq(states(), A " pending*");
	EVALUATE(35, SERIES_NONE);
	ck_assert_int_eq(alerts[0].resolved_at, 20000);
	ck_assert_str_eq(states(), A " resolved*");
	EVALUATE(50, "load{i=\"a\"}");
	ck_assert_str_eq(states(), A " pending*");
	EVALUATE(60, "load{i=\"a\"}");
	ck_assert_int_eq(alerts[0].fired_at, 60000);
	ck_assert(alerts[0].resolved_at == TSDB_NO_TIME);
	ck_assert_str_eq(states(), A " firing*");
	EVALUATE(70, SERIES_NONE);
	ck_assert_str_eq(states(), A " resolved*");
	rule.for_ms = 3600000;
	EVALUATE(80, "load{i=\"a\"}");
	ck_assert_str_eq(states(), A " pending*");
	EVALUATE(70 + 901, SERIES_NONE);
	ck_assert_str_eq(states(), A " inactive*");
}
END_TEST

START_TEST(keep_firing_for_holds_it_and_an_answer_resets_that)
{
	rule.keep_firing_ms = 60000;
	EVALUATE(0, "load{i=\"a\"}");
	ck_assert_str_eq(states(), A " firing*");
	EVALUATE(10, SERIES_NONE);
	ck_assert_int_eq(alerts[0].keep_firing_since, 10000);
	ck_assert_str_eq(states(), A " firing*");	/* no transition, but to be written down */
	EVALUATE(20, SERIES_NONE);
	ck_assert_str_eq(states(), A " firing");
	EVALUATE(30, "load{i=\"a\"}");
	ck_assert(alerts[0].keep_firing_since == TSDB_NO_TIME);
	ck_assert_str_eq(states(), A " firing*");
	EVALUATE(40, SERIES_NONE);
	ck_assert_str_eq(states(), A " firing*");
	EVALUATE(99, SERIES_NONE);
	ck_assert_str_eq(states(), A " firing");
	EVALUATE(100, SERIES_NONE);
	ck_assert_int_eq(alerts[0].resolved_at, 100000);
	ck_assert_str_eq(states(), A " resolved*");
}
END_TEST

START_TEST(keep_firing_for_does_not_hold_a_pending_alert)
{
	rule.keep_firing_ms = 60000;
	rule.for_ms = 60000;
	EVALUATE(0, "load{i=\"a\"}");
	ck_assert_str_eq(states(), A " pending*");
	EVALUATE(10, SERIES_NONE);
	ck_assert_str_eq(states(), A " inactive*");
}
END_TEST

START_TEST(labels_of_the_rule_replace_those_of_the_series)
{
	static const TsdbLabel added[] = {
		{TSDB_STR("severity"), TSDB_STR("page")},
		{TSDB_STR("where"), TSDB_STR("{{ $labels.i }}-{{ $value }}")},
		{TSDB_STR("job"), TSDB_STR("")},
		{TSDB_STR("alertname"), TSDB_STR("not this")},
	};

	rule.labels = added;
	rule.n_labels = TSDB_COUNT(added);
	EVALUATE(0, "load{i=\"a\", severity=\"low\", job=\"x\", alertname=\"nor this\"}");
	ck_assert_str_eq(states(), "{alertname=\"HighLoad\", i=\"a\", severity=\"page\", where=\"a-1\"} firing*");
}
END_TEST

START_TEST(annotations_follow_the_value_but_labels_tell_the_alert)
{
	static const TsdbLabel annotations[] = {{TSDB_STR("summary"), TSDB_STR("load is {{ $value | printf \"%.1f\" }}")}};

	rule.annotations = annotations;
	rule.n_annotations = 1;
	evaluate_value(0, 7, (const char *const[]) {"load{i=\"a\"}", NULL});
	ck_assert(tsdb_str_equal(alerts[0].annotations.pairs[0].value, TSDB_STR("load is 7.0")));
	evaluate_value(1, 8, (const char *const[]) {"load{i=\"a\"}", NULL});
	ck_assert_uint_eq(n_alerts, 1);
	ck_assert(tsdb_str_equal(alerts[0].annotations.pairs[0].value, TSDB_STR("load is 8.0")));
	ck_assert(alerts[0].value == 8);
	ck_assert_str_eq(states(), A " firing");
}
END_TEST

START_TEST(two_series_that_become_one_alert_are_an_error_that_changes_nothing)
{
	rule.for_ms = 60000;
	EVALUATE(0, "load{i=\"a\"}");
	ck_assert_str_eq(states(), A " pending*");
	ck_assert_int_eq(EVALUATE(60, "load{i=\"a\"}", "load2{i=\"a\"}"), TSDB_ERR_EXECUTION);
	ck_assert_str_eq(error.message, "vector contains metrics with the same labelset after applying alert labels");
	ck_assert_uint_eq(n_alerts, 1);
	ck_assert_int_eq(alerts[0].state, TSDB_ALERT_PENDING);
	ck_assert_int_eq(EVALUATE(60, "load{i=\"a\"}"), TSDB_OK);
	ck_assert_str_eq(states(), A " firing*");
}
END_TEST

START_TEST(the_end_of_a_rule_resolves_what_fires_and_forgets_the_rest)
{
	rule.for_ms = 30000;
	EVALUATE(0, "load{i=\"a\"}");
	states();
	EVALUATE(30, "load{i=\"a\"}", "load{i=\"b\"}");
	ck_assert_str_eq(states(), A " firing*; " B " pending*");
	tsdb_alert_end(&arena, 40000, alerts, n_alerts, &alerts, &n_alerts);
	ck_assert_int_eq(alerts[0].resolved_at, 40000);
	ck_assert_str_eq(states(), A " resolved*; " B " inactive*");
	tsdb_alert_end(&arena, 50000, alerts, n_alerts, &alerts, &n_alerts);
	ck_assert_str_eq(states(), A " resolved");
}
END_TEST

START_TEST(state_names_are_read_back)
{
	TsdbAlertState state;

	for (int i = TSDB_ALERT_INACTIVE; i <= TSDB_ALERT_RESOLVED; i++)
	{
		ck_assert(tsdb_alert_state_parse(tsdb_str(tsdb_alert_state_name((TsdbAlertState) i)), &state));
		ck_assert_int_eq(state, i);
	}
	ck_assert(!tsdb_alert_state_parse(TSDB_STR("FIRING"), &state));
}
END_TEST

extern Suite *alert_state_suite(void);

Suite *
alert_state_suite(void)
{
	Suite	   *suite = suite_create("alert_state");
	TCase	   *cases = tcase_create("alert_state");

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_checked_fixture(cases, start_rule, NULL);
	tcase_add_test(cases, without_for_it_fires_at_once);
	tcase_add_test(cases, it_fires_when_for_is_over_and_not_before);
	tcase_add_test(cases, a_pending_alert_that_vanishes_is_forgotten_and_starts_anew);
	tcase_add_test(cases, label_sets_have_states_of_their_own);
	tcase_add_test(cases, a_resolved_alert_is_kept_for_fifteen_minutes);
	tcase_add_test(cases, a_resolved_alert_that_comes_back_waits_again_and_is_not_forgotten);
	tcase_add_test(cases, keep_firing_for_holds_it_and_an_answer_resets_that);
	tcase_add_test(cases, keep_firing_for_does_not_hold_a_pending_alert);
	tcase_add_test(cases, labels_of_the_rule_replace_those_of_the_series);
	tcase_add_test(cases, annotations_follow_the_value_but_labels_tell_the_alert);
	tcase_add_test(cases, two_series_that_become_one_alert_are_an_error_that_changes_nothing);
	tcase_add_test(cases, the_end_of_a_rule_resolves_what_fires_and_forgets_the_rest);
	tcase_add_test(cases, state_names_are_read_back);
	suite_add_tcase(suite, cases);
	return suite;
}
