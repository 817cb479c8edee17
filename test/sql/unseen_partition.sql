-- A partition that the server's own description of tsdb.chunks lacks: it is found, and not made a second time.
\set ECHO queries
SET client_min_messages = warning;
SET TimeZone = 'UTC';

SELECT tsdb.push_text(E'unseen 1\n', '{}', timestamptz '2019-03-03 12:00:00Z');
CALL tsdb.compact();
SELECT count(*) FROM tsdb.samples('unseen', '-infinity', 'infinity');

-- No message tells of what is done to the catalogue by hand, as when the server has read one too early.
SELECT tableoid::regclass AS leaf FROM tsdb.chunks WHERE t_min = 1551614400000 \gset
SET allow_system_table_mods = on;
CREATE TEMP TABLE bound AS SELECT relpartbound FROM pg_class WHERE oid = :'leaf'::regclass;
ALTER TABLE tsdb.chunks DETACH PARTITION :leaf;
SELECT count(*) FROM tsdb.chunks WHERE t_min = 1551614400000;
UPDATE pg_class SET relispartition = true, relpartbound = (SELECT relpartbound FROM bound) WHERE oid = :'leaf'::regclass;
INSERT INTO pg_inherits VALUES (:'leaf'::regclass, 'tsdb.chunks'::regclass, 1, false);

SELECT count(*) FROM tsdb.samples('unseen', '-infinity', 'infinity');
SELECT tsdb.push_text(E'unseen 2\n', '{}', timestamptz '2019-03-03 13:00:00Z');
CALL tsdb.compact();
SELECT count(*) FROM tsdb.samples('unseen', '-infinity', 'infinity');
SELECT count(*) FROM pg_inherits JOIN pg_class ON oid = inhrelid
 WHERE inhparent = 'tsdb.chunks'::regclass AND pg_get_expr(relpartbound, oid) LIKE '%''0'', ''0'', ''1551571200000''%';
SELECT tsdb.delete_series('unseen');
