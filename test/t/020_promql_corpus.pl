# The scripts of test/promql give the same results through SQL as through the core alone: each is loaded by remote
# write and asked with tsdb.api_query, once while all samples are in head and once when they are in chunks.
#
# What runs between two "clear" gets a tenant of its own, so that each begins with nothing.
use strict;
use warnings;
use FindBin;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

use Pgtsdb::Node;
use Pgtsdb::RemoteWrite qw(remote_write_sql);
use Pgtsdb::Script qw(read_script);

my $json = JSON::PP->new->utf8->allow_nonref;
my $tolerance = 1e-6;		# relative, as in the runner of the core
my $tenants = 0;

# Body of a load, in requests of at most a few thousand samples.
sub load_sql
{
	my ($command) = @_;
	my (@request, @statements);
	my $samples = 0;
	for my $series (@{ $command->{series} })
	{
		next unless @{ $series->{samples} };
		push @request, $series;
		$samples += @{ $series->{samples} };
		next if $samples < 5000;
		push @statements, remote_write_sql(@request) . ';';
		($samples, @request) = (0);
	}
	push @statements, remote_write_sql(@request) . ';' if @request;
	return @statements;
}

sub eval_sql
{
	my ($command) = @_;
	my @times = map { "to_timestamp(${\($_ / 1000)})" } grep { defined } @$command{qw(at start end)};
	my $query = '$promql$' . $command->{query} . '$promql$';
	return "SELECT tsdb.api_query($query, $times[0]);" if defined $command->{at};
	return "SELECT tsdb.api_query_range($query, $times[0], $times[1], interval '$command->{step} ms');";
}

sub new_tenant_sql
{
	$tenants++;
	my $id = "script-$tenants";
	return ("DO \$\$ BEGIN PERFORM tsdb.create_tenant('$id'); END \$\$;", "SET pgtsdb.tenant = '$id';");
}

# Runs a whole script in one session; returns what each eval answered, by its line.
sub run_script
{
	my ($node, $compact, @commands) = @_;
	my @sql = new_tenant_sql();
	for my $command (@commands)
	{
		push @sql, "\\echo == $command->{line}";
		push @sql, new_tenant_sql() if $command->{kind} eq 'clear';
		push @sql, load_sql($command), $compact ? 'CALL tsdb.compact();' : () if $command->{kind} eq 'load';
		push @sql, eval_sql($command) if $command->{kind} eq 'eval';
	}
	my $text = join "\n", @sql, '';
	utf8::encode($text);
	my ($rc, $out, $err) = $node->psql('postgres', $text, on_error_stop => 0);

	my (%answer, $line);
	for (split /\n/, $out)
	{
		if (/^== (\d+)$/) { $line = $1; $answer{$line} = ''; }
		else { $answer{$line} .= "$_\n" if defined $line; }
	}
	return (\%answer, $err);
}

sub same_value
{
	my ($got, $expected) = @_;
	my @special = map { /nan/i ? 'NaN' : /^\+?inf/i ? '+Inf' : /^-inf/i ? '-Inf' : '' } $got, $expected;
	return $special[0] eq $special[1] if $special[0] ne '' || $special[1] ne '';
	return 1 if $got == $expected;
	return 0 if $got == 0 || $expected == 0;
	return abs($got - $expected) / (abs($got) + abs($expected)) < $tolerance;
}

sub key_of { my ($labels) = @_; return join ',', map { "$_=\"$labels->{$_}\"" } sort keys %$labels; }

