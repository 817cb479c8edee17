-- Compaction changes where samples are, and nothing else.
SET timezone = 'UTC';
SET datestyle = 'ISO';

-- Reads and sweeps need no storage to be there.
CALL tsdb.compact();
SELECT count(*) FROM tsdb.samples('c_bulk', '-infinity', 'infinity');
SELECT tsdb.create_storage();

CREATE FUNCTION pg_temp.load(metric text, first int, last int, step interval DEFAULT '15 s') RETURNS bigint LANGUAGE sql AS $$
    SELECT count(tsdb.push_text(format(E'%s{n="int"} %s\n%1$s{n="float"} %s\n%1$s{n="const"} 5\n%1$s{n="sparse"} %s\n',
                                       metric, i, sin(i), CASE WHEN i % 3 = 0 THEN 'NaN' ELSE '-0' END),
                                '{}', timestamptz '2026-02-01 00:00:00Z' + i * step))
      FROM generate_series(first, last) i $$;
CREATE VIEW pg_temp.content AS
    SELECT labels, ts, float8send(value) AS bits FROM tsdb.samples('{__name__=~"c_.*"}', '-infinity', 'infinity');
CREATE FUNCTION pg_temp.rows(OUT head bigint, OUT chunks bigint) LANGUAGE sql AS $$
    SELECT (SELECT count(*) FROM tsdb.head), (SELECT count(*) FROM tsdb.chunks) $$;

-- Start with nothing in head that is not ours.
CALL tsdb.compact(true);
SELECT head FROM pg_temp.rows();

-- A day and a half of one group, loaded at once: window by window, across a partition border.
SELECT pg_temp.load('c_bulk', 0, 2160, '60 s');
CREATE TEMP TABLE before AS SELECT * FROM pg_temp.content;
SELECT count(*) FROM before;
SET pgtsdb.compaction_window = '2h';
CALL tsdb.compact();
SELECT head FROM pg_temp.rows();
TABLE before EXCEPT TABLE pg_temp.content;
TABLE pg_temp.content EXCEPT TABLE before;

-- No chunk crosses its partition or the span, and none is of another window.
SELECT count(*) > 0 AS some, bool_and(dt < 2 * 3600 * 1000) AS within_span,
       bool_and(t_min / 7200000 = (t_min + dt) / 7200000) AS within_window
  FROM tsdb.chunks WHERE t_min >= extract(epoch FROM timestamptz '2026-02-01') * 1000;
SELECT c.tableoid::regclass, count(DISTINCT t_min / 86400000) AS days
  FROM tsdb.chunks c WHERE t_min >= extract(epoch FROM timestamptz '2026-02-01') * 1000 GROUP BY 1 ORDER BY 1;

-- Late samples go into the chunks they overlap; a sample that is there already stays what it was.
SELECT count(*) FROM (SELECT tsdb.push_text(E'c_bulk{n="int"} 1000\nc_bulk{n="late"} 1\n', '{}', timestamptz '2026-02-01 00:30:30Z')) pushed;
SELECT count(*) FROM (SELECT tsdb.push_text(E'c_bulk{n="late"} 2\n', '{}', timestamptz '2026-02-01 12:00:30Z')) pushed;
SELECT labels->>'n' AS n, ts, value FROM tsdb.samples('c_bulk{n=~"int|late"}', '2026-02-01 00:30:00Z', '2026-02-01 00:31:00Z') ORDER BY 1, 2;
CREATE TEMP TABLE late AS SELECT * FROM pg_temp.content;
CALL tsdb.compact();
SELECT head FROM pg_temp.rows();
TABLE late EXCEPT TABLE pg_temp.content;
TABLE pg_temp.content EXCEPT TABLE late;
-- so no two chunks of a group have a column in common at one time
SELECT count(*) FROM tsdb.chunks a JOIN tsdb.chunks b USING (part, group_id, tier, class)
 WHERE (a.t_min, a.col, a.n) < (b.t_min, b.col, b.n) AND a.t_min + a.dt >= b.t_min AND a.t_min <= b.t_min + b.dt
   AND int4range(a.col, a.col + a.n) && int4range(b.col, b.col + b.n)
   AND NOT (a.col + a.n - 1 = b.col OR b.col + b.n - 1 = a.col);

