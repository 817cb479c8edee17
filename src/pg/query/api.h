/*
 * api.h
 *		Answers in the JSON of the Prometheus HTTP API.
 */
#ifndef PGTSDB_API_H
#define PGTSDB_API_H

#include "postgres.h"

#include "fmgr.h"

#include "core/base/base.h"
#include "pg/query/query.h"

/* One answer in the making.  Everything it takes lives in a context of its own. */
typedef struct PgtsdbAnswer
{
	MemoryContext context;
	MemoryContext caller;
	TsdbArena  *arena;			/* limited by pgtsdb.query_memory_limit */
	TsdbBuffer	json;
} PgtsdbAnswer;

/* Until the finish, the context is the current one. */
extern void pgtsdb_answer_begin(PgtsdbAnswer *answer);
/* The answer as a Datum of type json, in the caller's context. */
extern Datum pgtsdb_answer_finish(PgtsdbAnswer *answer);

/*
 * Writes the error object.  `parameter` is the one that was invalid, or NULL; `text` is what the
 * positions in the error are of.
 */
extern void pgtsdb_answer_error(PgtsdbAnswer *answer, const char *parameter, TsdbStr text, const TsdbError *error);

/* The same for an argument that is refused in the words of Prometheus. */
extern void pgtsdb_answer_bad_data(PgtsdbAnswer *answer, const char *parameter, const char *message);

/* False, with an error as the answer: a range query cannot have these steps. */
extern bool pgtsdb_answer_check_range(PgtsdbAnswer *answer, const PgtsdbQuery *query);

/* The integer argument, `otherwise` when it is null. */
extern int32 pgtsdb_int_argument(FunctionCallInfo fcinfo, int n, int32 otherwise);
/* The boolean argument, false when it is null. */
extern bool pgtsdb_bool_argument(FunctionCallInfo fcinfo, int n);

#endif							/* PGTSDB_API_H */
