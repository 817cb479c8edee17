-- The label index finds what a sequential scan finds, on any table with a tsdb.labels column.
\set ECHO queries
SET search_path = public, tsdb;
SET client_min_messages = warning;

-- ids by index and by sequential scan; says so when they differ
CREATE FUNCTION li_found(relation text, selector text, condition text DEFAULT 'true') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    query text := format('SELECT array_agg(id ORDER BY id) FROM %s WHERE labels @@ %L AND %s', relation, selector, condition);
    by_scan int[];
    by_index int[];
    plan text;
BEGIN
    SET LOCAL enable_indexscan = off;
    SET LOCAL enable_seqscan = on;
    SET LOCAL enable_bitmapscan = off;
    EXECUTE query INTO by_scan;
    SET LOCAL enable_seqscan = off;
    SET LOCAL enable_bitmapscan = on;
    EXECUTE 'EXPLAIN (COSTS OFF, FORMAT JSON) ' || query INTO plan;
    IF plan NOT LIKE '%Bitmap Index Scan%' THEN
        RETURN 'does not use the index';
    END IF;
    EXECUTE query INTO by_index;
    IF by_scan IS DISTINCT FROM by_index THEN
        RETURN format('index %s, scan %s', by_index, by_scan);
    END IF;
    RETURN coalesce(array_to_string(by_scan, ','), 'none');
END $$;

CREATE TABLE li (id int, labels labels);
CREATE INDEX li_labels ON li USING label_index (labels);
INSERT INTO li VALUES
    (1, 'up{job="api",zone="a"}'), (2, 'up{job="api"}'), (3, 'up{job="web",zone="b"}'), (4, 'down{job="web"}'),
    (5, '{job="db",status="500"}'), (6, '{job="db",status="404"}'), (7, '{}'), (8, NULL), (9, '{job="api.v2",zone="ä"}');

-- all kinds of matchers, with labels that are present, absent and empty
SELECT selector, li_found('li', selector)
  FROM unnest(ARRAY['up', '{__name__=~"up|down"}', '{job="api"}', '{job!="api"}', '{job=~"api.*"}', '{job!~"api.*"}', '{zone=""}', '{zone!=""}',
                    '{zone=~""}', '{zone!~""}', '{zone=~"a|"}', '{zone!~"a|"}', '{zone=~".*"}', '{zone!~".*"}', '{zone=~".+"}', '{zone!~".+"}',
                    '{status=~"5.."}', '{status!~"5.."}', '{status=~"4..|5.."}', '{none=""}', '{none!=""}', '{none="x"}', '{none!="x"}',
                    '{none=~"x.*"}', '{none!~"x.*"}', 'up{job="api",zone!="a"}', '{job=~"a.*",job!~".*v2",zone=""}', '{job="api",job="web"}',
                    '{zone="ä"}', '{job=~"(api|web)",zone!~"[bc]"}', '{job=~"api\\..*"}', '{__name__!=""}', '{__name__=""}'])
       WITH ORDINALITY AS s (selector, n) ORDER BY n;

-- several conditions, selectors that are not known before, NULL
SELECT li_found('li', '{job="api"}', $$labels @@ '{zone=""}'$$);
SET enable_seqscan = off;
SELECT s, (SELECT array_agg(id ORDER BY id) FROM li WHERE labels @@ s) FROM (VALUES ('{job="db"}'::selector), (NULL), ('up')) v (s);
SELECT count(*) FROM li WHERE labels @@ NULL;
SELECT id FROM li WHERE labels @@ '{job="db"}' AND id = 6;
SELECT count(*) FROM li WHERE labels @@ '{job="db"}' OR labels @@ 'up';
RESET enable_seqscan;
SELECT label_index_check('li_labels');

