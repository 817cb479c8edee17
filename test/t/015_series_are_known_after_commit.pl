# What writers remember of the catalogue follows the transactions that make and take away series: nothing is remembered
# that was not committed, nothing that is gone, and nothing needs to be remembered.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use PostgreSQL::Test::Utils;
use Test::More;

use Pgtsdb::Node;

my $time = 1_700_000_000;

# The statement that stores one sample of each series, at a time of its own.
sub push_sql
{
	my (@names) = @_;
	$time += 15;
	return "SELECT tsdb.push_text(E'" . join('', map { "$_ 1\\n" } @names) . "', '{\"job\": \"cache\"}', to_timestamp($time))";
}

my ($node, %session);

sub session { return $session{ $_[0] } //= $node->background_psql('postgres') }

# As safe_psql in a session that stays.
sub run
{
	my ($name, $sql) = @_;
	return session($name)->query_safe($sql);
}

# Lookups of series by hash so far, in the tables instead of a cache.
sub lookups
{
	return $node->safe_psql('postgres', "SELECT coalesce(sum(pg_stat_get_numscans('tsdb.series_hash_idx'::regclass)), 0)");
}

# How many lookups a write takes.
sub lookups_of
{
	my ($name, $sql) = @_;
	my $before = lookups();
	run($name, $sql);
	run($name, 'SELECT pg_stat_force_next_flush()');
	return lookups() - $before;
}

# Live rows of a metric, and its samples.
sub rows_of
{
	my ($metric) = @_;
	return $node->safe_psql('postgres', "SELECT count(*) FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' = '$metric' AND gone_at IS NULL");
}

sub samples_of
{
	my ($metric) = @_;
	return $node->safe_psql('postgres', "SELECT count(*) FROM tsdb.samples('$metric', '2023-01-01', '2024-01-01')");
}

sub check_metric
{
	my ($metric, $samples, $what) = @_;
	is(rows_of($metric), 1, "$what: one live series");
	is(samples_of($metric), $samples, "$what: its samples are there");
}

for my $preloaded (1, 0)
{
	my $how = $preloaded ? 'shared' : 'local';
	$node = pgtsdb_node("cache_$how", settings => "max_prepared_transactions = 5\nlock_timeout = '60s'\n"
		. ($preloaded ? '' : "shared_preload_libraries = ''\n"));
	%session = ();
	$node->safe_psql('postgres', 'SELECT tsdb.create_storage()');

	# Committed: known to everybody with shared memory, else to the session itself.
	ok(lookups_of('a', push_sql('first')) > 0, "$how: a new series is looked up");
	is(lookups_of('a', push_sql('first')), 0, "$how: a known one is not");
	is(lookups_of('b', push_sql('first')), $preloaded ? 0 : 1, "$how: by another session");
	is(lookups_of('b', push_sql('first')), 0, "$how: by another session again");
	check_metric('first', 4, "$how committed");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM tsdb.series s, tsdb.series_groups g WHERE s.xmin <> g.xmin}), 0,
		"$how: writing to a series changes neither its row nor that of its group");

	# Rolled back: whoever writes next makes it.
	run('a', 'BEGIN');
	run('a', push_sql('aborted'));
	run('a', push_sql('aborted'));
	run('a', 'ROLLBACK');
	is(rows_of('aborted'), 0, "$how: rolled back with its transaction");
	run('a', push_sql('aborted'));
	check_metric('aborted', 1, "$how after rollback, same session");
	run('b', push_sql('aborted'));
	check_metric('aborted', 2, "$how after rollback, other session");

	# Rolled back to a savepoint, of which inner ones were released.
	run('a', 'BEGIN');
	run('a', push_sql('outer'));
	run('a', 'SAVEPOINT s1');
	run('a', 'SAVEPOINT s2');
	run('a', push_sql('outer', 'inner'));
	run('a', 'RELEASE s2');
	run('a', push_sql('inner'));
	run('a', 'ROLLBACK TO s1');
	run('a', push_sql('outer'));
	run('a', 'COMMIT');
	is(rows_of('inner'), 0, "$how: the savepoint took its series away");
	check_metric('outer', 2, "$how around the savepoint");
	run('b', push_sql('inner', 'outer'));
	run('a', push_sql('inner', 'outer'));
	check_metric('inner', 2, "$how after the savepoint");
	check_metric('outer', 4, "$how after the savepoint");

	# Prepared: nobody knows it before COMMIT PREPARED, and whoever needs it waits for no longer than the limit.
	run('a', 'BEGIN');
	run('a', push_sql('prepared'));
	run('a', "PREPARE TRANSACTION 'p'");
	my ($code, $out, $err) = $node->psql('postgres', "SET pgtsdb.series_lock_timeout = '100ms';\n\\set VERBOSITY verbose\n" . push_sql('prepared'));
	like($err, qr/55P03.*lock timeout.*HINT: .*pgtsdb\.series_lock_timeout/s, "$how: a hint when the wait is too long");
	run('b', push_sql('first'));
	run('a', "COMMIT PREPARED 'p'");
	run('b', push_sql('prepared'));
	check_metric('prepared', 2, "$how after COMMIT PREPARED");
	run('a', 'BEGIN');
	run('a', push_sql('unprepared'));
	run('a', "PREPARE TRANSACTION 'p'");
	run('a', "ROLLBACK PREPARED 'p'");
	is(rows_of('unprepared'), 0, "$how: rolled back with the prepared transaction");
	run('a', push_sql('unprepared'));
	run('b', push_sql('unprepared'));
	check_metric('unprepared', 2, "$how after ROLLBACK PREPARED");

	# Deleted: nobody goes on writing to the series that is gone.
	run('a', push_sql('deleted'));
	run('b', push_sql('deleted'));
	$node->safe_psql('postgres', "SELECT tsdb.delete_series('deleted')");
	run('a', push_sql('deleted'));
	run('b', push_sql('deleted'));
	check_metric('deleted', 2, "$how after delete_series");

	# Deleted, and the deletion taken back.
	run('a', 'BEGIN');
	run('a', "SELECT tsdb.delete_series('deleted')");
	run('a', push_sql('deleted'));
	run('a', 'ROLLBACK');
	run('a', push_sql('deleted'));
	run('b', push_sql('deleted'));
	check_metric('deleted', 4, "$how after delete_series was rolled back");

	# A writer that waits for a deletion goes on with another series.
	run('a', 'BEGIN');
	run('a', "SELECT tsdb.delete_series('deleted')");
	session('b')->query_until(qr/sent/, "\\echo sent\n" . push_sql('deleted') . ";\n");
	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"),
		"$how: the writer waits for the deletion");
	run('a', 'COMMIT');
	run('b', 'SELECT 1');
	check_metric('deleted', 1, "$how after waiting for delete_series");

	# The tables are made anew.
	$node->safe_psql('postgres', 'SELECT tsdb.drop_storage()');
	run('a', push_sql('first'));
	run('b', push_sql('first', 'deleted'));
	check_metric('first', 2, "$how in new tables");
	check_metric('deleted', 1, "$how in new tables");

	my $rows = $node->safe_psql('postgres', 'SELECT xmin, ctid FROM tsdb.series ORDER BY 2');

	# A cold cache is no different: no second series, and duplicates are found out at once.
	$_->quit for values %session;
	%session = ();
	for my $mode ('fast', 'immediate')
	{
		my $again = push_sql('first', 'deleted');
		$node->safe_psql('postgres', $again);
		$node->safe_psql('postgres', "UPDATE tsdb.series_groups SET last_seen = now() - interval '2 hours'");
		$node->stop($mode);
		$node->start;
		($code, $out, $err) = $node->psql('postgres', $again =~ s/first 1/first 2/r);
		is($out, 1, "$how: the same sample is accepted after a $mode restart");
		like($err, qr/series first\{job="cache"\} has another value at .*: 1, not 2/, "$how: another value is not");
		is(rows_of('first'), 1, "$how: one live series after a $mode restart");
		is($node->safe_psql('postgres', "SELECT count(*) FROM tsdb.series_groups WHERE last_seen < now() - interval '1 hour'"),
			0, "$how: its group was seen");
	}
	check_metric('first', 4, "$how after restarts");
	is($node->safe_psql('postgres', 'SELECT xmin, ctid FROM tsdb.series ORDER BY 2'), $rows, "$how: all this has changed no row of a series");
	$node->stop;
}

done_testing();
