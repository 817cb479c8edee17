# Script.pm: reads the PromQL test scripts of test/promql; README.md there documents their language.
#
# A script becomes a list of commands:
#
#	{ kind => 'clear', line => ... }
#	{ kind => 'load', line => ..., series => [ { labels => {}, samples => [ [ ms, value ], ... ] }, ... ] }
#	{ kind => 'eval', line => ..., query => ..., at => ms | start, end, step => ms,
#	  series => [ { labels => {}, values => [ ... ] }, ... ], scalar => value, string => text,
#	  fail => {}, ordered => 1, warn => [ {} ], info => [ {} ], no_warn => 1, no_info => 1 }
#
# A value is a number as text, or one of stale, NaN, Inf, -Inf; undef stands for a gap.  An expectation is { msg => text },
# { regex => pattern } or {} for any.  What this reader does not know ends the script: nothing is skipped in silence.
package Pgtsdb::Script;

use strict;
use warnings;
use Exporter 'import';
use POSIX ();

our @EXPORT_OK = qw(read_script parse_duration parse_sequence parse_series);

my %UNIT = (ms => 1, s => 1000, m => 60_000, h => 3_600_000, d => 86_400_000, w => 604_800_000, y => 31_536_000_000);

# Milliseconds of 1h30m, or of a bare number of seconds.
sub parse_duration
{
	my ($text) = @_;
	return POSIX::floor($text * 1000 + 0.5) if $text =~ /^-?\d+(?:\.\d+)?$/;
	my ($sign, $rest) = $text =~ /^(-?)((?:\d+(?:ms|[smhdwy]))+)$/ or die "bad duration \"$text\"\n";
	my $sum = 0;
	$sum += $1 * $UNIT{$2} while $rest =~ /(\d+)(ms|[smhdwy])/g;
	return $sign ? -$sum : $sum;
}

