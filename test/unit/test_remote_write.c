/*
 * test_remote_write.c
 *		Remote write bodies of both versions, whole, odd and broken.
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

/* Which version the bodies of a test are of. */
static TsdbWriteOpen open_request = tsdb_remote_write_open;

static TsdbStatus
decode_bytes(const void *body, size_t len, size_t limit, char **log)
{
	TsdbIngestLimits limits = {limit};
	TsdbBuffer	text = new_buffer();
	TsdbSampleSink sink = {
		.samples = note_samples, .metadata = note_metadata, .unsupported = note_unsupported, .context = &text
	};
	TsdbWriteRequest *request;
	TsdbStatus	status = open_request(&arena, body, len, &limits, &request, &error);

	if (status == TSDB_OK)
		tsdb_write_request_feed(request, &sink);
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

/* The request is well-formed. */
static TsdbWriteRequest *
walk(const TsdbBuffer *message)
{
	TsdbIngestLimits limits = {1 << 20};
	size_t		len = snappy_max_compressed_length(message->len);
	char	   *body = tsdb_alloc(&arena, len);
	TsdbWriteRequest *request;

	ck_assert_int_eq(snappy_compress((const char *) message->data, message->len, body, &len), SNAPPY_OK);
	ck_assert_int_eq(open_request(&arena, body, len, &limits, &request, &error), TSDB_OK);
	return request;
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

START_TEST(first_series_and_times_are_told_without_decoding)
{
	static const TsdbStr names[] = {TSDB_STR("cluster"), TSDB_STR("__replica__"), TSDB_STR("job")};
	TsdbBuffer	request = new_buffer();
	TsdbBuffer	series = new_buffer();
	TsdbStr		values[3];
	int64_t		t_min;
	int64_t		t_max;

	tsdb_write_request_peek(walk(&request), names, 3, values);
	for (int i = 0; i < 3; i++)
		ck_assert_ptr_null(values[i].data);
	ck_assert_uint_eq(tsdb_write_request_times(walk(&request), &t_min, &t_max), 0);

	put_label(&series, "__name__", "up");
	put_label(&series, "__replica__", "b");
	put_label(&series, "cluster", "east");
	put_label(&series, "job", "");
	put_sample(&series, 7, 1);
	put_sample(&series, -3, 1);
	put_bytes(&request, 1, series.data, series.len);
	series = new_buffer();
	put_label(&series, "job", "of another series");
	put_sample(&series, 2000, 1);
	put_bytes(&request, 1, series.data, series.len);
	tsdb_write_request_peek(walk(&request), names, 3, values);
	ck_assert(tsdb_str_equal(values[0], TSDB_STR("east")));
	ck_assert(tsdb_str_equal(values[1], TSDB_STR("b")));
	ck_assert_ptr_null(values[2].data);
	ck_assert_uint_eq(tsdb_write_request_times(walk(&request), &t_min, &t_max), 3);
	ck_assert_int_eq(t_min, -3);
	ck_assert_int_eq(t_max, 2000);

	/* labels that are no messages say nothing; the series is rejected when it is fed */
	request = new_buffer();
	series = new_buffer();
	put_bytes(&series, 1, "\x0a\x7f", 2);
	put_label(&series, "cluster", "east");
	put_sample(&series, 1, 1);
	put_bytes(&request, 1, series.data, series.len);
	tsdb_write_request_peek(walk(&request), names, 3, values);
	ck_assert_ptr_null(values[0].data);
}
END_TEST

/* ---- version 2 ---- */

static void
setup_v2(void)
{
	setup();
	open_request = tsdb_remote_write_v2_open;
}

static void
teardown_v2(void)
{
	open_request = tsdb_remote_write_open;
	teardown();
}

static TsdbBuffer
request_v2(const char *const *symbols)
{
	TsdbBuffer	request = new_buffer();

	put_bytes(&request, 4, "", 0);
	for (; *symbols != NULL; symbols++)
		put_bytes(&request, 4, *symbols, strlen(*symbols));
	return request;
}

static const char *const symbols[] = {"__name__", "up", "job", "a", "x_bucket", "help", "seconds", NULL};

START_TEST(v2_series_arrive)
{
	TsdbBuffer	request = request_v2(symbols);
	TsdbBuffer	series = new_buffer();
	char	   *log;

	put_bytes(&series, 1, "\1\2\3\4", 4);
	put_sample(&series, 1000, 1.5);
	put_sample(&series, 2000, 2);
	put_bytes(&series, 5, "\x08\2\x18\6\x20\7", 6);
	put_bytes(&request, 5, series.data, series.len);
	put_bytes(&request, 5, series.data, series.len);	/* metadata comes once */
	series = new_buffer();
	tsdb_buffer_append(&series, "\x08\1\x08\5", 4);	/* references that are not packed */
	put_bytes(&series, 3, "", 0);
	put_bytes(&series, 4, "", 0);
	put_bytes(&series, 5, "\x08\3", 2);
	put_bytes(&request, 5, series.data, series.len);
	ck_assert_int_eq(decode(&request, &log), TSDB_OK);
	ck_assert_str_eq(log, "up{job=\"a\"} 1000:3ff8000000000000 2000:4000000000000000\n"
					 "up{job=\"a\"} 1000:3ff8000000000000 2000:4000000000000000\n"
					 "~1 native histograms\n~1 exemplars\n# up gauge help\n# x histogram \n");
}
END_TEST

START_TEST(v2_first_series_is_told_as_well)
{
	static const TsdbStr names[] = {TSDB_STR("job"), TSDB_STR("cluster")};
	TsdbBuffer	request = request_v2(symbols);
	TsdbBuffer	series = new_buffer();
	TsdbStr		values[2];

	put_bytes(&series, 1, "\1\2\3\4", 4);
	put_sample(&series, 1000, 1.5);
	put_bytes(&request, 5, series.data, series.len);
	tsdb_write_request_peek(walk(&request), names, 2, values);
	ck_assert(tsdb_str_equal(values[0], TSDB_STR("a")));
	ck_assert_ptr_null(values[1].data);

	request = request_v2(symbols);
	series = new_buffer();
	put_bytes(&series, 1, "\1\2\3", 3);
	put_sample(&series, 1000, 1.5);
	put_bytes(&request, 5, series.data, series.len);
	tsdb_write_request_peek(walk(&request), names, 2, values);
	ck_assert_ptr_null(values[0].data);
}
END_TEST

START_TEST(v2_bad_references_lose_their_series_only)
{
	static const char *const references[] = {"\1", "\1\2\3", "\1\x63", "\1\xff\xff\xff\xff\x7f", "\1\2"};
	TsdbBuffer	request = request_v2(symbols);
	char	   *log;

	for (size_t i = 0; i < TSDB_COUNT(references); i++)
	{
		TsdbBuffer	series = new_buffer();

		put_bytes(&series, 1, references[i], strlen(references[i]));
		put_sample(&series, 1000, 1);
		put_bytes(&request, 5, series.data, series.len);
	}
	ck_assert_int_eq(decode(&request, &log), TSDB_OK);
	ck_assert_str_eq(log, "!odd number of label references in a remote write series 1000:3ff0000000000000\n"
					 "!odd number of label references in a remote write series 1000:3ff0000000000000\n"
					 "!label of a remote write series refers to a symbol that is not in the request 1000:3ff0000000000000\n"
					 "!label of a remote write series refers to a symbol that is not in the request 1000:3ff0000000000000\n"
					 "up 1000:3ff0000000000000\n");
}
END_TEST

START_TEST(v2_few_references_cannot_name_much_text)
{
	TsdbBuffer	request = new_buffer();
	TsdbBuffer	series = new_buffer();
	char	   *log;
	char	   *text = tsdb_alloc0(&arena, 100000);

	put_bytes(&request, 4, "", 0);
	put_bytes(&request, 4, memset(text, 'x', 99999), 99999);
	for (int i = 0; i < 100; i++)
		tsdb_buffer_append(&series, "\x08\1", 2);
	put_bytes(&request, 5, series.data, series.len);
	ck_assert_int_eq(decode(&request, &log), TSDB_ERR_LIMIT);
	ck_assert_str_eq(log, "");
}
END_TEST

START_TEST(v2_broken_messages_are_refused)
{
	static const TsdbStr bodies[] = {TSDB_STR("\x2a\2\x0a\5"), TSDB_STR("\x2a\3\x0a\1\xff"), TSDB_STR("\x22\5"), TSDB_STR("\xff")};
	char	   *log;

	for (size_t i = 0; i < TSDB_COUNT(bodies); i++)
	{
		TsdbBuffer	request = new_buffer();

		tsdb_buffer_append(&request, bodies[i].data, bodies[i].len);
		ck_assert_int_eq(decode(&request, &log), TSDB_ERR_INPUT);
		ck_assert_str_eq(log, "");
	}
}
END_TEST

/* ---- remote read ---- */

/* start 1, end 2, {a="b"}, {c!~"d"}; a hint that nobody reads; the types in the list */
static TsdbBuffer
read_request(const char *types)
{
	TsdbBuffer	request = new_buffer();
	TsdbBuffer	query = new_buffer();

	tsdb_buffer_append(&query, "\x08\1\x10\2", 4);
	put_bytes(&query, 3, "\x12\1a\x1a\1b", 6);
	put_bytes(&query, 3, "\x08\3\x12\1c\x1a\1d", 8);
	put_bytes(&query, 4, "\x08\5", 2);
	put_bytes(&request, 1, query.data, query.len);
	if (types != NULL)
		put_bytes(&request, 2, types, 1);
	return request;
}

static TsdbStatus
decode_read(const TsdbBuffer *message, TsdbReadRequest *request)
{
	TsdbIngestLimits limits = {1 << 20};
	size_t		len = snappy_max_compressed_length(message->len);
	char	   *body = tsdb_alloc(&arena, len);

	ck_assert_int_eq(snappy_compress((const char *) message->data, message->len, body, &len), SNAPPY_OK);
	return tsdb_remote_read_decode(&arena, body, len, &limits, request, &error);
}

START_TEST(read_requests_decode)
{
	TsdbBuffer	request = read_request(NULL);
	TsdbReadRequest decoded;
	TsdbReadQuery *queries;

	ck_assert_int_eq(decode_read(&request, &decoded), TSDB_OK);
	ck_assert_uint_eq(decoded.n, 1);
	ck_assert(decoded.takes_samples && !decoded.wants_chunks);
	queries = decoded.queries;
	ck_assert_int_eq(queries[0].t_min, 1);
	ck_assert_int_eq(queries[0].t_max, 2);
	ck_assert_uint_eq(queries[0].n_matchers, 2);
	ck_assert(tsdb_matcher_matches(&queries[0].matchers[0], TSDB_STR("b")));
	ck_assert(!tsdb_matcher_matches(&queries[0].matchers[1], TSDB_STR("d")));
	request = read_request("\1");
	ck_assert_int_eq(decode_read(&request, &decoded), TSDB_OK);
	ck_assert(!decoded.takes_samples && decoded.wants_chunks);
	request = read_request("\2");
	ck_assert_int_eq(decode_read(&request, &decoded), TSDB_ERR_UNSUPPORTED);
	request = read_request("\0");
	ck_assert_int_eq(decode_read(&request, &decoded), TSDB_OK);
	ck_assert(decoded.takes_samples && !decoded.wants_chunks);
	for (size_t len = 1; len < request.len; len++)
	{
		TsdbBuffer	cut = request;

		cut.len = len;
		if (len != request.len - 3) /* all but the types is a request */
			ck_assert_int_eq(decode_read(&cut, &decoded), TSDB_ERR_INPUT);
	}
}
END_TEST

/* Of a list the first that there is counts: chunks are wanted when they come before samples, in both forms of a list. */
START_TEST(read_types_count_in_their_order)
{
	static const struct
	{
		const char *list;
		bool		takes_samples;
		bool		wants_chunks;
	}			cases[] = {
		{"\x12\2\1\0", true, true}, {"\x12\2\0\1", true, false}, {"\x12\3\7\1\0", true, true}, {"\x12\0", true, false},
		{"\x10\1\x10\0", true, true}, {"\x10\0\x10\1", true, false}, {"\x10\7\x10\1", false, true}
	};
	static const size_t lens[] = {4, 4, 5, 2, 4, 4, 4};

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		TsdbBuffer	request = read_request(NULL);
		TsdbReadRequest decoded;

		tsdb_buffer_append(&request, cases[i].list, lens[i]);
		ck_assert_int_eq(decode_read(&request, &decoded), TSDB_OK);
		ck_assert_int_eq(decoded.takes_samples, cases[i].takes_samples);
		ck_assert_int_eq(decoded.wants_chunks, cases[i].wants_chunks);
	}
}
END_TEST

/* A result has the shape of a write request. */
START_TEST(read_results_are_what_is_written)
{
	static const TsdbLabel pairs[] = {{TSDB_STR("__name__"), TSDB_STR("up")}, {TSDB_STR("job"), TSDB_STR("a")}};
	static const int64_t t[] = {-5, 0, 1700000000000};
	const double v[] = {1.5, -0.0, tsdb_double_from_bits(UINT64_C(0x7ff0000000000002))};
	TsdbBuffer	result = new_buffer();
	TsdbBuffer	response = new_buffer();
	TsdbStr		block;
	size_t		len;
	char	   *log;

	tsdb_remote_read_series(&result, (TsdbLabels){pairs, 2}, t, v, 3);
	ck_assert_int_eq(decode(&result, &log), TSDB_OK);
	ck_assert_str_eq(log, "up{job=\"a\"} -5:3ff8000000000000 0:8000000000000000 1700000000000:7ff0000000000002\n");
	tsdb_remote_read_result(&response, &result);
	block = tsdb_remote_read_compress(&arena, &response);
	ck_assert_int_eq(snappy_uncompressed_length(block.data, block.len, &len), SNAPPY_OK);
	ck_assert_uint_eq(len, result.len + 2);
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
	tcase_add_test(tests, first_series_and_times_are_told_without_decoding);
	suite_add_tcase(suite, tests);

	tests = tcase_create("remote_write_v2");
	tcase_add_checked_fixture(tests, setup_v2, teardown_v2);
	tcase_add_test(tests, v2_series_arrive);
	tcase_add_test(tests, v2_first_series_is_told_as_well);
	tcase_add_test(tests, v2_bad_references_lose_their_series_only);
	tcase_add_test(tests, v2_few_references_cannot_name_much_text);
	tcase_add_test(tests, v2_broken_messages_are_refused);
	suite_add_tcase(suite, tests);

	tests = tcase_create("remote_read");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, read_requests_decode);
	tcase_add_test(tests, read_types_count_in_their_order);
	tcase_add_test(tests, read_results_are_what_is_written);
	suite_add_tcase(suite, tests);
	return suite;
}
