# Work that fails before it has begun is tried again at its next turn, not at once: a worker whose tables are not as it
# needs them takes no processor time, and goes on when they are mended.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep);

use Pgtsdb::Node;

my $node = pgtsdb_node('failing', workers => 1, settings => <<'END');
pgtsdb.compaction_interval = '500ms'
pgtsdb.compaction_window = '1min'
pgtsdb.compaction_delay = 0
END

# The failures of a worker within two seconds.
sub failures_in_a_while
{
	my ($worker) = @_;
	my $query = "SELECT errors FROM tsdb.worker_status WHERE worker = '$worker'";
	my $before = $node->safe_psql('postgres', $query);
	sleep 2;
	return $node->safe_psql('postgres', $query) - $before;
}

sub fails
{
	my ($worker) = @_;
	return wait_until("the $worker fails", 30,
		sub { $node->safe_psql('postgres', "SELECT errors > 0 FROM tsdb.worker_status WHERE worker = '$worker'") eq 't' });
}

# ---- the compactor cannot scan head ----

$node->safe_psql('postgres', q{
	SELECT tsdb.create_storage();
	ALTER TABLE tsdb.head DROP CONSTRAINT head_pkey});
fails('compactor');
cmp_ok(failures_in_a_while('compactor'), '<', 20, 'a sweep that cannot begin ends');
$node->safe_psql('postgres', q{
	ALTER TABLE tsdb.head ADD PRIMARY KEY (part, group_id, ts, n);
	SELECT tsdb.push_text('mended 1', '{}', now() - interval '1 hour')});
wait_until('and the next one compacts', 30, sub { $node->safe_psql('postgres', 'SELECT count(*) FROM tsdb.chunks') == 1 });

# ---- the notifier cannot read its log when a group is due ----

$node->safe_psql('postgres', q{
	INSERT INTO tsdb.receivers (receiver_name, webhook_url) VALUES ('nobody', 'http://127.0.0.1:9/');
	INSERT INTO tsdb.routes (receiver_name, group_wait) VALUES ('nobody', '3 seconds');
	INSERT INTO tsdb.alert_rules (rule_name, promql_expression, evaluation_interval) VALUES ('Always', 'vector(1)', '1 second')});
wait_until('an alert fires', 30, sub { $node->safe_psql('postgres', q{SELECT count(*) FROM tsdb.alerts WHERE state = 'firing'}) });
sleep 0.5;
$node->safe_psql('postgres', 'ALTER TABLE tsdb.notification_log RENAME COLUMN firing TO burning');
fails('notifier');
cmp_ok(failures_in_a_while('notifier'), '<', 20, 'a look that fails is not made again at once');

done_testing();
