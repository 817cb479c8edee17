# SampleModel.pm: what must be stored of the samples that one session wrote, by what its statements answered.
#
#	my $model = Pgtsdb::SampleModel->new;
#	$model->begin;  $model->savepoint('s1');  $model->rollback_to('s1');  $model->release('s1');
#	$model->write($series, $t, $value, ...);	# outside of a transaction: in one of its own
#	$model->delete([ $series, ... ], $from, $to);
#	$model->commit;  $model->rollback;
#	$model->prepare($name);  $model->commit_prepared($name);  $model->rollback_prepared($name);
#	$model->{entries}{$series}{$t}				# what there is: { value, writer, deleter }, ...
#	Pgtsdb::SampleModel::committed(@$entries);
#	$model->interrupt($ending);  $model->settle(...);
#
# What a session sees stays, so that a series has more than one value for a time only where two transactions did not see each
# other's; which of them is read is not defined.
#
# When the server ends while a transaction ends, nobody knows how.  interrupt() keeps it aside, and settle() asks which
# outcome agrees with what is stored: all of it, or nothing.
package Pgtsdb::SampleModel;

use strict;
use warnings;

sub new { return bless { entries => {}, prepared => {} }, $_[0] }

# ---- transactions ----
#
# A transaction is a list of levels, of which the first is the transaction itself and the others are savepoints; each has the
# changes that were made in it: [ how, series, time, entry ].

sub in_transaction { return defined $_[0]{transaction} }

sub begin
{
	my ($self) = @_;
	$self->{transaction} = { failed => 0, levels => [ { name => '', changes => [] } ] };
	return;
}

sub savepoint
{
	my ($self, $name) = @_;
	push @{ $self->{transaction}{levels} }, { name => $name, changes => [] };
	return;
}

sub has_savepoint
{
	my ($self, $name) = @_;
	return scalar grep { $_->{name} eq $name } @{ $self->{transaction}{levels} };
}

# The savepoint stays, as in SQL.
sub rollback_to
{
	my ($self, $name) = @_;
	my $levels = $self->{transaction}{levels};
	$self->{transaction}{failed} = 0;
	while (1)
	{
		my $level = $levels->[-1];
		$self->_undo($level->{changes});
		$level->{changes} = [];
		last if $level->{name} eq $name;
		pop @$levels;
	}
	return;
}

sub release
{
	my ($self, $name) = @_;
	my $levels = $self->{transaction}{levels};
	my $last;
	do
	{
		$last = pop @$levels;
		push @{ $levels->[-1]{changes} }, @{ $last->{changes} };
	} while ($last->{name} ne $name);
	return;
}

# A statement failed: until the next rollback nothing else has an effect, and the end is one.
sub fail
{
	my ($self) = @_;
	$self->{transaction}{failed} = 1 if $self->{transaction};
	return;
}

sub commit
{
	my ($self) = @_;
	return $self->rollback if $self->{transaction}{failed};
	_finish($self, delete $self->{transaction});
	return;
}

sub rollback
{
	my ($self) = @_;
	$self->_cancel(delete $self->{transaction});
	return;
}

sub prepare
{
	my ($self, $name) = @_;
	return $self->rollback if $self->{transaction}{failed};
	$self->{prepared}{$name} = delete $self->{transaction};
	return;
}

sub is_prepared { return exists $_[0]{prepared}{ $_[1] } }

sub commit_prepared
{
	my ($self, $name) = @_;
	$self->_finish(delete $self->{prepared}{$name});
	return;
}

sub rollback_prepared
{
	my ($self, $name) = @_;
	$self->_cancel(delete $self->{prepared}{$name});
	return;
}

sub _changes { return map { @{ $_->{changes} } } @{ $_[0]{levels} } }

sub _finish
{
	my ($self, $transaction) = @_;
	for (_changes($transaction))
	{
		my ($how, $n, $t, $entry) = @$_;
		$how eq 'write' ? delete $entry->{writer} : $self->_remove($n, $t, $entry);
	}
	return;
}

sub _cancel
{
	my ($self, $transaction) = @_;
	$self->_undo([ _changes($transaction) ]);
	return 1;
}