-- changed and deleted rows, with and without VACUUM
UPDATE li SET labels = '{job="moved"}' WHERE id = 1;
UPDATE li SET id = 20 WHERE id = 2;
DELETE FROM li WHERE id = 3;
SELECT li_found('li', '{job="api"}'), li_found('li', '{job="moved"}'), li_found('li', '{zone="b"}'), li_found('li', '{job!="db"}');
SELECT * FROM label_index_values('li_labels', 'job') ORDER BY value COLLATE "C";
VACUUM li;
SELECT * FROM label_index_values('li_labels', 'job') ORDER BY value COLLATE "C";
SELECT * FROM label_index_names('li_labels');
SELECT li_found('li', '{job="api"}'), li_found('li', '{job="moved"}'), li_found('li', '{zone="b"}'), li_found('li', '{job!="db"}');
INSERT INTO li VALUES (30, '{job="api"}'), (31, 'up{zone="b"}');
SELECT li_found('li', '{job="api"}'), li_found('li', '{zone="b"}'), label_index_check('li_labels');
BEGIN;
INSERT INTO li VALUES (32, '{job="undone"}');
SELECT li_found('li', '{job="undone"}');
ROLLBACK;
SELECT li_found('li', '{job="undone"}');

-- names and values longer than an entry keeps are found by looking at the rows again
INSERT INTO li SELECT 100 + n, jsonb_build_object('long', repeat('v', 600) || n, repeat('n', 700), n::text)::labels FROM generate_series(0, 3) n;
INSERT INTO li VALUES (110, jsonb_build_object('long', repeat('v', 512))::labels), (111, jsonb_build_object('long', repeat('v', 513))::labels);
SELECT li_found('li', format('{long="%s2"}', repeat('v', 600))), li_found('li', format('{long!="%s2",long!=""}', repeat('v', 600))),
       li_found('li', '{long=~"v+2"}'), li_found('li', '{long!~"v+2",long!=""}'), li_found('li', '{long=~"v{512,513}"}'),
       li_found('li', format('{"%s"="1"}', repeat('n', 700))), li_found('li', format('{"%s"!="1",long!=""}', repeat('n', 700)));
SELECT length(value), "rows" FROM label_index_values('li_labels', 'long') ORDER BY 1, 2;
SELECT length(name), "values", "rows" FROM label_index_names('li_labels') WHERE name LIKE 'nn%';
SELECT label_index_check('li_labels');

-- REINDEX, CREATE INDEX CONCURRENTLY, unlogged and temporary tables, expressions, predicates
REINDEX INDEX li_labels;
REINDEX INDEX CONCURRENTLY li_labels;
SELECT label_index_check('li_labels'), li_found('li', '{job="api"}');
CREATE INDEX CONCURRENTLY li_again ON li USING label_index (labels);
SELECT label_index_check('li_again');
DROP INDEX li_labels;
SELECT li_found('li', '{job="api"}');
CREATE UNLOGGED TABLE li_unlogged AS SELECT * FROM li;
CREATE INDEX li_unlogged_labels ON li_unlogged USING label_index (labels);
INSERT INTO li_unlogged VALUES (200, '{job="api"}');
SELECT li_found('li_unlogged', '{job="api"}'), label_index_check('li_unlogged_labels');
CREATE TEMP TABLE li_temp AS SELECT * FROM li;
CREATE INDEX li_temp_labels ON li_temp USING label_index (labels);
INSERT INTO li_temp SELECT n, jsonb_build_object('job', 'api', 'n', n::text)::labels FROM generate_series(1000, 3000) n;
SELECT length(li_found('li_temp', '{job="api"}')) > 8000, li_found('li_temp', '{job="api",n=~"200[0-2]"}'), label_index_check('li_temp_labels');
CREATE TABLE li_jsonb (id int, data jsonb);
INSERT INTO li_jsonb VALUES (1, '{"a": "x"}'), (2, '{"a": "y"}'), (3, NULL);
CREATE INDEX li_jsonb_a ON li_jsonb USING label_index (labels(data)) WHERE id < 3;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM li_jsonb WHERE labels(data) @@ '{a="x"}' AND id < 3;
SELECT id FROM li_jsonb WHERE labels(data) @@ '{a="x"}' AND id < 3;
RESET enable_seqscan;
SELECT label_index_check('li_jsonb_a');

