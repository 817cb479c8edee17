-- Series, labels, values, metadata and cardinality in the JSON of the Prometheus API.
SELECT current_database() AS here \gset
CREATE DATABASE pgtsdb_api;
\c pgtsdb_api
CREATE EXTENSION pgtsdb;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\pset format unaligned

-- Before the first write there is nothing, which is no error.
SELECT tsdb.api_series('{up}');
SELECT tsdb.api_labels();
SELECT tsdb.api_label_values('job', '{up}', now(), now());
SELECT tsdb.api_metadata();
SELECT tsdb.api_status_tsdb();

SELECT count(*) FROM (
    SELECT tsdb.push_text(format(E'# HELP requests Requests, <all> of them.\n# TYPE requests counter\n'
                                 'requests{path="/a"} %s\nrequests{path="/b"} %s\nup 1\n', i, 2 * i),
                          '{"job":"api"}', timestamptz '2026-01-01 00:00:00Z' + i * interval '15 s')
      FROM generate_series(0, 40) i) pushed;
SELECT tsdb.push_text(E'# HELP disk_bytes Of a disk.\n# TYPE disk_bytes gauge\ndisk_bytes{"disk.name"="sda"} 1\nup 1\n',
                      '{"job":"node"}', '2026-01-02 00:00:00Z');

-- Of several selectors a series needs one, and comes once.
SELECT tsdb.api_series('{up}');
SELECT tsdb.api_series(ARRAY['up', '{job="api",path!="/b"}', 'up{job="node"}']);
SELECT tsdb.api_series('{nothing}');
SELECT tsdb.api_series(ARRAY['{__name__!=""}'], "limit" => 2);
SELECT tsdb.api_labels();
SELECT tsdb.api_labels('{up}');
SELECT tsdb.api_labels("limit" => 1);
SELECT tsdb.api_label_values('__name__');
SELECT tsdb.api_label_values('job', ARRAY['{path=~".+"}', '{"disk.name"!=""}']);
SELECT tsdb.api_label_values('job', "limit" => 1);
SELECT tsdb.api_label_values('disk.name');
SELECT tsdb.api_label_values('U__disk_2e_name');
SELECT tsdb.api_label_values('nothing');

-- A range of time leaves out what has no samples in it; both ends belong to it, and either may be missing.
SELECT tsdb.api_series('{up}', '2026-01-01 00:00:00Z', '2026-01-01 00:10:00Z');
SELECT tsdb.api_series('{up}', '2026-01-01 00:10:00Z', '2026-01-02 00:00:00Z');
SELECT tsdb.api_series('{up}', '2026-01-01 00:10:00.001Z', '2026-01-01 23:59:59.999Z');
SELECT tsdb.api_series('{up}', '2026-01-01 00:10:00.001Z');
SELECT tsdb.api_series('{up}', "end" => '2026-01-01');
SELECT tsdb.api_series('{up}', '-infinity', 'infinity');
SELECT tsdb.api_series('{up}', '2026-01-02', '2026-01-01');
SELECT tsdb.api_labels("start" => '2026-01-02 00:00:00Z', "end" => '2026-01-02 00:00:00Z');
SELECT tsdb.api_label_values('job', "end" => '2026-01-01 12:00:00Z');

-- The same from chunks.
SELECT count(*) > 0 AS head_rows FROM tsdb.head;
CALL tsdb.compact(true);
SELECT count(*) > 0 AS head_rows FROM tsdb.head;
SELECT tsdb.api_series('{up}', '2026-01-01 00:00:00Z', '2026-01-01 00:10:00Z');
SELECT tsdb.api_series('{up}', '2026-01-01 00:10:00Z', '2026-01-02 00:00:00Z');
SELECT tsdb.api_series('{up}', '2026-01-01 00:10:00.001Z', '2026-01-01 23:59:59.999Z');
SELECT tsdb.api_labels("start" => '2026-01-02 00:00:00Z', "end" => '2026-01-02 00:00:00Z');

-- A series that left its group is not there because its neighbours are, in head and in chunks.
SELECT tsdb.push_text(E'beside{n="1"} 1\nbeside{n="2"} 1\nbeside{n="3"} 1\n', '{"job":"x"}', '2026-01-03 00:00:00Z');
SELECT tsdb.push_text(E'beside{n="1"} 1\nbeside{n="3"} 1\n', '{"job":"x"}', '2026-01-03 12:00:00Z');
SELECT tsdb.api_label_values('n', "start" => '2026-01-03 06:00:00Z');
CALL tsdb.compact(true);
SELECT tsdb.api_label_values('n', "start" => '2026-01-03 06:00:00Z');
SELECT tsdb.api_label_values('n', "start" => '2026-01-03 00:00:00Z');

-- A sample may be behind the timestamp of its row, and what does not decode is not known to be missing.
SELECT tsdb.push('{"samples":[{"metric":"skewed","labels":{"n":"1"},"timestampMs":1767600000000,"value":1},
                              {"metric":"skewed","labels":{"n":"2"},"timestampMs":1767600003000,"value":1}]}');
SELECT tsdb.api_label_values('n', '{skewed}', to_timestamp(1767600001), to_timestamp(1767600004));
BEGIN;
UPDATE tsdb.head SET values = '\x0000';
SELECT tsdb.api_label_values('n', '{skewed}', to_timestamp(1767600001), to_timestamp(1767600004));
ROLLBACK;