sub _undo
{
	my ($self, $changes) = @_;
	for (reverse @$changes)
	{
		my ($how, $n, $t, $entry) = @$_;
		$how eq 'write' ? $self->_remove($n, $t, $entry) : delete $entry->{deleter};
	}
	return;
}

sub _remove
{
	my ($self, $n, $t, $entry) = @_;
	my $times = $self->{entries}{$n};
	my $entries = $times->{$t} // return;
	@$entries = grep { $_ != $entry } @$entries;
	delete $times->{$t} unless @$entries;
	return;
}

# ---- statements ----

# Runs in the transaction that is open, or in one of its own.
sub _in_transaction
{
	my ($self, $work) = @_;
	my $alone = !$self->in_transaction;
	$self->begin if $alone;
	$work->($self->{transaction}, $self->{transaction}{levels}[-1]{changes});
	$self->commit if $alone;
	return;
}

sub _sees
{
	my ($transaction, $entry) = @_;
	return (!$entry->{writer} || $entry->{writer} == $transaction) && !($entry->{deleter} && $entry->{deleter} == $transaction);
}

sub write
{
	my ($self, @samples) = @_;
	$self->_in_transaction(sub {
		my ($transaction, $changes) = @_;
		while (my ($n, $t, $value) = splice @samples, 0, 3)
		{
			my $entries = $self->{entries}{$n}{$t} //= [];
			next if @$entries && grep { _sees($transaction, $_) } @$entries;
			my $entry = { value => $value, writer => $transaction };
			push @$entries, $entry;
			push @$changes, [ 'write', $n, $t, $entry ];
		}
	});
	return;
}

sub delete
{
	my ($self, $series, $from, $to) = @_;
	$self->_in_transaction(sub {
		my ($transaction, $changes) = @_;
		for my $n (@$series)
		{
			my $times = $self->{entries}{$n};
			for my $t (grep { $_ >= $from && $_ <= $to } keys %$times)
			{
				for my $entry (grep { _sees($transaction, $_) } @{ $times->{$t} })
				{
					$entry->{deleter} = $transaction;
					push @$changes, [ 'delete', $n, $t, $entry ];
				}
			}
		}
	});
	return;
}

# ---- what must be there ----

sub committed { return grep { !$_->{writer} } @_ }

sub forget_before
{
	my ($self, $before) = @_;
	for my $times (values %{ $self->{entries} })
	{
		delete @$times{ grep { $_ < $before } keys %$times };
	}
	return;
}

# ---- the end of the server ----

# What was open is rolled back; what was just ending is kept aside.
sub interrupt
{
	my ($self, $ending) = @_;
	my $transaction = delete $self->{transaction} // return;
	if ($ending && !$transaction->{failed})
	{
		$self->{interrupted} = $transaction;
	}
	else
	{
		$self->_cancel($transaction);
	}
	return;
}

# $stored: values by series and time; $tells: whether a series and time is evidence, which it is not where others write it too.
# Answers what it found out; nothing when neither outcome agrees, or when there was no question.
sub settle
{
	my ($self, $stored, $tells) = @_;
	my $transaction = delete $self->{interrupted} // return;
	my %agrees = (committed => 1, 'rolled back' => 1);
	for (grep { $tells->(@$_[ 1, 2 ]) } _changes($transaction))
	{
		my ($how, $n, $t) = @$_;
		my $entries = $self->{entries}{$n}{$t};
		$agrees{$_} &&= _is_one_of($stored->{$n}{$t}, _entries_after($transaction, $_, @$entries)) for keys %agrees;
	}
	return $agrees{'rolled back'} && $self->_cancel($transaction) && 'rolled back' unless $agrees{committed};
	if ($agrees{'rolled back'})
	{
		$_->[3]{uncertain} = 1 for grep { $_->[0] eq 'write' } _changes($transaction);
	}
	$self->_finish($transaction);
	return 'committed';
}

sub _entries_after
{
	my ($transaction, $outcome, @entries) = @_;
	return committed(@entries) if $outcome ne 'committed';
	return grep { _sees($transaction, $_) } @entries;
}

sub _is_one_of
{
	my ($value, @entries) = @_;
	return defined $value ? scalar grep { $_->{value} eq $value } @entries : !@entries;
}

1;
