/*
 * template_internal.h
 *		Values and functions of templates, shared by the parser and the functions.
 */
#ifndef TSDB_RULES_TEMPLATE_INTERNAL_H
#define TSDB_RULES_TEMPLATE_INTERNAL_H

#include "core/base/base.h"
#include "core/labels/labels.h"

typedef enum TsdbTemplateKind
{
	TSDB_TEMPLATE_STRING,
	TSDB_TEMPLATE_FLOAT,
	TSDB_TEMPLATE_INTEGER,		/* in number, too: Go's int is exact only where a double is */
	TSDB_TEMPLATE_LABELS
} TsdbTemplateKind;

typedef struct TsdbTemplateValue
{
	TsdbTemplateKind kind;
	TsdbStr		string;
	double		number;
	TsdbLabels	labels;
} TsdbTemplateValue;

typedef struct TsdbTemplateFunction
{
	const char *name;
	int			min_arguments;
	int			max_arguments;

	/* One of these: most take a number or a text, and append their text */
	TsdbStatus	(*of_number) (TsdbBuffer *out, double number, TsdbError *error);
	void		(*of_text) (TsdbBuffer *out, TsdbStr text);
	TsdbStatus	(*of_values) (TsdbArena *arena, const TsdbTemplateValue *arguments, int n,
							  TsdbTemplateValue *value, TsdbError *error);
} TsdbTemplateFunction;

/* template_functions.c */

extern const TsdbTemplateFunction *tsdb_template_function(TsdbStr name);
/* The number of arguments is one that the function takes. */
extern TsdbStatus tsdb_template_call(TsdbArena *arena, const TsdbTemplateFunction *function,
									 const TsdbTemplateValue *arguments, int n, TsdbTemplateValue *value, TsdbError *error);
/* A word that Prometheus knows and this does not. */
extern bool tsdb_template_is_known(TsdbStr name);

/* template_format.c */

/* As Go's fmt.Print writes it. */
extern void tsdb_template_print(TsdbBuffer *out, const TsdbTemplateValue *value);
/* Go's fmt.Sprintf; TSDB_ERR_UNSUPPORTED for a verb that is not there. */
extern TsdbStatus tsdb_template_printf(TsdbBuffer *out, TsdbStr format, const TsdbTemplateValue *arguments, int n,
									   TsdbError *error);
/* Go's %.4g. */
extern void tsdb_template_print_4g(TsdbBuffer *out, double number);

#endif							/* TSDB_RULES_TEMPLATE_INTERNAL_H */
