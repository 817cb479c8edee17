# Sessions write, roll back, delete, compact and change retention classes in random order, late samples, duplicates and stale
# markers among them:
# in the end the stored samples are those of a model in memory, none lost, none doubled, each bit for bit.
#
# PGTSDB_SEED and PGTSDB_OPERATIONS make another and a longer run.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;

use Pgtsdb::Node;
use Pgtsdb::RemoteWrite qw(remote_write_sql value_bytes);

use constant { SESSIONS => 3, SERIES => 10, STEP => 15_000, START => 1_700_006_400_000 };

my $seed = $ENV{PGTSDB_SEED} // 20;
my $operations = $ENV{PGTSDB_OPERATIONS} // 800;
srand($seed);

my $node = pgtsdb_node('interleaving', settings => "pgtsdb.compaction_window = '30min'");
my @sessions = map { { psql => $node->background_psql('postgres') } } 1 .. SESSIONS;

# "series time" => what was stored for it: { value, writer }; without a writer it is committed.  One element more than
# one only where sessions did not see each other's: which of these is read is not defined.
my %model;
my $now = START;

sub pick { return $_[ rand @_ ] }

sub run
{
	my ($session, $sql) = @_;
	return $session->{psql}->query_safe($sql);
}

sub in_transaction { return defined $_[0]{levels} }

# ---- the model ----

sub write_to_model
{
	my ($session, $key, $value) = @_;
	my $entries = $model{$key} //= [];
	# What one sees stays: the first value.
	return if grep { !defined $_->{writer} || $_->{writer} == $session } @$entries;
	my $entry = { value => $value, writer => in_transaction($session) ? $session : undef };
	push @$entries, $entry;
	push @{ $session->{levels}[-1] }, [ $key, $entry ] if in_transaction($session);
	return;
}

sub undo_level
{
	my ($session) = @_;
	for my $written (@{ pop @{ $session->{levels} } })
	{
		my ($key, $entry) = @$written;
		$model{$key} = [ grep { $_ != $entry } @{ $model{$key} } ];
	}
	return;
}

sub delete_from_model
{
	my ($series, $from, $to) = @_;
	for my $key (keys %model)
	{
		my ($key_series, $t) = split / /, $key;
		next unless $key_series == $series && $t >= $from && $t <= $to;
		$model{$key} = [ grep { defined $_->{writer} } @{ $model{$key} } ];
	}
	return;
}

# ---- operations ----

# A time near the newest, or late by up to two days, so that windows and partitions of all ages are met.
sub some_time
{
	$now += pick(0, 0, STEP, STEP, 60_000, 600_000);
	return $now - pick(0, 0, 0, 1, STEP * int(rand 200), int(rand 20_000), int(rand 2 * 86_400_000));
}

sub write_samples
{
	my ($session) = @_;
	return store($session, map { [ int rand SERIES, some_time(), pick(1, 2, '-0', 'stale', 'nan', rand) ] } 1 .. 2 + rand 15);
}

# Samples: [ series, time, value ].
sub store
{
	my ($session, @samples) = @_;
	my %by_series;
	push @{ $by_series{ $_->[0] } }, [ @$_[ 1, 2 ] ] for @samples;
	run($session, remote_write_sql(map {
		{ labels => { __name__ => 'walk', n => $_, job => 'j' . $_ % 3 }, samples => $by_series{$_} }
	} sort keys %by_series));
	write_to_model($session, "$_->[0] $_->[1]", unpack('H*', reverse value_bytes($_->[2]))) for @samples;
	return;
}

