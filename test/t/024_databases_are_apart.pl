# Databases of one server share memory and nothing else: a copy has the same tables under the same numbers, and yet neither what
# is known of series nor a lock of the one holds for the other.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;

use Pgtsdb::Node;

my $node = pgtsdb_node('apart', settings => "lock_timeout = '5s'\n");
my @databases = ('postgres', 'copy', 'other');

# One sample of each series, at a time of its own; the value is that of the series in this database.
my $time = 1_700_000_000;
sub push_sql
{
	my (%samples) = @_;
	$time += 15;
	my $lines = join '', map { "$_ $samples{$_}\\n" } sort keys %samples;
	return qq(SELECT tsdb.push_text(E'$lines', '{"job": "apart"}', to_timestamp($time)));
}

# Of each metric: how many samples with which value.
sub sums
{
	my ($database) = @_;
	return $node->safe_psql($database, q{SELECT string_agg(name || ' ' || n || ' x ' || value, ', ' ORDER BY name, value) FROM (
		SELECT labels ->> '__name__' AS name, value, count(*) AS n
		  FROM tsdb.samples('{job="apart"}', '-infinity', 'infinity') GROUP BY 1, 2) s});
}

# The same tables with the same oids and files, made empty; then the same series as other columns.
$node->safe_psql('postgres', 'SELECT tsdb.create_storage()');
$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE postgres');
$node->safe_psql('template1', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION pgtsdb');
my $tables = "SELECT oid, relfilenode FROM pg_class WHERE relname = 'series' AND relnamespace = 'tsdb'::regnamespace";
is($node->safe_psql('copy', $tables), $node->safe_psql('postgres', $tables), 'a copy has the same tables');

my %session = map { $_ => $node->background_psql($_) } @databases;
$session{postgres}->query_safe(push_sql(a => 1));
$session{postgres}->query_safe(push_sql(b => 2));
$session{copy}->query_safe(push_sql(b => 20, a => 10));
$session{other}->query_safe(push_sql(c => 300, b => 200, a => 100));
for my $round (1 .. 3)
{
	$session{postgres}->query_safe(push_sql(a => 1, b => 2));
	$session{copy}->query_safe(push_sql(a => 10, b => 20));
	$session{other}->query_safe(push_sql(a => 100, b => 200, c => 300));
}
is(sums('postgres'), 'a 4 x 1, b 4 x 2', 'each series has its own samples');
is(sums('copy'), 'a 4 x 10, b 4 x 20', 'those of the copy as well');
is(sums('other'), 'a 4 x 100, b 4 x 200, c 4 x 300', 'and of another database');

# What one database knows is no reason for another to go on with.
$session{postgres}->query_safe(push_sql(known => 5));
$session{copy}->query_safe(push_sql(known => 50));
is($node->safe_psql('copy', q{SELECT count(*) FROM tsdb.series WHERE labels OPERATOR(tsdb.->>) '__name__' = 'known'}), 1,
	'a series of the one is made in the other');
$session{postgres}->query_safe(q{SELECT tsdb.delete_series('known')});
$session{copy}->query_safe(push_sql(known => 50));
is($node->safe_psql('copy', q{SELECT count(*) FROM tsdb.samples('known', '-infinity', 'infinity')}), 2, 'and not deleted with it');

# Locks: a creator, a deletion and a compaction that have not ended.
for my $holding (push_sql(held => 1), q{SELECT tsdb.delete_series('b')}, 'CALL tsdb.compact(true)', 'SELECT tsdb.create_storage()')
{
	$session{postgres}->query_safe('BEGIN');
	$session{postgres}->query_safe($holding);
	my ($what) = $holding =~ /tsdb\.(\w+)/;
	for my $database ('copy', 'other')
	{
		my $new = "new_$time";
		my $sql = push_sql($new => 1) . "; SELECT tsdb.delete_series('$new'); CALL tsdb.compact(true)";
		my ($code, $out, $err) = $node->psql($database, $sql);
		is($err, '', "$what in one database keeps nobody in $database");
	}
	$session{postgres}->query_safe('ROLLBACK');
}
is(sums('postgres'), 'a 4 x 1, b 4 x 2', 'all is as it was');
is(sums('copy'), 'a 4 x 10, b 4 x 20, known 2 x 50', 'in the copy, too');

# A database that is dropped and made anew begins with nothing, whatever is still known of it.
$session{copy}->quit;
$node->safe_psql('template1', 'DROP DATABASE copy');
$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE template0');
$node->safe_psql('copy', 'CREATE EXTENSION pgtsdb');
$node->safe_psql('copy', push_sql(c => 7, a => 8));
is(sums('copy'), 'a 1 x 8, c 1 x 7', 'a database that was made anew has what it was given');

# All at once
my @writers = map {
	my $database = $_;
	my $file = PostgreSQL::Test::Utils::tempdir() . "/$database.sql";
	append_to_file($file, join ";\n", map { push_sql("both_" . $_ % 7 => 1) } 1 .. 150);
	IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database), '-f', $file ],
		'<', \undef, '>', \my $out, '2>', \my $err)
} @databases;
ok($_->finish, 'a writer got through') for @writers;
for my $database (@databases)
{
	is($node->safe_psql($database, q{SELECT count(*) || ' ' || count(DISTINCT labels)
		FROM tsdb.samples('{__name__=~"both_.*"}', '-infinity', 'infinity')}), '150 7', "$database: all samples of all series");
}

$_->quit for @session{ 'postgres', 'other' };
$node->stop;
done_testing();
