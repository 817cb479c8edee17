/*
 * test_promql_parser.c
 *		The PromQL front end: texts, trees, errors with their ranges, durations, limits.
 */
#include <math.h>
#include <stdio.h>

#include "core/promql/parser.h"

#include "promql_queries.h"
#include "fixture.h"

static TsdbExpr *
parsed(const char *query)
{
	TsdbExpr   *expr;

	ck_assert_msg(tsdb_promql_parse(&arena, tsdb_str(query), NULL, &expr, &error) == TSDB_OK, "%s: %s", query,
				  error.message);
	return expr;
}

static const char *
printed(const TsdbExpr *expr)
{
	TsdbBuffer	out;

	tsdb_buffer_init(&out, &arena, 0);
	tsdb_promql_print(&out, expr);
	return tsdb_buffer_cstring(&out);
}

static const char *
error_text(const char *query)
{
	TsdbBuffer	out;

	tsdb_buffer_init(&out, &arena, 0);
	tsdb_promql_error_text(&out, tsdb_str(query), &error);
	return tsdb_buffer_cstring(&out);
}

/* ---- texts ---- */

START_TEST(queries_print_canonically_and_print_again_the_same)
{
	for (size_t i = 0; i < TSDB_COUNT(good); i++)
	{
		const char *text = printed(parsed(good[i].query));

		ck_assert_str_eq(text, good[i].text != NULL ? good[i].text : good[i].query);
		ck_assert_str_eq(printed(parsed(text)), text);
	}
}
END_TEST

static const char *
pretty(const TsdbExpr *expr)
{
	TsdbBuffer	out;

	tsdb_buffer_init(&out, &arena, 64);
	tsdb_promql_print_pretty(&out, NULL, expr);
	return tsdb_buffer_cstring(&out);
}

START_TEST(pretty_queries_are_the_same_queries)
{
	for (size_t i = 0; i < TSDB_COUNT(good); i++)
	{
		TsdbExpr   *expr = parsed(good[i].query);
		const char *text = printed(expr);

		ck_assert_str_eq(printed(parsed(pretty(expr))), text);
		if (strlen(text) <= 100)
			ck_assert_str_eq(pretty(expr), text);
	}
}
END_TEST

START_TEST(long_queries_are_broken_at_operators_and_parentheses)
{
	static const char *const queries[][2] =
	{
		{
			"sum by (job, instance) (rate(http_request_duration_seconds_bucket{job=\"api\"}[5m])) / "
			"on (job) group_left (version) topk without (x) (3, build_info)",

			"  sum by (job, instance) (rate(http_request_duration_seconds_bucket{job=\"api\"}[5m]))\n"
			"/ on (job) group_left (version)\n"
			"  topk without (x) (3, build_info)"
		},
		{
			"topk(10, histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{job=\"api\",status=~\"2..\"}[5m]))))",

			"topk(\n"
			"  10,\n"
			"  histogram_quantile(\n"
			"    0.99,\n"
			"    sum by (le) (rate(http_request_duration_seconds_bucket{job=\"api\",status=~\"2..\"}[5m]))\n"
			"  )\n"
			")"
		},
		{
			"(-(http_request_duration_seconds_bucket{job=\"api\"} > bool http_request_duration_seconds_bucket{job=\"web\"}))",

			"(\n"
			"  -(\n"
			"      http_request_duration_seconds_bucket{job=\"api\"}\n"
			"    > bool\n"
			"      http_request_duration_seconds_bucket{job=\"web\"}\n"
			"  )\n"
			")"
		},
		{
			"max_over_time(sum by (instance) (rate(http_request_duration_seconds_bucket{job=\"api\"}[5m]))[1h:5m] @ end() offset 1d)",

			"max_over_time(\n"
			"  sum by (instance) (rate(http_request_duration_seconds_bucket{job=\"api\"}[5m]))[1h:5m] @ end() offset 1d\n"
			")"
		},
		/* a short subquery has no indent */
		{
			"quantile_over_time(scalar(http_request_duration_seconds_quantile{job=\"api\",instance=\"a:9100\"}), demo_cpu[5m:1m])",

			"quantile_over_time(\n"
			"  scalar(http_request_duration_seconds_quantile{instance=\"a:9100\",job=\"api\"}),\n"
			"demo_cpu[5m:1m]\n"
			")"
		},
		/* the left operand of a power has no sign */
		{
			"Inf ^ {aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"}",

			"  Inf\n"
			"^\n"
			"  {aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"}"
		},
	};

	for (size_t i = 0; i < TSDB_COUNT(queries); i++)
	{
		ck_assert_str_eq(pretty(parsed(queries[i][0])), queries[i][1]);
		ck_assert_str_eq(printed(parsed(queries[i][1])), printed(parsed(queries[i][0])));
	}
}
END_TEST

