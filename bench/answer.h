/*
 * answer.h
 *		Answers of the Prometheus API: taken apart, and compared with each other.
 */
#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct AnswerPoint
{
	int64_t		time;			/* milliseconds */
	double		value;
} AnswerPoint;

typedef struct AnswerSeries
{
	char	   *name;			/* its label __name__, or "" */
	char	   *labels;			/* the others, sorted, as one text */
	AnswerPoint *points;		/* by time */
	size_t		n_points;
} AnswerSeries;

typedef struct Answer
{
	AnswerSeries *series;		/* by labels and name */
	size_t		n_series;
	size_t		n_points;
} Answer;

/* How another answer differs from the first one. */
typedef struct AnswerDifference
{
	bool		names;			/* in metric names: the rest is compared without them */
	size_t		series_missing;
	size_t		series_extra;
	size_t		points_missing;	/* of the series that both have */
	size_t		points_extra;
	double		relative;		/* largest difference of two values by the larger of them */
} AnswerDifference;

/* Two values that differ by less are the same, summed up in another order. */
#define ANSWER_TOLERANCE 1e-9

extern bool answer_parse(const char *json, Answer *answer, char *error, size_t error_size);
extern void answer_free(Answer *answer);
extern AnswerDifference answer_compare(const Answer *ours, const Answer *theirs);

#endif
