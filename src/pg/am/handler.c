/*
 * handler.c
 *		The access method label_index as the server sees it.
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/index.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_type.h"
#include "commands/vacuum.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rls.h"
#include "utils/syscache.h"

#include "pg/am/am_internal.h"

/* part = part, labels @@ selector */
#define STRATEGIES 1

static bytea *options(Datum reloptions, bool validate);
static bool validate(Oid opclass);

PG_FUNCTION_INFO_V1(pgtsdb_label_index_handler);
Datum
pgtsdb_label_index_handler(PG_FUNCTION_ARGS)
{
	IndexAmRoutine *am = makeNode(IndexAmRoutine);

	am->amstrategies = STRATEGIES;
	am->amsupport = 0;
	am->amcanmulticol = true;
	/* rows without labels are indexed under their part, but rows without a part are not */
	am->amoptionalkey = false;
	am->amparallelvacuumoptions = VACUUM_OPTION_PARALLEL_BULKDEL;
	am->amkeytype = InvalidOid;

	am->ambuild = pgtsdb_am_build;
	am->ambuildempty = pgtsdb_am_build_empty;
	am->aminsert = pgtsdb_am_insert;
	am->ambulkdelete = pgtsdb_am_bulk_delete;
	am->amvacuumcleanup = pgtsdb_am_vacuum_cleanup;
	am->amcostestimate = pgtsdb_am_cost;
	am->amoptions = options;
	am->amvalidate = validate;
	am->ambeginscan = pgtsdb_am_begin_scan;
	am->amrescan = pgtsdb_am_rescan;
	am->amgetbitmap = pgtsdb_am_get_bitmap;
	am->amendscan = pgtsdb_am_end_scan;
	PG_RETURN_POINTER(am);
}

/* There are none. */
static bytea *
options(Datum reloptions, bool validate)
{
	List	   *given = untransformRelOptions(reloptions);

	if (validate && given != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized parameter \"%s\"", ((DefElem *) linitial(given))->defname),
				 errdetail("A label index has no storage parameters.")));
	return NULL;
}

static bool
validate(Oid opclass)
{
	HeapTuple	tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclass));
	Form_pg_opclass form;
	CatCList   *operators;
	bool		valid = true;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator class %u", opclass);
	form = (Form_pg_opclass) GETSTRUCT(tuple);
	operators = SearchSysCacheList1(AMOPSTRATEGY, ObjectIdGetDatum(form->opcfamily));
	for (int i = 0; i < operators->n_members; i++)
	{
		Form_pg_amop operator = (Form_pg_amop) GETSTRUCT(&operators->members[i]->tuple);

		if (operator->amopstrategy < 1 || operator->amopstrategy > STRATEGIES || operator->amoppurpose != AMOP_SEARCH ||
			operator->amoplefttype != form->opcintype || get_op_rettype(operator->amopopr) != BOOLOID)
		{
			ereport(INFO,
					(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
					 errmsg("operator class \"%s\" of access method %s contains operator %s with invalid specification",
							NameStr(form->opcname), "label_index", format_operator(operator->amopopr))));
			valid = false;
		}
	}
	ReleaseCatCacheList(operators);
	ReleaseSysCache(tuple);
	return valid;
}

bool
pgtsdb_is_label_index(Relation index)
{
	return index->rd_indam != NULL && index->rd_indam->ambuild == pgtsdb_am_build;
}

bool
pgtsdb_label_index_has_part(Relation index)
{
	return index->rd_opcintype[0] == INT4OID;
}

Relation
pgtsdb_am_open_for_caller(Oid oid)
{
	Oid			heap = IndexGetRelation(oid, true);
	Relation	index;

	if (!OidIsValid(heap) || get_rel_relkind(oid) != RELKIND_INDEX)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("relation \"%s\" is not an index", get_rel_name(oid))));
	/* in the order in which queries lock them */
	LockRelationOid(heap, AccessShareLock);
	index = index_open(oid, AccessShareLock);
	if (!pgtsdb_is_label_index(index))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("index \"%s\" is not a label index", RelationGetRelationName(index))));
	if (RELATION_IS_OTHER_TEMP(index))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot access temporary indexes of other sessions")));
	if (pg_class_aclcheck(heap, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(heap));
	if (check_enable_rls(heap, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("labels of table \"%s\" are hidden by its row-level security", get_rel_name(heap))));
	return index;
}
