-- Queries laid out, and their syntax trees; and what the query endpoints take beside a query.
\pset format unaligned
SELECT tsdb.api_format_query('sum by(job)(rate(x[5m]))>bool 2');
SELECT tsdb.api_format_query('sum by (job, instance) (rate(http_request_duration_seconds_bucket{job="api"}[5m])) / on (job) group_left (version) build_info')->>'data';
SELECT tsdb.api_format_query('sum(');
SELECT tsdb.api_format_query('');
SELECT tsdb.api_format_query(NULL);
SELECT tsdb.api_parse_query('max_over_time(x{a!~"b"}[1h:1m] offset 5m) <= -1');
SELECT tsdb.api_parse_query('a + fill_left (0.5) b');
SELECT tsdb.api_parse_query('x{a=~"("}');
SELECT tsdb.api_parse_query('x[5m');

SELECT count(*) FROM (
    SELECT tsdb.push_text(E'aq_up{n="1"} 1\naq_up{n="2"} 2\naq_up{n="3"} 3\n', '{}', timestamptz '2026-02-01 00:00:00Z' + i * interval '1 min')
      FROM generate_series(0, 2) i) pushed;

-- A limit cuts series and says so; scalars have no series.
SELECT tsdb.api_query('aq_up', '2026-02-01 00:02:00Z', "limit" => 2);
SELECT tsdb.api_query('aq_up', '2026-02-01 00:02:00Z', "limit" => 3);
SELECT tsdb.api_query('1', '2026-02-01 00:02:00Z', "limit" => 1);
SELECT tsdb.api_query_range('aq_up', '2026-02-01 00:01:00Z', '2026-02-01 00:02:00Z', '1m', "limit" => 1);
SELECT tsdb.api_query('quantile(2, aq_up) or aq_up', '2026-02-01 00:02:00Z', "limit" => 1);
SELECT tsdb.api_query('aq_up', '2026-02-01 00:02:00Z', "limit" => -1);
SELECT tsdb.api_query_range('aq_up', '2026-02-01 00:02:00Z', '2026-02-01 00:01:00Z', '1m', "limit" => -1);

-- The lookback of one query; what is not positive is the default.
SELECT tsdb.api_query('count(aq_up)', '2026-02-01 00:06:00Z');
SELECT tsdb.api_query('count(aq_up)', '2026-02-01 00:06:00Z', '3 min');
SELECT tsdb.api_query('count(aq_up)', '2026-02-01 00:12:00Z', '1 hour');
SELECT tsdb.api_query('count(aq_up)', '2026-02-01 00:06:00Z', '-1 min');
SELECT tsdb.api_query_range('count(aq_up)', '2026-02-01 00:03:00Z', '2026-02-01 00:06:00Z', '1m', '2 min');

-- Null is no question.
SELECT tsdb.api_query(NULL) IS NULL, tsdb.api_query('1', NULL) IS NULL, tsdb.api_query('1', now(), NULL, NULL) IS NOT NULL,
       tsdb.api_query_range('1', now(), now(), NULL) IS NULL;
