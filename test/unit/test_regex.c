/*
 * test_regex.c
 *		RE2 meaning on PCRE2: what matches, what is refused, what the shortcuts find.
 */

#include "core/regex/regex.h"
#include "fixture.h"

static TsdbRegex *
compiled(const char *pattern)
{
	TsdbRegex  *regex = NULL;

	ck_assert_msg(tsdb_regex_compile(&arena, tsdb_str(pattern), &regex, &error) == TSDB_OK, "%s: %s", pattern, error.message);
	return regex;
}

static bool
matches(const char *pattern, const char *text)
{
	return tsdb_regex_matches(compiled(pattern), tsdb_str(text));
}

START_TEST(patterns_match_whole_text)
{
	static const struct
	{
		const char *pattern;
		const char *text;
		bool		match;
	}			cases[] = {
		{"", "", true}, {"", "a", false}, {"abc", "abc", true}, {"abc", "abcd", false}, {"abc", "xabc", false},
		{"a|b|c", "b", true}, {"a|b|c", "d", false}, {"a||b", "", true}, {"(a|b)", "a", true}, {"(?:foo|bar)", "bar", true},
		{".*", "", true}, {".*", "a\nb", true}, {".+", "", false}, {".+", "\n", true},
		{"ab.*", "ab", true}, {"ab.*", "a", false}, {"ab.+", "ab", false}, {"ab.+", "abc", true},
		{".*ab", "xxab", true}, {".*ab", "xxabx", false}, {".*ab.*", "xxabx", true}, {".*ab.*", "xaxb", false},
		{"ab*", "a", true}, {"ab*", "abbb", true}, {"ab?c", "ac", true}, {"a\\.b", "a.b", true}, {"a\\.b", "axb", false},
		{"a|b.*", "a", true}, {"a|b.*", "bxx", true}, {"a|b.*", "ax", false}, {"^abc$", "abc", true}, {"abc$", "abc\n", false},
		{"\xc3\xa9*", "", true}, {"\xc3\xa9*", "\xc3\xa9\xc3\xa9", true}, {"x\xc3\xa9?", "x", true}, {".", "\xc3\xa9", true},
		{"[[:alpha:]]+", "abC", true}, {"[[]", "[", true}, {"[]a]+", "]a", true}, {"[^]]", "a", true}, {"[a[.]", ".", true},
		{"(?i)abc", "ABC", true}, {"a(?i)b", "aB", true}, {"a(?i)b", "AB", false}, {"(?i:a)b", "Ab", true},
		{"\\v", "\x0b", true}, {"\\v", "\n", false}, {"\\s", "\x0b", false}, {"[\\s]", " ", true}, {"\\S", "\x0b", true},
		{"\\Qa.b\\E", "a.b", true}, {"\\Qa.b\\Ec", "axbc", false}, {"\\Qa.b", "a.b", true}, {"\\x41", "A", true}, {"\\x{e9}", "\xc3\xa9", true},
		{"a{2}", "aa", true}, {"a{2,}", "aaaa", true}, {"a{2,3}", "aaaa", false}, {"a{,2}", "a{,2}", true}, {"{", "{", true}, {"a{x}", "a{x}", true},
		{"(?P<n>a)b", "ab", true}, {"(?<n>a)b", "ab", true}, {"\\d+", "123", true}, {"\\d", "\xd9\xa3", false}, {"\\pL+", "\xc3\xa9", true},
		{"^*a", "a", true}, {"a$+", "a", true}, {"\\b{2}a\\B?", "a", true}, {"^{", "{", true}, {"(?)a", "a", true}, {"(?i-s:A.)", "aB", true},
		{"a*?b", "aab", true}, {"(?s).", "\n", true}, {"(?-s).", "\n", false}, {"\\/\\-", "/-", true}, {"\\012", "\n", true},
	};

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
		ck_assert_msg(matches(cases[i].pattern, cases[i].text) == cases[i].match, "/%s/ and \"%s\"", cases[i].pattern, cases[i].text);
}
END_TEST

