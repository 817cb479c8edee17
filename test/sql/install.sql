-- What CREATE EXTENSION leaves behind.
SELECT extname, extnamespace::regnamespace FROM pg_extension WHERE extname = 'pgtsdb';

-- Every function has a comment for \df+ and none can be made to look elsewhere by search_path.
SELECT p.oid::regprocedure AS without_comment
  FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
  JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pgtsdb'
 WHERE obj_description(p.oid, 'pg_proc') IS NULL
 ORDER BY 1;

SELECT p.oid::regprocedure AS sql_without_search_path
  FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
  JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pgtsdb'
  JOIN pg_language l ON l.oid = p.prolang AND l.lanname IN ('sql', 'plpgsql')
 WHERE p.prokind = 'f' AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c LIKE 'search_path=%') AND p.prosqlbody IS NULL
 ORDER BY 1;

-- What writes is not for everybody.
SELECT p.oid::regprocedure AS writes_for_public
  FROM pg_proc p
 WHERE pronamespace = 'tsdb'::regnamespace
   AND proname IN ('remote_write', 'remote_write_v2', 'push', 'push_text', 'delete_series', 'create_storage', 'drop_storage', 'compact')
   AND has_function_privilege('public', p.oid, 'EXECUTE')
 ORDER BY 1;

-- It goes without a trace, and comes back.
SELECT current_database() AS here \gset
CREATE DATABASE pgtsdb_install;
\c pgtsdb_install
CREATE EXTENSION pgtsdb;
DROP EXTENSION pgtsdb;
SELECT count(*) AS left_over FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'tsdb');
CREATE EXTENSION pgtsdb;
\c :here
DROP DATABASE pgtsdb_install;
