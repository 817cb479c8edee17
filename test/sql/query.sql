-- PromQL as SQL rows and as the JSON of the Prometheus API.
SET timezone = 'UTC';
SET datestyle = 'ISO';
SELECT count(*) FROM (
    SELECT tsdb.push_text(format(E'q_requests_total{path="/a",code="200"} %s\nq_requests_total{path="/a",code="500"} %s\nq_requests_total{path="/b",code="200"} %s\nq_up 1\n',
                                 i * 15, i * 3, i * 30),
                          '{"job":"api"}', timestamptz '2026-01-01 00:00:00Z' + i * interval '15 s')
      FROM generate_series(0, 40) i) pushed;

-- Instant queries: a vector, a scalar, a range vector with its own timestamps.
SELECT * FROM tsdb.promql('q_requests_total{code="200"}', '2026-01-01 00:05:00Z') ORDER BY labels;
SELECT * FROM tsdb.promql('sum by (code) (rate(q_requests_total[5m]))', '2026-01-01 00:10:00Z') ORDER BY labels;
SELECT * FROM tsdb.promql('1 + 1', '2026-01-01 00:10:00Z');
SELECT * FROM tsdb.promql('q_up[1m]', '2026-01-01 00:10:00Z') ORDER BY ts;
SELECT count(*) FROM tsdb.promql('q_up');

-- The literals of Grafana's PostgreSQL data source need no casts.
SELECT ts, value FROM tsdb.promql('sum(rate(q_requests_total[1m]))', '2026-01-01T00:05:00Z', '2026-01-01T00:06:00.123456Z', '15s') ORDER BY ts;
SELECT ts AS "time", labels->>'path' AS metric, value
  FROM tsdb.promql('sum by (path) (q_requests_total)', '2026-01-01T00:05:00Z', '2026-01-01T00:05:30Z', '30s') ORDER BY 2, 1;

-- It joins with ordinary tables, and sees what its own transaction wrote.
CREATE TEMP TABLE owner (path text, team text);
INSERT INTO owner VALUES ('/a', 'red'), ('/b', 'blue');
SELECT o.team, sum(p.value) FROM tsdb.promql('q_requests_total', '2026-01-01 00:10:00Z') p JOIN owner o ON o.path = p.labels->>'path' GROUP BY 1 ORDER BY 1;
BEGIN;
SELECT count(*) FROM (SELECT tsdb.push_text('q_mine 7', '{}', timestamptz '2026-01-01 00:00:00Z')) pushed;
SELECT value FROM tsdb.promql('q_mine', '2026-01-01 00:00:00Z');
ROLLBACK;
SELECT value FROM tsdb.promql('q_mine', '2026-01-01 00:00:00Z');

-- Raw samples, both ends included.
SELECT * FROM tsdb.samples('q_up{job=~"a.+"}', '2026-01-01 00:00:15Z', '2026-01-01 00:00:45Z') ORDER BY ts;
SELECT count(*), count(DISTINCT labels) FROM tsdb.samples('{job="api",__name__=~"q_up|q_requests_total|q_up"}', '-infinity', 'infinity');

-- Mistakes show where they are, and what to do.
SELECT * FROM tsdb.promql('sum(rate(q_requests_total[5m])', '2026-01-01 00:10:00Z');
SELECT * FROM tsdb.promql('sum(q_up) + "a"', '2026-01-01 00:10:00Z');
SELECT * FROM tsdb.promql('"text"', '2026-01-01 00:10:00Z');
SELECT * FROM tsdb.promql('q_up', '2026-01-01 00:10:00Z', '2026-01-01 00:00:00Z', '1m');
SELECT * FROM tsdb.promql('q_up', '2026-01-01 00:00:00Z', '2026-01-01 00:10:00Z', '0');
SELECT * FROM tsdb.samples('q_up{', '2026-01-01 00:00:00Z', '2026-01-01 00:10:00Z');
SELECT * FROM tsdb.samples('q_up', '2026-01-02', '2026-01-01');

-- Limits end a query with the name of the setting.
SET pgtsdb.query_max_samples = 10;
SELECT * FROM tsdb.promql('q_up[10m]', '2026-01-01 00:10:00Z');
SELECT tsdb.api_query('q_up[10m]', '2026-01-01 00:10:00Z');
RESET pgtsdb.query_max_samples;
SET pgtsdb.query_memory_limit = '1MB';
SELECT count(*) FROM tsdb.promql('vector(1)', '2026-01-01', '2026-01-03', '1s');
RESET pgtsdb.query_memory_limit;