-- parts are kept apart
CREATE TABLE li_parts (id int, part int4, labels labels);
CREATE INDEX li_parts_labels ON li_parts USING label_index (part, labels);
INSERT INTO li_parts SELECT n, CASE WHEN n % 10 < 9 THEN n % 5 - 2 END,
       CASE WHEN n % 7 <> 0 THEN jsonb_build_object('only_' || (n % 5 - 2), 'x', 'job', 'j' || n % 3)::labels END FROM generate_series(1, 200) n;
SELECT part, (SELECT array_agg(name || ' ' || "values" || ' ' || "rows") FROM label_index_names('li_parts_labels', part)) FROM generate_series(-3, 3) part;
SELECT li_found('li_parts', '{job="j1"}', 'part = -2'), li_found('li_parts', '{job!="j1"}', 'part = 2'), li_found('li_parts', '{only_1!=""}', 'part = 0'),
       li_found('li_parts', '{only_1=""}', 'part = 1'), li_found('li_parts', '{job="j1"}', 'part = (SELECT 1) AND part = (SELECT 2)');
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM li_parts WHERE part = 1;
SELECT count(*), count(labels) FROM li_parts WHERE part = 1;
SET enable_bitmapscan = off;
SET enable_seqscan = on;
SELECT count(*), count(labels) FROM li_parts WHERE part = 1;
RESET enable_bitmapscan;
SELECT label_index_check('li_parts_labels');

-- pages split and lists of many entries; rows come in any order and leave
CREATE TABLE li_many (id int, labels labels) WITH (autovacuum_enabled = off);
CREATE INDEX li_many_labels ON li_many USING label_index (labels);
INSERT INTO li_many SELECT n, (jsonb_build_object('__name__', 'm' || n % 37, 'instance', 'host-' || n % 211, 'n', n::text)
       || CASE WHEN n % 2 = 1 THEN '{"odd": "yes"}' ELSE '{}' END::jsonb)::labels FROM generate_series(1, 20000) n;
SELECT label_index_check('li_many_labels');
DELETE FROM li_many WHERE id % 3 = 0 OR id BETWEEN 5000 AND 7000;
VACUUM li_many;
SELECT label_index_check('li_many_labels');
INSERT INTO li_many SELECT n, (jsonb_build_object('__name__', 'm' || n % 41, 'instance', 'host-' || n % 311, 'n', n::text)
       || CASE WHEN n % 2 = 1 THEN '{"odd": "yes"}' ELSE '{}' END::jsonb)::labels FROM generate_series(20001, 30000) n;
SELECT label_index_check('li_many_labels');
SELECT * FROM label_index_names('li_many_labels');
SELECT count(*), sum("rows") FROM label_index_values('li_many_labels', 'instance');
VACUUM ANALYZE li_many;

-- the planner: the index for what picks some rows, the table for what excludes next to nothing
EXPLAIN (COSTS OFF) SELECT count(*) FROM li_many WHERE labels @@ 'm5{instance="host-5"}';
EXPLAIN (COSTS OFF) SELECT count(*) FROM li_many WHERE labels @@ '{__name__!=""}';

-- 2,000 random selectors
CREATE FUNCTION li_random_matcher() RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT format('%s%s"%s"', name, operator,
                  CASE WHEN operator IN ('=', '!=') THEN value
                       ELSE CASE floor(random() * 7)::int
                            WHEN 0 THEN value WHEN 1 THEN value || '.*' WHEN 2 THEN value || '|' || other WHEN 3 THEN '.*' || right(value, 1)
                            WHEN 4 THEN left(value, 3) || '.+' WHEN 5 THEN '' ELSE left(value, 4) || '[0-9]*[13579]' END END)
      FROM (SELECT (ARRAY['__name__', 'instance', 'n', 'odd', 'absent'])[1 + floor(random() * 5)::int] AS name,
                   (ARRAY['=', '!=', '=~', '!~'])[1 + floor(random() * 4)::int] AS operator, random() AS r, floor(random() * 320)::int AS n) p,
           LATERAL (SELECT CASE WHEN r < 0.1 THEN '' WHEN name = '__name__' THEN 'm' || n % 45 WHEN name = 'instance' THEN 'host-' || n
                                WHEN name = 'odd' THEN 'yes' ELSE (n * 97)::text END AS value,
                           CASE WHEN name = '__name__' THEN 'm7' WHEN name = 'instance' THEN 'host-9' ELSE '' END AS other) v $$;