START_TEST(other_syntax_is_refused)
{
	static const char *const patterns[] = {
		"(", ")", "[", "a**", "a++", "a*+", "*", "a{2}{3}", "a{1001}", "(?=a)", "(?!a)", "(?<=a)", "(?<!a)", "(?>a)", "(?|a)", "(?#a)",
		"(?R)", "(?1)", "(*ACCEPT)", "\\1", "(a)\\1", "\\g1", "\\k<a>", "\\K", "\\G", "\\R", "\\X", "\\h", "\\C", "\\Z", "\\e", "\\cA", "\\N", "\\", "(?x)a",
		"[b-a]", "\\p{Nope}", "(?P=n)", "(?P>n)", "(?", "(?i", "a\\8",
	};

	for (size_t i = 0; i < TSDB_COUNT(patterns); i++)
	{
		TsdbRegex  *regex;

		ck_assert_msg(tsdb_regex_compile(&arena, tsdb_str(patterns[i]), &regex, &error) == TSDB_ERR_SYNTAX, "/%s/", patterns[i]);
		ck_assert_msg(strncmp(error.message, "error parsing regexp: ", 22) == 0, "/%s/: %s", patterns[i], error.message);
	}
	ck_assert_int_eq(tsdb_regex_compile(&arena, (TsdbStr){"\xff", 1}, &(TsdbRegex *){NULL}, &error), TSDB_ERR_ENCODING);
}
END_TEST

/* What people mistype is told as Prometheus tells it. */
START_TEST(mistakes_are_worded_as_in_go)
{
	static const struct
	{
		const char *pattern;
		const char *message;
	}			cases[] = {
		{"*", "missing argument to repetition operator: `*`"}, {"a|+?b", "missing argument to repetition operator: `+?`"},
		{"({2})", "missing argument to repetition operator: `{2}`"}, {"(?i)*", "missing argument to repetition operator: `*`"},
		{"\\Q\\E*", "missing argument to repetition operator: `*`"}, {"(*F)", "missing argument to repetition operator: `*`"},
		{"a**", "invalid nested repetition operator: `**`"}, {"xa{2}?+y", "invalid nested repetition operator: `{2}?+`"},
		{"a{1001}", "invalid repeat count: `{1001}`"}, {"a{3,2}", "invalid repeat count: `{3,2}`"},
		{"a(b", "missing closing ): `a(b`"}, {"a)b", "unexpected ): `a)b`"}, {"a[b", "missing closing ]: `[b`"},
		{"a\\", "trailing backslash at end of expression: ``"}, {"a\\8", "invalid escape sequence: `\\8`"},
		{"\\xg1", "invalid escape sequence: `\\xg`"}, {"\\x{}", "invalid escape sequence: `\\x{}`"},
		{"\\\xc3\xa9", "invalid escape sequence: `\\\xc3\xa9`"}, {"a\\p{Nope}", "invalid character class range: `a\\p{Nope}`"},
		{"(?=a)", "invalid or unsupported Perl syntax: `(?=`"}, {"(?i-)", "invalid or unsupported Perl syntax: `(?i-)`"},
		{"(?P<a", "invalid named capture: `(?P<a`"}, {"(?P<>x)", "invalid named capture: `(?P<>`"},
		{"x(?<=a)", "invalid named capture: `(?<=a)`"}, {"(?<\xc3\xa9>x)", "invalid named capture: `(?<\xc3\xa9>`"},
	};

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		TsdbRegex  *regex;

		ck_assert_int_eq(tsdb_regex_compile(&arena, tsdb_str(cases[i].pattern), &regex, &error), TSDB_ERR_SYNTAX);
		ck_assert_str_eq(error.message + strlen("error parsing regexp: "), cases[i].message);
	}
}
END_TEST

