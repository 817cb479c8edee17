-- Series of a target of which most have ended move together, and nobody notices.
SET timezone = 'UTC';
SET pgtsdb.empty_series_age = '1d';
SELECT tsdb.create_storage();
CREATE FUNCTION pg_temp.scrape(at timestamptz, step int) RETURNS bigint LANGUAGE sql AS $$
    SELECT tsdb.push_text((SELECT string_agg(format(E'g_item{n="%s"} %s\n', n, n), '' ORDER BY n) FROM generate_series(1, 200, step) n),
                          '{"job": "g", "instance": "g:1"}', at) $$;
CREATE VIEW pg_temp.live AS
    SELECT count(*), count(DISTINCT group_id) AS groups, max(col) - min(col) + 1 AS span
      FROM tsdb.series WHERE labels::jsonb ->> '__name__' = 'g_item' AND gone_at IS NULL;
CREATE VIEW pg_temp.content AS
    SELECT count(*), count(DISTINCT labels) AS series, sum(value), min(ts) AS first, max(ts) AS last
      FROM tsdb.samples('g_item{n=~".*1"}', '2026-03-01 00:00+00', '2026-03-02 00:00+00');

SELECT pg_temp.scrape('2026-03-01 12:00+00', 1);
SELECT * FROM pg_temp.live;
-- all have been there lately
SELECT pg_temp.scrape('2026-03-01 12:04+00', 10);
CALL tsdb.apply_retention();
SELECT * FROM pg_temp.live;

-- 20 of 200 go on: their rows have a tag for each of 191 columns
SELECT pg_temp.scrape('2026-03-01 12:10+00', 10);
SELECT octet_length("values") > 100 AS sparse FROM tsdb.head h WHERE ts = 1772367000000;
CALL tsdb.apply_retention();
SELECT * FROM pg_temp.live;
SELECT * FROM pg_temp.content;

-- the next write makes them anew, side by side
SELECT pg_temp.scrape('2026-03-01 12:11+00', 10);
SELECT count(*), max(col) - min(col) + 1 AS span FROM tsdb.series WHERE labels::jsonb ->> '__name__' = 'g_item' AND labels::jsonb ->> 'n' LIKE '%1' AND gone_at IS NULL;
SELECT octet_length("values") < 60 AS dense FROM tsdb.head h WHERE ts = 1772367060000;
SELECT * FROM pg_temp.content;
SELECT labels->>'n' AS n, count(*), min(value), max(value) FROM tsdb.promql('g_item{n=~"[12]1"}', '2026-03-01 12:09+00', '2026-03-01 12:12+00', '1 minute') GROUP BY 1 ORDER BY 1;
SELECT jsonb_array_length(tsdb.api_series('{g_item}', '2026-03-01 12:00+00', '2026-03-01 13:00+00')::jsonb -> 'data') AS api_series;

-- once is enough
CALL tsdb.apply_retention();
SELECT count(*), max(col) - min(col) + 1 AS span FROM tsdb.series WHERE labels::jsonb ->> '__name__' = 'g_item' AND labels::jsonb ->> 'n' LIKE '%1' AND gone_at IS NULL;
CALL tsdb.compact(true);
SELECT * FROM pg_temp.content;
SELECT tsdb.delete_series('g_item');
SET pgtsdb.empty_series_age = 0;
CALL tsdb.apply_retention();
SELECT count(*) FROM tsdb.series WHERE labels::jsonb ->> '__name__' = 'g_item';