START_TEST(errors_have_the_words_and_ranges_of_prometheus)
{
	for (size_t i = 0; i < TSDB_COUNT(bad); i++)
	{
		TsdbExpr   *expr;
		char		text[TSDB_ERROR_MESSAGE_MAX + 64];

		ck_assert_msg(tsdb_promql_parse(&arena, tsdb_str(bad[i].query), NULL, &expr, &error) == TSDB_ERR_SYNTAX,
					  "parses: %s", bad[i].query);
		ck_assert_msg(strcmp(error.message, bad[i].message) == 0, "%s\n  got    %s\n  wanted %s", bad[i].query,
					  error.message, bad[i].message);
		ck_assert_msg(error.start == bad[i].start && error.end == bad[i].end, "%s: got %d to %d", bad[i].query,
					  (int) error.start, (int) error.end);
		snprintf(text, sizeof(text), "%s: parse error: %s", bad[i].position, bad[i].message);
		ck_assert_str_eq(error_text(bad[i].query), text);
	}
}
END_TEST

START_TEST(errors_count_lines_and_columns)
{
	TsdbExpr   *expr;

	ck_assert_int_eq(tsdb_promql_parse(&arena, TSDB_STR("sum(\n  é{a=\"b\"}\n)"), NULL, &expr, &error), TSDB_ERR_SYNTAX);
	ck_assert_str_eq(error_text("sum(\n  é{a=\"b\"}\n)"), "2:3: parse error: unexpected character: 'é'");
	ck_assert_int_eq(tsdb_promql_parse(&arena, TSDB_STR("# x\n\nup\nup"), NULL, &expr, &error), TSDB_ERR_SYNTAX);
	ck_assert_str_eq(error_text("# x\n\nup\nup"), "4:1: parse error: unexpected identifier \"up\"");
}
END_TEST

START_TEST(bytes_that_are_not_text_are_named)
{
	TsdbExpr   *expr;

	ck_assert_int_eq(tsdb_promql_parse(&arena, TSDB_STR("\xff"), NULL, &expr, &error), TSDB_ERR_SYNTAX);
	ck_assert_str_eq(error.message, "unexpected character: '\xef\xbf\xbd'");
	ck_assert_int_eq(tsdb_promql_parse(&arena, TSDB_STR("up\0"), NULL, &expr, &error), TSDB_ERR_SYNTAX);
	ck_assert_str_eq(error.message, "unexpected character: '\\x00'");
	ck_assert_int_eq(tsdb_promql_parse(&arena, TSDB_STR("\"a\xc3(\""), NULL, &expr, &error), TSDB_ERR_SYNTAX);
	ck_assert_str_eq(error.message, "invalid UTF-8 rune");
	ck_assert_int_eq(tsdb_promql_parse(&arena, TSDB_STR("`\xf0\x9f\x98`"), NULL, &expr, &error), TSDB_ERR_SYNTAX);
	ck_assert_str_eq(error.message, "invalid UTF-8 rune");
	ck_assert_int_eq(tsdb_promql_parse(&arena, TSDB_STR("\"\\\xc2\xa0\""), NULL, &expr, &error), TSDB_ERR_SYNTAX);
	ck_assert_str_eq(error.message, "unknown escape sequence U+00A0");
}
END_TEST

/* ---- trees ---- */

static void
outline(TsdbBuffer *out, const TsdbExpr *expr)
{
	if (expr->kind == TSDB_EXPR_BINARY)
	{
		tsdb_buffer_u8(out, '(');
		outline(out, expr->binary.lhs);
		tsdb_buffer_printf(out, " %s ", tsdb_binary_op_text(expr->binary.op));
		outline(out, expr->binary.rhs);
		tsdb_buffer_u8(out, ')');
	}
	else if (expr->kind == TSDB_EXPR_UNARY)
	{
		tsdb_buffer_printf(out, "%c[", expr->unary.negative ? '-' : '+');
		outline(out, expr->unary.expr);
		tsdb_buffer_u8(out, ']');
	}
	else
		tsdb_promql_print(out, expr);
}

