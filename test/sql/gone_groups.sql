-- Groups that come and go: whatever lies between two groups of a query, in head, in a leaf of chunks or in none of them, each
-- is found.
SET timezone = 'UTC';
-- Each target is a group of its own.  Which of three days it has: the places of bits of its number.
CREATE PROCEDURE gone_push(place int, day timestamptz) LANGUAGE sql AS $$
    SELECT sum(tsdb.push_text(format(E'gone_a{n="%s"} %s\ngone_b{n="%s"} 1\ngone_c 1\ngone_d 1\ngone_e 1\n', n, n * 10 + place, n),
                              format('{"job":"gone","instance":"%s"}', n)::jsonb, day + i * interval '1 min'))
      FROM generate_series(0, 79) n, generate_series(0, 4) i WHERE n >> place & 1 = 1 OR (n >= 64 AND place = 2)
$$;
-- All groups are there before, in this order.
SELECT sum(tsdb.push_text(format(E'gone_a{n="%s"} -1\n', n), format('{"job":"gone","instance":"%s"}', n)::jsonb, '2026-06-01'))
  FROM generate_series(0, 79) n;
CALL gone_push(0, '2026-06-03 12:00:00Z');
CALL gone_push(1, '2026-06-04 12:00:00Z');
CALL tsdb.compact(true);
CALL gone_push(2, '2026-06-05 12:00:00Z');
CREATE VIEW gone_expected AS
    SELECT n::text, place, day, (n >> place & 1 = 1 OR (n >= 64 AND place = 2)) AS is_there, n * 10 + place AS value
      FROM generate_series(0, 79) n,
           (VALUES (0, timestamptz '2026-06-03 12:04:30'), (1, '2026-06-04 12:04:30'), (2, '2026-06-05 12:04:30')) d (place, day);
CREATE VIEW gone_differences AS
    SELECT query, day, COALESCE(e.n, p.n) AS n, e.value AS expected, p.value
      FROM (VALUES ('gone_a'), ('last_over_time(gone_a[5m])'), ('{job="gone"}')) q (query),
           (SELECT DISTINCT day FROM gone_expected) d,
           LATERAL (SELECT n, value FROM gone_expected e WHERE e.day = d.day AND is_there) e
           FULL JOIN LATERAL (SELECT labels ->> 'n' AS n, value FROM tsdb.promql(query, day) WHERE labels ->> '__name__' = 'gone_a'
                                 OR query ~ 'last') p USING (n)
     WHERE e.value IS DISTINCT FROM p.value;
SELECT count(*) AS there, count(DISTINCT n) AS groups FROM gone_expected WHERE is_there;
SELECT * FROM gone_differences;
-- One query over all three days.
SELECT count(*) AS samples, count(DISTINCT labels) AS series FROM tsdb.samples('gone_a', '2026-06-02', '2026-06-06');
SELECT sum(value) AS samples, count(*) AS series FROM tsdb.promql('count_over_time(gone_a[4d])', '2026-06-06 00:00:00Z');
SELECT 5 * count(*) AS samples, count(DISTINCT n) AS series FROM gone_expected WHERE is_there;
-- All in chunks, and the last of head rewritten.
CALL tsdb.compact(true);
SELECT * FROM gone_differences;
-- Entries of the index may be without dt: those of tables that were made before they had it.
BEGIN;
ALTER TABLE tsdb.chunks DROP CONSTRAINT chunks_pkey;
ALTER TABLE tsdb.chunks ADD PRIMARY KEY (part, group_id, tier, class, t_min, col, n);
SELECT * FROM gone_differences;
SELECT tsdb.create_storage();
SELECT split_part(p, 'Read: ', 2) AS read FROM tsdb.explain('gone_a{n=~"1|2"}', '2026-06-05', true) AS e(p) WHERE p ~ 'Read: ';
ROLLBACK;
SELECT tsdb.delete_series('{job="gone"}');
DROP VIEW gone_differences, gone_expected;
DROP PROCEDURE gone_push;
