-- Deleting samples, and series with all of them.
SET timezone = 'UTC';
SET datestyle = 'ISO';
SELECT count(*) FROM (
    SELECT tsdb.push_text(format(E'd_metric{n="1"} %s\nd_metric{n="2"} %s\nd_other %s\n', i, i * 2, i * 3),
                          '{}', timestamptz '2026-03-01 00:00:00Z' + i * interval '1 min')
      FROM generate_series(0, 299) i) pushed;
CREATE VIEW pg_temp.content AS
    SELECT labels->>'__name__' AS metric, labels->>'n' AS n, count(*), min(ts), max(ts), sum(value)
      FROM tsdb.samples('{__name__=~"d_.*"}', '-infinity', 'infinity') GROUP BY 1, 2;

-- A dry run counts and leaves everything.
SELECT tsdb.delete_series('d_metric', dry_run => true), tsdb.delete_series('d_metric{n="1"}', '2026-03-01 01:00:00Z', '2026-03-01 02:00:00Z', true),
       tsdb.delete_series('d_metric', '2026-04-01', '2026-04-02', true);
SELECT * FROM pg_temp.content ORDER BY 1, 2;

-- A range, from head.
SELECT tsdb.delete_series('d_metric{n="1"}', '2026-03-01 01:00:00Z', '2026-03-01 01:59:00Z');
SELECT * FROM pg_temp.content ORDER BY 1, 2;

-- A range, from chunks and head, with one end open.
CALL tsdb.compact();
SELECT count(*) FROM (SELECT tsdb.push_text(E'd_metric{n="2"} 1\n', '{}', timestamptz '2026-03-01 05:00:00Z')) pushed;
SELECT tsdb.delete_series('{__name__="d_metric"}', "start" => '2026-03-01 04:00:00Z');
SELECT * FROM pg_temp.content ORDER BY 1, 2;
SELECT tsdb.delete_series('d_metric', '2026-03-01 04:00:00Z');

-- The whole series: the label lookup forgets it, its neighbours stay, and the same labels make a new one.
SELECT tsdb.delete_series('d_metric{n="1"}');
SELECT * FROM pg_temp.content ORDER BY 1, 2;
SELECT count(*) FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' = 'd_metric';
SELECT count(*) FROM (SELECT tsdb.push_text(E'd_metric{n="1"} 42\n', '{}', timestamptz '2026-03-01 00:00:30Z')) pushed;
SELECT * FROM pg_temp.content ORDER BY 1, 2;
SELECT tsdb.delete_series('{__name__=~"d_.+"}');
SELECT * FROM pg_temp.content;
SELECT count(*) FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' LIKE 'd\_%';

-- What cannot be done.
SELECT tsdb.delete_series('d_metric{');
SELECT tsdb.delete_series(NULL);
SELECT tsdb.delete_series('{}');
SELECT tsdb.delete_series('{job=~".*"}', dry_run => true);
BEGIN READ ONLY;
SELECT tsdb.delete_series('d_metric', dry_run => true);
SELECT tsdb.delete_series('d_metric');
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT tsdb.delete_series('d_metric');
ROLLBACK;
