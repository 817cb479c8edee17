/*
 * test_syntax_tree.c
 *		Syntax trees as JSON.
 */
#include <stdio.h>

#include "core/json/json.h"
#include "core/promql/parser.h"
#include "fixture.h"

static const char *
tree_of(const char *query)
{
	TsdbBuffer	out;
	TsdbExpr   *expr;
	TsdbError	error;

	tsdb_buffer_init(&out, &arena, 0);
	ck_assert_msg(tsdb_promql_parse(&arena, tsdb_str(query), NULL, &expr, &error) == TSDB_OK, "%s: %s", query, error.message);
	tsdb_json_syntax_tree(&out, NULL, expr);
	return tsdb_buffer_cstring(&out);
}

static void
expect_tree(const char *query, const char *data)
{
	TsdbBuffer	wanted;

	tsdb_buffer_init(&wanted, &arena, 0);
	tsdb_buffer_printf(&wanted, "{\"status\":\"success\",\"data\":%s}", data);
	ck_assert_str_eq(tree_of(query), tsdb_buffer_cstring(&wanted));
}

/* Whether the tree of the query has this part. */
static void
expect_part(const char *query, const char *part)
{
	const char *tree = tree_of(query);

	ck_assert_msg(strstr(tree, part) != NULL, "%s\n  has    %s\n  not    %s", query, tree, part);
}

#define SELECTOR(name) "{\"anchored\":false,\"matchers\":[{\"name\":\"__name__\",\"type\":\"=\",\"value\":\"" name "\"}]," \
	"\"name\":\"" name "\",\"offset\":0,\"offsetExpr\":null,\"smoothed\":false,\"startOrEnd\":null,\"timestamp\":null," \
	"\"type\":\"vectorSelector\"}"

START_TEST(literals_and_signs)
{
	expect_tree("1e21", "{\"type\":\"numberLiteral\",\"val\":\"1000000000000000000000\"}");
	expect_tree("-Inf", "{\"type\":\"numberLiteral\",\"val\":\"-Inf\"}");
	expect_tree("5m", "{\"type\":\"numberLiteral\",\"val\":\"300\"}");
	expect_tree("'a<\"b\\xff'", "{\"type\":\"stringLiteral\",\"val\":\"a\\u003c\\\"b\\ufffd\"}");
	expect_tree("-(a)", "{\"expr\":{\"expr\":" SELECTOR("a") ",\"type\":\"parenExpr\"},\"op\":\"-\",\"type\":\"unaryExpr\"}");
}
END_TEST

START_TEST(selectors_have_matchers_in_order_of_the_query)
{
	expect_tree("a{c!=\"1\",b=~\"2|&\",d!~\"3\"} offset -1m",
				"{\"anchored\":false,\"matchers\":[{\"name\":\"c\",\"type\":\"!=\",\"value\":\"1\"},"
				"{\"name\":\"b\",\"type\":\"=~\",\"value\":\"2|\\u0026\"},{\"name\":\"d\",\"type\":\"!~\",\"value\":\"3\"},"
				"{\"name\":\"__name__\",\"type\":\"=\",\"value\":\"a\"}],\"name\":\"a\",\"offset\":-60000,\"offsetExpr\":null,"
				"\"smoothed\":false,\"startOrEnd\":null,\"timestamp\":null,\"type\":\"vectorSelector\"}");
	expect_tree("{a=\"1\"}[5m] @ 1.5",
				"{\"anchored\":false,\"matchers\":[{\"name\":\"a\",\"type\":\"=\",\"value\":\"1\"}],\"name\":\"\",\"offset\":0,"
				"\"offsetExpr\":null,\"range\":300000,\"rangeExpr\":null,\"smoothed\":false,\"startOrEnd\":null,"
				"\"timestamp\":1500,\"type\":\"matrixSelector\"}");
	expect_part("a[1m] smoothed @ start()", "\"smoothed\":true,\"startOrEnd\":\"start\",\"timestamp\":null");
	expect_part("rate(a[1m] anchored @ end())", "{\"anchored\":true,");
	expect_part("info(a, {})", "\"matchers\":[],\"name\":\"\"");
}
END_TEST

START_TEST(subqueries_have_a_step)
{
	expect_tree("a[1h:5m] @ end() offset 1m",
				"{\"expr\":" SELECTOR("a") ",\"offset\":60000,\"offsetExpr\":null,\"range\":3600000,\"rangeExpr\":null,"
				"\"startOrEnd\":\"end\",\"step\":300000,\"stepExpr\":null,\"timestamp\":null,\"type\":\"subquery\"}");
	expect_part("a[1h:]", "\"step\":0,\"stepExpr\":null");
}
END_TEST

