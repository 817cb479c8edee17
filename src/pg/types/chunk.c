/*
 * chunk.c
 *		The type tsdb.chunk: compressed samples, the bytes of core/chunk in a varlena.
 *
 * Text is hexadecimal like bytea's.
 */
#include "postgres.h"

#include "libpq/pqformat.h"
#include "utils/builtins.h"

#include "pg/types/types.h"

Datum
pgtsdb_chunk_datum(const void *data, size_t len)
{
	struct varlena *result = palloc(VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	memcpy(VARDATA(result), data, len);
	return PointerGetDatum(result);
}

PG_FUNCTION_INFO_V1(pgtsdb_chunk_in);
Datum
pgtsdb_chunk_in(PG_FUNCTION_ARGS)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("input of type %s is not supported yet", "tsdb.chunk")));
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
	return pgtsdb_chunk_in(fcinfo);
}

PG_FUNCTION_INFO_V1(pgtsdb_chunk_send);
Datum
pgtsdb_chunk_send(PG_FUNCTION_ARGS)
{
	return DirectFunctionCall1(byteasend, PG_GETARG_DATUM(0));
}