START_TEST(operators_bind_by_precedence)
{
	static const struct
	{
		const char *query;
		const char *tree;
	}			cases[] =
	{
		{"a + b * c", "(a + (b * c))"},
		{"a * b + c", "((a * b) + c)"},
		{"a - b - c", "((a - b) - c)"},
		{"a / b * c % d", "(((a / b) * c) % d)"},
		{"a ^ b ^ c", "(a ^ (b ^ c))"},
		{"a * b ^ c * d", "((a * (b ^ c)) * d)"},
		{"a or b and c or d", "((a or (b and c)) or d)"},
		{"a unless b and c", "((a unless b) and c)"},
		{"a and b == c + d", "(a and (b == (c + d)))"},
		{"a < b > c", "((a < b) > c)"},
		{"a atan2 b * c", "((a atan2 b) * c)"},
		{"a </ b + c", "(a </ (b + c))"},
		{"-a ^ b", "-[(a ^ b)]"},
		{"-a * b", "(-[a] * b)"},
		{"-a + b", "(-[a] + b)"},
		{"a ^ -b ^ c", "(a ^ -[(b ^ c)])"},
		{"a ^ -b * c", "((a ^ -[b]) * c)"},
		{"- + -a", "-[+[-[a]]]"},
		{"a - -b", "(a - -[b])"},
		{"-1 ^ 2", "-[(1 ^ 2)]"},
		{"-a offset 5m", "-[a offset 5m]"},
		{"a + b offset 5m * c", "(a + (b offset 5m * c))"},
		{"a offset -2 ^ b", "(a offset -2s ^ b)"},
		{"a offset (1m) * 2 == b", "(a offset (1m) * 2 == b)"},
		{"a or on (x) b and c", "(a or (b and c))"},
	};

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		TsdbBuffer	out;

		tsdb_buffer_init(&out, &arena, 0);
		outline(&out, parsed(cases[i].query));
		ck_assert_str_eq(tsdb_buffer_cstring(&out), cases[i].tree);
	}
}
END_TEST

START_TEST(numbers_have_their_values)
{
	static const struct
	{
		const char *text;
		double		value;
		bool		is_duration;
	}			cases[] =
	{
		{"0", 0, false}, {"42", 42, false}, {"-42", -42, false}, {"0x_ff", 255, false}, {"0XFF", 255, false},
		{"0755", 493, false}, {"0789", 789, false}, {"0_7", 7, false}, {"1_2.3_4", 12.34, false}, {"1e-3", 0.001, false},
		{"1E+3", 1000, false}, {".25", 0.25, false}, {"9223372036854775807", 9223372036854775807.0, false},
		{"9223372036854775808", 9223372036854775808.0, false}, {"0xffffffffffffffe", 0xffffffffffffffe, false},
		{"Inf", INFINITY, false}, {"-iNF", -INFINITY, false}, {"5m", 300, true}, {"-1h", -3600, true},
		{"1y2w3d4h5m6s7ms", 365 * 86400.0 + 14 * 86400 + 3 * 86400 + 4 * 3600 + 5 * 60 + 6 + 0.007, true},
	};

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		TsdbExpr   *expr = parsed(cases[i].text);

		ck_assert_int_eq(expr->kind, TSDB_EXPR_NUMBER);
		ck_assert_msg(expr->number.value == cases[i].value, "%s: %.17g", cases[i].text, expr->number.value);
		ck_assert_int_eq(expr->number.is_duration, cases[i].is_duration);
		ck_assert_int_eq(expr->range.start, 0);
		ck_assert_int_eq(expr->range.end, (int) strlen(cases[i].text));
	}
	ck_assert(isnan(parsed("nan")->number.value));
	ck_assert(signbit(parsed("-0")->number.value));
}
END_TEST

START_TEST(strings_have_their_values)
{
	TsdbStr		value = parsed("'\\a\\b\\f\\n\\r\\t\\v\\\\\\'\"\\x00\\377\\u20ac\\U0010ffff'")->string;

	ck_assert(tsdb_str_equal(value, TSDB_STR("\a\b\f\n\r\t\v\\'\"\0\377\xe2\x82\xac\xf4\x8f\xbf\xbf")));
	ck_assert(tsdb_str_equal(parsed("`\\n\n`")->string, TSDB_STR("\\n\n")));
	ck_assert_int_eq(parsed("\"\"")->string.len, 0);
}
END_TEST

START_TEST(selectors_keep_their_parts)
{
	const char *query = "http:total{job=\"a\", path=~'/v1/.*', \"x.y\"!=``}[1h30m] @ -1.5 offset -90s";
	TsdbExpr   *matrix = parsed(query);
	TsdbVectorExpr *vector = &matrix->matrix.selector->vector;

	ck_assert_int_eq(matrix->kind, TSDB_EXPR_MATRIX);
	ck_assert_int_eq(matrix->matrix.range_ms, 5400000);
	ck_assert_ptr_null(matrix->matrix.range_expr);
	ck_assert_int_eq(matrix->range.start, 0);
	ck_assert_int_eq(matrix->range.end, (int) strlen(query));
	ck_assert_int_eq(matrix->matrix.selector->range.end, (int) (strchr(query, '[') - query));
	ck_assert(tsdb_str_equal(vector->name, TSDB_STR("http:total")));
	ck_assert_uint_eq(vector->n_matchers, 4);
	ck_assert_int_eq(vector->matchers[1].type, TSDB_MATCH_REGEX);
	ck_assert(tsdb_matcher_matches(&vector->matchers[1], TSDB_STR("/v1/x")));
	ck_assert(tsdb_str_equal(vector->matchers[2].name, TSDB_STR("x.y")));
	ck_assert_int_eq(vector->matchers[2].type, TSDB_MATCH_NOT_EQUAL);
	ck_assert(tsdb_str_equal(vector->matchers[3].name, TSDB_STR("__name__")));
	ck_assert_int_eq(vector->shift.at, TSDB_AT_TIME);
	ck_assert_int_eq(vector->shift.at_ms, -1500);
	ck_assert(vector->shift.has_offset);
	ck_assert_int_eq(vector->shift.offset_ms, -90000);
}
END_TEST

