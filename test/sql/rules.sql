-- A rule is checked when it is written: what could not be evaluated is refused, with the place and a hint.

-- One row with two values is all that an alert needs.
INSERT INTO tsdb.alert_rules (rule_name, promql_expression) VALUES ('rules_down', 'up == 0')
RETURNING tenant_id, evaluation_interval, for_duration, keep_firing_for, severity, labels, annotations, status;
INSERT INTO tsdb.alert_rules (rule_name, promql_expression, for_duration, severity, labels, annotations) VALUES
    ('rules_full', 'predict_linear(disk_free[1h], 4 * 3600) < 0', '10 minutes', 'page', '{"team": "storage", "shift": 2}',
     '{"summary": "{{ $labels.instance }}: {{ printf \"%.1f\" $value }} bytes left"}');
INSERT INTO tsdb.alert_rules (rule_name, promql_expression) VALUES ('rules_scalar', 'vector(1)'), ('rules_scalar', '1');

-- Expressions
INSERT INTO tsdb.alert_rules (rule_name, promql_expression) VALUES ('rules_bad', 'sum by (job (up)');
INSERT INTO tsdb.alert_rules (rule_name, promql_expression) VALUES ('rules_bad', '');
INSERT INTO tsdb.alert_rules (rule_name, promql_expression) VALUES ('rules_bad', 'rate(up)');
INSERT INTO tsdb.alert_rules (rule_name, promql_expression) VALUES ('rules_bad', 'no_such_function(up)');
INSERT INTO tsdb.alert_rules (rule_name, promql_expression) VALUES ('rules_bad', 'up[5m]');
INSERT INTO tsdb.alert_rules (rule_name, promql_expression) VALUES ('rules_bad', '"text"');
\set VERBOSITY terse
INSERT INTO tsdb.alert_rules (rule_name) VALUES ('rules_bad');
\set VERBOSITY default
UPDATE tsdb.alert_rules SET promql_expression = 'up{' WHERE rule_name = 'rules_down';

-- Durations
INSERT INTO tsdb.alert_rules (rule_name, promql_expression, evaluation_interval) VALUES ('rules_bad', 'up', '0');
INSERT INTO tsdb.alert_rules (rule_name, promql_expression, evaluation_interval) VALUES ('rules_bad', 'up', '1 month');
INSERT INTO tsdb.alert_rules (rule_name, promql_expression, for_duration) VALUES ('rules_bad', 'up', '-1 second');
INSERT INTO tsdb.alert_rules (rule_name, promql_expression, keep_firing_for) VALUES ('rules_bad', 'up', '500 days');

-- Labels and annotations
INSERT INTO tsdb.alert_rules (rule_name, promql_expression, labels) VALUES ('rules_bad', 'up', '{"__name__": "x"}');
INSERT INTO tsdb.alert_rules (rule_name, promql_expression, labels) VALUES ('rules_bad', 'up', '{"": "x"}');
INSERT INTO tsdb.alert_rules (rule_name, promql_expression, labels) VALUES ('rules_bad', 'up', '["team"]');
INSERT INTO tsdb.alert_rules (rule_name, promql_expression, annotations) VALUES ('rules_bad', 'up', '{"summary": {"x": 1}}');
\set VERBOSITY terse
INSERT INTO tsdb.alert_rules (rule_name, promql_expression, annotations) VALUES ('rules_bad', 'up', NULL);
\set VERBOSITY default

-- A template that cannot be expanded is no reason not to alert.
INSERT INTO tsdb.alert_rules (rule_name, promql_expression, annotations) VALUES
    ('rules_template', 'up', '{"summary": "{{ nope $value }}", "text": "{{ range query \"up\" }}"}');

-- Names, states and tenants
\set VERBOSITY terse
INSERT INTO tsdb.alert_rules (rule_name, promql_expression) VALUES ('', 'up');
INSERT INTO tsdb.alert_rules (rule_name, promql_expression, status) VALUES ('rules_bad', 'up', 'OFF');
\set VERBOSITY default
INSERT INTO tsdb.alert_rules (rule_name, promql_expression, tenant_id) VALUES ('rules_bad', 'up', 'nobody');

SELECT rule_name, count(*) FROM tsdb.alert_rules WHERE rule_name LIKE 'rules%' GROUP BY 1 ORDER BY 1;
SELECT DISTINCT health FROM tsdb.rule_status WHERE rule_name LIKE 'rules%';

-- Members see the rules of their tenants, administrators change them, and nobody writes states or events by hand.
SELECT tsdb.create_tenant('rules_tenant') > 1 AS created;
INSERT INTO tsdb.alert_rules (tenant_id, rule_name, promql_expression) VALUES ('rules_tenant', 'rules_theirs', 'up');
INSERT INTO tsdb.alert_evaluation_states (rule_id, alert_id, tenant_id, first_triggered_at, last_evaluated_at, last_evaluated_value,
    updated_at, current_state, labels, annotations)
SELECT rule_id, gen_random_uuid(), tenant_id, '2026-01-01', '2026-01-01', 1, '2026-01-01', 'pending', '{"alertname": "rules_theirs"}', '{}'
  FROM tsdb.alert_rules WHERE rule_name = 'rules_theirs';
CREATE ROLE rules_reader;
CREATE ROLE rules_writer;
CREATE ROLE rules_nobody;
INSERT INTO tsdb.tenant_members VALUES ('rules_reader', 'rules_tenant', true, false), ('rules_writer', 'rules_tenant', false, true);

SET ROLE rules_nobody;
SELECT count(*) FROM tsdb.alert_rules;
SELECT count(*) FROM tsdb.alerts;
SET ROLE rules_reader;
SELECT rule_name FROM tsdb.alert_rules;
SELECT alert_name, state FROM tsdb.alerts;
SELECT rule_name, health FROM tsdb.rule_status;
INSERT INTO tsdb.alert_rules (tenant_id, rule_name, promql_expression) VALUES ('rules_tenant', 'rules_mine', 'up');
UPDATE tsdb.alert_rules SET status = 'PAUSED';
DELETE FROM tsdb.alert_evaluation_states;
SET ROLE rules_writer;
INSERT INTO tsdb.alert_rules (tenant_id, rule_name, promql_expression) VALUES ('rules_tenant', 'rules_mine', 'up');
UPDATE tsdb.alert_rules SET status = 'PAUSED' RETURNING rule_name;
INSERT INTO tsdb.alert_rules (rule_name, promql_expression) VALUES ('rules_default', 'up');
UPDATE tsdb.alert_rules SET tenant_id = 'default';
INSERT INTO tsdb.alert_events (at, rule_id, alert_id, value, tenant_id, rule_name, previous_state, new_state, labels, annotations)
VALUES (now(), gen_random_uuid(), gen_random_uuid(), 1, 'rules_tenant', 'x', 'pending', 'firing', '{}', '{}');
RESET ROLE;
SELECT tsdb.has_access('rules_tenant', 'own');

DELETE FROM tsdb.alert_evaluation_states WHERE tenant_id = 'rules_tenant';
DELETE FROM tsdb.alert_rules WHERE rule_name LIKE 'rules%';
DELETE FROM tsdb.tenant_members WHERE tenant_id = 'rules_tenant';
DELETE FROM tsdb.tenant_parts WHERE tenant_id = 'rules_tenant';
DELETE FROM tsdb.tenants WHERE tenant_id = 'rules_tenant';
DROP ROLE rules_reader, rules_writer, rules_nobody;