-- One timestamp stored twice with different values: chunk before head, then the lower n, in readers and in compaction.
SELECT pg_temp.load('c_twice', 0, 3);
CREATE TEMP TABLE twice AS SELECT * FROM tsdb.head JOIN (SELECT DISTINCT part, group_id FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' = 'c_twice') g USING (part, group_id);
INSERT INTO tsdb.head SELECT part, group_id, ts, n + 5, flags, lead("values", 1, "values") OVER (ORDER BY ts) FROM twice;
CREATE TEMP TABLE first_wins AS SELECT * FROM pg_temp.content;
SELECT ts, value FROM tsdb.samples('c_twice{n="int"}', '-infinity', 'infinity') ORDER BY ts;
CALL tsdb.compact();
INSERT INTO tsdb.head SELECT part, group_id, ts, n, flags, lead("values", 1, "values") OVER (ORDER BY ts) FROM twice;
SELECT count(*) FROM ((TABLE first_wins EXCEPT TABLE pg_temp.content) UNION ALL (TABLE pg_temp.content EXCEPT TABLE first_wins)) d;
CALL tsdb.compact();
SELECT count(*) FROM ((TABLE first_wins EXCEPT TABLE pg_temp.content) UNION ALL (TABLE pg_temp.content EXCEPT TABLE first_wins)) d;
SELECT head FROM pg_temp.rows();

-- Chunks that are rewritten are cut to the span that is allowed now.
SET pgtsdb.max_chunk_span = '30min';
SELECT count(*) FROM (SELECT tsdb.push_text(E'c_bulk{n="int"} 3\n', '{}', timestamptz '2026-02-01 06:00:30Z')) pushed;
CREATE TEMP TABLE uncut AS SELECT * FROM pg_temp.content;
CALL tsdb.compact();
SELECT max(dt) <= 30 * 60 * 1000 AS within_span FROM tsdb.chunks
 WHERE t_min BETWEEN extract(epoch FROM timestamptz '2026-02-01 06:00:00Z') * 1000 AND extract(epoch FROM timestamptz '2026-02-01 07:59:59Z') * 1000;
SELECT count(*) FROM ((TABLE uncut EXCEPT TABLE pg_temp.content) UNION ALL (TABLE pg_temp.content EXCEPT TABLE uncut)) d;
RESET pgtsdb.max_chunk_span;

-- Short windows are merged by the last one of a merge window; one that is closed already is compacted whole.
SET pgtsdb.compaction_window = '30min';
SET pgtsdb.compaction_merge_window = '30min';
SELECT pg_temp.load('c_merge', 0, 89, '60 s');
CALL tsdb.compact();
CREATE FUNCTION pg_temp.generations(metric text) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(DISTINCT t_min / 1800000) FROM tsdb.chunks WHERE group_id = (SELECT group_id FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' = metric LIMIT 1) $$;
SELECT pg_temp.generations('c_merge');
RESET pgtsdb.compaction_merge_window;
SELECT pg_temp.load('c_merge', 90, 119, '60 s');
CREATE TEMP TABLE unmerged AS SELECT * FROM pg_temp.content;
CALL tsdb.compact();
SELECT pg_temp.generations('c_merge');
SELECT pg_temp.load('c_whole', 0, 119, '60 s');
INSERT INTO unmerged SELECT * FROM pg_temp.content WHERE labels->>'__name__' = 'c_whole';
CALL tsdb.compact();
SELECT pg_temp.generations('c_whole');
SELECT count(*) FROM ((TABLE unmerged EXCEPT TABLE pg_temp.content) UNION ALL (TABLE pg_temp.content EXCEPT TABLE unmerged)) d;

-- An open window waits, unless forced.
SELECT count(*) FROM (SELECT tsdb.push_text(E'c_now 1\n', '{}', now())) pushed;
CALL tsdb.compact();
SELECT head FROM pg_temp.rows();
CALL tsdb.compact(true);
SELECT head FROM pg_temp.rows();
SELECT count(*) FROM tsdb.samples('c_now', '-infinity', 'infinity');

-- In a transaction of the caller everything is undone with it.
SELECT pg_temp.load('c_undo', 0, 10);
BEGIN;
CALL tsdb.compact(true);
SELECT head FROM pg_temp.rows();
ROLLBACK;
SELECT head FROM pg_temp.rows();
BEGIN ISOLATION LEVEL REPEATABLE READ;
CALL tsdb.compact();
ROLLBACK;

-- Bytes that are no chunk are named, and leave the rest readable.
CALL tsdb.compact(true);
BEGIN;
CREATE CAST (bytea AS tsdb.chunk) WITHOUT FUNCTION;
UPDATE tsdb.chunks SET data = bytea '\x01ff00'::tsdb.chunk WHERE group_id = (SELECT group_id FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' = 'c_undo' LIMIT 1);
\set VERBOSITY sqlstate
SELECT count(*) FROM tsdb.samples('c_undo', '-infinity', 'infinity');
\set VERBOSITY default
ROLLBACK;

-- Who may.
CREATE ROLE regress_c_user;
SET ROLE regress_c_user;
CALL tsdb.compact();
RESET ROLE;
DROP ROLE regress_c_user;
SELECT tsdb.delete_series('{__name__=~"c_.*"}') > 0;