# A label value as PromQL writes it; only the escapes that scripts use.
sub unquote
{
	my ($text) = @_;
	return substr($text, 1, -1) if $text =~ /^`/;
	my %escape = (n => "\n", t => "\t", r => "\r");
	$text = substr($text, 1, -1);
	$text =~ s/\\(?:x([0-9a-fA-F]{2})|(.))/defined $1 ? chr hex $1 : $escape{$2} \/\/ $2/ge;
	return $text;
}

my $QUOTED = qr/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`/s;

# metric{label="value", ...}, {"metric", label="value"}, metric or {}: returns the labels and what follows.
sub parse_series
{
	my ($text) = @_;
	my %labels;
	$labels{__name__} = $1 if $text =~ s/^([a-zA-Z_:][a-zA-Z0-9_:]*)//;
	if ($text =~ s/^\s*\{//)
	{
		until ($text =~ s/^\s*\}//)
		{
			if ($text =~ s/^\s*(?:([a-zA-Z_][a-zA-Z0-9_]*)|($QUOTED))\s*=\s*($QUOTED)\s*,?//)
			{
				$labels{ $1 // unquote($2) } = unquote($3);
			}
			elsif ($text =~ s/^\s*($QUOTED)\s*,?//)
			{
				$labels{__name__} = unquote($1);
			}
			else
			{
				die "bad labels at \"$text\"\n";
			}
		}
	}
	elsif (!%labels)
	{
		die "no series at \"$text\"\n";
	}
	delete $labels{$_} for grep { $labels{$_} eq '' } keys %labels;
	return (\%labels, $text);
}

my $NUMBER = qr/[-+]?(?:Inf|NaN|inf|nan|0x[0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)/;

sub number
{
	my ($text) = @_;
	return $text =~ s/^\+//r if $text =~ /inf|nan/i;
	return hex $text if $text =~ /^0x/;
	return $text + 0;
}

# 1 2+3x4 _ _x3 5x2 stale NaN: the values in order.
sub parse_sequence
{
	my ($text) = @_;
	my @values;
	for my $item (split ' ', $text)
	{
		if ($item =~ /^_(?:x(\d+))?$/)
		{
			push @values, (undef) x ($1 // 1);
		}
		elsif ($item =~ /^(stale|$NUMBER)(?:([-+](?=[\d.])$NUMBER)?x(\d+))?$/)
		{
			my ($value, $step, $times) = ($1 eq 'stale' ? 'stale' : number($1), $2, $3 // 0);
			push @values, $value;
			for (1 .. $times)
			{
				$value += number($step) if defined $step;
				push @values, $value;
			}
		}
		else
		{
			die "bad value \"$item\"\n";
		}
	}
	return @values;
}

sub parse_load
{
	my ($command, $interval, @lines) = @_;
	my $step = parse_duration($interval);
	for my $line (@lines)
	{
		my ($labels, $rest) = parse_series($line);
		my @values = parse_sequence($rest);
		my @samples = map { [ $_ * $step, $values[$_] ] } grep { defined $values[$_] } 0 .. $#values;
		push @{ $command->{series} }, { labels => $labels, samples => \@samples };
	}
	return;
}

sub expectation
{
	my ($how, $what) = @_;
	return {} unless defined $how;
	$what =~ s/^\s+|\s+$//g;
	return { $how => $what };
}

sub parse_eval
{
	my ($command, $variant, @lines) = @_;
	$command->{fail} = {} if $variant eq 'fail';
	$command->{ordered} = 1 if $variant eq 'ordered';
	push @{ $command->{$variant} }, {} if $variant =~ /^(?:warn|info)$/;
	for my $line (@lines)
	{
		if ($line =~ /^expected_fail_(message|regexp)\s+(.*)$/)
		{
			$command->{fail} = expectation($1 eq 'message' ? 'msg' : 'regex', $2);
		}
		elsif ($line =~ /^expect range vector from (\S+) to (\S+) step (\S+)$/)
		{
			@$command{qw(points_start points_end points_step)} = map { parse_duration($_) } $1, $2, $3;
			$command->{at} = $command->{points_end};
		}
		elsif ($line =~ /^expect string\s+($QUOTED)$/)
		{
			$command->{string} = unquote($1);
		}
		elsif ($line =~ /^expect (ordered|no_warn|no_info)$/)
		{
			$command->{$1} = 1;
		}
		elsif ($line =~ /^expect fail(?:\s+(regex|msg):(.*))?$/)
		{
			$command->{fail} = expectation($1, $2);
		}
		elsif ($line =~ /^expect (warn|info)(?:\s+(regex|msg):(.*))?$/)
		{
			push @{ $command->{$1} }, expectation($2, $3);
		}
		elsif ($line =~ /^$NUMBER$/)
		{
			$command->{scalar} = number($line);
		}
		else
		{
			my ($labels, $rest) = parse_series($line);
			push @{ $command->{series} }, { labels => $labels, values => [ parse_sequence($rest) ] };
		}
	}
	return;
}

sub parse_block
{
	my ($number, $first, @lines) = @_;
	my $command = { line => $number, series => [] };
	if ($first eq 'clear' && !@lines)
	{
		$command->{kind} = 'clear';
	}
	elsif ($first =~ /^load\s+(\S+)$/)
	{
		$command->{kind} = 'load';
		parse_load($command, $1, @lines);
	}
	elsif ($first =~ /^eval(?:_(fail|warn|info|ordered))?\s+instant\s+(?:at\s+(\S+)\s+)?(.+)$/)
	{
		@$command{qw(kind at query)} = ('eval', parse_duration($2 // 0), $3);
		parse_eval($command, $1 // '', @lines);
	}
	elsif ($first =~ /^eval(?:_(fail|warn|info))?\s+range\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)\s+(.+)$/)
	{
		my $variant = $1 // '';
		@$command{qw(kind start end step query)} = ('eval', (map { parse_duration($_) } $2, $3, $4), $5);
		parse_eval($command, $variant, @lines);
	}
	else
	{
		die "unknown command \"$first\"\n";
	}
	return $command;
}

# The commands of a script, in order.
sub read_script
{
	my ($path) = @_;
	my (@commands, @block, $start);
	open(my $file, '<:encoding(UTF-8)', $path) or die "$path: $!\n";
	my @lines = (<$file>, '');
	close $file;
	for my $i (0 .. $#lines)
	{
		my $line = $lines[$i];
		$line =~ s/^\s+|\s+$//g;
		next if $line =~ /^#/;
		my $begins = $line =~ /^(?:load|clear|eval)(?:_\w+)?\b/ && $line !~ /^(?:load|clear|eval)\w*\{/;
		if (@block && ($line eq '' || $begins))
		{
			push @commands, eval { parse_block($start, @block) } // die "$path:$start: $@";
			@block = ();
		}
		next if $line eq '';
		$start = $i + 1 unless @block;
		push @block, $line;
	}
	return @commands;
}

1;
