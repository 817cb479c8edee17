# Many sessions at once write, roll back, prepare, delete, compact, retire, drop what is expired and vacuum, in random order,
# late samples, duplicates and stale markers among it, and now and then the server is ended: what is stored is what a model
# of what the sessions were answered says, none lost, none doubled, each bit for bit.  Readers beside them never miss a sample and
# never see one twice.
#
# The statements of a round are written down first, and then run by one psql per session, so that nothing but the server
# orders them.  What a session was answered is replayed in the model (Pgtsdb::SampleModel) when the round is over.
#
# PGTSDB_SEED and PGTSDB_OPERATIONS make another and a longer run.
use strict;
use warnings;
use List::Util qw(max min sum0);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Pgtsdb::Node;
use Pgtsdb::RemoteWrite qw(label_bytes remote_write_sql value_bytes);
use Pgtsdb::SampleModel;

use constant { WRITERS => 4, COMPACTORS => 2, READERS => 2, PAUSE => 0.05 };
use constant { STEP => 15_000, HOUR => 3_600_000, DAY => 86_400_000, START => 1_699_920_000_000 };

my $seed = $ENV{PGTSDB_SEED} // 20;
my $operations = $ENV{PGTSDB_OPERATIONS} // 2400;
my $round_size = min(8000, int($operations / 3) || 1);		# operations of all writers in a round
srand($seed);

# What may fail, and how: somebody else has the lock, or two wait for each other.  What a failed transaction does not do is the
# model's business.
my %tolerated = map { $_ => 1 } qw(55P03 40P01 25P02 3B001 42704);

# The compactor of the server does what it always does, and moves rows of chunks to where there is room.
my $node = pgtsdb_node('interleaving', workers => 1, settings => <<'END');
max_prepared_transactions = 20
deadlock_timeout = '20ms'
lock_timeout = '10s'
autovacuum_naptime = '2s'
client_min_messages = error
log_min_messages = fatal
pgtsdb.series_lock_timeout = '100ms'
pgtsdb.empty_series_age = 0
pgtsdb.compaction_interval = '500ms'
pgtsdb.worker_restart_interval = '100ms'
END

my $now = START + DAY;			# the samples of the round that comes are around it
my $expired = 0;				# what is older may be gone
my ($round, $done, $crashes) = (0, 0, 0);
my $n_fixed = 0;				# samples that are always there
my (%count, %failed);

sub pick { return $_[ rand @_ ] }

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub in_range { return join ', ', map { "timestamptz 'epoch' + $_ * interval '1 ms'" } @_ }

# ---- the series ----
#
# Of a session's own are all samples of some series, and of others those of every fourth stretch of ten minutes: only it writes
# and deletes them, so that the model knows them exactly, while groups, head rows and chunks are everybody's.  "both" stands for two
# series of different groups which always get the same.  Shared samples are written by all and deleted by nobody.
my %series = (
	(map { $_ => { kind => 'own', owner => $_ % WRITERS } } 0 .. 2 * WRITERS - 1),
	(map { $_ => { kind => 'turns' } } 20 .. 25),
	(map { $_ => { kind => 'both' } } 30, 31),
	(map { $_ => { kind => 'shared' } } 40 .. 42),
	(map { $_ => { kind => 'fixed' } } 50 .. 55));

$series{$_}{label_bytes} = label_bytes({ __name__ => 'walk', n => $_, kind => $series{$_}{kind}, job => 'j' . $_ % 3 })
	for keys %series;

my %numbers;
push @{ $numbers{ $series{$_}{kind} } }, $_ for sort { $a <=> $b } keys %series;

# A time near the newest, or late by up to a day, so that windows and partitions of all ages are met.
sub some_time
{
	my ($writer) = @_;
	$writer->{now} += pick(0, STEP, STEP, 60_000, 120_000);
	return $writer->{now} - pick(0, 0, 0, 0, 1, STEP * int(rand 40), int(rand 20_000), int(rand DAY));
}

# The same in a stretch of the session's own.
sub some_time_in_turn
{
	my ($writer) = @_;
	my $t = some_time($writer);
	return $t - ((int($t / 600_000) - $writer->{number}) % WRITERS) * 600_000;
}

sub stored_value
{
	my ($value) = @_;
	return scalar unpack('H*', reverse value_bytes($value));
}