-- Whatever the range, no series with a sample in it is left out; and from head alone, none is too many.
CREATE FUNCTION push_gaps(first int, last int) RETURNS SETOF jsonb LANGUAGE sql AS
$$ SELECT tsdb.push(jsonb_build_object('samples', jsonb_agg(jsonb_build_object(
              'metric', 'gaps', 'labels', jsonb_build_object('n', n::text), 'timestampMs', 1768000000000 + m * 60000, 'value', n))))
     FROM generate_series(first, last) m, generate_series(1, 40) n WHERE hashint4(m * 41 + n) % 100 > 90 GROUP BY m ORDER BY m $$;
CREATE VIEW differences AS
SELECT count(*) AS ranges,
       count(*) FILTER (WHERE EXISTS (SELECT labels FROM tsdb.samples('gaps', a, b) EXCEPT
                                      SELECT * FROM jsonb_array_elements((tsdb.api_series('{gaps}', a, b)->'data')::jsonb))) AS with_missing,
       count(*) FILTER (WHERE EXISTS (SELECT * FROM jsonb_array_elements((tsdb.api_series('{gaps}', a, b)->'data')::jsonb) EXCEPT
                                      SELECT labels FROM tsdb.samples('gaps', a, b))) AS with_more
  FROM generate_series(-60, 700, 17) start,
       unnest(ARRAY['0', '1 min', '30 min', '5 hours']::interval[]) len,
       LATERAL (SELECT to_timestamp(1768000000 + start * 60) AS a, to_timestamp(1768000000 + start * 60) + len AS b) r;
SELECT count(*) FROM push_gaps(0, 600);
SELECT * FROM differences;
CALL tsdb.compact(true);
SELECT count(*) FROM push_gaps(601, 640);
SELECT ranges, with_missing FROM differences;

-- A series that was deleted is gone.
SELECT tsdb.delete_series('beside{n="2"}');
SELECT tsdb.api_label_values('n', '{beside}');

-- What Prometheus refuses is refused in its words.
SELECT tsdb.api_series(NULL);
SELECT tsdb.api_series('{}');
SELECT tsdb.api_series(ARRAY['up{']);
SELECT tsdb.api_series(ARRAY['up', '{job=""}']);
SELECT tsdb.api_series('{up}', "limit" => -1);
SELECT tsdb.api_series(ARRAY['{job=~"("}']);
SELECT tsdb.api_series(ARRAY['up', NULL]);
SELECT tsdb.api_labels(ARRAY['up{']);
SELECT tsdb.api_labels(ARRAY['{}']);
SELECT tsdb.api_labels("limit" => -1);
SELECT tsdb.api_label_values('');
SELECT tsdb.api_label_values('U__');
SELECT tsdb.api_label_values(NULL);
SELECT tsdb.api_label_values('job', ARRAY['up offset 5m']);
SELECT tsdb.api_status_tsdb(0);
SELECT tsdb.api_status_tsdb(10001);

-- Type, unit and help text.
SELECT tsdb.api_metadata();
SELECT tsdb.api_metadata('requests');
SELECT tsdb.api_metadata('nothing');
SELECT tsdb.api_metadata("limit" => 1);
SELECT tsdb.api_metadata("limit" => 0, limit_per_metric => 0);

-- Cardinality; the head figures are those of the rows that are not compacted.
SELECT tsdb.api_status_tsdb();
SELECT tsdb.api_status_tsdb(1);

-- Nothing of another tenant shows.
SELECT tsdb.create_tenant('acme');
SET pgtsdb.tenant = 'acme';
SELECT tsdb.push_text(E'# HELP secret Nobody else knows.\nsecret{plan="b",job="acme"} 1\n', '{}', '2026-01-01 00:00:00Z');
SELECT tsdb.api_series(ARRAY['{__name__!=""}']);
SELECT tsdb.api_labels();
SELECT tsdb.api_label_values('job');
SELECT tsdb.api_label_values('job', "start" => '2026-01-01', "end" => '2026-01-02');
SELECT tsdb.api_metadata();
SELECT tsdb.api_status_tsdb();
RESET pgtsdb.tenant;
SELECT tsdb.api_series('{secret}');
SELECT tsdb.api_series(ARRAY['{plan!=""}'], '2026-01-01', '2026-01-02');
SELECT tsdb.api_label_values('plan');
SELECT tsdb.api_label_values('job');
SELECT tsdb.api_metadata('secret');
SELECT tsdb.api_status_tsdb()::text ~ 'secret|plan|acme' AS leaks;

-- Members may read, others not.
CREATE ROLE regress_api_reader;
INSERT INTO tsdb.tenant_members (role_name, tenant_id) VALUES ('regress_api_reader', 'acme');
SET ROLE regress_api_reader;
SELECT tsdb.api_series('{up}');
SELECT tsdb.api_labels();
SELECT tsdb.api_label_values('job');
SELECT tsdb.api_metadata();
SELECT tsdb.api_status_tsdb();
SET pgtsdb.tenant = 'acme';
SELECT tsdb.api_label_values('job', "start" => '2026-01-01');
SELECT tsdb.api_metadata();
RESET ROLE;
RESET pgtsdb.tenant;

\c :here
DROP DATABASE pgtsdb_api;
DROP ROLE regress_api_reader;
