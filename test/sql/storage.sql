-- The storage tables: made on demand, verified, dropped.
SELECT current_database() AS here \gset
CREATE DATABASE pgtsdb_storage;
\c pgtsdb_storage
CREATE EXTENSION pgtsdb;
SET timezone = 'UTC';
\set SHOW_CONTEXT never
\pset null -

-- CREATE EXTENSION makes none of them, the first write does.
SELECT count(*) FROM pg_class WHERE relnamespace = 'tsdb'::regnamespace
   AND relname IN ('parts', 'series_groups', 'series', 'head', 'chunks', 'metric_definitions');
SELECT tsdb.push_text('first_sample 1');
SELECT relname, relkind, relpersistence, reloptions, has_table_privilege('public', oid, 'SELECT') AS public, obj_description(oid, 'pg_class')
  FROM pg_class WHERE relnamespace = 'tsdb'::regnamespace
   AND relname IN ('parts', 'series_groups', 'series', 'head', 'chunks', 'metric_definitions') ORDER BY 1;
SELECT attrelid::regclass, attname, atttypid::regtype, attnotnull, attstorage
  FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
 WHERE relnamespace = 'tsdb'::regnamespace AND attnum > 0
   AND relname IN ('parts', 'series_groups', 'series', 'head', 'chunks', 'metric_definitions')
 ORDER BY relname, attnum;
SELECT indexrelid::regclass, pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class c ON c.oid = indrelid
 WHERE relnamespace = 'tsdb'::regnamespace
   AND relname IN ('parts', 'series_groups', 'series', 'head', 'chunks', 'metric_definitions')
 ORDER BY pg_get_indexdef(indexrelid) COLLATE "C";

-- They belong to nobody's extension, so pg_dump takes them, and DROP EXTENSION does not.
SELECT count(*) FROM pg_depend WHERE deptype = 'e' AND classid = 'pg_class'::regclass
   AND objid IN ('tsdb.head'::regclass, 'tsdb.chunks'::regclass, 'tsdb.series'::regclass);
DROP EXTENSION pgtsdb;

-- Making them again does nothing; what is missing is made, what is there is kept.
SELECT tsdb.create_storage();
DROP TABLE tsdb.metric_definitions;
SELECT tsdb.create_storage();
SELECT count(*) FROM tsdb.metric_definitions;
SELECT count(*) FROM tsdb.series;

-- A changed table is refused, with what is wrong about it.
BEGIN; ALTER TABLE tsdb.head ALTER COLUMN "values" SET STORAGE EXTENDED; SELECT tsdb.create_storage();
\echo :SQLSTATE
ROLLBACK;
BEGIN; ALTER TABLE tsdb.head ALTER COLUMN n TYPE int4; SELECT tsdb.create_storage();
\echo :SQLSTATE
ROLLBACK;
BEGIN; ALTER TABLE tsdb.head ADD COLUMN remark text; SELECT tsdb.create_storage();
\echo :SQLSTATE
ROLLBACK;
BEGIN; ALTER TABLE tsdb.series RENAME COLUMN gone_at TO went_at; SELECT tsdb.create_storage();
\echo :SQLSTATE
ROLLBACK;
BEGIN; ALTER TABLE tsdb.series ALTER COLUMN labels DROP NOT NULL; SELECT tsdb.create_storage();
\echo :SQLSTATE
ROLLBACK;
BEGIN; DELETE FROM tsdb.series; ALTER TABLE tsdb.series ALTER COLUMN gone_at SET NOT NULL; SELECT tsdb.create_storage();
\echo :SQLSTATE
ROLLBACK;
BEGIN; DROP INDEX tsdb.series_hash_idx; SELECT tsdb.create_storage();
\echo :SQLSTATE
ROLLBACK;
BEGIN; ALTER TABLE tsdb.head DROP CONSTRAINT head_pkey; SELECT tsdb.create_storage();
\echo :SQLSTATE
ROLLBACK;
BEGIN; ALTER TABLE tsdb.parts SET UNLOGGED; SELECT tsdb.create_storage();
\echo :SQLSTATE
ROLLBACK;
BEGIN; DROP TABLE tsdb.parts; CREATE VIEW tsdb.parts AS SELECT 1 AS part; SELECT tsdb.create_storage();
\echo :SQLSTATE
ROLLBACK;
SELECT tsdb.create_storage();