# [ [ seconds, value ], ... ] that an expected sequence stands for.
sub expected_points
{
	my ($command, $values) = @_;
	my ($start, $step) = @$command{qw(points_start points_step)};
	return [ [ $command->{at} / 1000, $values->[0] ] ] if defined $command->{at} && !defined $start;
	($start, $step) = @$command{qw(start step)} unless defined $start;
	return [ map { [ ($start + $_ * $step) / 1000, $values->[$_] ] } grep { defined $values->[$_] } 0 .. $#$values ];
}

# What is wrong with the points of one series, or nothing.
sub wrong_points
{
	my ($got, $expected) = @_;
	return 'has ' . @$got . ' points instead of ' . @$expected if @$got != @$expected;
	for my $i (0 .. $#$expected)
	{
		my ($t, $v) = @{ $got->[$i] };
		return "has a point at $t instead of $expected->[$i][0]" if abs($t - $expected->[$i][0]) > 0.0005;
		return "is $v at $t instead of $expected->[$i][1]" unless same_value($v, $expected->[$i][1]);
	}
	return;
}

sub wrong_series
{
	my ($command, $results) = @_;
	my %left = map { key_of($_->{labels}) => $_ } @{ $command->{series} };
	my @order;
	for my $result (@$results)
	{
		return 'a native histogram in the result' if $result->{histogram} || $result->{histograms};
		my $key = key_of($result->{metric});
		my $expected = delete $left{$key} // return "{$key} is not expected, or there twice";
		my $wrong = wrong_points($result->{values} // [ $result->{value} ], expected_points($command, $expected->{values}));
		return "{$key} $wrong" if defined $wrong;
		push @order, $key;
	}
	return 'missing: ' . join '; ', map { "{$_}" } sort keys %left if %left;
	my @wanted = map { key_of($_->{labels}) } @{ $command->{series} };
	return 'order: ' . join '; ', @order if $command->{ordered} && "@order" ne "@wanted";
	return;
}

sub matches
{
	my ($expectation, $text) = @_;
	return $text eq $expectation->{msg} if defined $expectation->{msg};
	return $text =~ /$expectation->{regex}/ if defined $expectation->{regex};
	return 1;
}

# Each expectation meets an annotation, and when there are expectations, each annotation meets one.
sub wrong_annotations
{
	my ($command, $answer) = @_;
	for ([ warn => 'warnings' ], [ info => 'infos' ])
	{
		my ($kind, $field) = @$_;
		my @got = @{ $answer->{$field} // [] };
		my @expected = @{ $command->{$kind} // [] };
		return "unexpected $field: @got" if $command->{"no_$kind"} && @got;
		for my $expectation (@expected)
		{
			return "no such $kind among: @got" unless grep { matches($expectation, $_) } @got;
		}
		for my $text (@expected ? @got : ())
		{
			return "unexpected $kind: $text" unless grep { matches($_, $text) } @expected;
		}
	}
	return;
}

# What is wrong with the answer to an eval, or nothing.
sub wrong_answer
{
	my ($command, $text) = @_;
	my $answer = eval { $json->decode($text) } // return "no JSON: $text";
	if ($command->{fail})
	{
		return "succeeds: $text" if $answer->{status} ne 'error';
		return matches($command->{fail}, $answer->{error}) ? undef : "fails with: $answer->{error}";
	}
	return "fails: " . ($answer->{error} // $text) if $answer->{status} ne 'success';

	my ($type, $result) = @{ $answer->{data} }{qw(resultType result)};
	return wrong_annotations($command, $answer) // do
	{
		if (defined $command->{string})
		{
			$type ne 'string' ? "a $type" : $result->[1] eq $command->{string} ? undef : "is \"$result->[1]\"";
		}
		elsif (defined $command->{scalar})
		{
			$type ne 'scalar' ? "a $type" : wrong_points([$result], [ [ $command->{at} / 1000, $command->{scalar} ] ]);
		}
		else
		{
			$type eq 'scalar' || $type eq 'string' ? "a $type" : wrong_series($command, $result);
		}
	};
}

my @scripts = sort glob "$FindBin::RealBin/../promql/*.test";
my $node = pgtsdb_node('corpus');

ok(@scripts > 0, 'there are scripts');
for my $path (@scripts)
{
	my ($name) = $path =~ m{([^/]+)\.test$};
	my @commands = eval { read_script($path) };
	is($@, '', "$name is well-formed") or next;

	for my $compact (0, 1)
	{
		my $where = $compact ? 'chunks' : 'head';
		my ($answers, $errors) = run_script($node, $compact, @commands);
		is($errors, '', "$name, $where: no SQL error");
		for my $command (grep { $_->{kind} eq 'eval' } @commands)
		{
			my $wrong = wrong_answer($command, $answers->{ $command->{line} } // '');
			is($wrong, undef, "$name:$command->{line}, $where: $command->{query}");
		}
	}
}

done_testing();
