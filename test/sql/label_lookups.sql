-- Label names, values and counts, which come from the label index, are those of the series, which are read one by one.
SELECT current_database() AS here \gset
CREATE DATABASE pgtsdb_lookups;
\c pgtsdb_lookups
CREATE EXTENSION pgtsdb;
SET timezone = 'UTC';
SET search_path = public, tsdb;
SET client_min_messages = warning;
SELECT create_tenant('lk_other'), create_tenant('lk_tenant');
SET pgtsdb.tenant = 'lk_other';
SELECT push_text(E'lk_secret{plan="b",job="j9"} 1\n', at => '2026-05-01 00:00:00Z');
SET pgtsdb.tenant = 'lk_tenant';

CREATE FUNCTION lk_push(first int, last int, at timestamptz) RETURNS bigint LANGUAGE sql AS $$
    SELECT push_text(string_agg(format('lk_%s{job="j%s",n="%s",zone="%s"%s} 1', n % 7, n / 100 % 5, n, CASE WHEN n % 3 = 0 THEN 'a' ELSE 'b' END,
                                       CASE n % 50 WHEN 0 THEN format(',long="%s%s"', repeat('ä', 300), n % 4) WHEN 1 THEN format(',"%s"="x%s"', repeat('n', 600), n % 3)
                                       WHEN 2 THEN format(',odd="%s"', repeat('a', 40)) ELSE '' END), E'\n' ORDER BY n) || E'\n', format('{"instance":"i%s"}', first)::jsonb, at)
      FROM generate_series(first, last) n $$;
CREATE FUNCTION lk_strings(answer json) RETURNS text[] LANGUAGE sql AS $$ SELECT array_agg(value) FROM json_array_elements_text(answer->'data') $$;

-- of each question: what is told, and what the series have
CREATE VIEW lk_questions AS
    SELECT matches, a, b, name,
           lk_strings(CASE WHEN name = '' THEN api_labels(matches, a, b) ELSE api_label_values(name, matches, a, b) END) AS told,
           (SELECT array_agg(DISTINCT text COLLATE "C") FROM json_array_elements(api_series(coalesce(matches, '{"{__name__!=\"\"}"}'), a, b)->'data') s,
                   LATERAL json_each_text(s.value) l (label, of_label), LATERAL (SELECT CASE WHEN name = '' THEN label ELSE of_label END) t (text)
             WHERE name IN ('', label)) AS known
      FROM (VALUES (NULL::text[]), ('{"{job=\"j1\"}"}'), ('{"{n!=\"\",zone!=\"a\"}"}'), ('{"{__name__=~\"lk_[1-3]\",n!~\".*7\"}"}'), ('{"{n=\"201\"}","{long!=\"\"}"}'), ('{"{odd=~\"a+\"}"}')) m (matches),
           (VALUES (NULL::timestamptz, NULL::timestamptz), ('2026-05-01 00:00:00Z', '2026-05-01 00:00:00Z'), ('2026-05-01 06:00:00Z', NULL),
                   ('2026-05-03', '2026-05-02')) r (a, b),
           unnest(ARRAY['', '__name__', 'instance', 'n', 'long', repeat('n', 600), 'plan']) name;
CREATE VIEW lk_summary AS
    SELECT count(*) AS questions, count(told) AS with_answer, count(*) FILTER (WHERE told IS DISTINCT FROM known) AS wrong FROM lk_questions;
CREATE VIEW lk_counts AS
    SELECT coalesce(label, '') AS label, selector, since, c.* FROM (VALUES (NULL), ('job'), ('n'), ('long'), (repeat('n', 600)), ('none'), ('plan')) l (label),
           (VALUES (NULL), ('{job="j1"}'), ('{zone!="a",n!=""}'), ('{none!=""}')) s (selector), (VALUES (NULL), (interval '1 hour'), ('-1 hour')) t (since),
           LATERAL cardinality(label, selector, since, 0) c;