SET pgtsdb.query_max_depth = 4;
SELECT value FROM tsdb.promql('sum(rate(q_up[5m]))', '2026-01-01 00:10:00Z');
SET pgtsdb.query_max_depth = 3;
SELECT value FROM tsdb.promql('sum(rate(q_up[5m]))', '2026-01-01 00:10:00Z');
SELECT tsdb.api_query('sum(rate(q_up[5m]))', '2026-01-01 00:10:00Z');
SET pgtsdb.query_max_depth = 501;
RESET pgtsdb.query_max_depth;
SET pgtsdb.query_max_points = 999;
SELECT tsdb.api_query_range('q_up', '2026-01-01', '2026-01-01 00:16:40', '1s');
SET pgtsdb.query_max_points = 1234567;
SELECT tsdb.api_query_range('q_up', '2026-01-01', '2026-12-31', '1s');
SET pgtsdb.query_max_points = 0;
SELECT json_array_length(tsdb.api_query_range('vector(1)', '2026-01-01', '2026-01-01 12:00', '1s')->'data'->'result'->0->'values');
SET pgtsdb.query_max_points = -1;
RESET pgtsdb.query_max_points;
SET pgtsdb.query_max_series = -1;
SET pgtsdb.query_max_series = 'many';

-- The lookback is a setting.
SELECT count(*) FROM tsdb.promql('q_up', '2026-01-01 00:14:59Z');
SELECT count(*) FROM tsdb.promql('q_up', '2026-01-01 00:15:00Z');
SET pgtsdb.query_lookback = '10min';
SELECT count(*) FROM tsdb.promql('q_up', '2026-01-01 00:15:00Z');
RESET pgtsdb.query_lookback;

-- So is the step of a subquery that gives none.
SELECT * FROM tsdb.promql('count_over_time(vector(1)[10m:])', '2026-01-01 00:10:00Z');
SET pgtsdb.query_subquery_step = '15s';
SELECT * FROM tsdb.promql('count_over_time(vector(1)[10m:])', '2026-01-01 00:10:00Z');
RESET pgtsdb.query_subquery_step;

-- And whether a metric name goes when a function drops it, or at the end.
SELECT * FROM tsdb.promql('label_replace(abs(q_up), "was", "$1", "__name__", "(.*)")', '2026-01-01 00:10:00Z');
SET pgtsdb.query_delayed_name_removal = on;
SELECT * FROM tsdb.promql('label_replace(abs(q_up), "was", "$1", "__name__", "(.*)")', '2026-01-01 00:10:00Z');
RESET pgtsdb.query_delayed_name_removal;

-- Times before 1970 and at the ends of timestamptz.
SELECT * FROM tsdb.promql('vector(time())', '1969-12-31 23:59:59.5Z');
SELECT * FROM tsdb.promql('vector(1)', '4713-01-01 BC');
SELECT count(*) FROM tsdb.promql('q_up[290y] offset -290y', '294276-12-31 23:59:59Z');
SELECT count(*) FROM tsdb.promql('q_up offset 290y', '-infinity');
SELECT tsdb.api_query('time()', 'infinity');

-- The API: each type of result, and its errors.
SELECT tsdb.api_query('1+1', '1970-01-01 00:00:04Z');
SELECT tsdb.api_query('"a\nb"', '1969-12-31 23:59:59.5Z');
SELECT tsdb.api_query('q_up', '2026-01-01 00:10:00.050Z');
SELECT tsdb.api_query('q_up[30s]', '2026-01-01 00:10:00Z');
SELECT tsdb.api_query_range('q_up', '2026-01-01 00:10:00Z', '2026-01-01 00:11:00Z', '30s');
SELECT tsdb.api_query('rate(q_up', '2026-01-01 00:10:00Z');
SELECT tsdb.api_query_range('q_up', '2026-01-01 00:10:00Z', '2026-01-01 00:09:00Z', '30s');
SELECT tsdb.api_query_range('q_up', '2026-01-01 00:10:00Z', '2026-01-01 00:19:00Z', '0');
SELECT tsdb.api_query_range('q_up', '2026-01-01', '2026-01-02', '1s');
SELECT tsdb.api_query_range('q_up[1m]', '2026-01-01 00:10:00Z', '2026-01-01 00:19:00Z', '30s');
SELECT tsdb.api_query('q_up * on (job) q_requests_total', '2026-01-01 00:10:00Z');

-- Whose series these are.
CREATE ROLE regress_q_stranger;
SET ROLE regress_q_stranger;
SELECT * FROM tsdb.promql('q_up', '2026-01-01 00:10:00Z');
SELECT tsdb.api_query('q_up', '2026-01-01 00:10:00Z');
SELECT * FROM tsdb.samples('q_up', '2026-01-01 00:10:00Z', '2026-01-01 00:11:00Z');
RESET ROLE;
INSERT INTO tsdb.tenant_members (role_name, tenant_id) VALUES ('regress_q_stranger', 'default');
SET ROLE regress_q_stranger;
SELECT value FROM tsdb.promql('q_up', '2026-01-01 00:10:00Z');
SELECT tsdb.delete_series('q_up');
RESET ROLE;
DELETE FROM tsdb.tenant_members WHERE role_name = 'regress_q_stranger';
DROP ROLE regress_q_stranger;
