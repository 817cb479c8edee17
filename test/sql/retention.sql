-- Retention: classes of chunks, what expires, and what goes with it.
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
\pset null -
CALL tsdb.compact(true);

-- What a policy can be.
\set VERBOSITY terse
INSERT INTO tsdb.retention_policies (retention) VALUES ('-1 day');
INSERT INTO tsdb.retention_policies (retention) VALUES ('2000 years');
INSERT INTO tsdb.retention_policies (class, retention) VALUES (1, '1 day');
INSERT INTO tsdb.retention_policies (selector, retention) VALUES ('{job=', '1 day');
INSERT INTO tsdb.retention_policies (tenant_id, retention) VALUES ('r_nobody', '1 day');
BEGIN;
INSERT INTO tsdb.retention_policies (retention) VALUES ('1 day');
INSERT INTO tsdb.retention_policies (retention) VALUES ('2 days');
ROLLBACK;
\set VERBOSITY default

-- A tenant of its own, so that nobody else's samples are concerned.
SELECT tsdb.create_tenant('r_tenant') > 0 AS made;
SET pgtsdb.tenant = 'r_tenant';
INSERT INTO tsdb.retention_policies (tenant_id, selector, retention) VALUES ('r_tenant', NULL, '30 days'),
    ('r_tenant', '{__name__=~"r_debug.*"}', '2 days'), ('r_tenant', 'r_debug_kept', NULL);
INSERT INTO tsdb.retention_policies (tenant_id, position, selector, retention)
VALUES ('r_tenant', -1, 'r_debug_long', '20 days'), ('r_tenant', 1, 'r_never_reached', '1 day');

-- One group: the columns of a class have others between them.
CREATE FUNCTION pg_temp.load(days int, names text[] DEFAULT '{r_debug,r_other,r_debug_long,r_debug2,r_billing}') RETURNS bigint LANGUAGE sql AS $$
    SELECT count(tsdb.push_text((SELECT string_agg(format(E'%s %s\n', name, i), '' ORDER BY o) FROM unnest(names) WITH ORDINALITY u (name, o)),
                                '{}', date_trunc('day', now()) - days * interval '1 day' + i * interval '15 s'))
      FROM generate_series(0, 119) i $$;
CREATE VIEW pg_temp.content AS
    SELECT labels->>'__name__' AS metric, extract(day FROM date_trunc('day', now()) - date_trunc('day', ts)) AS days_ago, count(*), sum(value)
      FROM tsdb.samples('{__name__=~"r_.*"}', '-infinity', 'infinity') GROUP BY 1, 2;
CREATE VIEW pg_temp.classes AS
    SELECT p.selector::text, p.retention, labels OPERATOR(tsdb.->>) '__name__' AS metric_name, extract(day FROM date_trunc('day', now()) - date_trunc('day', u.ts)) AS days_ago, count(*)
      FROM tsdb.chunks c CROSS JOIN tsdb.chunk_samples(c.data, c.t_min) u JOIN tsdb.series s ON (s.part, s.group_id, s.col) = (c.part, c.group_id, c.col + u.col)
      LEFT JOIN tsdb.retention_policies p USING (class)
     WHERE labels OPERATOR(tsdb.->>) '__name__' ~ '^r_' GROUP BY 1, 2, 3, 4, p.class;
SELECT pg_temp.load(40), pg_temp.load(10), pg_temp.load(1);
SELECT count(DISTINCT group_id) FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' ~ '^r_';
-- what is stored is shown, expired or not
SELECT days_ago, count(*), sum(count) FROM pg_temp.content GROUP BY 1 ORDER BY 1;
CALL tsdb.compact();
SELECT * FROM pg_temp.content ORDER BY 2, 1;
SELECT retention, metric_name, days_ago, count FROM pg_temp.classes ORDER BY 3, 2, 1;
SELECT position, selector::text, retention, partitions, bytes > 0 AS bytes, date_trunc('day', now()) - oldest AS oldest,
       round(extract(epoch FROM now() - cutoff) / 86400) AS cutoff_days
  FROM tsdb.retention WHERE tenant_id = 'r_tenant' ORDER BY 1, 2;

