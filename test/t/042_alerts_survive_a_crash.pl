# Alerts go from pending to firing to resolved, each label set for itself, and a crash in between neither forgets an alert
# nor delays it.  A rule that fails, is paused or is deleted leaves the others alone.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use Pgtsdb::Node;

my $node = pgtsdb_node('alerts', workers => 1, settings => <<'END');
pgtsdb.launcher_interval = '200ms'
pgtsdb.worker_restart_interval = '100ms'
END

sub push_up
{
	my (%value) = @_;
	my $lines = join '', map { "up{instance=\"$_\"} $value{$_}\n" } sort keys %value;
	return $node->safe_psql('postgres', "SELECT tsdb.push_text('$lines', '{}', now())");
}

sub states
{
	my ($rule) = @_;
	return $node->safe_psql('postgres', qq{
		SELECT string_agg(format('%s %s', labels ->> 'instance', state), ', ' ORDER BY labels) FROM tsdb.alerts
		 WHERE alert_name = '$rule'});
}

sub becomes
{
	my ($rule, $expected) = @_;
	return wait_until("$rule: $expected", 30, sub { states($rule) eq $expected }) || diag(states($rule));
}

push_up(a => 0, b => 1);
$node->safe_psql('postgres', q{
	INSERT INTO tsdb.alert_rules (rule_name, promql_expression, evaluation_interval, for_duration, severity, labels, annotations) VALUES
		('Down', 'up == 0', '200 ms', '4 s', 'page', '{"where": "{{ $labels.instance }}!"}', '{"summary": "{{ $labels.instance }} is {{ $value }}"}'),
		('Bad', '{__name__=~"up|ALERTS"} + on() group_left() up', '200 ms', '0', NULL, '{}', '{}'),
		('Now', 'up == 0', '200 ms', '0', NULL, '{}', '{}');
	INSERT INTO tsdb.alert_rules (rule_name, promql_expression, evaluation_interval, status) VALUES ('Paused', 'up', '200 ms', 'PAUSED')});

becomes('Down', 'a pending');
becomes('Now', 'a firing');
my $seen = $node->safe_psql('postgres', q{SELECT first_triggered_at, alert_id FROM tsdb.alert_evaluation_states
	 WHERE labels ->> 'alertname' = 'Down'});

# kill -9 of the server in state pending
$node->kill9;
start_again($node);
becomes('Down', 'a firing');
is($node->safe_psql('postgres', q{SELECT first_triggered_at, alert_id FROM tsdb.alert_evaluation_states
	 WHERE labels ->> 'alertname' = 'Down'}), $seen, 'it is the alert that was pending before the crash');
my $waited = $node->safe_psql('postgres', q{SELECT extract(epoch FROM starts_at - first_triggered_at) FROM tsdb.alert_evaluation_states
	 WHERE labels ->> 'alertname' = 'Down'});
cmp_ok($waited, '>=', 4, 'it did not fire too early');
cmp_ok($waited, '<', 8, 'nor began to wait again');
is($node->safe_psql('postgres', q{SELECT labels, annotations FROM tsdb.alerts WHERE alert_name = 'Down'}),
	'{"where": "a!", "instance": "a", "severity": "page", "alertname": "Down"}|{"summary": "a is 0"}', 'labels and annotations');

# a second label set while the first one fires, and a crash of the ruler alone
push_up(a => 0, b => 0);
becomes('Down', 'a firing, b pending');
kill 9, $node->safe_psql('postgres', q{SELECT pid FROM tsdb.worker_status WHERE worker = 'ruler'});
usleep(500_000);
answers_again($node);
becomes('Down', 'a firing, b firing');
push_up(a => 1, b => 0);
becomes('Down', 'a resolved, b firing');
push_up(a => 1, b => 1);
becomes('Down', 'a resolved, b resolved');

is($node->safe_psql('postgres', q{
	SELECT labels ->> 'instance', string_agg(new_state, ' ' ORDER BY event_id) FROM tsdb.alert_events WHERE rule_name = 'Down'
	 GROUP BY 1 ORDER BY 1}),
	"a|pending firing resolved\nb|pending firing resolved", 'one event for each transition');
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM tsdb.alert_events e WHERE previous_state <> coalesce((SELECT p.new_state FROM tsdb.alert_events p
	 WHERE p.alert_id = e.alert_id AND p.event_id < e.event_id ORDER BY p.event_id DESC LIMIT 1), 'inactive')}), 0,
	'events of an alert follow each other');