START_TEST(no_pattern_hangs)
{
	TsdbRegex  *regex = compiled("(x+x+)+y");
	TsdbStr		text = TSDB_STR("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");

	ck_assert(!tsdb_regex_limit_hit(regex));
	/* PCRE2 may also see that there is no y at all */
	ck_assert(!tsdb_regex_matches(regex, text));
	regex = compiled("(x+x+)+[yz]");
	ck_assert(!tsdb_regex_matches(regex, text));
	ck_assert(tsdb_regex_limit_hit(regex));
}
END_TEST

START_TEST(replacement_expands_groups)
{
	static const struct
	{
		const char *pattern;
		const char *replacement;
		const char *text;
		const char *result;
	}			cases[] = {
		{"(.*):(\\d+)", "$2-$1", "host:90", "90-host"}, {"(.*)", "$1", "", ""}, {"(a)|(b)", "[$2]", "a", "[]"},
		{"(?P<name>.*)x", "${name}!$name", "yx", "y!y"}, {"(a)", "$1x", "a", ""}, {"(a)", "${1}x", "a", "ax"},
		{"a", "$$1", "a", "$1"}, {"a", "$", "a", "$"}, {"a", "$-", "a", "$-"}, {"a", "${1", "a", "${1"}, {"a", "$9", "a", ""}, {"a|b", "x", "b", "x"},
	};

	for (size_t i = 0; i < TSDB_COUNT(cases); i++)
	{
		TsdbBuffer	out;

		tsdb_buffer_init(&out, &arena, 0);
		ck_assert(tsdb_regex_replace(compiled(cases[i].pattern), tsdb_str(cases[i].text), tsdb_str(cases[i].replacement), &out));
		ck_assert_str_eq(tsdb_buffer_cstring(&out), cases[i].result);
		ck_assert(!tsdb_regex_replace(compiled(cases[i].pattern), TSDB_STR("no match\n\n"), tsdb_str(cases[i].replacement), &out) ||
				  strcmp(cases[i].pattern, "(.*)") == 0);
	}
}
END_TEST

START_TEST(index_hints)
{
	size_t		n;
	const TsdbStr *strings = tsdb_regex_alternatives(compiled("b|a|b|c\\.d"), &n);

	ck_assert_uint_eq(n, 3);
	ck_assert(tsdb_str_equal(strings[0], TSDB_STR("a")));
	ck_assert(tsdb_str_equal(strings[2], TSDB_STR("c.d")));
	tsdb_regex_alternatives(compiled("a|b.*"), &n);
	ck_assert_uint_eq(n, 0);
	ck_assert(tsdb_str_equal(tsdb_regex_prefix(compiled("node_[a-z]+")), TSDB_STR("node_")));
	ck_assert(tsdb_str_equal(tsdb_regex_prefix(compiled("node_.*")), TSDB_STR("node_")));
	ck_assert(tsdb_str_equal(tsdb_regex_prefix(compiled("node_x?")), TSDB_STR("node_")));
	ck_assert_uint_eq(tsdb_regex_prefix(compiled("a.c|b")).len, 0);
	ck_assert_uint_eq(tsdb_regex_prefix(compiled(".*x.y")).len, 0);
	ck_assert_uint_eq(tsdb_regex_prefix(compiled("(?i)abc")).len, 0);
}
END_TEST

Suite *
regex_suite(void)
{
	Suite	   *suite = suite_create("regex");
	TCase	   *tests = tcase_create("regex");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, patterns_match_whole_text);
	tcase_add_test(tests, other_syntax_is_refused);
	tcase_add_test(tests, mistakes_are_worded_as_in_go);
	tcase_add_test(tests, no_pattern_hangs);
	tcase_add_test(tests, replacement_expands_groups);
	tcase_add_test(tests, index_hints);
	suite_add_tcase(suite, tests);
	return suite;
}
