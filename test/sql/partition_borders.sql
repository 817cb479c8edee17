-- A chunk ends with its partition, also where partitions are narrower than the windows that are compacted: then it can be found by
-- the partitions that overlap a range of time, and goes with its own.
SET pgtsdb.chunk_partition_width = '60min';
SELECT count(tsdb.ensure_chunk_partition(0::int2, 0::int2, timestamptz '2020-03-01 00:00:00Z' + i * interval '1 hour'))
  FROM generate_series(1, 3) i;
RESET pgtsdb.chunk_partition_width;
SELECT count(tsdb.push_text(E'pb_total ' || i || E'\n', at => timestamptz '2020-03-01 00:10:00Z' + i * interval '1 minute'))
  FROM generate_series(0, 299) i;
SET pgtsdb.compaction_merge_window = '8h';
CALL tsdb.compact(true);

CREATE TEMP VIEW pb_chunks AS
SELECT to_timestamp(t_min / 1000) AS first, to_timestamp((t_min + dt) / 1000) AS last,
       to_timestamp((regexp_match(pg_get_expr(relpartbound, p.oid), '(-?[0-9]+).?[)]$'))[1]::int8 / 1000) AS border
  FROM tsdb.chunks c JOIN pg_class p ON p.oid = c.tableoid
 WHERE (part, group_id) IN (SELECT part, group_id FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' = 'pb_total');
TABLE pb_chunks ORDER BY 1;
-- late samples at and beside the borders, and a deletion over them
SELECT count(tsdb.push_text('pb_total 7', at => timestamptz '2020-03-01 02:00:00Z' + ms * interval '1 ms'))
  FROM unnest('{-1,1}'::int[]) ms;
SELECT tsdb.delete_series('pb_total', '2020-03-01 01:40:00Z', '2020-03-01 01:50:00Z');
CALL tsdb.compact(true);
SELECT count(*) FILTER (WHERE last >= border) AS over, count(*) > 4 AS chunks FROM pb_chunks;
SELECT count(*), count(DISTINCT ts) FROM tsdb.samples('pb_total', '-infinity', 'infinity');
SELECT count(*) FROM tsdb.samples('pb_total', '2020-03-01 01:59:59.999Z', '2020-03-01 02:00:00.001Z');

SELECT tsdb.delete_series('pb_total');
RESET pgtsdb.compaction_merge_window;