CREATE FUNCTION lk_status() RETURNS jsonb LANGUAGE sql AS
    $$ SELECT api_status_tsdb(50)::jsonb #- '{data,headStats,chunkCount}' #- '{data,headStats,minTime}' #- '{data,headStats,maxTime}' $$;

-- The same without the index; both see what this transaction sees.
CREATE PROCEDURE lk_compare(INOUT questions bigint DEFAULT 0, INOUT with_answer bigint DEFAULT 0, INOUT wrong bigint DEFAULT 0,
                            INOUT counts bigint DEFAULT 0, INOUT wrong_counts bigint DEFAULT 0, INOUT status text DEFAULT '') LANGUAGE plpgsql AS $$
DECLARE
    status_by_index jsonb := lk_status();
BEGIN
    SELECT s.* INTO questions, with_answer, wrong FROM lk_summary s;
    CREATE TEMP TABLE lk_by_index AS SELECT * FROM lk_counts;
    BEGIN
        DROP INDEX tsdb.series_labels_idx;
        SELECT (SELECT count(*) FROM lk_by_index),
               (SELECT count(*) FROM ((TABLE lk_by_index EXCEPT ALL TABLE lk_counts) UNION ALL (TABLE lk_counts EXCEPT ALL TABLE lk_by_index)) d)
          INTO counts, wrong_counts;
        status := CASE WHEN status_by_index = lk_status() THEN 'same' ELSE format('%s %s', status_by_index, lk_status()) END;
        RAISE division_by_zero;
    EXCEPTION WHEN division_by_zero THEN
    END;
    DROP TABLE lk_by_index;
END $$;

-- Nothing, and then series that wait in the index, are in it, and both.
SELECT * FROM lk_summary;
SELECT lk_push(n, n + 99, '2026-05-01 00:00:00Z') FROM generate_series(0, 900, 100) n;
CALL lk_compare();
VACUUM tsdb.series;
SELECT lk_push(1000, 1099, '2026-05-01 12:00:00Z');
SELECT lk_push(300, 399, '2026-05-01 12:00:00Z');
CALL lk_compare();
CALL compact(true);

-- Retired series are there as long as their samples are, and are not counted; series that were removed are not there.
UPDATE tsdb.series SET gone_at = now() - interval '2 hours' WHERE part IN (SELECT part FROM tenant_parts WHERE tenant_id = 'lk_tenant') AND group_id % 3 = 1 AND col < 40;
SELECT delete_series('{__name__=~"lk_.*",n=~"7[0-9]+"}') > 0 AS deleted, delete_series('{zone="b",job="j2"}') > 0 AS deleted_more;
CALL lk_compare();
-- Nor are those of a transaction that was undone, and others see nothing before it is committed.
BEGIN;
SELECT lk_push(5000, 5299, '2026-05-01 00:00:00Z');
CALL lk_compare();
ROLLBACK;
VACUUM tsdb.series;
CALL lk_compare();

-- The first ones, where that is enough.
SELECT name, "limit", told->>'warnings' AS warnings, lk_strings(told) = (lk_strings(api_label_values(name)))[1:"limit"] AS first
  FROM unnest(ARRAY['__name__', 'n', 'long', 'zone', 'none']) name, unnest(ARRAY[1, 2, 3, 100000]) "limit", LATERAL api_label_values(name, "limit" => "limit") told
 ORDER BY name, "limit";
SELECT "limit", lk_strings(api_labels("limit" => "limit")) = (lk_strings(api_labels()))[1:"limit"] AS first FROM unnest(ARRAY[1, 4, 100]) "limit";
-- Patterns that take too long say so, with the index too.
SELECT api_label_values('job', ARRAY['{odd=~"(a+)+[bc]"}'])->'error' AS error, api_labels(ARRAY['{odd!~"(a+)+[bc]",n!=""}'])->'error' AS again;

\c :here
DROP DATABASE pgtsdb_lookups;
