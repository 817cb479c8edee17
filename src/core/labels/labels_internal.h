/*
 * labels_internal.h
 *		What the files of this room share.
 */
#ifndef TSDB_LABELS_INTERNAL_H
#define TSDB_LABELS_INTERNAL_H

#include "core/labels/labels.h"

/* labels.c */

/* TSDB_ERR_LABELS or TSDB_ERR_ENCODING for what the data model or PostgreSQL cannot hold. */
extern TsdbStatus tsdb_label_check(const TsdbLabel *pair, TsdbError *error);

#endif							/* TSDB_LABELS_INTERNAL_H */
