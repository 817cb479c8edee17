-- What a tenant's data is made of.
SET timezone = 'UTC';
SET datestyle = 'ISO';
SELECT tsdb.create_tenant('stats_tenant');
SET pgtsdb.tenant = 'stats_tenant';

-- Before the first write.
SELECT * FROM tsdb.stats;
SELECT * FROM tsdb.cardinality();
SELECT * FROM tsdb.metric_sizes('2026-01-01', '2026-12-31');

SELECT sum(tsdb.push_text(format(E'c_busy{n="1"} %s\nc_busy{n="2"} %s\nc_busy{n="3"} %s\nc_still 1\n', i, i * 7 % 11, i * i),
                          '{"job":"s","instance":"a"}', timestamptz '2026-04-01 00:00:00Z' + i * interval '15 s'))
  FROM generate_series(0, 239) i;
SELECT tsdb.push_text(E'c_late 1\n', '{"job":"s","instance":"b"}', '2026-04-01 01:00:00Z');
SELECT tenant_id, series, head_groups, head_oldest, head_newest, compaction_lag > interval '1 hour' AS lags, chunk_rows, chunk_oldest FROM tsdb.stats;

-- Names, values of one, with a selector, with a limit.
SELECT * FROM tsdb.cardinality();
SELECT * FROM tsdb.cardinality('__name__');
SELECT * FROM tsdb.cardinality('n', '{__name__="c_busy",n!="2"}');
SELECT name, series FROM tsdb.cardinality('__name__', since => '0', "limit" => 1);
SELECT tsdb.delete_series('c_late');
SELECT name, series, created FROM tsdb.cardinality('instance', since => NULL);

-- In chunks.
CALL tsdb.compact();
SELECT series, head_groups, head_oldest, compaction_lag, chunk_rows > 0 AS has_chunks, chunk_oldest FROM tsdb.stats;
SELECT metric, series, samples, bytes > 0 AS has_bytes, bytes_per_sample = bytes / samples::float8 OR abs(bytes_per_sample - bytes / samples::float8) < 0.01 AS fits
  FROM tsdb.metric_sizes('2026-04-01', '2026-04-02');
SELECT metric FROM tsdb.metric_sizes('2026-04-01', '2026-04-02', 1);
-- The shares of the metrics add up to the rows: the chunk, and 56 bytes around its varlena.
SELECT abs((SELECT sum(bytes) FROM tsdb.metric_sizes('2026-04-01', '2026-04-02', 0)) - sum(pg_column_size(c.data) + 56)) <= 2 AS adds_up
  FROM tsdb.chunks c JOIN tsdb.tenant_parts p USING (part) WHERE p.tenant_id = 'stats_tenant';

-- Mistakes.
SELECT * FROM tsdb.cardinality("limit" => -1);
SELECT * FROM tsdb.cardinality('n', '{');
SELECT * FROM tsdb.metric_sizes('2026-04-02', '2026-04-01');
CREATE ROLE stats_stranger;
SET ROLE stats_stranger;
SELECT * FROM tsdb.stats;
SELECT * FROM tsdb.cardinality();
RESET ROLE;
DROP ROLE stats_stranger;

SELECT tsdb.delete_series('{job="s"}');
