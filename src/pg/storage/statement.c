/*
 * statement.c
 *		Statements that run again and again, prepared once per backend.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "pg/storage/relations.h"
#include "pg/storage/statement.h"

static bool has_types(SPIPlanPtr plan, int n_args, const Oid *types);
static Datum fixed_array(const void *values, int n, Oid element_type, Size element_size);

uint64
pgtsdb_statement_run(PgtsdbStatement *statement, int n_args, const Oid *types, Datum *values)
{
	return pgtsdb_statement_run_nulls(statement, n_args, types, values, NULL);
}

uint64
pgtsdb_statement_run_nulls(PgtsdbStatement *statement, int n_args, const Oid *types, Datum *values, const char *nulls)
{
	int			result;

	/* The oid of a type of ours changes when the extension is dropped and made again. */
	if (statement->plan != NULL && !has_types(statement->plan, n_args, types))
	{
		SPI_freeplan(statement->plan);
		statement->plan = NULL;
	}
	if (statement->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(statement->sql, n_args, unconstify(Oid *, types));

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare \"%s\": %s", statement->sql, SPI_result_code_string(SPI_result));
		statement->plan = plan;
	}
	result = SPI_execute_plan(statement->plan, values, nulls, false, 0);
	if (result != statement->expected)
		elog(ERROR, "\"%s\" failed: %s", statement->sql, SPI_result_code_string(result));
	return SPI_processed;
}

static bool
has_types(SPIPlanPtr plan, int n_args, const Oid *types)
{
	for (int i = 0; i < n_args; i++)
		if (SPI_getargtypeid(plan, i) != types[i])
			return false;
	return true;
}

Datum
pgtsdb_int2_array(const int16 *values, int n)
{
	return fixed_array(values, n, INT2OID, sizeof(int16));
}

Datum
pgtsdb_int4_array(const int32 *values, int n)
{
	return fixed_array(values, n, INT4OID, sizeof(int32));
}

Datum
pgtsdb_int8_array(const int64 *values, int n)
{
	return fixed_array(values, n, INT8OID, sizeof(int64));
}

Datum
pgtsdb_datum_array(Datum *values, int n, Oid element_type)
{
	return pgtsdb_nullable_array(values, NULL, n, element_type);
}

Datum
pgtsdb_nullable_array(Datum *values, bool *nulls, int n, Oid element_type)
{
	int			lower_bound = 1;
	int16		length;
	bool		by_value;
	char		align;

	get_typlenbyvalalign(element_type, &length, &by_value, &align);
	return PointerGetDatum(construct_md_array(values, nulls, 1, &n, &lower_bound,
											  element_type, length, by_value, align));
}

Oid
pgtsdb_type_oid(const char *name)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(name),
						   ObjectIdGetDatum(get_namespace_oid(PGTSDB_SCHEMA, false)));
}

/* Elements without padding between them are the array's data as they stand. */
static Datum
fixed_array(const void *values, int n, Oid element_type, Size element_size)
{
	Size		size = ARR_OVERHEAD_NONULLS(1) + n * element_size;
	ArrayType  *array = palloc(size);

	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->dataoffset = 0;
	array->elemtype = element_type;
	ARR_DIMS(array)[0] = n;
	ARR_LBOUND(array)[0] = 1;
	memcpy(ARR_DATA_PTR(array), values, n * element_size);
	return PointerGetDatum(array);
}