-- A series with samples of two classes, and a late sample that brings both windows together: one class again.
SELECT pg_temp.load(1, '{r_debug_kept,r_debug_beside}');
CALL tsdb.compact();
SELECT selector, metric_name, count FROM pg_temp.classes WHERE metric_name ~ 'kept|beside' ORDER BY 2;
SELECT class AS kept_class FROM tsdb.retention_policies WHERE selector::text = 'r_debug_kept' \gset
UPDATE tsdb.retention_policies SET position = -1 WHERE class = :kept_class;
CALL tsdb.compact();
SELECT selector, metric_name, count FROM pg_temp.classes WHERE metric_name ~ 'kept|beside' ORDER BY 2;
SELECT count(tsdb.push_text(E'r_debug_kept 1000\nr_debug_beside 1000\n', '{}', date_trunc('day', now()) - interval '1 day' + interval '1 min 1 s'));
CALL tsdb.compact();
SELECT selector, metric_name, count FROM pg_temp.classes WHERE metric_name ~ 'kept|beside' ORDER BY 2;
SELECT * FROM pg_temp.content WHERE metric ~ 'kept|beside' ORDER BY 1;
-- no two chunks of a column overlap, whatever their class
SELECT count(*) FROM tsdb.chunks a JOIN tsdb.chunks b USING (part, group_id, tier) JOIN tsdb.series s USING (part, group_id)
 WHERE a.class < b.class AND labels OPERATOR(tsdb.->>) '__name__' ~ '^r_' AND a.t_min + a.dt >= b.t_min AND a.t_min <= b.t_min + b.dt
   AND EXISTS (SELECT FROM tsdb.chunk_samples(a.data, a.t_min) u JOIN tsdb.chunk_samples(b.data, b.t_min) v
                   ON a.col + u.col = b.col + v.col AND u.ts = v.ts);

-- Without its policy the class is nobody's: the samples stay, until the next rewrite gives them another one.
DELETE FROM tsdb.retention_policies WHERE class = :kept_class;
CALL tsdb.apply_retention();
SELECT * FROM pg_temp.content WHERE metric ~ 'kept' ORDER BY 1;
SELECT class = :kept_class AS same, selector, retention FROM tsdb.chunks c JOIN tsdb.series s USING (part, group_id) LEFT JOIN tsdb.retention_policies USING (class)
 WHERE labels OPERATOR(tsdb.->>) '__name__' = 'r_debug_kept' AND c.class = :kept_class;
SELECT count(tsdb.push_text(E'r_debug_kept 1000\n', '{}', date_trunc('day', now()) - interval '1 day' + interval '1 min 2 s'));
CALL tsdb.compact();
SELECT selector, metric_name, count FROM pg_temp.classes WHERE metric_name ~ 'kept' ORDER BY 2;

-- A shorter retention takes effect at once for what is of its class, and drops whole partitions.
UPDATE tsdb.retention_policies SET retention = '5 days' WHERE tenant_id = 'r_tenant' AND selector IS NULL;
CALL tsdb.apply_retention();
SELECT * FROM pg_temp.content WHERE metric IN ('r_other', 'r_billing', 'r_debug_long') ORDER BY 1, 2;
SELECT partitions, date_trunc('day', now()) - oldest AS oldest FROM tsdb.retention WHERE tenant_id = 'r_tenant' AND selector IS NULL;

-- Series without a sample go with their groups, once they are old enough.
SELECT pg_temp.load(6, '{r_gone_a,r_gone_b}');
SELECT tsdb.push_text('r_gone_never 1', '{"job": "r_job"}', date_trunc('day', now()) - interval '6 days');
CALL tsdb.compact();
CALL tsdb.apply_retention();
SELECT labels OPERATOR(tsdb.->>) '__name__' AS metric_name, gone_at FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' ~ '^r_gone' ORDER BY 1;
SELECT count(*) AS groups FROM tsdb.series_groups JOIN tsdb.parts USING (part) WHERE tenant_id = 'r_tenant' \gset
SET pgtsdb.empty_series_age = 0;
BEGIN;
CALL tsdb.apply_retention();
SELECT labels OPERATOR(tsdb.->>) '__name__' AS metric_name, gone_at IS NULL AS live FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' ~ '^r_' ORDER BY 1;
ROLLBACK;
CALL tsdb.apply_retention();
SELECT labels OPERATOR(tsdb.->>) '__name__' AS metric_name, gone_at FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' ~ '^r_' ORDER BY 1;
SELECT :groups - count(*) AS groups_gone FROM tsdb.series_groups JOIN tsdb.parts USING (part) WHERE tenant_id = 'r_tenant';
-- and are made anew when they are written again; one that is a column among others goes as well
SELECT pg_temp.load(0, '{r_gone_a,r_stays,r_gone_b}');
SELECT tsdb.delete_series('r_gone_a', '-infinity', 'infinity');
CALL tsdb.apply_retention();
SELECT labels OPERATOR(tsdb.->>) '__name__' AS metric_name, col FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' ~ '^r_(gone|stays)' ORDER BY 1;
SELECT pg_temp.load(0, '{r_gone_a}');
SELECT metric, count FROM pg_temp.content WHERE metric ~ '^r_(gone|stays)' ORDER BY 1;
RESET pgtsdb.empty_series_age;