START_TEST(subqueries_keep_their_parts)
{
	TsdbExpr   *expr = parsed("sum(up)[1h:1m] offset 5m @ end()");

	ck_assert_int_eq(expr->kind, TSDB_EXPR_SUBQUERY);
	ck_assert_int_eq(expr->subquery.expr->kind, TSDB_EXPR_AGGREGATE);
	ck_assert_int_eq(expr->subquery.range_ms, 3600000);
	ck_assert_int_eq(expr->subquery.step_ms, 60000);
	ck_assert_int_eq(expr->subquery.shift.offset_ms, 300000);
	ck_assert_int_eq(expr->subquery.shift.at, TSDB_AT_END);
	ck_assert_int_eq(parsed("up[1h:]")->subquery.step_ms, 0);
}
END_TEST

START_TEST(matching_keeps_its_parts)
{
	TsdbBinaryExpr *binary = &parsed("a == bool on (x, \"y.z\") group_right (by, w) fill_left (-1) b")->binary;
	TsdbVectorMatching *matching = binary->matching;

	ck_assert_int_eq(binary->op, TSDB_OP_EQUAL);
	ck_assert(binary->returns_bool && matching->on);
	ck_assert_int_eq(matching->cardinality, TSDB_ONE_TO_MANY);
	ck_assert_uint_eq(matching->n_labels, 2);
	ck_assert(tsdb_str_equal(matching->labels[1], TSDB_STR("y.z")));
	ck_assert_uint_eq(matching->n_include, 2);
	ck_assert(tsdb_str_equal(matching->include[0], TSDB_STR("by")));
	ck_assert(matching->fills_left && !matching->fills_right);
	ck_assert(matching->fill_left == -1);
	ck_assert_int_eq(parsed("a and b")->binary.matching->cardinality, TSDB_MANY_TO_MANY);
	ck_assert_int_eq(parsed("a + b")->binary.matching->cardinality, TSDB_ONE_TO_ONE);
	ck_assert_ptr_null(parsed("a + 1")->binary.matching);
	ck_assert_ptr_null(parsed("1 + on () a")->binary.matching);
	matching = parsed("a + fill (2) b")->binary.matching;
	ck_assert(matching->fills_left && matching->fills_right && matching->fill_left == 2 && matching->fill_right == 2);
}
END_TEST

START_TEST(ranges_of_nodes_are_bytes_of_the_query)
{
	const char *query = " sum by (a) (rate(x[5m]) / -y) > (1)";
	TsdbExpr   *top = parsed(query);
	TsdbExpr   *sum = top->binary.lhs;
	TsdbExpr   *quotient = sum->aggregate.expr;
	const struct
	{
		TsdbExpr   *expr;
		const char *text;
	}			cases[] =
	{
		{top, "sum by (a) (rate(x[5m]) / -y) > (1)"},
		{sum, "sum by (a) (rate(x[5m]) / -y)"},
		{quotient, "rate(x[5m]) / -y"},
		{quotient->binary.lhs, "rate(x[5m])"},
		{quotient->binary.lhs->call.args[0], "x[5m]"},
		{quotient->binary.rhs, "-y"},
		{quotient->binary.rhs->unary.expr, "y"},
		{top->binary.rhs, "(1)"},
		{top->binary.rhs->paren, "1"},
	};

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		TsdbRange	range = cases[i].expr->range;

		ck_assert(tsdb_str_equal((TsdbStr){query + range.start, (size_t) (range.end - range.start)},
								 tsdb_str(cases[i].text)));
	}
}
END_TEST

