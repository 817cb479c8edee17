/*
 * fuzz_template.c
 *		Templates: any text expands to something, and one that passes the check does not expand to a parse error.
 */
#include <stdlib.h>

#include "core/rules/template.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const TsdbLabel pairs[] = {{TSDB_STR("instance"), TSDB_STR("db1:9100")}, {TSDB_STR("job"), TSDB_STR("node")}};
	TsdbTemplateData series = {{pairs, TSDB_COUNT(pairs)}, 0.1};
	TsdbStr		text = {(const char *) data, size};
	static const char mark[] = "<error expanding template: error parsing";
	TsdbArena	arena;
	TsdbError	error;
	TsdbStr		result;

	tsdb_arena_init_malloc(&arena, 0);
	result = tsdb_template_expand(&arena, TSDB_STR("R"), text, &series);
	if (tsdb_template_check(&arena, text, &error) == TSDB_OK && size > 0 && text.data[0] != '<' &&
		result.len >= sizeof(mark) && memcmp(result.data, mark, sizeof(mark) - 1) == 0)
		abort();
	tsdb_arena_free(&arena);
	return 0;
}
