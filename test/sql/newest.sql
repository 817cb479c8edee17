-- An instant selector reads no more of head and chunks than it takes to find the newest sample of each series: the same
-- as the last one of all that a range selector reads.
SET timezone = 'UTC';
-- One group scraped every 15 s, with gaps; one whose samples have timestamps of their own; late samples and series that end.
SELECT sum(tsdb.push_text(format(E'n_all{n="1"} %s\nn_all{n="2"} %s\n%s%s', i, -i,
                                 CASE WHEN i % 7 = 3 THEN format(E'n_all{n="3"} %s\n', i) END,
                                 CASE WHEN i < 100 THEN format(E'n_all{n="4"} %s\n', i) END),
                          '{"job":"n","instance":"a"}', timestamptz '2026-05-01 00:00:00Z' + i * interval '15 s'))
  FROM generate_series(0, 300) i;
SELECT sum(tsdb.push_text((SELECT string_agg(format('n_own{n="%s"} %s %s', n, i * n, 1777593600000 + i * 15000 + n * 1700 % 13000), E'\n')
                             FROM generate_series(1, 6) n) || E'\n', '{"job":"n","instance":"b"}', timestamptz '2026-05-01 00:00:00Z'))
  FROM generate_series(0, 300) i;

CREATE FUNCTION n_differences() RETURNS TABLE (at timestamptz, query text, labels jsonb) LANGUAGE sql AS $$
    SELECT t, q, COALESCE(a.labels, b.labels)
      FROM generate_series(timestamptz '2026-05-01 00:00:00.5Z', timestamptz '2026-05-01 01:25:00Z', interval '23.7 s') t,
           (VALUES ('n_all'), ('n_own'), ('n_own{n=~"2|5"}'), ('{job="n"}'), ('n_all{n="3"}')) v (q),
           LATERAL (SELECT * FROM tsdb.promql(q, t)) a
           FULL JOIN LATERAL (SELECT * FROM tsdb.promql(format('last_over_time(%s[5m])', q), t)) b ON a.labels = b.labels
     WHERE a.value IS DISTINCT FROM b.value
$$;
SELECT count(*) > 0 AS has_samples FROM tsdb.promql('{job="n"}', '2026-05-01 00:30:00Z');
SELECT * FROM n_differences();
-- Partly in chunks: what is in head is older, newer, or at the very time of a chunk's last sample.
CALL tsdb.compact(true);
SELECT * FROM n_differences();
SELECT sum(tsdb.push_text(format(E'n_all{n="1"} %s\nn_all{n="4"} 7\n', i), '{"job":"n","instance":"a"}', timestamptz '2026-05-01 00:00:00Z' + i * interval '31 s'))
  FROM generate_series(90, 150, 3) i;
SELECT tsdb.push_text(E'n_own{n="2"} 77\nn_own{n="3"} 78\n', '{"job":"n","instance":"b"}', '2026-05-01 01:15:03Z');
SELECT * FROM n_differences();
-- It is read backwards, and so is little of it.
SELECT split_part(p, 'Read: ', 2) AS read FROM tsdb.explain('n_own', '2026-05-01 01:15:10Z', true) AS e(p) WHERE p ~ 'Read: ';
SELECT tsdb.delete_series('{job="n"}');
DROP FUNCTION n_differences();