START_TEST(types_follow_the_operands)
{
	static const struct
	{
		const char *query;
		TsdbValueType type;
	}			cases[] =
	{
		{"1", TSDB_VALUE_SCALAR}, {"\"a\"", TSDB_VALUE_STRING}, {"a", TSDB_VALUE_VECTOR}, {"a[5m]", TSDB_VALUE_MATRIX},
		{"a[5m:]", TSDB_VALUE_MATRIX}, {"1 + 2", TSDB_VALUE_SCALAR}, {"1 + a", TSDB_VALUE_VECTOR}, {"-a", TSDB_VALUE_VECTOR},
		{"-(1)", TSDB_VALUE_SCALAR}, {"((a[5m]))", TSDB_VALUE_MATRIX}, {"time()", TSDB_VALUE_SCALAR},
		{"sum(a)", TSDB_VALUE_VECTOR}, {"1 > bool 2", TSDB_VALUE_SCALAR}, {"vector(1)", TSDB_VALUE_VECTOR},
	};

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
		ck_assert_msg(tsdb_expr_type(parsed(cases[i].query)) == cases[i].type, "%s", cases[i].query);
}
END_TEST

static bool
count_nodes(TsdbExpr *expr, void *context)
{
	(void) expr;
	return ++*(int *) context < 5;
}

START_TEST(walks_go_parents_first_and_stop_when_told)
{
	int			nodes = 0;

	ck_assert(tsdb_expr_walk(parsed("topk(2, a + b)"), count_nodes, (nodes = -10, &nodes)));
	ck_assert_int_eq(nodes, -5);
	nodes = 0;
	ck_assert(!tsdb_expr_walk(parsed("(a + b) * (c + d)"), count_nodes, &nodes));
	ck_assert_int_eq(nodes, 5);
	ck_assert_int_eq(tsdb_expr_unwrap(parsed("(((a)))"))->kind, TSDB_EXPR_VECTOR);
}
END_TEST

/* ---- selectors alone ---- */

START_TEST(selectors_alone_have_no_modifiers)
{
	TsdbMatcher *matchers;
	size_t		n;

	ck_assert_int_eq(tsdb_promql_parse_selector(&arena, TSDB_STR("sum{a=\"b\"} # x"), &matchers, &n, &error), TSDB_OK);
	ck_assert_uint_eq(n, 2);
	ck_assert(tsdb_str_equal(matchers[1].value, TSDB_STR("sum")));
	ck_assert_int_eq(tsdb_promql_parse_selector(&arena, TSDB_STR("{}"), &matchers, &n, &error), TSDB_OK);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(tsdb_promql_parse_selector(&arena, TSDB_STR("up[5m]"), &matchers, &n, &error), TSDB_ERR_SYNTAX);
	ck_assert_str_eq(error_text("up[5m]"), "1:3: parse error: unexpected \"[\"");
	ck_assert_int_eq(tsdb_promql_parse_selector(&arena, TSDB_STR("1"), &matchers, &n, &error), TSDB_ERR_SYNTAX);
	ck_assert_str_eq(error_text("1"), "1:1: parse error: unexpected number \"1\"");
	ck_assert_int_eq(tsdb_promql_parse_selector(&arena, TSDB_STR(""), &matchers, &n, &error), TSDB_ERR_SYNTAX);
	ck_assert_str_eq(error_text(""), "unknown position: parse error: unexpected end of input");
}
END_TEST

/* ---- options ---- */

START_TEST(options_refuse_what_prometheus_keeps_behind_flags)
{
	static const struct
	{
		TsdbParseOptions options;
		const char *query;
		const char *text;
	}			cases[] =
	{
		{{.no_experimental_functions = true}, "limitk(2, a)",
		"1:1: parse error: limitk() is experimental and must be enabled with --enable-feature=promql-experimental-functions"},
		{{.no_experimental_functions = true}, "mad_over_time(a[5m])",
		"1:1: parse error: function \"mad_over_time\" is not enabled"},
		{{.no_experimental_functions = true}, "start()", "1:1: parse error: function \"start\" is not enabled"},
		{{.no_duration_expressions = true}, "a[5m * 2]",
		"1:3: parse error: experimental duration expression is not enabled"},
		{{.no_duration_expressions = true}, "a[step()]",
		"1:3: parse error: experimental duration expression is not enabled"},
		{{.no_duration_expressions = true}, "a offset (5m)",
		"1:11: parse error: experimental duration expression is not enabled"},
		{{.no_extended_range_selectors = true}, "a anchored",
		"1:1: parse error: anchored modifier is experimental and not enabled"},
		{{.no_extended_range_selectors = true}, "a[5m] smoothed",
		"1:1: parse error: smoothed modifier is experimental and not enabled"},
		{{.no_fill_modifiers = true}, "a + fill (0) b",
		"1:1: parse error: binop fill modifiers are experimental and not enabled"},
	};
	TsdbParseOptions none = {true, true, true, true};
	TsdbExpr   *expr;

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		ck_assert_int_eq(tsdb_promql_parse(&arena, tsdb_str(cases[i].query), &cases[i].options, &expr, &error),
						 TSDB_ERR_SYNTAX);
		ck_assert_str_eq(error_text(cases[i].query), cases[i].text);
		parsed(cases[i].query);
	}
	ck_assert_int_eq(tsdb_promql_parse(&arena, TSDB_STR("sum(rate(a[5m] offset -5m)) + 5m"), &none, &expr, &error),
					 TSDB_OK);
}
END_TEST

