/*
 * test_remote_write.c
 *		Remote write 1.0 bodies, whole, odd and broken.
 */
#include <snappy-c.h>

#include "core/ingest/ingest.h"
#include "fixture.h"

/* ---- building messages ---- */

static void
put_bytes(TsdbBuffer *out, int field, const void *data, size_t len)
{
	tsdb_buffer_varint(out, (uint64_t) field << 3 | 2);
	tsdb_buffer_varint(out, len);
	tsdb_buffer_append(out, data, len);
}

static void
put_label(TsdbBuffer *series, const char *name, const char *value)
{
	TsdbBuffer	label;

	tsdb_buffer_init(&label, &arena, 0);
	put_bytes(&label, 1, name, strlen(name));
	put_bytes(&label, 2, value, strlen(value));
	put_bytes(series, 1, label.data, label.len);
}

static void
put_sample(TsdbBuffer *series, int64_t t, double v)
{
	TsdbBuffer	sample;
	uint64_t	bits = tsdb_double_bits(v);

	tsdb_buffer_init(&sample, &arena, 0);
	tsdb_buffer_u8(&sample, 1 << 3 | 1);
	for (int i = 0; i < 8; i++)
		tsdb_buffer_u8(&sample, (uint8_t) (bits >> (8 * i)));
	tsdb_buffer_u8(&sample, 2 << 3);
	tsdb_buffer_varint(&sample, (uint64_t) t);
	put_bytes(series, 2, sample.data, sample.len);
}

static TsdbBuffer
new_buffer(void)
{
	TsdbBuffer	buffer;

	tsdb_buffer_init(&buffer, &arena, 0);
	return buffer;
}

/* ---- a sink that writes down what it is told ---- */

static void
note_samples(TsdbSampleSink *sink, const TsdbWireSeries *series, const TsdbSample *samples, size_t n)
{
	TsdbBuffer *log = sink->context;
	TsdbLabels	labels;
	TsdbError	labels_error;

	if (series->labels(series, &arena, &labels, &labels_error) != TSDB_OK)
		tsdb_buffer_printf(log, "!%s", labels_error.message);
	else
		tsdb_labels_print(log, labels);
	for (size_t i = 0; i < n; i++)
		tsdb_buffer_printf(log, " %lld:%llx", (long long) samples[i].t, (unsigned long long) tsdb_double_bits(samples[i].v));
	tsdb_buffer_u8(log, '\n');
}

static void
note_metadata(TsdbSampleSink *sink, const TsdbMetadata *metadata)
{
	tsdb_buffer_printf(sink->context, "# %.*s %.*s %.*s\n", (int) metadata->metric.len, metadata->metric.data,
					   (int) metadata->type.len, metadata->type.data, (int) metadata->help.len, metadata->help.data);
}

static void
note_unsupported(TsdbSampleSink *sink, const TsdbWireSeries *series, const char *what, size_t n)
{
	(void) series;
	tsdb_buffer_printf(sink->context, "~%zu %s\n", n, what);
}

static TsdbStatus
decode_bytes(const void *body, size_t len, size_t limit, char **log)
{
	TsdbIngestLimits limits = {limit};
	TsdbBuffer	text = new_buffer();
	TsdbSampleSink sink = {
		.samples = note_samples, .metadata = note_metadata, .unsupported = note_unsupported, .context = &text
	};
	TsdbStatus	status = tsdb_remote_write_decode(&arena, body, len, &limits, &sink, &error);

	*log = tsdb_buffer_cstring(&text);
	return status;
}

static TsdbStatus
decode(const TsdbBuffer *message, char **log)
{
	size_t		len = snappy_max_compressed_length(message->len);
	char	   *body = tsdb_alloc(&arena, len);

	ck_assert_int_eq(snappy_compress((const char *) message->data, message->len, body, &len), SNAPPY_OK);
	return decode_bytes(body, len, 1 << 20, log);
}

START_TEST(samples_and_metadata_arrive)
{
	TsdbBuffer	request = new_buffer();
	TsdbBuffer	series = new_buffer();
	TsdbBuffer	metadata = new_buffer();
	char	   *log;

	put_label(&series, "__name__", "up");
	put_label(&series, "job", "a");
	put_sample(&series, 1000, 1.5);
	put_sample(&series, -1, tsdb_double_from_bits(TSDB_STALE_NAN_BITS));
	put_bytes(&request, 1, series.data, series.len);
	tsdb_buffer_u8(&metadata, 1 << 3);
	tsdb_buffer_u8(&metadata, 2);
	put_bytes(&metadata, 2, "up", 2);
	put_bytes(&metadata, 4, "is up", 5);
	put_bytes(&request, 3, metadata.data, metadata.len);
	ck_assert_int_eq(decode(&request, &log), TSDB_OK);
	ck_assert_str_eq(log, "up{job=\"a\"} 1000:3ff8000000000000 -1:7ff0000000000002\n# up gauge is up\n");
}
END_TEST

