/*
 * test_notify.c
 *		Fingerprints, group keys, what counts as news, and the webhook message.
 */
#include <stdlib.h>

#include "core/notify/notify.h"
#include "fixture.h"

Suite	   *notify_suite(void);

static TsdbLabels
labels_of(const char *text)
{
	TsdbLabels	labels;
	TsdbError	error;

	ck_assert_int_eq(tsdb_labels_parse(&arena, tsdb_str(text), &labels, &error), TSDB_OK);
	return labels;
}

/* Values of prometheus/common model.LabelSet.Fingerprint(). */
START_TEST(fingerprints_are_those_of_prometheus)
{
	ck_assert_uint_eq(tsdb_alert_fingerprint((TsdbLabels){NULL, 0}), UINT64_C(14695981039346656037));
	ck_assert_uint_eq(tsdb_alert_fingerprint(labels_of("{name=\"garland, briggs\", fear=\"love is not enough\"}")),
					  UINT64_C(5799056148416392346));
}
END_TEST

static void
expect_key(const char *labels, const TsdbStr *group_by, size_t n, const char *expected)
{
	TsdbBuffer	key;

	tsdb_buffer_init(&key, &arena, 0);
	tsdb_group_key(&key, tsdb_group_labels(&arena, labels_of(labels), group_by, n));
	ck_assert_str_eq(tsdb_buffer_cstring(&key), expected);
}

START_TEST(group_keys)
{
	static const TsdbStr two[] = {TSDB_STR("job"), TSDB_STR("alertname")};
	static const TsdbStr all[] = {TSDB_STR("...")};
	const char *labels = "{alertname=\"Down\", instance=\"a\\\"b\", job=\"node\"}";

	expect_key(labels, NULL, 0, "{}:{}");
	expect_key(labels, two, 2, "{}:{alertname=\"Down\", job=\"node\"}");
	expect_key(labels, all, 1, "{}:{alertname=\"Down\", instance=\"a\\\"b\", job=\"node\"}");
	expect_key("{x=\"1\"}", two, 2, "{}:{}");
}
END_TEST

#define SET(...) ((TsdbFingerprints){(const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / 8})
#define NONE ((TsdbFingerprints){NULL, 0})

START_TEST(what_counts_as_news)
{
	TsdbNotified unknown = {.known = false};
	TsdbNotified fires = {.known = true, .firing = SET(1, 2), .resolved = SET(3)};
	TsdbNotified due = {.known = true, .firing = SET(1, 2), .resolved = SET(3), .repeat_is_due = true};
	TsdbNotified over = {.known = true, .resolved = SET(1, 2), .repeat_is_due = true};

	ck_assert_int_eq(tsdb_notify_decide(&unknown, SET(1), NONE, true), TSDB_NOTIFY_FIRST);
	ck_assert_int_eq(tsdb_notify_decide(&unknown, NONE, SET(1), true), TSDB_NOTIFY_NOT);
	ck_assert_int_eq(tsdb_notify_decide(&fires, SET(1, 2), NONE, true), TSDB_NOTIFY_NOT);
	ck_assert_int_eq(tsdb_notify_decide(&fires, SET(1), NONE, true), TSDB_NOTIFY_NOT);
	ck_assert_int_eq(tsdb_notify_decide(&fires, SET(1, 4), NONE, true), TSDB_NOTIFY_NEW_ALERTS);
	ck_assert_int_eq(tsdb_notify_decide(&fires, SET(1), SET(2), true), TSDB_NOTIFY_NEW_RESOLVED);
	ck_assert_int_eq(tsdb_notify_decide(&fires, SET(1), SET(2), false), TSDB_NOTIFY_NOT);
	ck_assert_int_eq(tsdb_notify_decide(&fires, SET(1), SET(3), true), TSDB_NOTIFY_NOT);
	ck_assert_int_eq(tsdb_notify_decide(&fires, NONE, SET(1, 2), true), TSDB_NOTIFY_ALL_RESOLVED);
	ck_assert_int_eq(tsdb_notify_decide(&fires, NONE, SET(1, 2), false), TSDB_NOTIFY_ALL_RESOLVED);
	ck_assert_int_eq(tsdb_notify_decide(&due, SET(1), NONE, true), TSDB_NOTIFY_REPEAT);
	ck_assert_int_eq(tsdb_notify_decide(&over, NONE, SET(1, 2), true), TSDB_NOTIFY_NOT);
	ck_assert_int_eq(tsdb_notify_decide(&over, SET(1), NONE, true), TSDB_NOTIFY_FIRST);
}
END_TEST

/* Two alerts of one rule, the first resolved. */
static void
make_alerts(TsdbGroupedAlert *alerts)
{
	memset(alerts, 0, 2 * sizeof(*alerts));
	alerts[0].labels = labels_of("{alertname=\"Down\", instance=\"a\", severity=\"page\"}");
	alerts[0].annotations = labels_of("{summary=\"a < b & \\\"c\\\"\"}");
	alerts[0].starts_at = INT64_C(1700000000123000);
	alerts[0].ends_at = INT64_C(1709164800000000);
	alerts[0].resolved = true;
	alerts[0].generator_url = TSDB_STR("http://x/graph?g0.expr=up&g0.tab=1");
	alerts[1].labels = labels_of("{alertname=\"Down\", instance=\"b\", severity=\"page\"}");
	alerts[1].annotations = alerts[0].annotations;
	alerts[1].starts_at = INT64_C(-1);
	alerts[1].generator_url = TSDB_STR("");
	for (int i = 0; i < 2; i++)
		alerts[i].fingerprint = tsdb_alert_fingerprint(alerts[i].labels);
}