-- A retention shorter than a partition makes narrower ones, but none below an hour.
INSERT INTO tsdb.retention_policies (tenant_id, position, selector, retention)
VALUES ('r_tenant', -2, 'r_narrow', '6 hours'), ('r_tenant', -2, 'r_narrowest', '1 min');
SELECT selector::text, (regexp_matches(pg_get_expr(relpartbound, oid), 'TO \(''0'', ''\d+'', ''(\d+)'))[1]::bigint
               - (regexp_matches(pg_get_expr(relpartbound, oid), 'FROM \(''0'', ''\d+'', ''(\d+)'))[1]::bigint AS width
  FROM tsdb.retention_policies, tsdb.ensure_chunk_partition(0::int2, class, now()) JOIN pg_class ON oid = ensure_chunk_partition
 WHERE selector::text ~ 'r_narrow' ORDER BY 1;

-- What was compacted before there was a policy goes after the longest retention, when no series can be without one.
BEGIN;
SELECT cutoff FROM tsdb.retention WHERE class = 0;
INSERT INTO tsdb.retention_policies (tenant_id, retention)
SELECT tenant_id, '90 days' FROM tsdb.tenants t WHERE NOT EXISTS (SELECT FROM tsdb.retention_policies p WHERE p.tenant_id = t.tenant_id AND p.selector IS NULL);
SELECT date_trunc('hour', now() - cutoff) AS age FROM tsdb.retention WHERE class = 0;
UPDATE tsdb.retention_policies SET retention = NULL WHERE tenant_id = 'default';
SELECT cutoff FROM tsdb.retention WHERE class = 0;
ROLLBACK;

-- Who may.
CREATE ROLE regress_r_reader;
CREATE ROLE regress_r_admin;
INSERT INTO tsdb.tenant_members (role_name, tenant_id, may_administer) VALUES ('regress_r_reader', 'r_tenant', false), ('regress_r_admin', 'r_tenant', true);
SET ROLE regress_r_reader;
SELECT count(*) FROM tsdb.retention_policies;
SELECT count(*) > 1 AS several FROM tsdb.retention;
INSERT INTO tsdb.retention_policies (tenant_id, selector, retention) VALUES ('r_tenant', 'r_x', '1 day');
CALL tsdb.apply_retention();
SET ROLE regress_r_admin;
INSERT INTO tsdb.retention_policies (tenant_id, selector, retention) VALUES ('r_tenant', 'r_x', '1 day');
INSERT INTO tsdb.retention_policies (tenant_id, selector, retention) VALUES ('default', 'r_x', '1 day');
DELETE FROM tsdb.retention_policies WHERE selector::text = 'r_x';
RESET ROLE;
BEGIN ISOLATION LEVEL REPEATABLE READ;
CALL tsdb.apply_retention();
ROLLBACK;
DELETE FROM tsdb.tenant_members WHERE role_name IN ('regress_r_reader', 'regress_r_admin');
DROP ROLE regress_r_reader, regress_r_admin;

SELECT tsdb.delete_series('{__name__=~"r_.*"}') > 0 AS deleted;
RESET pgtsdb.tenant;

-- Nothing of the tenant is left, and its policies go with it.
SET pgtsdb.empty_series_age = 0;
CALL tsdb.apply_retention();
RESET pgtsdb.empty_series_age;
DELETE FROM tsdb.parts p WHERE tenant_id = 'r_tenant' AND NOT EXISTS (SELECT FROM tsdb.series_groups WHERE part = p.part) RETURNING tenant_id;
DELETE FROM tsdb.tenant_parts WHERE tenant_id = 'r_tenant';
DELETE FROM tsdb.tenants WHERE tenant_id = 'r_tenant';
SELECT count(*) FROM tsdb.retention_policies;
