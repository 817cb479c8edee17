# Grafana.pm: what Grafana does with queries before it sends them.
#
#	my $grafana = Pgtsdb::Grafana->new(from => $seconds, to => $seconds, interval => '15s');
#	$grafana->sql('SELECT ... $__timeFrom() ...', timescaledb => 1);
#	$grafana->promql('rate(x{job=~"$job"}[$__rate_interval])', { job => [ 'a', 'b' ] });
package Pgtsdb::Grafana;

use strict;
use warnings;

sub new
{
	my ($class, %self) = @_;
	return bless \%self, $class;
}

sub seconds_of
{
	my ($interval) = @_;
	my ($n, $unit) = $interval =~ /^'?([\d.]+)(ms|[smhdw])'?$/ or die "not an interval: $interval";
	return $n * { ms => 0.001, s => 1, m => 60, h => 3600, d => 86400, w => 604800 }->{$unit};
}

# ---- the macros of its PostgreSQL data source ----

sub rfc3339
{
	my ($seconds) = @_;
	my ($s, $m, $h, $day, $month, $year) = gmtime int $seconds;
	my $fraction = sprintf '%.9f', $seconds - int $seconds;
	$fraction =~ s/^0|0+$//g;
	return sprintf "%04d-%02d-%02dT%02d:%02d:%02d%sZ", $year + 1900, $month + 1, $day, $h, $m, $s, $fraction eq '.' ? '' : $fraction;
}

sub nanoseconds { my ($seconds) = @_; return sprintf '%d%09d', int $seconds, ($seconds - int $seconds) * 1e9; }

sub macro
{
	my ($self, $timescaledb, $name, @args) = @_;
	my ($from, $to) = @$self{qw(from to)};
	my ($column, $interval) = @args;
	return $self->macro($timescaledb, $1, @args) . ' AS "time"' if $name =~ /^(__(?:time|unixEpoch)Group)Alias$/;
	return qq{$column AS "time"} if $name eq '__time';
	return qq{extract(epoch from $column) as "time"} if $name eq '__timeEpoch';
	return "$column BETWEEN '" . rfc3339($from) . "' AND '" . rfc3339($to) . "'" if $name eq '__timeFilter';
	return "'" . rfc3339($from) . "'" if $name eq '__timeFrom';
	return "'" . rfc3339($to) . "'" if $name eq '__timeTo';
	return sprintf '%s >= %d AND %s <= %d', $column, $from, $column, $to if $name eq '__unixEpochFilter';
	return "$column >= " . nanoseconds($from) . " AND $column <= " . nanoseconds($to) if $name eq '__unixEpochNanoFilter';
	return nanoseconds($from) if $name eq '__unixEpochNanoFrom';
	return nanoseconds($to) if $name eq '__unixEpochNanoTo';
	my $width = seconds_of($interval);
	return sprintf "time_bucket('%.3fs',%s)", $width, $column if $name eq '__timeGroup' && $timescaledb;
	return "floor(extract(epoch from $column)/$width)*$width" if $name eq '__timeGroup';
	return "floor(($column)/$width)*$width" if $name eq '__unixEpochGroup';
	die "unknown macro $name";
}

# A third argument of a group (how gaps are filled) stays in Grafana.
sub sql
{
	my ($self, $sql, %options) = @_;
	my %global = (interval => $self->{interval}, interval_ms => 1000 * seconds_of($self->{interval}));
	$sql =~ s/\$__unixEpochFrom\(\)/int $self->{from}/ge;
	$sql =~ s/\$__unixEpochTo\(\)/int $self->{to}/ge;
	$sql =~ s/\$__(interval_ms|interval)\b/$global{$1}/g;
	$sql =~ s{\$(\w+)\(([^)]*)\)(?=(,?))}{
		my ($name, @args) = ($1, map { s/^ +| +$//gr } split /,/, $2);
		$self->macro($options{timescaledb}, $name . ($name eq '__timeGroup' && $3 ? 'Alias' : ''), @args)
	}gex;
	return $sql;
}

# ---- the variables of its Prometheus data source ----

# $name and ${name}; several values become an alternative, escaped as a pattern in a string, as Grafana does for variables with
# multi or All.  A variable without a value is an error.
sub promql
{
	my ($self, $text, $variables) = @_;
	my $scrape = 15;
	my $interval = seconds_of($self->{interval});
	my %values = (
		__interval => $self->{interval}, __interval_ms => 1000 * $interval, __range => int($self->{to} - $self->{from}) . 's',
		__range_s => int($self->{to} - $self->{from}), __rate_interval => ($interval + $scrape > 4 * $scrape ? $interval + $scrape : 4 * $scrape) . 's',
		%$variables);
	$text =~ s{\$(?:(\w+)|\{(\w+)\})}{
		my $name = $1 // $2;
		my $value = $values{$name} // die "no value for $name in: $text";
		ref $value ? @$value == 1 ? pattern($value->[0]) : '(' . join('|', map { pattern($_) } @$value) . ')' : $value
	}ge;
	return $text;
}

sub pattern { my ($value) = @_; return $value =~ s/([\\^\$*+?.()|{}\[\]])/\\\\$1/gr; }

1;
