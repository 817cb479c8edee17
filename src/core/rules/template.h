/*
 * template.h
 *		Texts of labels and annotations with {{ actions }}, as Prometheus rules have them.
 */
#ifndef TSDB_RULES_TEMPLATE_H
#define TSDB_RULES_TEMPLATE_H

#include "core/base/base.h"
#include "core/labels/labels.h"

/* What an action can name: the series that the expression answered. */
typedef struct TsdbTemplateData
{
	TsdbLabels	labels;			/* $labels, the metric name included */
	double		value;			/* $value */
} TsdbTemplateData;

/*
 * The text with its actions replaced.  A template that cannot be expanded becomes
 * "<error expanding template: ...>", as Prometheus does, so that an alert with a bad
 * annotation still alerts.  `name` is that of the rule.
 */
extern TsdbStr tsdb_template_expand(TsdbArena *arena, TsdbStr name, TsdbStr text, const TsdbTemplateData *data);

/* Whether the text parses and knows its functions: TSDB_ERR_SYNTAX or TSDB_ERR_UNSUPPORTED with the byte range. */
extern TsdbStatus tsdb_template_check(TsdbArena *arena, TsdbStr text, TsdbError *error);

#endif							/* TSDB_RULES_TEMPLATE_H */
