-- The type tsdb.labels.
SET search_path = tsdb, public;

-- Text as Prometheus prints a metric, whatever the order it came in.
SELECT 'up{job="node",instance="a:9100"}'::labels;
SELECT '{instance="a:9100", __name__="up", job="node"}'::labels = 'up{job="node",instance="a:9100"}' AS same;
SELECT '{}'::labels, 'up'::labels, '{a="x"}'::labels, '{"name with spaces", "label.x"="y"}'::labels;
SELECT 'm{path="C:\\dir", quote="\"", line="a\nb", heart="♥"}'::labels;
-- An empty value is a label that is not set.
SELECT 'up{job="",a="1"}'::labels;

-- Values and names.
SELECT 'up{job="node"}'::labels ->> 'job' AS job, 'up{job="node"}'::labels ->> '__name__' AS name,
       ('up{job="node"}'::labels ->> 'nothing') IS NULL AS nothing;
SELECT label_names('up{job="node",a="1"}');

-- JSON.
SELECT '{"__name__": "up", "job": "node", "empty": ""}'::jsonb::labels;
SELECT labels('{"b": "2", "a": "1"}'::jsonb);
SELECT 'up{job="node"}'::labels::jsonb;
SELECT 'up{job="node"}'::labels::jsonb::labels = 'up{job="node"}' AS same;

-- What Prometheus calls a series, out of the labels that a query answers.
SELECT series_name('{"__name__": "up", "job": "node", "path": "C:\\dir", "empty": ""}') AS legacy, series_name('{"job": "node"}') AS nameless,
       series_name('{"__name__": "a.b", "x y": "1"}') AS utf8, series_name('{}') AS none, series_name(NULL) IS NULL AS null;

-- Order is by name and value, then by number of labels.
CREATE TEMP TABLE l (id int, labels labels);
INSERT INTO l VALUES (1, 'b'), (2, 'a{x="2"}'), (3, 'a{x="1"}'), (4, 'a'), (5, '{}'), (6, 'a{x="1",y="1"}'), (7, '{A="1"}');
SELECT labels FROM l ORDER BY labels;
SELECT count(*) FILTER (WHERE a.labels < b.labels) AS lt, count(*) FILTER (WHERE a.labels <= b.labels) AS le,
       count(*) FILTER (WHERE a.labels = b.labels) AS eq, count(*) FILTER (WHERE a.labels <> b.labels) AS ne,
       count(*) FILTER (WHERE a.labels >= b.labels) AS ge, count(*) FILTER (WHERE a.labels > b.labels) AS gt
  FROM l a, l b;
CREATE UNIQUE INDEX ON l (labels);
INSERT INTO l VALUES (8, 'a{x="2"}');
CREATE INDEX ON l USING hash (labels);
SET enable_seqscan = off;
SELECT id FROM l WHERE labels = 'a{x="1"}';
RESET enable_seqscan;
SELECT labels, count(*) FROM (SELECT labels FROM l UNION ALL SELECT labels FROM l) x GROUP BY labels ORDER BY labels;

-- Binary form, there and back.
SELECT labels_send('up{a="1"}');
COPY (SELECT 'up{job="node"}'::labels) TO '/dev/null' (FORMAT binary);

CREATE TEMP TABLE b (labels labels);
COPY b FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\010\002\001\165\160\000\141\000\061\377\377"' (FORMAT binary);
SELECT labels FROM b;
-- Bytes that are no label set: truncated, with names out of order, with an empty value, written otherwise, of another version.
COPY b FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\006\002\001\165\160\000\141\377\377"' (FORMAT binary);
COPY b FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\011\002\000\142\000\061\000\141\000\061\377\377"' (FORMAT binary);
COPY b FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\004\002\000\141\000\377\377"' (FORMAT binary);
COPY b FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\007\002\000\152\157\142\000\061\377\377"' (FORMAT binary);
COPY b FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\002\001\000\377\377"' (FORMAT binary);
-- Long sets are stored out of line and compressed, and read the same.
INSERT INTO l SELECT 9, labels(jsonb_object_agg('label_' || i, repeat('x', 1000))) FROM generate_series(1, 20) i;
SELECT length(labels ->> 'label_20'), array_length(label_names(labels), 1), labels = labels AS same FROM l WHERE id = 9;

-- Wrong input.
SELECT 'up{job=}'::labels;
SELECT 'up{job="a",job="b"}'::labels;
SELECT '[1, 2]'::jsonb::labels;
SELECT '{"a": 1}'::jsonb::labels;
SELECT '{"": "x"}'::jsonb::labels;
SELECT series_name('{"a": 1}');
\set VERBOSITY sqlstate
SELECT 'up{job='::labels;
SELECT 'up{a="1",a="2"}'::labels;
SELECT '{"a": {"b": "c"}}'::jsonb::labels;
SELECT ('{"a": "' || repeat('x', 70000) || '"}')::jsonb::labels;
SELECT jsonb_object_agg('l' || i, 'x')::labels FROM generate_series(1, 1100) i;