sub delete_samples
{
	my ($session) = @_;
	return if in_transaction($session);
	my ($series, $from) = (int rand SERIES, some_time());
	my $to = $from + pick(0, 600_000, 86_400_000);
	# Taking a series away waits for the transactions that write, and making it waits for those that make others.
	if (rand() < 0.2 && !grep { in_transaction($_) } @sessions)
	{
		run($session, qq{SELECT tsdb.delete_series('walk{n="$series"}')});
		delete_from_model($series, -9**15, 9**15);
		return store($session, [ $series, some_time(), 3 ]);
	}
	run($session, qq{SELECT tsdb.delete_series('walk{n="$series"}', } .
		join(', ', map { "timestamptz 'epoch' + $_ * interval '1 ms'" } $from, $to) . ')');
	return delete_from_model($series, $from, $to);
}

sub compact
{
	my ($session) = @_;
	# So that what is compacted goes to other classes than before.
	run($session, sprintf(q{UPDATE tsdb.retention_policies SET position = %d WHERE selector::text = 'walk{n=~"[0-4]"}'}, pick(-1, 1)))
		unless in_transaction($session);
	run($session, 'CALL tsdb.compact(' . pick('true', 'true', 'false') . ')') unless in_transaction($session);
	return;
}

sub begin_or_savepoint
{
	my ($session) = @_;
	return if in_transaction($session) && @{ $session->{levels} } > 3;
	run($session, in_transaction($session) ? 'SAVEPOINT s' : 'BEGIN');
	push @{ $session->{levels} }, [];
	return;
}

sub roll_back
{
	my ($session) = @_;
	return unless in_transaction($session);
	undo_level($session);
	if (@{ $session->{levels} } > 0)
	{
		run($session, 'ROLLBACK TO s; RELEASE s');
		return;
	}
	run($session, 'ROLLBACK');
	delete $session->{levels};
	return;
}

sub commit
{
	my ($session) = @_;
	return unless in_transaction($session);
	run($session, 'COMMIT');
	$_->[1]{writer} = undef for map { @$_ } @{ delete $session->{levels} };
	return;
}

sub check
{
	my ($when) = @_;
	my (%stored, @wrong);
	my $rows = $node->safe_psql('postgres', q{SELECT labels ->> 'n', (extract(epoch FROM ts) * 1000)::bigint, encode(float8send(value), 'hex')
		FROM tsdb.samples('walk', '-infinity', 'infinity')});
	for (split /\n/, $rows)
	{
		my ($series, $t, $value) = split /\|/;
		push @wrong, "$series $t twice" if defined $stored{"$series $t"};
		$stored{"$series $t"} = $value;
	}
	for my $key (keys %model)
	{
		my @values = map { $_->{value} } grep { !defined $_->{writer} } @{ $model{$key} };
		my $value = delete $stored{$key};
		next if !defined $value && !@values;
		push @wrong, "$key: " . ($value // 'nothing') . " for one of (@values)" unless defined $value && grep { $_ eq $value } @values;
	}
	push @wrong, map { "$_: never written" } keys %stored;
	is(scalar @wrong, 0, "$when: samples are those of the model") or diag("seed $seed: ", join("\n", @wrong[0 .. ($#wrong < 9 ? $#wrong : 9)]));
	return $rows =~ tr/\n// + 1;
}

my %weights = (write_samples => 50, delete_samples => 5, compact => 8, begin_or_savepoint => 15, roll_back => 7, commit => 15);
my %operation = (
	write_samples => \&write_samples, delete_samples => \&delete_samples, compact => \&compact,
	begin_or_savepoint => \&begin_or_savepoint, roll_back => \&roll_back, commit => \&commit);
my @names = map { ($_) x $weights{$_} } sort keys %weights;

# The warnings of duplicates are not what is tested here.
run($_, 'SET client_min_messages = error') for @sessions;
run($sessions[0], q{INSERT INTO tsdb.retention_policies (selector, retention)
	VALUES ('walk{n=~"[0-4]"}', '1000 years'), ('walk{n=~"[137]"}', NULL)});
store($sessions[0], map { [ $_, START, 0 ] } 0 .. SERIES - 1);
for my $i (1 .. $operations)
{
	$operation{ pick(@names) }->(pick(@sessions));
	check("operation $i") if $i % ($operations / 4) == 0;
}
commit($_) for @sessions;
cmp_ok(check('all committed'), '>', 20 * SERIES, 'there are many');
$node->safe_psql('postgres', 'CALL tsdb.compact(true)');
check('all compacted');
is($node->safe_psql('postgres', 'SELECT count(*) FROM tsdb.head'), 0, 'nothing is left in head');
is($node->safe_psql('postgres', 'SELECT count(DISTINCT class) FROM tsdb.chunks'), 3, 'there are chunks of all classes');
$node->restart;
check('after a restart');
done_testing();