/* ---- durations ---- */

START_TEST(durations_resolve_to_milliseconds)
{
	static const struct
	{
		const char *query;
		int64_t		range_ms;
		int64_t		offset_ms;
	}			cases[] =
	{
		{"a[5m]", 300000, 0},
		{"a[step()]", 15000, 0},
		{"a[range()]", 3600000, 0},
		{"a[step() * 2 + 1m]", 90000, 0},
		{"a[1h / 3 % 7]", 3000, 0},
		{"a[2 ^ 3 ^ 2 * 1ms]", 512, 0},
		{"a[-(-5m)]", 300000, 0},
		{"a[min_of(1h, range() - 10m)]", 3000000, 0},
		{"a[max_of(step(), 20s)]", 20000, 0},
		{"a[1m] offset -step()", 60000, -15000},
		{"a[1m] offset (1h - 2h)", 60000, -3600000},
		{"a[1m] offset - -5m", 60000, 300000},
		{"a[1.0009]", 1000, 0},
		{"a[200d1ms]", INT64_C(17280000001), 0},
		{"a[292y]", INT64_C(292) * 365 * 86400000, 0},
	};

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		TsdbExpr   *expr = parsed(cases[i].query);

		ck_assert_int_eq(tsdb_promql_resolve_durations(expr, 1000, 3601000, 15000, &error), TSDB_OK);
		ck_assert_msg(expr->matrix.range_ms == cases[i].range_ms, "%s: %lld", cases[i].query,
						 (long long) expr->matrix.range_ms);
		ck_assert_int_eq(expr->matrix.selector->vector.shift.offset_ms, cases[i].offset_ms);
	}
}
END_TEST

START_TEST(durations_resolve_again_for_other_times)
{
	TsdbExpr   *expr = parsed("rate(a[step()] @ end())[0s + range():step() / 3] @ start() offset step()");
	TsdbSubqueryExpr *subquery = &expr->subquery;

	for (int64_t step = 3000; step <= 9000; step += 3000)
	{
		ck_assert_int_eq(tsdb_promql_resolve_durations(expr, step, 10 * step, step, &error), TSDB_OK);
		ck_assert_int_eq(subquery->range_ms, 9 * step);
		ck_assert_int_eq(subquery->step_ms, step / 3);
		ck_assert_int_eq(subquery->shift.offset_ms, step);
		ck_assert_int_eq(subquery->shift.at_ms, step);
		ck_assert_int_eq(subquery->expr->call.args[0]->matrix.range_ms, step);
		ck_assert_int_eq(subquery->expr->call.args[0]->matrix.selector->vector.shift.at_ms, 10 * step);
	}
	ck_assert_str_eq(printed(expr), "rate(a[step()] @ end())[0s + range():step() / 3] @ start() offset step()");
}
END_TEST

START_TEST(durations_that_make_no_sense_are_refused)
{
	static const struct
	{
		const char *query;
		const char *text;
	}			cases[] =
	{
		{"a[1m - 1m]", "2:9: duration must be greater than 0"},
		{"a[5m - 1h]", "2:9: duration must be greater than 0"},
		{"a[5m:step() - 1h]", "5:16: duration must be greater than 0"},
		{"a[1h / (1m - 1m)]", "2:15: division by zero"},
		{"a[1h % (5m - 300)]", "2:16: modulo by zero"},
		{"a offset (0 / (step() - 15s))", "10:27: division by zero"},
		{"a[10 ^ 300]", "2:10: duration is out of range"},
		{"a[10 ^ 300 * 10 ^ 300]", "2:21: duration is NaN or infinite"},
		{"a offset ((0 - 8) ^ 0.5)", "11:23: duration is NaN or infinite"},
		{"a[step() / 1000000]", "2:18: duration must be at least 1ms"},
	};

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		TsdbExpr   *expr = parsed(cases[i].query);

		ck_assert_int_eq(tsdb_promql_resolve_durations(expr, 0, 3600000, 15000, &error), TSDB_ERR_SYNTAX);
		ck_assert_str_eq(error_text(cases[i].query), cases[i].text);
	}
}
END_TEST

