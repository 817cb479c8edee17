# Node.pm: servers with pgtsdb for the TAP tests.
package Pgtsdb::Node;

use strict;
use warnings;
use Cwd ();
use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(pgtsdb_node kill_all start_again answers_again psql_if_it_answers dump_of_storage contents_of wait_until);

# A started server with the extension in database postgres.  With settings => "..." these lines come last in
# postgresql.conf; with workers => 1 the background workers run on database postgres, else none do.
sub pgtsdb_node
{
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	my $databases = $options{workers} ? 'postgres' : '';

	$node->init(allows_streaming => $options{allows_streaming} // 0);
	$node->append_conf('postgresql.conf', <<"END" . ($options{settings} // ''));
shared_preload_libraries = 'pgtsdb'
pgtsdb.databases = '$databases'
timezone = 'UTC'
restart_after_crash = on
log_statement = none
log_line_prefix = '%m [%p] %e %q%a '
END
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION pgtsdb');
	return $node;
}

# Whether a process lives: one that nobody has waited for yet does not.
sub lives
{
	my ($pid) = @_;
	my $stat = -e "/proc/$pid/stat" ? eval { slurp_file("/proc/$pid/stat") } // '' : '';
	return $stat =~ /\) [^ZX]/;
}

# Ends all processes of a server at once, as the end of the machine does (but for what the disk would lose).
sub kill_all
{
	my ($node) = @_;
	my ($postmaster) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid');
	my @children = grep { (eval { slurp_file("/proc/$_/stat") } // '') =~ /\) \S $postmaster / }
		map { m{/(\d+)$} } glob '/proc/[0-9]*';
	kill 9, $postmaster, @children;
	$node->kill9;
	return;
}

# Starts a server whose postmaster was killed.  Its orphans notice within moments, but until the last of them is gone the
# shared memory is in use and a start would be refused.  They live in the data directory.
sub start_again
{
	my ($node) = @_;
	my $home = Cwd::realpath($node->data_dir);
	my ($postmaster) = split /\n/, slurp_file("$home/postmaster.pid");
	for (1 .. 300)
	{
		last unless lives($postmaster) || grep { (readlink($_) // '') eq $home } glob '/proc/[0-9]*/cwd';
		usleep(100_000);
	}
	# Its lock files would be believed while it is a zombie.
	unlink "$home/postmaster.pid", $node->host . '/.s.PGSQL.' . $node->port . '.lock';
	return $node->start;
}

# Waits for the end of recovery after the crash of a backend.  psql would read its query from a pipe, and when the server
# refuses it, it may end before the query is in the pipe, which ends this process too.
sub answers_again
{
	my ($node) = @_;
	for (1 .. 600)
	{
		return 1 if system('pg_isready', '-q', '-d', $node->connstr('postgres')) == 0;
		usleep(100_000);
	}
	BAIL_OUT('no recovery after a crash');
}

sub wait_until
{
	my ($what, $seconds, $condition) = @_;
	for (1 .. $seconds * 10)
	{
		return pass($what) if $condition->();
		usleep(100_000);
	}
	return fail("$what within $seconds s");
}

# psql(), or nothing when the server was refusing just then (see answers_again()).
sub psql_if_it_answers
{
	my ($node, $query) = @_;
	my ($rc, $out) = eval { $node->psql('postgres', $query) };
	return defined $rc && $rc == 0 ? $out : '';
}

# One line per row of a query, as psql writes them.
sub contents_of
{
	my ($node, $query, $database) = @_;
	return $node->safe_psql($database // 'postgres', $query);
}

# Every row of every storage table in the order of its key: what replication, restart and dump must bring back.
sub dump_of_storage
{
	my ($node, $database) = @_;
	my %key = (
		parts => 'part',
		series_groups => 'part, group_id',
		series => 'part, group_id, col',
		head => 'part, group_id, ts, n',
		chunks => 'part, group_id, tier, class, t_min, col, n',
		metric_definitions => 'part, metric_name');
	return {
		map { $_ => contents_of($node, "SELECT t FROM tsdb.$_ t ORDER BY $key{$_}", $database) } keys %key
	};
}

1;