START_TEST(fields_may_come_in_any_order)
{
	TsdbBuffer	request = new_buffer();
	TsdbBuffer	series = new_buffer();
	char	   *log;

	put_sample(&series, 1, 0);
	put_label(&series, "job", "a");
	put_bytes(&series, 4, "histogram", 9);
	put_bytes(&series, 3, "exemplar", 8);
	put_label(&series, "__name__", "up");
	put_bytes(&series, 99, "unknown", 7);
	put_label(&series, "empty", "");
	put_bytes(&request, 1, series.data, series.len);
	put_bytes(&request, 17, "unknown", 7);
	ck_assert_int_eq(decode(&request, &log), TSDB_OK);
	ck_assert_str_eq(log, "up{job=\"a\"} 1:0\n~1 native histograms\n~1 exemplars\n");
}
END_TEST

START_TEST(bad_labels_concern_their_series_only)
{
	static const char *const names[][3] = {
		{"job", "a", "!series has no metric name 5:0\n"},
		{"__name__", "", "!series has no metric name 5:0\n"},
		{"", "a", "!label name is empty 5:0\n"},
		{"__name__", "\xff", "!value of label \"__name__\" is not valid UTF-8 5:0\n"},
	};

	for (size_t i = 0; i < TSDB_COUNT(names); i++)
	{
		TsdbBuffer	request = new_buffer();
		TsdbBuffer	bad = new_buffer();
		TsdbBuffer	good = new_buffer();
		char	   *log;

		put_label(&bad, names[i][0], names[i][1]);
		put_sample(&bad, 5, 0);
		put_bytes(&request, 1, bad.data, bad.len);
		put_label(&good, "__name__", "up");
		put_sample(&good, 6, 0);
		put_bytes(&request, 1, good.data, good.len);
		ck_assert_int_eq(decode(&request, &log), TSDB_OK);
		ck_assert_uint_eq(strncmp(log, names[i][2], strlen(names[i][2])), 0);
		ck_assert_str_eq(log + strlen(names[i][2]), "up 6:0\n");
	}
}
END_TEST

START_TEST(broken_bodies_store_nothing)
{
	TsdbBuffer	request = new_buffer();
	TsdbBuffer	series = new_buffer();
	size_t		len;
	char	   *body;
	char	   *log;

	put_label(&series, "__name__", "up");
	put_sample(&series, 1000, 1.5);
	put_bytes(&request, 1, series.data, series.len);
	put_bytes(&request, 1, series.data, series.len);
	len = snappy_max_compressed_length(request.len);
	body = tsdb_alloc(&arena, len);
	ck_assert_int_eq(snappy_compress((const char *) request.data, request.len, body, &len), SNAPPY_OK);
	for (size_t cut = 0; cut < len; cut++)
	{
		char	   *part = tsdb_alloc(&arena, cut);

		memcpy(part, body, cut);
		ck_assert_int_eq(decode_bytes(part, cut, 1 << 20, &log), TSDB_ERR_INPUT);
		ck_assert_str_eq(log, "");
		ck_assert_str_ne(error.hint, "");
	}
	ck_assert_int_eq(decode_bytes(body, len, request.len - 1, &log), TSDB_ERR_LIMIT);
	/* a cut message inside a good snappy block: only a cut between two series is a message */
	for (size_t cut = 1; cut < request.len; cut++)
	{
		TsdbBuffer	part = {&arena, request.data, cut, request.capacity};

		if (cut == request.len / 2)
			continue;
		ck_assert_int_eq(decode(&part, &log), TSDB_ERR_INPUT);
		ck_assert_str_eq(log, "");
	}
	ck_assert_int_eq(decode_bytes("\xff\xff\xff\xff\x0f", 5, SIZE_MAX, &log), TSDB_ERR_INPUT);
}
END_TEST

/* A hostile sender could make a body of a few kilobytes take gigabytes. */
START_TEST(scattered_labels_take_memory_by_their_bytes)
{
	TsdbBuffer	request = new_buffer();
	TsdbBuffer	series = new_buffer();
	size_t		before;
	char	   *log;

	for (int i = 0; i < 10000; i++)
	{
		put_bytes(&series, 1, "", 0);
		put_bytes(&series, 99, "", 0);
	}
	put_sample(&series, 5, 0);
	put_bytes(&request, 1, series.data, series.len);
	before = arena.acquired;
	ck_assert_int_eq(decode(&request, &log), TSDB_OK);
	ck_assert_str_eq(log, "!label set has 10000 labels, more than 1024 5:0\n");
	ck_assert_uint_lt(arena.acquired - before, 32 * request.len);
}
END_TEST

START_TEST(series_without_samples_take_no_memory)
{
	TsdbBuffer	request = new_buffer();
	size_t		before;
	char	   *log;

	for (int i = 0; i < 10000; i++)
		put_bytes(&request, 1, "", 0);
	before = arena.acquired;
	ck_assert_int_eq(decode(&request, &log), TSDB_OK);
	ck_assert_str_eq(log, "");
	ck_assert_uint_lt(arena.acquired - before, 32 * request.len);
}
END_TEST

Suite *
remote_write_suite(void)
{
	Suite	   *suite = suite_create("remote_write");
	TCase	   *tests = tcase_create("remote_write");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, samples_and_metadata_arrive);
	tcase_add_test(tests, fields_may_come_in_any_order);
	tcase_add_test(tests, bad_labels_concern_their_series_only);
	tcase_add_test(tests, broken_bodies_store_nothing);
	tcase_add_test(tests, scattered_labels_take_memory_by_their_bytes);
	tcase_add_test(tests, series_without_samples_take_no_memory);
	suite_add_tcase(suite, tests);
	return suite;
}