# ---- statements of a writer ----
#
# Each gives one line of SQL and what it does to the model when it succeeds.

sub some_samples
{
	my ($writer) = @_;
	my %samples = map { $_ => [] }
		map { pick(@$_) } $writer->{own}, $numbers{turns}, $numbers{ pick('shared', 'turns') };
	for my $n (keys %samples)
	{
		for (1 .. pick(1, 1, 3))
		{
			my $t = $series{$n}{kind} eq 'turns' ? some_time_in_turn($writer) : some_time($writer);
			push @{ $samples{$n} }, [ $t, pick(1, 2, '-0', 'stale', 'nan', rand) ];
		}
	}
	@samples{ @{ $numbers{both} } } = ([ [ some_time_in_turn($writer), 1 + rand ] ]) x 2 if rand() < 0.3;
	return %samples;
}

sub write_sql
{
	my (%samples) = @_;
	return remote_write_sql(map { { label_bytes => $series{$_}{label_bytes}, samples => $samples{$_} } } sort keys %samples);
}

sub in_model
{
	my (%samples) = @_;
	return map { my $n = $_; map { ($n, $_->[0], stored_value($_->[1])) } @{ $samples{$n} } } sort keys %samples;
}

sub plan_write
{
	my ($writer) = @_;
	my %samples = some_samples($writer);
	my @stored = in_model(%samples);
	return (write_sql(%samples), sub { $_[0]->write(@stored) });
}

sub plan_delete
{
	my ($writer) = @_;
	my $own = rand() < 0.5;
	my ($selector, @numbers) = ('walk{kind="both"}', @{ $numbers{both} });
	my $from = $own ? some_time($writer) : some_time_in_turn($writer);
	my $to = $from + pick(0, 60_000, 600_000, DAY);
	if ($own || rand() < 0.7)
	{
		@numbers = pick(@{ $own ? $writer->{own} : $numbers{turns} });
		$selector = qq(walk{n="$numbers[0]"});
	}
	$to = min($to, $from - $from % 600_000 + 599_999) unless $own;
	$writer->{deleted} = 1;
	return ("SELECT tsdb.delete_series('$selector', " . in_range($from, $to) . ')',
		sub { $_[0]->delete(\@numbers, $from, $to) });
}

sub plan_delete_all
{
	my ($writer) = @_;
	my $n = pick(@{ $writer->{own} });
	$writer->{deleted} = 1;
	return (qq{SELECT tsdb.delete_series('walk{n="$n"}')}, sub { $_[0]->delete([$n], -9**15, 9**15) });
}

# Opens a transaction, or a savepoint in it.
sub plan_begin
{
	my ($writer) = @_;
	my $savepoints = $writer->{savepoints};
	if (!$savepoints)
	{
		@$writer{qw(savepoints deleted)} = ([], 0);
		return ('BEGIN', sub { $_[0]->begin });
	}
	return plan_write($writer) if @$savepoints > 3;
	my $name = 's' . ++$writer->{names};
	push @$savepoints, $name;
	return ("SAVEPOINT $name", sub { $_[0]->savepoint($name) });
}

sub plan_rollback
{
	my ($writer) = @_;
	my $savepoints = $writer->{savepoints} // return plan_write($writer);
	if (@$savepoints && rand() < 0.7)
	{
		my $name = pick(@$savepoints);
		pop @$savepoints while $savepoints->[-1] ne $name;
		return ("ROLLBACK TO $name", sub { $_[0]->rollback_to($name) });
	}
	$writer->{savepoints} = undef;
	return ('ROLLBACK', sub { $_[0]->rollback });
}

sub plan_release
{
	my ($writer) = @_;
	my $savepoints = $writer->{savepoints};
	return plan_write($writer) unless $savepoints && @$savepoints;
	my $name = pick(@$savepoints);
	1 while pop @$savepoints ne $name;
	return ("RELEASE $name", sub { $_[0]->release($name) });
}

sub plan_commit
{
	my ($writer) = @_;
	return plan_write($writer) unless $writer->{savepoints};
	$writer->{savepoints} = undef;
	return ('COMMIT', sub { $_[0]->commit });
}