START_TEST(durations_print_in_their_largest_units)
{
	static const struct
	{
		int64_t		milliseconds;
		const char *text;
	}			cases[] =
	{
		{0, "0s"}, {1, "1ms"}, {-1, "-1ms"}, {1000, "1s"}, {61001, "1m1s1ms"}, {86400000, "1d"}, {7 * 86400000, "1w"},
		{INT64_C(90) * 86400000, "90d"}, {INT64_C(730) * 86400000, "2y"}, {INT64_C(366) * 86400000, "366d"},
		{INT64_C(365) * 86400000 + 1, "365d1ms"},
		{INT64_MIN, "-106751991167d7h12m55s808ms"},
	};

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		TsdbBuffer	out;

		tsdb_buffer_init(&out, &arena, 0);
		tsdb_promql_print_duration(&out, cases[i].milliseconds);
		ck_assert_str_eq(tsdb_buffer_cstring(&out), cases[i].text);
	}
}
END_TEST

/* ---- limits ---- */

/* `n` times the beginning, the middle, `n` times the end. */
static TsdbStr
nested(const char *beginning, size_t n, const char *middle, const char *end)
{
	TsdbBuffer	out;

	tsdb_buffer_init(&out, &arena, 0);
	for (size_t i = 0; i < n; i++)
		tsdb_buffer_append_str(&out, tsdb_str(beginning));
	tsdb_buffer_append_str(&out, tsdb_str(middle));
	for (size_t i = 0; i < n; i++)
		tsdb_buffer_append_str(&out, tsdb_str(end));
	return (TsdbStr){(const char *) out.data, out.len};
}

START_TEST(depth_is_limited_however_it_is_made)
{
	static const struct
	{
		const char *beginning;
		const char *middle;
		const char *end;
	}			cases[] =
	{
		{"(", "1", ")"}, {"-", "a", ""}, {"-", "1", ""}, {"a + ", "a", ""}, {"", "a", " + a"}, {"a ^ ", "a", ""},
		{"sum(", "a", ")"}, {"abs(", "a", ")"}, {"", "a", "[5m:]"}, {"a offset -", "5m", ""}, {"(", "", ""},
	};
	TsdbExpr   *expr;

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		TsdbStr		query = nested(cases[i].beginning, 100000, cases[i].middle, cases[i].end);
		TsdbStatus	status = tsdb_promql_parse(&arena, query, NULL, &expr, &error);

		ck_assert_msg(status == TSDB_ERR_LIMIT || (i == 9 && status == TSDB_ERR_SYNTAX), "%s: %s", cases[i].beginning,
					  error.message);
	}
	ck_assert_int_eq(tsdb_promql_parse(&arena, nested("(", 499, "1", ")"), NULL, &expr, &error), TSDB_OK);
	ck_assert_int_eq(expr->depth, TSDB_PROMQL_MAX_DEPTH);
	ck_assert_int_eq(tsdb_promql_parse(&arena, nested("(", 500, "1", ")"), NULL, &expr, &error), TSDB_ERR_LIMIT);
	ck_assert_str_eq(error.message, "expression is nested more than 500 levels deep");
	ck_assert_int_eq(error.start, 500);
}
END_TEST

START_TEST(depth_of_durations_is_limited_too)
{
	static const struct
	{
		const char *beginning;
		const char *repeated;
		const char *end;
	}			cases[] =
	{
		{"a[1", "+1", "]"}, {"a[", "(", "1]"}, {"a[", "-", "5m]"}, {"a offset ", "-", "5m"}, {"a[1", "^1", "]"},
		{"a[", "min_of(1,", "1]"},
	};
	TsdbExpr   *expr;

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		TsdbBuffer	query;

		tsdb_buffer_init(&query, &arena, 0);
		tsdb_buffer_append_str(&query, tsdb_str(cases[i].beginning));
		for (int n = 0; n < 100000; n++)
			tsdb_buffer_append_str(&query, tsdb_str(cases[i].repeated));
		tsdb_buffer_append_str(&query, tsdb_str(cases[i].end));
		ck_assert_int_eq(tsdb_promql_parse(&arena, (TsdbStr){(const char *) query.data, query.len}, NULL, &expr, &error),
						 TSDB_ERR_LIMIT);
	}
}
END_TEST

START_TEST(width_is_not_limited)
{
	TsdbExpr   *expr;

	ck_assert_int_eq(tsdb_promql_parse(&arena, nested("", 20000, "{a=\"b\"", ",c=\"d\""), NULL, &expr, &error),
					 TSDB_ERR_SYNTAX);
	ck_assert_int_eq(tsdb_promql_parse(&arena, nested("label_join(a,\"\",\"\"", 1, "", ",\"x\")"), NULL, &expr, &error),
					 TSDB_OK);
	{
		TsdbBuffer	query;

		tsdb_buffer_init(&query, &arena, 0);
		tsdb_buffer_append_str(&query, TSDB_STR("up{"));
		for (int i = 0; i < 20000; i++)
			tsdb_buffer_printf(&query, "l%d=\"%d\",", i, i);
		tsdb_buffer_append_str(&query, TSDB_STR("}"));
		ck_assert_int_eq(tsdb_promql_parse(&arena, (TsdbStr){(const char *) query.data, query.len}, NULL, &expr, &error),
						 TSDB_OK);
		ck_assert_uint_eq(expr->vector.n_matchers, 20001);
	}
}
END_TEST

