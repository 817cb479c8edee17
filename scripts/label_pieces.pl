#!/usr/bin/perl
# label_pieces.pl: makes src/core/labels/pieces.inc of src/core/labels/pieces.txt.
#
#   perl scripts/label_pieces.pl < src/core/labels/pieces.txt > src/core/labels/pieces.inc
#
# Codes are given out in the order of the file.  The trie is a double array: from state s, a byte c leads to state base[s] + c when
# check[base[s] + c] is s.
use strict;
use warnings;

use constant { LITERAL_FIRST => 0x20, LITERAL_LAST => 0x7e, LONG => 256, TEXT_ROOT => 1, NAME_ROOT => 2 };

my (@of_one, @of_two);
my $list;
while (<STDIN>)
{
	$list = \@of_one if /^# of one byte/;
	$list = \@of_two if /^# of two bytes/;
	push @$list, split unless /^#/;
}
my @free = grep { $_ > 0 && $_ < 0xfc && ($_ < LITERAL_FIRST || $_ > LITERAL_LAST) } 0 .. 255;
die "pieces of one byte: " . @of_one . " instead of " . @free . "\n" unless @of_one == @free;
die "pieces of two bytes: " . @of_two . " instead of 512\n" unless @of_two == 512;

# code => [kind, text]
my @codes;
$codes[$_] = ['TEXT', chr] for LITERAL_FIRST .. LITERAL_LAST;
$codes[0] = ['SEPARATOR', ''];
$codes[$_] = ['LONG', ''] for 0xfc, 0xfd;
$codes[0xfe] = ['BAD', ''];
$codes[0xff] = ['RUN', ''];
my %seen;
my @children = ({}, {}, {});
my @code_of = (0, 0, 0);

sub add_piece
{
	my ($code, $piece) = @_;
	die "twice: $piece\n" if $seen{$piece}++;
	my ($kind, $text, $state) = $piece =~ /^\|(.+)\|$/ ? ('NAME', $1, NAME_ROOT) : ('TEXT', $piece, TEXT_ROOT);
	die "too short or long: $piece\n" if length $text > 48 || ($kind eq 'TEXT' && length $text < 2);
	$codes[$code] = [$kind, $text];
	for my $byte (unpack 'C*', $text)
	{
		if (!defined $children[$state]{$byte})
		{
			$children[$state]{$byte} = @children;
			push @children, {};
			push @code_of, 0;
		}
		$state = $children[$state]{$byte};
	}
	$code_of[$state] = $code;
}

add_piece($free[$_], $of_one[$_]) for 0 .. $#of_one;
add_piece(LONG + $_, $of_two[$_]) for 0 .. $#of_two;

# Places of the trie's states in the double array: first fit, the roots in front.
my (@base, @check, @piece);
my %place = (TEXT_ROOT, TEXT_ROOT, NAME_ROOT, NAME_ROOT);
$check[$_] = 0xffff for 0 .. NAME_ROOT;
my @queue = (TEXT_ROOT, NAME_ROOT);
while (@queue)
{
	my $state = shift @queue;
	my $at = $place{$state};
	my @bytes = sort { $a <=> $b } keys %{ $children[$state] };
	$piece[$at] = $code_of[$state];
	$base[$at] = 0;
	next unless @bytes;
	my $offset = 0;
	$offset++ while $offset + $bytes[0] <= NAME_ROOT || grep { defined $check[$offset + $_] } @bytes;
	$base[$at] = $offset;
	for my $byte (@bytes)
	{
		my $child = $children[$state]{$byte};
		$place{$child} = $offset + $byte;
		$check[$offset + $byte] = $at;
		push @queue, $child;
	}
}
# Any byte of any state stays within the arrays.
my $last = 0;
$_ > $last and $last = $_ for map { ($_ // 0) + 255 } @base;

# Items with commas between them, in lines of 120 characters.
sub list_of
{
	my $line = "\t";
	for (@_)
	{
		if (length("$line$_, ") > 120)
		{
			print $line =~ s/ $//r, "\n";
			$line = "\t";
		}
		$line .= "$_, ";
	}
	print $line =~ s/ $//r, "\n};\n";
}

sub array
{
	my ($name, @values) = @_;
	print "static const uint16_t ${name}[] = {\n";
	list_of(@values);
}

print "/* pieces.inc: made by scripts/label_pieces.pl of pieces.txt; do not edit. */\n\n";
my $at = 0;
my @rows;
my @text;
for (@codes)
{
	my ($kind, $text) = @$_;
	push @rows, "{$at, " . length($text) . ", $kind}";
	push @text, $text if length $text;
	$at += length $text;
}
print "static const char piece_text[] =\n";
my $line = '';
for (@text, undef)
{
	my $quoted = defined $_ ? s/([\\"?])/\\$1/gr : '';
	if (!defined $_ || length("$line$quoted") > 110)
	{
		print "\t\"$line\"\n";
		$line = '';
	}
	$line .= $quoted;
}
# what lies behind a piece is copied along with it
print "\t\"", ' ' x 48, "\";\n\n";
print "static const Piece pieces[] = {\n";
list_of(@rows);
print "\n";
print "#define TEXT_ROOT ", TEXT_ROOT, "\n#define NAME_ROOT ", NAME_ROOT, "\n\n";
array('trie_base', map { $base[$_] // 0 } 0 .. $last);
array('trie_check', map { $check[$_] // 0 } 0 .. $last);
array('trie_code', map { $piece[$_] // 0 } 0 .. $last);