# Ends a transaction by preparing it, or a prepared one.  What a prepared one deleted is seen by later writes of the session
# or not, depending on compaction, so that it ends before them.
sub plan_prepare
{
	my ($writer) = @_;
	return plan_end_prepared($writer) if $writer->{prepared};
	return plan_write($writer) unless $writer->{savepoints};
	my $name = $writer->{prepared} = "w$writer->{number}_" . ++$writer->{names};
	$writer->{savepoints} = undef;
	$writer->{next} = 'end_prepared' if $writer->{deleted};
	return ("PREPARE TRANSACTION '$name'", sub { $_[0]->prepare($name) });
}

sub plan_end_prepared
{
	my ($writer) = @_;
	return plan_write($writer) if $writer->{savepoints} || !$writer->{prepared};
	my $name = $writer->{prepared};
	my $how = pick('commit', 'commit', 'rollback');
	my $method = "${how}_prepared";
	$writer->{prepared} = undef;
	return (uc($how) . " PREPARED '$name'", sub { $_[0]->$method($name) });
}

my %plan = (
	write => \&plan_write, delete => \&plan_delete, delete_all => \&plan_delete_all, begin => \&plan_begin,
	rollback => \&plan_rollback, release => \&plan_release, commit => \&plan_commit, prepare => \&plan_prepare,
	end_prepared => \&plan_end_prepared);
my %weight = (write => 480, delete => 8, delete_all => 1, begin => 170, rollback => 60, release => 40, commit => 160,
	prepare => 10, end_prepared => 60);

my @kinds = map { ($_) x $weight{$_} } sort keys %weight;

# Operations of one writer: [ kind, SQL, what it does ].
sub plan_of
{
	my ($writer, $n) = @_;
	my @plan;
	for my $kind ((map { pick(@kinds) } 1 .. $n), 'commit')
	{
		$kind = delete $writer->{next} // $kind;
		push @plan, [ $kind, $plan{$kind}->($writer) ];
	}
	push @plan, [ 'commit', plan_commit($writer) ] while $writer->{savepoints};
	return \@plan;
}

# ---- statements of the others ----

my $n_prepared = 0;

# Also so that chunks have other bounds than before, and what is compacted goes to other classes.
sub compactor_statement
{
	my $name = 'c' . ++$n_prepared;
	my @statements = (
		('CALL tsdb.compact(true)') x 3, 'CALL tsdb.compact()', 'BEGIN; CALL tsdb.compact(true); ' . pick('COMMIT', 'ROLLBACK'),
		"BEGIN; CALL tsdb.compact(true); PREPARE TRANSACTION '$name'; " . pick('COMMIT', 'ROLLBACK') . " PREPARED '$name'",
		"SET pgtsdb.compaction_window = '" . pick(10, 30, 60) . "min'; CALL tsdb.compact(true)",
		"SET pgtsdb.compaction_merge_window = '" . pick(30, 120, 480) . "min'; CALL tsdb.compact(true)",
		"SET pgtsdb.chunk_partition_width = '" . pick(360, 1440) . "min'; CALL tsdb.compact(true)",
		"SET pgtsdb.max_chunk_span = '" . pick(20, 240, 480) . "min'; CALL tsdb.compact(true)",
		sprintf(q{UPDATE tsdb.retention_policies SET position = %d WHERE selector::text ~ '0-4'}, pick(-1, 1)),
		'CALL tsdb.apply_retention()', 'CALL tsdb.apply_retention()',
		'VACUUM tsdb.head', 'VACUUM tsdb.series', 'VACUUM (FREEZE) tsdb.chunks');
	return pick(@statements);
}

sub reader_statement
{
	my $from = max($expired, $now - rand DAY);
	my $to = $from + pick(600_000, 7_200_000, DAY);
	my $range = in_range(map { int } $from, $to);
	my $check = "CALL check_reading($range, $n_fixed)";
	return pick($check, "BEGIN ISOLATION LEVEL REPEATABLE READ; $check; CALL check_repeated($range); COMMIT");
}

# Raises when something is missing or double.
sql(<<'END');
CREATE TABLE round AS SELECT false AS writers_ended;
CREATE PROCEDURE check_reading(since timestamptz, until timestamptz, fixed bigint) LANGUAGE plpgsql AS $$
DECLARE
	found record;