START_TEST(length_is_limited)
{
	TsdbExpr   *expr;

	ck_assert_int_eq(tsdb_promql_parse(&arena, nested(" ", TSDB_PROMQL_MAX_QUERY, "1", ""), NULL, &expr, &error),
					 TSDB_ERR_LIMIT);
	ck_assert_int_eq(error.start, -1);
	ck_assert_int_eq(tsdb_promql_parse(&arena, nested(" ", TSDB_PROMQL_MAX_QUERY - 1, "1", ""), NULL, &expr, &error),
					 TSDB_OK);
}
END_TEST

/* ---- tables ---- */

START_TEST(functions_are_found_by_name_and_id)
{
	ck_assert_int_eq(TSDB_FN_COUNT, 90);
	for (int id = 0; id < TSDB_FN_COUNT; id++)
	{
		const TsdbFunction *function = tsdb_promql_function((TsdbFunctionId) id);

		ck_assert_int_eq(function->id, id);
		ck_assert_ptr_eq(tsdb_promql_find_function(tsdb_str(function->name)), function);
		ck_assert_int_ne(function->returns, TSDB_VALUE_NONE);
		for (int i = 0; i < function->n_args; i++)
			ck_assert_int_ne(function->args[i], TSDB_VALUE_NONE);
		ck_assert(function->variadic == 0 || function->n_args > 0);
	}
	ck_assert_ptr_null(tsdb_promql_find_function(TSDB_STR("RATE")));
	ck_assert_ptr_null(tsdb_promql_find_function(TSDB_STR("")));
	ck_assert_ptr_null(tsdb_promql_find_function(TSDB_STR("zzz")));
}
END_TEST

START_TEST(aggregators_know_their_parameters)
{
	int			with_param = 0;

	for (int op = TSDB_AGG_AVG; op <= TSDB_AGG_TOPK; op++)
	{
		char		query[64];

		with_param += tsdb_aggregate_has_param((TsdbAggregateOp) op);
		snprintf(query, sizeof(query), "%s(%sup)", tsdb_aggregate_text((TsdbAggregateOp) op),
				 op == TSDB_AGG_COUNT_VALUES ? "\"v\", " : tsdb_aggregate_has_param((TsdbAggregateOp) op) ? "1, " : "");
		ck_assert_int_eq(parsed(query)->aggregate.op, op);
	}
	ck_assert_int_eq(with_param, 6);
}
END_TEST

Suite	   *promql_parser_suite(void);

Suite *
promql_parser_suite(void)
{
	const struct
	{
		const char *name;
		const TTest *tests[16];
	}			cases[] =
	{
		{"texts", {queries_print_canonically_and_print_again_the_same, pretty_queries_are_the_same_queries,
		long_queries_are_broken_at_operators_and_parentheses, errors_have_the_words_and_ranges_of_prometheus,
		errors_count_lines_and_columns, bytes_that_are_not_text_are_named}},
		{"trees", {operators_bind_by_precedence, numbers_have_their_values, strings_have_their_values,
		selectors_keep_their_parts, subqueries_keep_their_parts, matching_keeps_its_parts,
		ranges_of_nodes_are_bytes_of_the_query, types_follow_the_operands, walks_go_parents_first_and_stop_when_told}},
		{"entry", {selectors_alone_have_no_modifiers, options_refuse_what_prometheus_keeps_behind_flags}},
		{"durations", {durations_resolve_to_milliseconds, durations_resolve_again_for_other_times,
		durations_that_make_no_sense_are_refused, durations_print_in_their_largest_units}},
		{"limits", {depth_is_limited_however_it_is_made, depth_of_durations_is_limited_too, width_is_not_limited,
		length_is_limited}},
		{"tables", {functions_are_found_by_name_and_id, aggregators_know_their_parameters}},
	};
	Suite	   *suite = suite_create("promql_parser");

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		TCase	   *tcase = tcase_create(cases[i].name);

		tcase_add_checked_fixture(tcase, setup, teardown);
		for (size_t j = 0; j < TSDB_COUNT(cases[i].tests) && cases[i].tests[j] != NULL; j++)
			tcase_add_test(tcase, cases[i].tests[j]);
		suite_add_tcase(suite, tcase);
	}
	return suite;
}
