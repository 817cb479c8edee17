# Workers run where the extension is: they come with CREATE EXTENSION, go with DROP EXTENSION, and stand in the way of
# nobody who wants the database for himself.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use Pgtsdb::Node;

my $node = pgtsdb_node('follow', workers => 1, settings => <<'END');
pgtsdb.databases = 'postgres, second, "Third one"'
pgtsdb.launcher_interval = '200ms'
pgtsdb.worker_restart_interval = '100ms'
pgtsdb.compaction_interval = '100ms'
max_worker_processes = 20
END

sub running_in
{
	my ($database) = @_;
	return $node->safe_psql('template1', qq{
		SELECT string_agg(substr(backend_type, 8), ' ' ORDER BY backend_type) FROM pg_stat_activity
		 WHERE backend_type LIKE 'pgtsdb %' AND backend_type <> 'pgtsdb probe' AND datname = '$database'});
}

my $all = 'compactor notifier ruler scraper';
wait_until('workers run where the extension is', 60, sub { running_in('postgres') eq $all });

# While work is going on, again and again
for my $round (1 .. 3)
{
	$node->safe_psql('postgres', q{
		INSERT INTO tsdb.alert_rules (rule_name, promql_expression, evaluation_interval)
		SELECT 'busy' || i, 'vector(1)', '100 ms' FROM generate_series(1, 20) i});
	wait_until("rules are evaluated, round $round", 60, sub {
		$node->safe_psql('postgres', 'SELECT count(*) FROM tsdb.alerts') == 20 });
	$node->safe_psql('postgres', 'BEGIN; SELECT tsdb.drop_storage(); DROP EXTENSION pgtsdb; COMMIT');
	wait_until('workers go with the extension', 30, sub { running_in('postgres') eq '' });
	$node->safe_psql('postgres', 'CREATE EXTENSION pgtsdb');
	wait_until('and come with it', 60, sub { running_in('postgres') eq $all });
}

# In one transaction it is only locked, and back before anybody could miss it.
$node->safe_psql('postgres', q{BEGIN; DROP EXTENSION pgtsdb; SELECT pg_sleep(2); ROLLBACK});
wait_until('a DROP EXTENSION that is rolled back ends nothing', 60, sub { running_in('postgres') eq $all });

# A database made later, with a name that needs quotes
is(running_in('Third one'), '', 'a database that does not exist has no workers');
$node->safe_psql('postgres', 'CREATE DATABASE "Third one"');
$node->safe_psql('Third one', 'CREATE EXTENSION pgtsdb');
wait_until('a database made later has its workers', 60, sub { running_in('Third one') eq $all });

sub takes_less_than
{
	my ($seconds, $what, $database, $sql) = @_;
	my $start = time;
	my ($rc, $out, $err) = $node->psql($database, $sql);
	is($err, '', $what);
	cmp_ok(time - $start, '<', $seconds, "$what within $seconds s");
	return;
}

# Each of these gives up when a session does not end within 5 s.
takes_less_than(5, 'CREATE DATABASE TEMPLATE', 'template1', 'CREATE DATABASE second TEMPLATE "Third one"');
wait_until('a copy has workers of its own', 60, sub { running_in('second') eq $all && running_in('Third one') eq $all });
takes_less_than(5, 'ALTER DATABASE RENAME', 'template1', 'ALTER DATABASE second RENAME TO renamed');
wait_until('a name that is not in the list has none', 60, sub { running_in('renamed') eq '' });
takes_less_than(5, 'DROP DATABASE', 'template1', 'DROP DATABASE "Third one"');
is(running_in('Third one'), '', 'its workers are gone');
is(running_in('postgres'), $all, 'those of other databases are not');

$node->stop;
my $log = slurp_file($node->logfile);
unlike($log, qr/ERROR:  (?!canceling|terminating).*\n.*pgtsdb (ruler|compactor)/, 'no worker meets an error on the way');
unlike($log, qr/PANIC|terminated by signal/, 'nothing crashed');
unlike($log, qr/deadlock detected/, 'nothing deadlocked');

done_testing();