BEGIN
	SELECT count(*) AS samples, count(DISTINCT (labels, ts)) AS different, count(DISTINCT ts) FILTER (WHERE kind = 'both') AS times,
	       count(*) FILTER (WHERE kind = 'both') AS of_both
	  INTO found FROM (SELECT labels, ts, labels ->> 'kind' AS kind FROM tsdb.samples('walk', since, until)) s;
	IF found.samples <> found.different THEN
		RAISE EXCEPTION '% samples, % different ones', found.samples, found.different;
	END IF;
	IF found.of_both <> 2 * found.times THEN
		RAISE EXCEPTION '% samples of two series at % times', found.of_both, found.times;
	END IF;
	SELECT count(*) AS samples, count(DISTINCT (labels, ts)) AS different, coalesce(sum(value), 0) AS sum
	  INTO found FROM tsdb.samples('walk{kind="fixed"}', '-infinity', 'infinity');
	IF found.samples <> fixed OR found.different <> fixed OR found.sum <> fixed THEN
		RAISE EXCEPTION '% samples, % different ones, the sum is %, all shall be %',
			found.samples, found.different, found.sum, fixed;
	END IF;
	SELECT sum(value) AS samples, count(*) AS series INTO found
	  FROM tsdb.promql('count_over_time(walk{kind=~"fi.*",n!="1"}[30d])', to_timestamp(1.7e9 + 5e5));
	IF found.series <> 6 THEN
		RAISE EXCEPTION '% series, the sum is %', found.series, found.samples;
	END IF;
END $$;
CREATE FUNCTION fingerprint(since timestamptz, until timestamptz) RETURNS text STABLE LANGUAGE sql AS $$
	SELECT count(*) || ' ' || sum(hashtextextended(labels::text || ts || encode(float8send(value), 'hex'), 0))
	  FROM tsdb.samples('walk', since, until) $$;
CREATE PROCEDURE check_repeated(since timestamptz, until timestamptz) LANGUAGE plpgsql AS $$
DECLARE
	first text := fingerprint(since, until);
BEGIN
	FOR i IN 1 .. 3 LOOP
		PERFORM pg_sleep(0.01);
		IF fingerprint(since, until) <> first THEN
			RAISE EXCEPTION 'first %, then %', first, fingerprint(since, until);
		END IF;
	END LOOP;
END $$;
END

# ---- a round ----

my @writers = map {
	my $number = $_;
	{
		number => $number, now => $now, model => Pgtsdb::SampleModel->new,
		own => [ grep { $series{$_}{owner} == $number } @{ $numbers{own} } ]
	}
} 0 .. WRITERS - 1;
my $fixed = Pgtsdb::SampleModel->new;
my $folder = PostgreSQL::Test::Utils::tempdir();

# Starts a psql that runs the statements, one per line, and writes the number and the SQLSTATE of each; with a pause behind each
# it goes on until the writers have ended.
sub start
{
	my ($name, $pause, @statements) = @_;
	my $session = { name => $name, statements => \@statements, output => '', errors => '' };
	my $wait = $pause ? "SELECT writers_ended, pg_sleep($pause) FROM round \\gset\n\\if :writers_ended\n\\q\n\\endif\n" : '';
	open(my $file, '>', "$folder/$name.sql") or die "$folder/$name.sql: $!";
	print $file "\\o /dev/null\n\\set VERBOSITY verbose\n";
	print $file "$statements[$_];\n\\echo $_ :SQLSTATE\n$wait" for 0 .. $#statements;
	close $file;
	$session->{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', "$folder/$name.sql" ],
		'<', \undef, '>', \$session->{output}, '2>', \$session->{errors});
	return $session;
}

# What was answered: SQLSTATEs, in order.
sub answers_of
{
	my ($session) = @_;
	return map { (split / /)[1] } split /\n/, $session->{output};
}

sub plan_round { $_->{next_plan} = plan_of($_, int($round_size / WRITERS)) for @writers; return }

sub run_round
{
	my ($crash) = @_;
	sql('UPDATE round SET writers_ended = false');
	my @sessions = map { $_->{plan} = $_->{next_plan}; start("writer$_->{number}", 0, map { $_->[1] } @{ $_->{plan} }) } @writers;
	my @others = map { start("compactor$_", PAUSE, map { compactor_statement() } 1 .. 500) } 1 .. COMPACTORS;
	push @others, map { start("reader$_", PAUSE, map { reader_statement() } 1 .. 500) } 1 .. READERS;
	my $began = time;
	$crash ? $crash->() : plan_round();
	$_->{run}->finish for @sessions;
	my $took = time - $began;
	sql('UPDATE round SET writers_ended = true');
	$_->{run}->finish for @others;
	replay($writers[$_], $sessions[$_], $crash) for 0 .. $#writers;
	note_others($_, $crash) for @others;
	plan_round() if $crash;
	return $took;
}

