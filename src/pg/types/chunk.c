/*
 * chunk.c
 *		The type tsdb.chunk: compressed samples, the bytes of core/chunk in a varlena.
 *
 * Text and binary form are those of bytea; what comes in is validated.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "core/chunk/chunk.h"
#include "pg/errors.h"
#include "pg/mem.h"
#include "pg/types/types.h"

/* ---- input and output ---- */

static Datum
validated(Datum bytes)
{
	struct varlena *chunk = PG_DETOAST_DATUM(bytes);
	TsdbArena  *arena = pgtsdb_arena_create(CurrentMemoryContext, 0, NULL);
	TsdbError	error;

	tsdb_error_clear(&error);
	pgtsdb_check(tsdb_chunk_validate(arena, VARDATA(chunk), VARSIZE(chunk) - VARHDRSZ, &error), &error);
	tsdb_arena_free(arena);
	pfree(arena);
	return PointerGetDatum(chunk);
}

PG_FUNCTION_INFO_V1(pgtsdb_chunk_in);
Datum
pgtsdb_chunk_in(PG_FUNCTION_ARGS)
{
	return validated(DirectFunctionCall1(byteain, PG_GETARG_DATUM(0)));
}

PG_FUNCTION_INFO_V1(pgtsdb_chunk_out);
Datum
pgtsdb_chunk_out(PG_FUNCTION_ARGS)
{
	return DirectFunctionCall1(byteaout, PG_GETARG_DATUM(0));
}

PG_FUNCTION_INFO_V1(pgtsdb_chunk_recv);
Datum
pgtsdb_chunk_recv(PG_FUNCTION_ARGS)
{
	return validated(DirectFunctionCall1(bytearecv, PG_GETARG_DATUM(0)));
}

PG_FUNCTION_INFO_V1(pgtsdb_chunk_send);
Datum
pgtsdb_chunk_send(PG_FUNCTION_ARGS)
{
	return DirectFunctionCall1(byteasend, PG_GETARG_DATUM(0));
}
