-- The type tsdb.selector and the operator labels @@ selector.
SET search_path = tsdb, public;

-- Canonical text.
SELECT s::selector FROM unnest(ARRAY['up', '{}', '{__name__="up"}', 'up { job = "node" , instance!="a" }', '{job=~"a|b"}',
    '{__name__=~"node_.+",mode!~"idle|steal"}', '{"quoted.name","label.x"="y"}', 'up{job=''single''}', 'up{job=`raw\n`}', '{__name__!="up"}']) s;
SELECT selector_send('up{job="node"}');

CREATE TEMP TABLE b (selector selector);
COPY b FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\023\165\160\040\173\040\152\157\142\040\075\040\042\156\157\144\145\042\040\175\377\377"' (FORMAT binary);
SELECT selector FROM b;
COPY b FROM PROGRAM 'printf "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000\000\001\000\000\000\003\165\160\173\377\377"' (FORMAT binary);

-- Matching.
CREATE TEMP TABLE l (id int, labels labels);
INSERT INTO l VALUES (1, 'up{job="node",instance="a"}'), (2, 'up{job="node",instance="b"}'), (3, 'up{job="api"}'), (4, 'down{job="node"}'), (5, '{job="x"}');
SELECT s AS selector, (SELECT array_agg(id ORDER BY id) FROM l WHERE labels @@ s) AS ids
  FROM unnest(ARRAY['up', 'up{job="node"}', '{job="node"}', '{instance=""}', '{instance!=""}', '{job!="node"}', '{job=~"no.*"}', '{job=~"no"}',
    '{job!~"no.*"}', '{job=~"api|x"}', '{__name__=""}', '{__name__=~"up|down",instance=~"a?"}', '{}', 'nothing']::selector[]) s;
-- One selector for all rows, as a query has it.
SELECT id FROM l WHERE labels @@ '{job=~".*o.*"}' ORDER BY id;

-- Wrong input.
SELECT 'up{job="node"'::selector;
SELECT 'up{job=~"("}'::selector;
SELECT 'rate(up[5m])'::selector;
SELECT 'up offset 5m'::selector;
\set VERBOSITY sqlstate
SELECT ''::selector;
SELECT 'up[5m]'::selector;
SELECT '{job=~"*"}'::selector;
