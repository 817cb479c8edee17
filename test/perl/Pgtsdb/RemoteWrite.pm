# RemoteWrite.pm: writes remote-write bodies, 1.0 and 2.0: protobuf in a snappy block.
#
# The snappy block consists of literals only, which every decoder must take; so no library is needed, and each byte of
# a sample, the payload of a NaN included, is what the test says.
#
#	prometheus.WriteRequest { repeated TimeSeries timeseries = 1; }
#	TimeSeries { repeated Label labels = 1; repeated Sample samples = 2; }
#	Label { string name = 1; string value = 2; }
#	Sample { double value = 1; int64 timestamp = 2; }
#
#	io.prometheus.write.v2.Request { repeated string symbols = 4; repeated TimeSeries timeseries = 5; }
#	TimeSeries { repeated uint32 labels_refs = 1; repeated Sample samples = 2; Metadata metadata = 5; }
#	Metadata { MetricType type = 1; uint32 help_ref = 3; uint32 unit_ref = 4; }
package Pgtsdb::RemoteWrite;

use strict;
use warnings;
use Exporter 'import';

our @EXPORT_OK = qw(label_bytes remote_read_body remote_read_frames remote_read_results remote_write_body remote_write_v2_body remote_write_sql snappy_literal value_bytes);

# Little-endian words of the two NaNs that Prometheus tells apart.
use constant STALE_NAN => pack('VV', 2, 0x7ff00000);
use constant NORMAL_NAN => pack('VV', 1, 0x7ff80000);

sub varint
{
	my ($n) = @_;
	my $out = '';
	for (; ($n & ~0x7f) != 0; $n >>= 7)
	{
		$out .= chr(0x80 | ($n & 0x7f));
	}
	return $out . chr($n);
}

# Field with wire type 2.
sub bytes_field
{
	my ($number, $content) = @_;
	return chr($number << 3 | 2) . varint(length $content) . $content;
}

# The 8 bytes of a double: a number, or one of the words stale, NaN, Inf, -Inf.
sub value_bytes
{
	my ($value) = @_;
	return STALE_NAN if $value eq 'stale';
	return NORMAL_NAN if lc $value eq 'nan';
	return pack('d<', 9**9**9) if $value =~ /^\+?inf/i;
	return pack('d<', -9**9**9) if $value =~ /^-inf/i;
	return pack('d<', $value);
}

sub sample
{
	my ($t, $value) = @_;
	return bytes_field(2, "\x09" . value_bytes($value) . "\x10" . varint(int $t));
}

sub label_bytes
{
	my ($labels) = @_;
	my $out = '';
	for my $name (sort keys %$labels)
	{
		my @label = ($name, $labels->{$name});
		utf8::encode($_) for @label;
		$out .= bytes_field(1, bytes_field(1, $label[0]) . bytes_field(2, $label[1]));
	}
	return $out;
}

# series: { labels => { __name__ => ..., ... }, samples => [ [ milliseconds, value ], ... ] }; who writes a series often
# gives label_bytes in place of labels.
sub time_series
{
	my ($series) = @_;
	my $out = $series->{label_bytes} // label_bytes($series->{labels});
	$out .= sample(@$_) for @{ $series->{samples} };
	return bytes_field(1, $out);
}

# A snappy block of literals of at most 65,536 bytes each.
sub snappy_literal
{
	my ($content) = @_;
	my $out = varint(length $content);
	for (my $at = 0; $at < length $content; $at += 65536)
	{
		my $part = substr($content, $at, 65536);
		$out .= chr(61 << 2) . pack('v', length($part) - 1) . $part;
	}
	return $out;
}

sub remote_write_body
{
	return snappy_literal(join '', map { time_series($_) } @_);
}