sub unexpected
{
	my ($session, $i, $state) = @_;
	fail("round $round: $session->{name} met $state");
	diag("with: $session->{statements}[$i]\n", substr($session->{errors}, -2000));
	return;
}

# A statement of theirs may be several to psql, so that errors are counted as it wrote them.
sub note_others
{
	my ($session, $crash) = @_;
	my ($kind) = $session->{name} =~ /^(\w+?)\d/;
	my @answers = answers_of($session);
	for my $i (0 .. $#answers)
	{
		$count{ $kind eq 'compactor' && $session->{statements}[$i] =~ /(VACUUM|apply_retention)/ ? lc $1 : $kind }++;
		$done++;
	}
	my @lines = split /\n/, slurp_file("$folder/$session->{name}.sql");
	while ($session->{errors} =~ /:(\d+): ERROR:  (\w{5}): (.*)/g)
	{
		my ($line, $state, $message) = ($1, $2, $3);
		next if $crash && $state =~ /^57P/;
		$failed{$state}++;
		fail("round $round: $session->{name}: $state $message") || diag("with: $lines[$line - 1]")
			unless $tolerated{$state} && $kind ne 'reader';
	}
	return;
}

# Does to the model what the answers say was done.
sub replay
{
	my ($writer, $session, $crash) = @_;
	my ($model, $plan) = @$writer{qw(model plan)};
	my @answers = answers_of($session);
	for my $i (0 .. $#answers)
	{
		my ($kind, $sql, $effect) = @{ $plan->[$i] };
		# of a server that ended, psql only knows that there was no answer
		return lost($writer, $plan->[$i]) if $crash && $answers[$i] =~ /^(?:57P0\d|08.*|)$/;
		$count{$kind}++;
		$done++;
		if ($answers[$i] eq '00000')
		{
			$effect->($model) unless is_nothing($model, $sql);
			next;
		}
		$failed{ $answers[$i] }++;
		$model->fail;
		unexpected($session, $i, $answers[$i]) unless $tolerated{ $answers[$i] };
		unexpected($session, $i, $answers[$i]) if $answers[$i] eq '42704' && $sql =~ /PREPARED '(.*)'/ && $model->is_prepared($1);
		unexpected($session, $i, $answers[$i]) if $answers[$i] eq '3B001' && $sql =~ /(\w+)$/ && $model->has_savepoint($1);
	}
	if (@answers < @$plan)
	{
		fail("round $round: $session->{name} stopped after " . @answers . ': ' . substr($session->{errors}, -500)) unless $crash;
		lost($writer, $plan->[ scalar @answers ]);
	}
	return;
}

# COMMIT of a transaction that has not begun, or of one that BEGIN found already there: a warning and no more.
sub is_nothing
{
	my ($model, $sql) = @_;
	return $sql =~ /^(?:COMMIT|ROLLBACK|PREPARE TRANSACTION '\w+')$/ && !$model->in_transaction;
}

# The statement that got no answer: was it the end of a transaction, that may have come about.
sub lost
{
	my ($writer, $operation) = @_;
	my ($kind, $sql, $effect) = @$operation;
	my $model = $writer->{model};
	@$writer{qw(savepoints next)} = ();
	if (!$model->in_transaction && $sql =~ /^SELECT/)
	{
		$model->begin;
		$effect->($model);
		return $model->interrupt(1);
	}
	# whether it is prepared, or still is, the server tells
	if ($sql =~ /^PREPARE TRANSACTION '(\w+)'/ && $model->in_transaction)
	{
		$model->prepare($1);
		$model->rollback_prepared($1) if $model->is_prepared($1) && !sql("SELECT count(*) FROM pg_prepared_xacts WHERE gid = '$1'");
	}
	elsif ($sql =~ /PREPARED '(\w+)'/ && $model->is_prepared($1) && !sql("SELECT count(*) FROM pg_prepared_xacts WHERE gid = '$1'"))
	{
		$effect->($model);
	}
	$model->interrupt($sql eq 'COMMIT');
	return;
}

# The prepared transactions, all of them.
sub end_prepared
{
	for my $writer (@writers)
	{
		my $model = $writer->{model};
		for my $name (sort keys %{ $model->{prepared} })
		{
			my $how = pick('commit', 'rollback');
			my $method = "${how}_prepared";
			sql(uc($how) . " PREPARED '$name'");
			$model->$method($name);
		}
		$writer->{prepared} = undef;
	}
	# those of compactors that the end of the server has left
	sql("ROLLBACK PREPARED '$_'") for split /\n/, sql('SELECT gid FROM pg_prepared_xacts');
	return;
}

my %crash = (
	'kill -9 of the postmaster' => sub { $node->kill9; start_again($node) },
	'an immediate shutdown' => sub { $node->stop('immediate'); $node->start },
	'kill -9 of a backend' => sub {
		my $pid = sql(q{SELECT pid FROM pg_stat_activity
			WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1});
		kill 9, $pid if $pid;
		sleep(0.2);
		answers_again($node);
	});

# ---- checks ----

sub is_shared { return $series{ $_[0] }{kind} eq 'shared' }

# The samples, and those that are there twice.
sub read_all
{
	my (%stored, @twice);
	my $rows = sql(q{SELECT labels ->> 'n', (extract(epoch FROM ts) * 1000)::bigint, encode(float8send(value), 'hex')
		FROM tsdb.samples('walk', '-infinity', 'infinity')});
	for (split /\n/, $rows)
	{
		my ($n, $t, $value) = split /\|/;
		push @twice, "$n $t is there twice" if defined $stored{$n}{$t};
		$stored{$n}{$t} = $value;
	}
	return (\%stored, @twice);
}

# Entries by series and time: of one model, but where all of them write.
sub all_entries
{
	my %all;
	for my $entries (map { $_->{entries} } $fixed, map { $_->{model} } @writers)
	{
		for my $n (keys %$entries)
		{
			push @{ $all{$n}{$_} }, @{ $entries->{$n}{$_} } for keys %{ $entries->{$n} };
		}
	}
	return \%all;
}

# What is expired may be gone, or not yet.
sub check
{
	my ($when) = @_;
	my ($stored, @wrong) = read_all();
	for my $writer (@writers)
	{
		my $question = $writer->{model}{interrupted};
		my $answer = $writer->{model}->settle($stored, sub { !is_shared($_[0]) && $_[1] >= $expired });
		push @wrong, "the last transaction of writer $writer->{number} is there in part" if $question && !$answer;
	}
	my $all = all_entries();
	for my $n (keys %$all)
	{
		my $since = $series{$n}{kind} eq 'fixed' ? 0 : $expired;
		for my $t (keys %{ $all->{$n} })
		{
			my $value = delete $stored->{$n}{$t};
			next if $t < $since;
			my @may = Pgtsdb::SampleModel::committed(@{ $all->{$n}{$t} });
			push @wrong, "$n $t: " . ($value // 'nothing') . ' for one of (' . join(' ', map { $_->{value} } @may) . ')'
				unless defined $value ? grep { $_->{value} eq $value } @may : !grep { !$_->{uncertain} } @may;
		}
	}
	push @wrong, map { my $n = $_; map { "$n $_: never written" } keys %{ $stored->{$n} } } keys %$stored;
	is(scalar @wrong, 0, "$when: samples are those of the model")
		or diag("seed $seed, round $round: ", join("\n", @wrong[ 0 .. min(9, $#wrong) ]));
	return;
}

# With nobody else about, and all that was prepared ended.
sub check_tables
{
	my ($when) = @_;
	sql('CALL tsdb.compact(true)');
	sql('CALL tsdb.apply_retention()');
	my %nothing = (
		'rows of head' => 'SELECT FROM tsdb.head',
		'columns with two series' => 'SELECT FROM tsdb.series GROUP BY part, group_id, col HAVING count(*) > 1',
		'series that live twice' => 'SELECT FROM tsdb.series WHERE gone_at IS NULL GROUP BY part, hash HAVING count(*) > 1',
		'series without samples' => q{SELECT labels FROM tsdb.series
			EXCEPT SELECT labels::tsdb.labels FROM tsdb.samples('walk', '-infinity', 'infinity')},
		'chunks that reach over the end of their partition' => q{SELECT FROM tsdb.chunks c JOIN pg_class p ON p.oid = c.tableoid
			WHERE t_min + dt >= (regexp_match(pg_get_expr(relpartbound, p.oid), '(-?[0-9]+).?[)]$'))[1]::bigint},
		'chunks that are too long' => 'SELECT FROM tsdb.chunks WHERE dt > 8 * ' . HOUR,
		'chunks of groups that are gone' => 'SELECT part, group_id FROM tsdb.chunks
			EXCEPT SELECT part, group_id FROM tsdb.series_groups',
		'expired samples' => q{SELECT FROM tsdb.samples('walk{kind!="fixed"}', } . in_range(0, max(0, $expired - HOUR - 1)) . ')');
	for my $what (sort keys %nothing)
	{
		is(sql("SELECT count(*) FROM ($nothing{$what}) t"), 0, "$when: no $what");
	}
	is(sql("SELECT tsdb.label_index_check(i.indexrelid::regclass) = (SELECT count(*) FROM tsdb.series)
		  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = relam AND amname = 'label_index'
		 WHERE indrelid = 'tsdb.series'::regclass"), 't', "$when: the label index is whole");
	$_->{model}->forget_before($expired - HOUR) for @writers;
	return;
}

# Samples of the days that come, which nobody else writes.
sub write_fixed
{
	my %samples = map { my $n = $_; $n => [ map { [ $now + $_ * 600_000 + $n, 1 ] } 0 .. 71 ] } @{ $numbers{fixed} };
	sql(write_sql(%samples));
	$fixed->write(in_model(%samples));
	$n_fixed = sum0(map { scalar keys %$_ } values %{ $fixed->{entries} });
	return;
}

# Series that come and go at once, of which columns stay behind: those that are written lie scattered among them, and move.
sub churn
{
	my @come = map { [ "come{n=\"$_\",round=\"$round\"} 1\\n", 'j' . $_ % 3 ] } 1 .. 240;
	for my $job (0 .. 2)
	{
		my $lines = join '', map { $_->[0] } grep { $_->[1] eq "j$job" } @come;
		sql(qq(SELECT tsdb.push_text(E'$lines', '{"job": "j$job"}', to_timestamp($now / 1000))));
	}
	sql(q{SELECT tsdb.delete_series('come')});
	return;
}

# What is older than a day is expired from now on: the next round meets it.  While the clock goes on so does the end of what
# is expired; samples of the hour behind it may be there or not.
sub expire
{
	my $end = ($now - DAY) - ($now - DAY) % DAY;
	sql("UPDATE tsdb.retention_policies SET retention = now() - to_timestamp($end / 1000) WHERE position <> -5");
	$expired = $end + HOUR;
	return;
}

# A wide net of classes; the fixed samples are kept whatever comes.
sql(q{INSERT INTO tsdb.retention_policies (position, selector, retention)
	VALUES (-5, 'walk{kind="fixed"}', '1000 years'), (0, 'walk{n=~".*[0-4]"}', '1000 years'),
	       (0, 'walk{n=~".*[137]"}', '1000 years'), (2, NULL, '1000 years')});
write_fixed();
plan_round();

my $took = 1;
my @ways = sort keys %crash;
while ($done < $operations)
{
	$round++;
	my $way = $round % 4 == 2 ? $ways[ $crashes++ % @ways ] : undef;
	$took = run_round($way ? sub { sleep(0.1 + rand($took * 0.8)); $crash{$way}->() } : undef);
	my $alone = $way || $round % 4 == 0;
	end_prepared() if $alone;
	check("round $round" . ($way ? ", ended by $way" : ''));
	$now = max(map { $_->{now} } @writers);
	if ($round % 4 == 0)
	{
		check_tables("round $round");
		check("round $round, compacted");
	}
	write_fixed();
	churn() if $alone;
	expire() if $round % 2 == 1;
}
end_prepared();
check_tables('in the end');
check('in the end');
$node->restart;
check('after a restart');
note("seed $seed: $done operations in $round rounds, $crashes crashes: ", join(', ', map { "$_ $count{$_}" } sort keys %count));
note('failed: ', join(', ', map { "$_ $failed{$_}" } sort keys %failed));
done_testing();
