# The extension and its tables are dropped and made anew while sessions write, read and compact: they go on with what there is, and
# nothing that they remember is of what was dropped.  What was acknowledged since is there.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

use Pgtsdb::Node;

my $node = pgtsdb_node('anew', settings => "max_prepared_transactions = 5\nlock_timeout = '20s'\n");
my $anew = 'BEGIN; SELECT tsdb.drop_storage(); DROP EXTENSION pgtsdb; CREATE EXTENSION pgtsdb; COMMIT';

my $time = 1_700_000_000;
sub push_sql
{
	my (@names) = @_;
	$time += 15;
	my $lines = join '', map { "$_ 1\\n" } @names;
	return qq(SELECT tsdb.push_text(E'$lines', '{"job": "anew"}', to_timestamp($time)));
}

sub samples_of { return $node->safe_psql('postgres', "SELECT count(*) FROM tsdb.samples('$_[0]', '-infinity', 'infinity')") }

# Sessions that stay, each with plans, known series and oids of the types.
my @sessions = map { $node->background_psql('postgres') } 1 .. 3;
my $read = q{SELECT count(*) FROM tsdb.promql('sum(kept)', to_timestamp(1700000000), to_timestamp(1700001000), '1 min')};
for my $round (1 .. 3)
{
	for my $session (@sessions)
	{
		$session->query_safe(push_sql('kept', "new_$round"));
		$session->query_safe('CALL tsdb.compact(true)');
		$session->query_safe($read);
		$session->query_safe(q{SELECT tsdb.delete_series('new_1', '-infinity', '2023-01-01')});
	}
	is(samples_of('kept'), 3, "round $round: what was written since");
	is($node->safe_psql('postgres', q{SELECT count(*) - count(DISTINCT labels) FROM tsdb.series}), 0,
		"round $round: each series once");
	$node->safe_psql('postgres', $anew);
	is(samples_of('kept'), 0, "round $round: nothing of before");
}

# As if it had not happened
$sessions[0]->query_safe(push_sql('kept'));
$node->safe_psql('postgres', $anew =~ s/COMMIT/ROLLBACK/r);
$_->query_safe(push_sql('kept')) for @sessions;
is(samples_of('kept'), 4, 'taken back: nothing is gone');

# The one who writes has not ended: the other waits for him, and then has nothing left of what he wrote.
$sessions[0]->query_safe('BEGIN');
$sessions[0]->query_safe(push_sql('kept', 'late'));
my $dropping = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-c', $anew ],
	'<', \undef, '>', \my $out, '2>', \my $err);
$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted") or die 'nobody waits';
$sessions[0]->query_safe(push_sql('kept'));
$sessions[0]->query_safe('COMMIT');
ok($dropping->finish, 'who drops it waits for a writer') or diag($err);
is(samples_of('kept'), 0, 'and takes with it what the writer wrote');
$_->query_safe(push_sql('kept', 'late')) for @sessions;
is(samples_of('late'), 3, 'all go on');
$_->quit for @sessions;

# Everybody at once, while the tables go.  (Of functions that go between the planning of a statement and its execution the server
# itself says that it cannot find them.)
my $folder = PostgreSQL::Test::Utils::tempdir();
my $calls = 400;
sub start_session
{
	my ($name, @statements) = @_;
	my $session = { name => $name, output => '', errors => '' };
	append_to_file("$folder/$name.sql", join '', "\\set VERBOSITY verbose\n", map { "$_;\n\\echo :SQLSTATE\n" } @statements);
	$session->{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', "$folder/$name.sql" ],
		'<', \undef, '>', \$session->{output}, '2>', \$session->{errors});
	return $session;
}

my @loads = (
	(map {
		my $writer = $_;
		start_session("writer $writer", 'SET client_min_messages = error',
			map { push_sql("w_$writer", 'w_all_' . $_ % 5) } 1 .. $calls)
	} 1 .. 3),
	start_session('compactor', ('CALL tsdb.compact(true)') x 100),
	start_session('deleter', map { "SELECT tsdb.delete_series('w_all_" . $_ % 5 . q{', '-infinity', '2023-01-01')} } 1 .. 50),
	start_session('reader', ($read =~ s/kept/{job="anew"}/r) x 100));
my $dropped = 0;
for my $round (1 .. 8)
{
	sleep(0.05 + rand(0.2));
	my ($code, $output, $errors) = $node->psql('postgres', 'SELECT tsdb.drop_storage()');
	$dropped += $code == 0;
	ok($code == 0 || $errors =~ /deadlock detected|lock timeout/, "the tables go under load, round $round") or diag($errors);
}
$_->{run}->finish for @loads;
cmp_ok($dropped, '>', 2, 'they went');
for my $load (@loads)
{
	my %states;
	$states{$_}++ for $load->{output} =~ /^(\w{5})$/mg;
	note("$load->{name}: ", join ', ', map { "$_ $states{$_}" } sort keys %states);
	# gone just now, or not there yet; waited for each other
	delete @states{ '00000', '55000', '40P01', '42P01', '55P03' };
	is(join(' ', %states), '', "the $load->{name} met nothing worse") or diag(substr($load->{errors}, 0, 2000));
}
$node->safe_psql('postgres', push_sql(map { "w_$_" } 1 .. 3));
is($node->safe_psql('postgres', q{SELECT count(*) - count(DISTINCT (labels, ts))
	FROM tsdb.samples('{job="anew"}', '-infinity', 'infinity')}), 0, 'no sample is there twice');
is($node->safe_psql('postgres', q{SELECT count(*) - count(DISTINCT labels) FROM tsdb.series}), 0, 'no series lives twice');
my $before = samples_of('{job="anew"}');
$node->restart;
is(samples_of('{job="anew"}'), $before, 'a restart loses nothing');
$node->safe_psql('postgres', push_sql(map { "w_$_" } 1 .. 3));
is(samples_of('{job="anew"}'), $before + 3, 'and it goes on');

$node->stop;
done_testing();