SELECT setseed(0.5);
CREATE TABLE li_some AS SELECT * FROM li_many WHERE id % 8 = 0 OR id > 29500;
CREATE INDEX li_some_labels ON li_some USING label_index (labels);
CREATE TABLE li_selectors AS
    SELECT n, '{' || (SELECT string_agg(li_random_matcher(), ',') FROM generate_series(1, 1 + n % 4) m) || '}' AS selector FROM generate_series(1, 2000) n;
SELECT selector, found FROM li_selectors, LATERAL li_found('li_some', selector) found WHERE found LIKE 'index%' OR found LIKE 'does%';
SELECT count(*) > 1000 AS different FROM (SELECT DISTINCT selector FROM li_selectors) s;

-- series are found by theirs, and without it too
BEGIN;
SELECT push_text(string_agg(format('li_%s{job="j%s",n="%s"} %s', n % 3, n % 5, n, n), E'\n') || E'\n', at => '2026-01-01 00:00:00Z') FROM generate_series(1, 300) n;
CREATE FUNCTION li_series(selector text) RETURNS text LANGUAGE sql AS $$
    SELECT count(*) || ' ' || coalesce(sum(value), 0) FROM samples(selector, '2026-01-01 00:00:00Z', '2026-01-01 00:00:01Z') $$;
CREATE TEMP TABLE li_asked AS
    SELECT selector, n, li_series(selector) FROM unnest(ARRAY['li_1', '{__name__=~"li_.*",job="j2"}', '{n=~"1.*",job!="j3"}', '{__name__=~"li_(1|2)",n!~".*5"}',
                                                              'li_0{absent=""}', '{job="j1",n="6"}', '{job="none"}']) WITH ORDINALITY s (selector, n);
SELECT * FROM li_asked ORDER BY n;
SELECT label_index_check('series_labels_idx') >= 300 AS whole;
DROP INDEX series_labels_idx;
SELECT selector FROM li_asked WHERE li_series <> li_series(selector);
SAVEPOINT storage;
SELECT create_storage();
ROLLBACK TO storage;
CREATE INDEX another_name ON series USING label_index (part, labels);
SELECT create_storage();
SELECT selector FROM li_asked WHERE li_series <> li_series(selector);
ROLLBACK;

-- what is refused
CREATE INDEX ON li_parts USING label_index (labels, part);
CREATE INDEX ON li_parts USING label_index (part);
CREATE INDEX ON li_parts USING label_index (part, labels, part);
CREATE INDEX ON li_parts USING label_index (id, part);
CREATE INDEX ON li USING label_index (labels) WITH (fillfactor = 70);
CREATE UNIQUE INDEX ON li USING label_index (labels);
SELECT label_index_check('li');
CREATE INDEX li_btree ON li (id);
SELECT label_index_check('li_btree');
SELECT * FROM label_index_names('li_btree');
SELECT amname, amvalidate(c.oid) FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod WHERE opcname IN ('label_index_labels_ops', 'label_index_part_ops');
CREATE ROLE li_nobody;
SET ROLE li_nobody;
SELECT * FROM label_index_names('li_again');
SELECT label_index_check('li_again');
RESET ROLE;
DROP ROLE li_nobody;

DROP TABLE li, li_unlogged, li_jsonb, li_parts, li_many, li_some, li_selectors;
DROP FUNCTION li_found, li_random_matcher;