-- Partitions of chunks: named after their first day, within the bounds of their neighbours.
SELECT tsdb.ensure_chunk_partition(0::int2, 0::int2, '2026-11-21 10:00Z');
SELECT tsdb.ensure_chunk_partition(0::int2, 0::int2, '2026-11-21 23:59:59.999Z');
SELECT tsdb.ensure_chunk_partition(1::int2, 2::int2, '2026-11-21 10:00Z');
SET pgtsdb.chunk_partition_width = '7 d';
SELECT tsdb.ensure_chunk_partition(0::int2, 0::int2, '2026-11-24 00:00Z');
SELECT tsdb.ensure_chunk_partition(0::int2, 0::int2, '2026-11-20 00:00Z');
SET pgtsdb.chunk_partition_width = '6 h';
SELECT tsdb.ensure_chunk_partition(0::int2, 0::int2, '2026-12-24 07:00Z');
RESET pgtsdb.chunk_partition_width;
SELECT tsdb.ensure_chunk_partition(0::int2, 0::int2, '1969-12-31 23:59Z');
SELECT tsdb.ensure_chunk_partition(0::int2, 0::int2, 'infinity');
SELECT inhrelid::regclass::text, pg_get_expr(relpartbound, c.oid), reloptions, has_table_privilege('public', c.oid, 'SELECT') AS public
  FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'tsdb.chunks'::regclass ORDER BY 1;
SELECT DISTINCT attname, attstorage FROM pg_inherits JOIN pg_attribute a ON attrelid = inhrelid AND attname = 'data'
 WHERE inhparent = 'tsdb.chunks'::regclass;

-- Not everybody may.
CREATE ROLE regress_tsdb_stranger;
GRANT EXECUTE ON FUNCTION tsdb.create_storage(), tsdb.drop_storage(), tsdb.ensure_chunk_partition(int2, int2, timestamptz)
   TO regress_tsdb_stranger;
SET ROLE regress_tsdb_stranger;
SELECT tsdb.create_storage();
SELECT tsdb.drop_storage();
SELECT tsdb.ensure_chunk_partition(0::int2, 0::int2, now());
RESET ROLE;
REVOKE ALL ON FUNCTION tsdb.create_storage(), tsdb.drop_storage(), tsdb.ensure_chunk_partition(int2, int2, timestamptz)
  FROM regress_tsdb_stranger;
DROP ROLE regress_tsdb_stranger;

-- Dropped, and made again by the next write that is committed.
SELECT tsdb.drop_storage();
BEGIN READ ONLY; SELECT tsdb.create_storage(); ROLLBACK;
BEGIN READ ONLY; SELECT tsdb.push_text('first_sample 1'); ROLLBACK;
BEGIN; SELECT tsdb.push_text('first_sample 1'); ROLLBACK;
SELECT to_regclass('tsdb.head');
SELECT tsdb.push_text('first_sample 1');
SELECT tsdb.drop_storage();
SELECT tsdb.drop_storage();

-- A session outlives the extension: nothing it keeps is of the one that was dropped.
SELECT tsdb.push_text('kept 1', at => '2024-01-01');
CALL tsdb.compact(true);
SELECT tsdb.drop_storage();
DROP EXTENSION pgtsdb;
CREATE EXTENSION pgtsdb;
SELECT tsdb.push_text('kept 2', at => '2024-01-01');
CALL tsdb.compact(true);
SELECT value FROM tsdb.promql('kept', '2024-01-01');
SELECT tsdb.drop_storage();
DROP EXTENSION pgtsdb;

-- Labels are UTF-8, and so must be the database.
\c :here
CREATE DATABASE pgtsdb_latin1 ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0;
\c pgtsdb_latin1
CREATE EXTENSION pgtsdb;
SELECT tsdb.push_text('first_sample 1');
\c :here
DROP DATABASE pgtsdb_latin1;
DROP DATABASE pgtsdb_storage;
