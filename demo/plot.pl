#!/usr/bin/perl
# plot.pl [--chart] TITLE: draws series in the terminal.
#
# Input lines are label|seconds|value, as psql -At writes them.  Without --chart each label gets one line with its last value;
# with it the sum of all labels is drawn as an area of eight rows.  Shades of blocks need UTF-8; other locales get ASCII.
use strict;
use warnings;
use List::Util qw(max min sum0);

my $chart = @ARGV && $ARGV[0] eq '--chart' ? shift : 0;
my $title = shift // '';
my $width = 60;
my $utf8 = ($ENV{LC_ALL} || $ENV{LC_CTYPE} || $ENV{LANG} || 'C.UTF-8') =~ /UTF-?8/i;
my @shades = $utf8 ? (' ', map { chr } 0x2581 .. 0x2588) : split(//, ' ..--==##');
binmode STDOUT, $utf8 ? ':utf8' : ':raw';

my %series;
while (my $line = <STDIN>)
{
	chomp $line;
	my ($label, $t, $value) = $line =~ /^(.*)\|([^|]*)\|([^|]*)$/ or next;
	$series{$label}{$t} = $value if $value =~ /^-?[0-9.]/;
}
my %all = map { map { $_ => 1 } keys %$_ } values %series;
my @times = sort { $a <=> $b } keys %all;
@times = @times[ -$width .. -1 ] if @times > $width;

print "  $title\n";
if (!@times)
{
	print "  (no samples yet)\n";
	exit;
}

sub human
{
	my ($value) = @_;
	my @units = ('', 'k', 'M', 'G', 'T');
	shift @units, $value /= 1000 while abs($value) >= 10_000 && @units > 1;
	return sprintf($value == int $value && abs($value) < 10_000 ? '%d%s' : '%.3g%s', $value, $units[0]);
}

if ($chart)
{
	my $rows = 8;
	my @sums = map { my $t = $_; sum0(map { $_->{$t} // 0 } values %series) } @times;
	my $top = max(@sums) || 1;
	for my $row (reverse 0 .. $rows - 1)
	{
		my $mark = $row == $rows - 1 ? human($top) : $row == 0 ? '0' : '';
		my $cells = join '', map {
			my $part = ($_ / $top * $rows - $row) * $#shades;
			$shades[ $part < 0 ? 0 : $part > $#shades ? $#shades : int($part + 0.5) ]
		} @sums;
		printf "  %8s |%s\n", $mark, $cells;
	}
	printf "  %8s +%s\n", '', '-' x @times;
	printf "  %8s  %d s ago%*s\n", '', $times[-1] - $times[0], @times - length($times[-1] - $times[0]) - 6, 'now';
}
else
{
	my $longest = max(map { length } keys %series);
	for my $label (sort keys %series)
	{
		my @values = map { $series{$label}{$_} } @times;
		my @known = grep { defined } @values;
		my ($low, $high) = (min(@known), max(@known));
		my $line = join '', map {
			defined $_ ? $shades[ $high > $low ? 1 + int(($_ - $low) / ($high - $low) * ($#shades - 1) + 0.5) : 1 ] : ' '
		} @values;
		printf "  %-*s  %s  %s (%s to %s)\n", $longest, $label, $line, human($known[-1]), human($low), human($high);
	}
}