# The states are series, too, and end with a marker.
my $series = q{SELECT labels ->> 'alertstate', count(*) > 0 FROM tsdb.samples('ALERTS{alertname="Down", instance="a"}',
	now() - interval '1 hour', now()) GROUP BY 1 ORDER BY 1};
is($node->safe_psql('postgres', $series), "firing|t\npending|t", 'series ALERTS');
is($node->safe_psql('postgres', q{SELECT count(*) FROM tsdb.promql('{__name__=~"ALERTS.*", alertname="Down"}')}), 0,
	'they ended with the alert');
is($node->safe_psql('postgres', q{
	SELECT count(DISTINCT s.value), min(s.value) = floor(min(extract(epoch FROM e.at)))
	  FROM tsdb.samples('ALERTS_FOR_STATE{alertname="Down", instance="a"}', now() - interval '1 hour', now()) s,
	       tsdb.alert_events e WHERE e.rule_name = 'Down' AND e.labels ->> 'instance' = 'a' AND e.new_state = 'pending'
	   AND s.value <> 'NaN'}), '1|t', 'ALERTS_FOR_STATE is the time since when');

# the other rules
is(states('Paused'), '', 'a paused rule is not evaluated');
is($node->safe_psql('postgres', q{SELECT health, last_evaluation IS NULL FROM tsdb.rule_status WHERE rule_name = 'Paused'}),
	'unknown|t', 'and has no status');
is($node->safe_psql('postgres', q{SELECT health, failures > 1, last_error <> '' FROM tsdb.rule_status WHERE rule_name = 'Bad'}),
	'err|t|t', 'a rule that fails says why');
is($node->safe_psql('postgres', q{SELECT health, failures FROM tsdb.rule_status WHERE rule_name = 'Down'}), 'ok|0', 'and no other fails');

# An error leaves the state where it was.
push_up(a => 0, b => 1);
becomes('Now', 'a firing, b resolved');
$node->safe_psql('postgres', q{UPDATE tsdb.alert_rules SET promql_expression = '{__name__=~"up|ALERTS"} + on() group_left() up' WHERE rule_name = 'Now'});
wait_until('the changed rule fails', 30, sub {
	$node->safe_psql('postgres', q{SELECT health FROM tsdb.rule_status WHERE rule_name = 'Now'}) eq 'err' });
is(states('Now'), 'a firing, b resolved', 'a failing rule keeps its alerts');
$node->safe_psql('postgres', q{UPDATE tsdb.alert_rules SET promql_expression = 'up == 0' WHERE rule_name = 'Now'});
wait_until('the mended rule is well', 30, sub {
	$node->safe_psql('postgres', q{SELECT health FROM tsdb.rule_status WHERE rule_name = 'Now'}) eq 'ok' });
is(states('Now'), 'a firing, b resolved', 'and goes on with them');

# Pause and deletion end what fires.
becomes('Down', 'a pending, b resolved');
$node->safe_psql('postgres', q{UPDATE tsdb.alert_rules SET status = 'PAUSED' WHERE rule_name IN ('Now', 'Down')});
becomes('Now', 'a resolved, b resolved');
becomes('Down', 'a resolved, b resolved');
$node->safe_psql('postgres', q{UPDATE tsdb.alert_rules SET status = 'ACTIVE' WHERE rule_name = 'Now'});
becomes('Now', 'a firing, b resolved');
$node->safe_psql('postgres', q{DELETE FROM tsdb.alert_rules WHERE rule_name = 'Now'});
becomes('Now', 'a resolved, b resolved');

# What an evaluation does not change is not written.
$node->safe_psql('postgres', q{UPDATE tsdb.alert_rules SET status = 'ACTIVE', for_duration = '1 hour' WHERE rule_name = 'Down'});
becomes('Down', 'a pending, b resolved');
my $versions = q{SELECT array_agg(xmin::text || ctid::text ORDER BY ctid) FROM tsdb.alert_evaluation_states};
my $evaluations = q{SELECT evaluations FROM tsdb.rule_status WHERE rule_name = 'Down'};
my ($rows, $count) = map { $node->safe_psql('postgres', $_) } $versions, $evaluations;
wait_until('evaluations go on', 30, sub { $node->safe_psql('postgres', $evaluations) > $count + 5 });
is($node->safe_psql('postgres', $versions), $rows, 'evaluations without a transition write no state');

done_testing();