static void
expect_message(const TsdbNotification *notification, const char *expected)
{
	TsdbBuffer	message;

	tsdb_buffer_init(&message, &arena, 0);
	tsdb_webhook_message(&message, &arena, notification);
	ck_assert_str_eq(tsdb_buffer_cstring(&message), expected);
}

START_TEST(the_webhook_message)
{
	TsdbGroupedAlert	alerts[2];
	TsdbNotification notification = {
		.receiver = TSDB_STR("team"),
		.group_key = TSDB_STR("{}:{alertname=\"Down\"}"),
		.group_labels = labels_of("{alertname=\"Down\"}"),
		.external_url = TSDB_STR("http://x"),
		.reason = TSDB_NOTIFY_NEW_RESOLVED,
		.alerts = alerts,
		.n = 2,
	};

	make_alerts(alerts);
	alerts[0].fingerprint = 0xab;
	alerts[1].fingerprint = UINT64_C(0x0123456789abcdef);
	expect_message(&notification,
				   "{\"receiver\":\"team\",\"status\":\"firing\",\"alerts\":["
				   "{\"status\":\"resolved\",\"labels\":{\"alertname\":\"Down\",\"instance\":\"a\",\"severity\":\"page\"},"
				   "\"annotations\":{\"summary\":\"a \\u003c b \\u0026 \\\"c\\\"\"},"
				   "\"startsAt\":\"2023-11-14T22:13:20.123Z\",\"endsAt\":\"2024-02-29T00:00:00Z\","
				   "\"generatorURL\":\"http://x/graph?g0.expr=up\\u0026g0.tab=1\",\"fingerprint\":\"00000000000000ab\"},"
				   "{\"status\":\"firing\",\"labels\":{\"alertname\":\"Down\",\"instance\":\"b\",\"severity\":\"page\"},"
				   "\"annotations\":{\"summary\":\"a \\u003c b \\u0026 \\\"c\\\"\"},"
				   "\"startsAt\":\"1969-12-31T23:59:59.999999Z\",\"endsAt\":\"0001-01-01T00:00:00Z\","
				   "\"generatorURL\":\"\",\"fingerprint\":\"0123456789abcdef\"}],"
				   "\"notification_reason\":\"some alerts resolved\","
				   "\"groupLabels\":{\"alertname\":\"Down\"},"
				   "\"commonLabels\":{\"alertname\":\"Down\",\"severity\":\"page\"},"
				   "\"commonAnnotations\":{\"summary\":\"a \\u003c b \\u0026 \\\"c\\\"\"},"
				   "\"routeLabels\":{},\"externalURL\":\"http://x\",\"version\":\"4\","
				   "\"groupKey\":\"{}:{alertname=\\\"Down\\\"}\",\"truncatedAlerts\":0}\n");
}
END_TEST

START_TEST(alerts_over_the_limit_are_counted)
{
	TsdbGroupedAlert	alerts[2];
	TsdbNotification notification = {.alerts = alerts, .n = 2, .max_alerts = 1, .reason = TSDB_NOTIFY_FIRST};
	TsdbBuffer	message;
	char	   *text;

	make_alerts(alerts);
	tsdb_buffer_init(&message, &arena, 0);
	tsdb_webhook_message(&message, &arena, &notification);
	text = tsdb_buffer_cstring(&message);
	ck_assert_ptr_nonnull(strstr(text, "\"status\":\"resolved\",\"alerts\":[{"));
	ck_assert_ptr_nonnull(strstr(text, "\"truncatedAlerts\":1}"));
	ck_assert_ptr_null(strstr(text, "\"instance\":\"b\""));
}
END_TEST

START_TEST(order_of_alerts)
{
	TsdbGroupedAlert	a = {.labels = labels_of("{job=\"a\", instance=\"9\", x=\"1\"}")};
	TsdbGroupedAlert	b = {.labels = labels_of("{job=\"b\", instance=\"1\"}")};
	TsdbGroupedAlert	c = {.labels = labels_of("{job=\"a\", instance=\"9\", x=\"2\"}")};

	ck_assert_int_lt(tsdb_alert_compare(&a, &b), 0);
	ck_assert_int_lt(tsdb_alert_compare(&a, &c), 0);
	ck_assert_int_eq(tsdb_alert_compare(&a, &a), 0);
}
END_TEST

Suite *
notify_suite(void)
{
	Suite	   *suite = suite_create("notify");
	TCase	   *group = tcase_create("groups");
	TCase	   *message = tcase_create("webhook");

	tcase_add_checked_fixture(group, setup, teardown);
	tcase_add_test(group, fingerprints_are_those_of_prometheus);
	tcase_add_test(group, group_keys);
	tcase_add_test(group, what_counts_as_news);
	tcase_add_test(group, order_of_alerts);
	suite_add_tcase(suite, group);
	tcase_add_checked_fixture(message, setup, teardown);
	tcase_add_test(message, the_webhook_message);
	tcase_add_test(message, alerts_over_the_limit_are_counted);
	suite_add_tcase(suite, message);
	return suite;
}