# Version 2.  A series may have metadata => [ type number, help ], and references => [ ... ] in place of those of its labels.
sub remote_write_v2_body
{
	my (@series) = @_;
	my (@symbols, %number);
	my $reference = sub {
		my ($text) = @_;
		utf8::encode($text);
		$number{$text} //= push(@symbols, $text) - 1;
		return $number{$text};
	};
	my $out = '';
	$reference->('');
	for my $series (@series)
	{
		my $references = $series->{references} // [ map { ($reference->($_), $reference->($series->{labels}{$_})) } sort keys %{ $series->{labels} } ];
		my $message = bytes_field(1, join '', map { varint($_) } @$references);
		$message .= sample(@$_) for @{ $series->{samples} };
		my ($type, $help) = @{ $series->{metadata} // [] };
		$message .= bytes_field(5, "\x08" . varint($type) . "\x18" . varint($reference->($help))) if defined $type;
		$out .= bytes_field(5, $message);
	}
	return snappy_literal(join('', map { bytes_field(4, $_) } @symbols) . $out);
}

# ---- remote read ----
#
#	ReadRequest { repeated Query queries = 1; repeated ResponseType accepted_response_types = 2; }
#	Query { int64 start_timestamp_ms = 1; int64 end_timestamp_ms = 2; repeated LabelMatcher matchers = 3; }
#	LabelMatcher { Type type = 1; string name = 2; string value = 3; }
#	ReadResponse { repeated QueryResult results = 1; }

# query: [ start, end, [ type number, name, value ], ... ]
sub remote_read_body
{
	my ($queries, @types) = @_;
	my $out = '';
	for my $query (@$queries)
	{
		my ($start, $end, @matchers) = @$query;
		my $message = "\x08" . varint($start) . "\x10" . varint($end);
		$message .= bytes_field(3, "\x08" . varint($_->[0]) . bytes_field(2, $_->[1]) . bytes_field(3, $_->[2])) for @matchers;
		$out .= bytes_field(1, $message);
	}
	$out .= bytes_field(2, join '', map { varint($_) } @types) if @types;
	return snappy_literal($out);
}

# The results of an answer, each as the bytes that time_series() makes of its series.
sub remote_read_results
{
	my $message = snappy_decode(@_);
	my @results;
	while (length $message)
	{
		die "not a result" unless substr($message, 0, 1, '') eq "\x0a";
		my $len = take_varint(\$message);
		push @results, substr($message, 0, $len, '');
	}
	return @results;
}

# What the frames of a streamed answer hold, one after another: { query, labels (their bytes), chunks => [ [ [ time, value ], ... ], ... ] }.
sub remote_read_frames
{
	my ($stream) = @_;
	my @frames;
	while (length $stream)
	{
		my $len = take_varint(\$stream);
		my $sum = unpack 'N', substr($stream, 0, 4, '');
		my $message = substr($stream, 0, $len, '');
		die 'a frame is cut off' if length $message != $len;
		die 'a checksum is wrong' if $sum != crc32c($message);
		my ($fields, $frame) = (fields($message), { query => 0, labels => '', chunks => [] });
		$frame->{query} = $_->[1] for grep { $_->[0] == 2 } @$fields;
		for (map { @{ fields($_->[1]) } } grep { $_->[0] == 1 } @$fields)
		{
			$frame->{labels} .= bytes_field(1, $_->[1]) if $_->[0] == 1;
			next unless $_->[0] == 2;
			my %chunk = (1 => 0, 2 => 0, map { @$_ } @{ fields($_->[1]) });
			my $samples = xor_samples($chunk{4});
			die 'a chunk is not what it says' if $chunk{3} != 1 || $samples->[0][0] != $chunk{1} || $samples->[-1][0] != $chunk{2};
			push @{ $frame->{chunks} }, $samples;
		}
		push @frames, $frame;
	}
	return @frames;
}

# [ number, value or bytes ] of each field of a message of varints and bytes.
sub fields
{
	my ($message) = @_;
	my @fields;
	while (length $message)
	{
		my $tag = take_varint(\$message);
		my $value = take_varint(\$message);
		push @fields, [ $tag >> 3, ($tag & 7) == 2 ? substr($message, 0, $value, '') : $value ];
	}
	return \@fields;
}

sub crc32c
{
	my $crc = 0xffffffff;
	for (unpack 'C*', $_[0])
	{
		$crc ^= $_;
		$crc = ($crc >> 1) ^ ($crc & 1 ? 0x82f63b78 : 0) for 1 .. 8;
	}
	return $crc ^ 0xffffffff;
}

# The samples of a XOR chunk, each a time and the 8 bytes of its value, little-endian.
sub xor_samples
{
	my ($bits) = unpack 'B*', $_[0];
	my $at = 0;
	my $take = sub { my ($n) = @_; $at += $n; return oct('0b' . substr($bits, $at - $n, $n)) };
	my $varint = sub {
		my ($n, $shift) = (0, 0);
		while (1) { my $byte = $take->(8); $n |= ($byte & 0x7f) << $shift; return $n if $byte < 0x80; $shift += 7 }
	};
	my ($n, $time, $distance, $value, $leading, $length, @samples) = ($take->(16), 0, 0, 0, 0, 0);
	for my $i (0 .. $n - 1)
	{
		if ($i == 0)
		{
			my $zigzag = $varint->();
			($time, $value) = (($zigzag >> 1) ^ -($zigzag & 1), $take->(64));
		}
		else
		{
			use integer;
			if ($i == 1) { $distance = $varint->() }
			else
			{
				my $size = 0;
				for (14, 17, 20, 64) { last unless $take->(1); $size = $_ }
				my $d = $size ? $take->($size) : 0;
				$distance += $size && $size < 64 && $d > 1 << ($size - 1) ? $d - (1 << $size) : $d;
			}
			$time += $distance;
			if ($take->(1))
			{
				($leading, $length) = ($take->(5), $take->(6) || 64) if $take->(1);
				$value ^= $take->($length) << (64 - $leading - $length);
			}
		}
		push @samples, [ $time, pack 'Q<', $value ];
	}
	return \@samples;
}

sub take_varint
{
	my ($bytes) = @_;
	my ($n, $shift) = (0, 0);
	while (1)
	{
		my $byte = ord substr($$bytes, 0, 1, '');
		$n |= ($byte & 0x7f) << $shift;
		return $n if $byte < 0x80;
		$shift += 7;
	}
}

sub snappy_decode
{
	my ($block) = @_;
	my $out = '';
	my $len = take_varint(\$block);
	while (length $block)
	{
		my $tag = ord substr($block, 0, 1, '');
		if (($tag & 3) == 0)
		{
			my $size = $tag >> 2;
			$size = unpack('V', substr($block, 0, $size - 59, '') . "\0\0\0") if $size >= 60;
			$out .= substr($block, 0, $size + 1, '');
			next;
		}
		my $size = ($tag & 3) == 1 ? 4 + ($tag >> 2 & 7) : 1 + ($tag >> 2);
		my $back = ($tag & 3) == 1 ? ($tag >> 5) << 8 | ord substr($block, 0, 1, '')
			: ($tag & 3) == 2 ? unpack('v', substr($block, 0, 2, '')) : unpack('V', substr($block, 0, 4, ''));
		$out .= substr($out, -$back, 1) for 1 .. $size;
	}
	die 'damaged block' if length $out != $len;
	return $out;
}

# The statement that stores the series.
sub remote_write_sql
{
	return "SELECT tsdb.remote_write('\\x" . unpack('H*', remote_write_body(@_)) . "'::bytea)";
}

1;