START_TEST(durations_that_are_expressions_stand_beside_a_zero)
{
	expect_part("a[5m + step()]",
				"\"range\":0,\"rangeExpr\":{\"lhs\":{\"duration\":true,\"type\":\"numberLiteral\",\"val\":\"300\"},\"op\":\"+\","
				"\"rhs\":{\"lhs\":null,\"op\":\"step\",\"rhs\":null,\"type\":\"durationExpr\",\"wrapped\":false},"
				"\"type\":\"durationExpr\",\"wrapped\":false}");
	/* a number in parentheses is an expression, too */
	expect_part("a offset (-5)",
				"\"offset\":0,\"offsetExpr\":{\"lhs\":null,\"op\":\"+\","
				"\"rhs\":{\"duration\":false,\"type\":\"numberLiteral\",\"val\":\"-5\"},\"type\":\"durationExpr\",\"wrapped\":true}");
	expect_part("a[min_of(range(), 2):max_of(1, 2)]", "\"rangeExpr\":{\"lhs\":{\"lhs\":null,\"op\":\"range\"");
	expect_part("a[min_of(range(), 2):max_of(1, 2)]", "\"stepExpr\":{\"lhs\":{\"duration\":false,\"type\":\"numberLiteral\",\"val\":\"1\"},\"op\":\"max_of\"");
}
END_TEST

START_TEST(operations_name_their_operands)
{
	expect_tree("sum without (b, \"c.d\") (a)",
				"{\"expr\":" SELECTOR("a") ",\"grouping\":[\"b\",\"c.d\"],\"op\":\"sum\",\"param\":null,"
				"\"type\":\"aggregation\",\"without\":true}");
	expect_part("topk(2, a)", "\"grouping\":[],\"op\":\"topk\",\"param\":{\"type\":\"numberLiteral\",\"val\":\"2\"}");
	expect_tree("a >= bool 1",
				"{\"bool\":true,\"lhs\":" SELECTOR("a") ",\"matching\":null,\"op\":\"\\u003e=\","
				"\"rhs\":{\"type\":\"numberLiteral\",\"val\":\"1\"},\"type\":\"binaryExpr\"}");
	expect_part("a * on (x) group_left (y) b",
				"\"matching\":{\"card\":\"many-to-one\",\"fillValues\":{\"lhs\":null,\"rhs\":null},\"include\":[\"y\"],"
				"\"labels\":[\"x\"],\"on\":true}");
	expect_part("a unless b", "\"matching\":{\"card\":\"many-to-many\",");
	expect_part("a / ignoring (x) group_right b", "\"card\":\"one-to-many\"");
	expect_tree("time()", "{\"args\":[],\"func\":{\"argTypes\":[],\"name\":\"time\",\"returnType\":\"scalar\",\"variadic\":0},\"type\":\"call\"}");
	expect_part("label_join(a, \"b\", \"c\")",
				"\"func\":{\"argTypes\":[\"vector\",\"string\",\"string\",\"string\"],\"name\":\"label_join\",\"returnType\":\"vector\","
				"\"variadic\":-1}");
}
END_TEST

START_TEST(fill_values_are_numbers)
{
	expect_part("a + fill_left (0.5) fill_right (1e-9) b", "\"fillValues\":{\"lhs\":0.5,\"rhs\":1e-9}");
	expect_part("a + fill (-1e21) b", "\"fillValues\":{\"lhs\":-1e+21,\"rhs\":-1e+21}");
	expect_part("a + fill_right (NaN) b", "\"fillValues\":{\"lhs\":null,\"rhs\":\"NaN\"}");
}
END_TEST

Suite	   *syntax_tree_suite(void);

Suite *
syntax_tree_suite(void)
{
	Suite	   *suite = suite_create("syntax_tree");
	TCase	   *nodes = tcase_create("nodes");

	tcase_add_checked_fixture(nodes, setup, teardown);
	tcase_add_test(nodes, literals_and_signs);
	tcase_add_test(nodes, selectors_have_matchers_in_order_of_the_query);
	tcase_add_test(nodes, subqueries_have_a_step);
	tcase_add_test(nodes, durations_that_are_expressions_stand_beside_a_zero);
	tcase_add_test(nodes, operations_name_their_operands);
	tcase_add_test(nodes, fill_values_are_numbers);
	suite_add_tcase(suite, nodes);
	return suite;
}
