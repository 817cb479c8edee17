/*
 * ruler.c
 *		The worker that evaluates rules.
 *
 * Each rule has its own grid of times, interval apart, shifted by a hash of
 * its id.  When a slot comes the rule is evaluated as of that time, in a
 * transaction of its own: states before, query, states after, events and series are one
 * commit.  The tables hold all state, so a crash anywhere repeats at most one
 * evaluation.  Slots that passed while the ruler or the server was away are counted and
 * not made up for: a pending alert fires by the time since it began, not by how often it was seen.
 *
 * The rules are read again when the trigger on their tables wakes us, and
 * every RELOAD_MS in case that a change came by a way without triggers.
 */
#include "postgres.h"

#include "access/xact.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "core/base/base.h"
#include "core/promql/eval.h"
#include "pg/guc.h"
#include "pg/query/query.h"
#include "pg/worker/rules.h"
#include "pg/worker/worker.h"

#define RELOAD_MS (30 * 1000)

typedef struct Ruler
{
	PgtsdbWorker *worker;
	List	   *rules;
	MemoryContext rules_context;	/* of the list */
	int64		reload_at;		/* milliseconds */
} Ruler;

/* One evaluation of a rule, and how it went. */
typedef struct Evaluation
{
	const PgtsdbRule *rule;
	int64		at;				/* its slot */
	PgtsdbRuleStatus status;
} Evaluation;

PGDLLEXPORT void pgtsdb_ruler_main(Datum main_arg);

static void reload(Ruler *ruler, int64 now);
static void load_rules(PgtsdbWorker *worker, void *arg);
static void keep_schedule(List *rules, List *before, int64 now);
static void forget_statuses(List *rules, List *before);
static const PgtsdbRule *find_rule(List *rules, const pg_uuid_t *rule_id);
static void end_orphans(Ruler *ruler);
static void load_orphans(PgtsdbWorker *worker, void *arg);
static void end_orphan(PgtsdbWorker *worker, void *arg);
static long evaluate_due(Ruler *ruler);
static void evaluate(Ruler *ruler, PgtsdbRule *rule, int64 at);
static void evaluate_unit(PgtsdbWorker *worker, void *arg);
static TsdbStatus ask(Evaluation *evaluation, const PgtsdbTenant *tenant, TsdbArena *arena,
					  TsdbAlertSample **samples, size_t *n, TsdbError *error);
static void fail(PgtsdbRuleStatus *status, const char *message);

void
pgtsdb_ruler_main(Datum main_arg)
{
	Ruler		ruler = {.worker = pgtsdb_worker_start(main_arg, PGTSDB_WORKER_RULER)};

	for (;;)
	{
		int64		now = pgtsdb_now_ms();

		if (now >= ruler.reload_at)
			reload(&ruler, now);
		if (pgtsdb_worker_wait(ruler.worker, evaluate_due(&ruler)))
			ruler.reload_at = 0;
	}
}

/* ---- which rules ---- */

/* When it fails, the old list goes on. */
static void
reload(Ruler *ruler, int64 now)
{
	MemoryContext context = AllocSetContextCreate(ruler->worker->context, "pgtsdb rules", ALLOCSET_DEFAULT_SIZES);
	Ruler		fresh = {.worker = ruler->worker, .rules_context = context};

	ruler->reload_at = now + RELOAD_MS;
	if (!pgtsdb_worker_unit(ruler->worker, "read tsdb.alert_rules", load_rules, &fresh))
	{
		MemoryContextDelete(context);
		return;
	}
	keep_schedule(fresh.rules, ruler->rules, now);
	forget_statuses(fresh.rules, ruler->rules);
	if (ruler->rules_context != NULL)
		MemoryContextDelete(ruler->rules_context);
	ruler->rules = fresh.rules;
	ruler->rules_context = context;
	end_orphans(ruler);
}

static void
load_rules(PgtsdbWorker *worker, void *arg)
{
	Ruler	   *fresh = arg;

	MemoryContextSwitchTo(fresh->rules_context);
	fresh->rules = pgtsdb_rules_load();
}

/* A rule that we know goes on where it was, unless it has another interval; a new one begins with its next slot. */
static void
keep_schedule(List *rules, List *before, int64 now)
{
	ListCell   *cell;

	foreach(cell, rules)
	{
		PgtsdbRule *rule = lfirst(cell);
		const PgtsdbRule *known = find_rule(before, &rule->rule_id);

		rule->next = known != NULL && known->interval == rule->interval ? known->next
			: pgtsdb_rule_slot(rule, now) + rule->interval;
	}
}

static void
forget_statuses(List *rules, List *before)
{
	ListCell   *cell;

	foreach(cell, before)
	{
		PgtsdbRule *rule = lfirst(cell);

		if (find_rule(rules, &rule->rule_id) == NULL)
			pgtsdb_rule_status_forget(&rule->rule_id);
	}
}

static const PgtsdbRule *
find_rule(List *rules, const pg_uuid_t *rule_id)
{
	ListCell   *cell;

	foreach(cell, rules)
	{
		PgtsdbRule *rule = lfirst(cell);

		if (memcmp(rule->rule_id.data, rule_id->data, UUID_LEN) == 0)
			return rule;
	}
	return NULL;
}

/* ---- what rules that are paused or gone left behind ---- */

static void
end_orphans(Ruler *ruler)
{
	MemoryContext context = AllocSetContextCreate(ruler->worker->context, "pgtsdb orphans", ALLOCSET_SMALL_SIZES);
	Ruler		found = {.rules_context = context};
	ListCell   *cell;

	if (pgtsdb_worker_unit(ruler->worker, "look for alerts without an active rule", load_orphans, &found))
		foreach(cell, found.rules)
			pgtsdb_worker_unit(ruler->worker, "end the alerts of a rule", end_orphan, lfirst(cell));
	MemoryContextDelete(context);
}

static void
load_orphans(PgtsdbWorker *worker, void *arg)
{
	Ruler	   *found = arg;

	MemoryContextSwitchTo(found->rules_context);
	found->rules = pgtsdb_orphans_load();
}

static void
end_orphan(PgtsdbWorker *worker, void *arg)
{
	const PgtsdbOrphan *orphan = arg;
	PgtsdbCaller caller;
	PgtsdbAlertStore store = {
		.rule_id = &orphan->rule_id,
		.tenant = pgtsdb_tenant_by_id(orphan->tenant_id),
		.arena = pgtsdb_query_arena(CurrentMemoryContext),
		.now = pgtsdb_now_ms(),
	};
	TsdbAlert  *alerts;
	size_t		n;

	pgtsdb_act_as_owner(&caller);
	alerts = pgtsdb_alerts_load(&store, &n);
	tsdb_alert_end(store.arena, store.now, alerts, n, &alerts, &n);
	pgtsdb_alerts_save(&store, alerts, n);
	pgtsdb_alerts_write_series(&store, alerts, n);
	pgtsdb_act_as_caller(&caller);
}

/* ---- evaluation ---- */

/* Evaluates each rule whose slot has come, and answers how long there is nothing to do. */
static long
evaluate_due(Ruler *ruler)
{
	int64		next = ruler->reload_at;
	ListCell   *cell;

	foreach(cell, ruler->rules)
	{
		PgtsdbRule *rule = lfirst(cell);

		if (rule->next > pgtsdb_now_ms() + rule->interval) /* the clock was set back */
			rule->next = pgtsdb_rule_slot(rule, pgtsdb_now_ms()) + rule->interval;
		if (rule->next <= pgtsdb_now_ms())
			evaluate(ruler, rule, pgtsdb_rule_slot(rule, pgtsdb_now_ms()));
		next = Min(next, rule->next);
	}
	return (long) Max(next - pgtsdb_now_ms(), 0);
}

static void
evaluate(Ruler *ruler, PgtsdbRule *rule, int64 at)
{
	Evaluation	evaluation = {
		.rule = rule,
		.at = at,
		.status = {.rule_id = rule->rule_id, .evaluations = 1, .missed = (at - rule->next) / rule->interval},
	};
	PgtsdbRuleStatus *status = &evaluation.status;
	char	   *activity = psprintf("evaluate rule \"%s\"", rule->alert.name.data);
	instr_time	start;
	instr_time	duration;

	rule->next = at + rule->interval;
	INSTR_TIME_SET_CURRENT(start);
	if (!pgtsdb_worker_unit_timed(ruler->worker, activity, pgtsdb_rule_timeout, evaluate_unit, &evaluation))
		fail(status, pgtsdb_worker_last_error(ruler->worker, NULL));
	INSTR_TIME_SET_CURRENT(duration);
	INSTR_TIME_SUBTRACT(duration, start);

	status->duration = INSTR_TIME_GET_DOUBLE(duration);
	status->last_evaluation = pgtsdb_ms_to_timestamp(at);
	strlcpy(status->tenant_id, rule->tenant_id, sizeof(status->tenant_id));
	status->failures = status->error[0] != '\0';
	if (pgtsdb_rule_status_add(status))
		ereport(LOG,
				(errmsg("rule \"%s\" of tenant \"%s\" fails: %s", rule->alert.name.data, rule->tenant_id, status->error)));
	pfree(activity);
}

/* A foreseen failure changes no state and is told in the status; anything else ends the unit. */
static void
evaluate_unit(PgtsdbWorker *worker, void *arg)
{
	Evaluation *evaluation = arg;
	const PgtsdbRule *rule = evaluation->rule;
	PgtsdbCaller caller;
	PgtsdbAlertStore store = {
		.rule_id = &rule->rule_id,
		.tenant = pgtsdb_tenant_by_id(rule->tenant_id),
		.arena = pgtsdb_query_arena(CurrentMemoryContext),
		.now = evaluation->at,
	};
	TsdbAlertSample *samples = NULL;
	TsdbAlert  *alerts;
	size_t		n_samples = 0;
	size_t		n;
	TsdbError	error;
	TsdbStatus	status;

	tsdb_error_clear(&error);
	pgtsdb_act_as_owner(&caller);
	status = ask(evaluation, store.tenant, store.arena, &samples, &n_samples, &error);
	if (status == TSDB_OK)
	{
		alerts = pgtsdb_alerts_load(&store, &n);
		status = tsdb_alert_evaluate(store.arena, &rule->alert, store.now, alerts, n, samples, n_samples, &alerts, &n, &error);
	}
	if (status == TSDB_OK)
	{
		evaluation->status.series = (int64) n_samples;
		pgtsdb_alerts_save(&store, alerts, n);
		pgtsdb_alerts_write_series(&store, alerts, n);
	}
	else
		fail(&evaluation->status, error.message);
	pgtsdb_act_as_caller(&caller);
}

/* A scalar is one series without labels. */
static TsdbStatus
ask(Evaluation *evaluation, const PgtsdbTenant *tenant, TsdbArena *arena, TsdbAlertSample **samples, size_t *n, TsdbError *error)
{
	PgtsdbQuery query = {
		.tenant = tenant,
		.text = evaluation->rule->expression,
		.start = evaluation->at,
		.end = evaluation->at,
	};
	TsdbQueryResult *result;
	TsdbStatus	status = pgtsdb_query_run(&query, GetActiveSnapshot(), arena, &result, error);

	if (status != TSDB_OK)
		return status;
	if (result->type != TSDB_VALUE_VECTOR && result->type != TSDB_VALUE_SCALAR)
		return tsdb_fail(error, TSDB_ERR_EXECUTION, "rule result is not a vector or scalar");

	*n = result->type == TSDB_VALUE_SCALAR ? 1 : result->n_series;
	*samples = TSDB_NEW_ARRAY(arena, TsdbAlertSample, *n);
	for (size_t i = 0; i < *n; i++)
		(*samples)[i] = result->type == TSDB_VALUE_SCALAR ? (TsdbAlertSample) {{NULL, 0}, result->scalar}
			: (TsdbAlertSample) {result->series[i].labels, result->series[i].v[0]};
	return TSDB_OK;
}

static void
fail(PgtsdbRuleStatus *status, const char *message)
{
	tsdb_utf8_copy(status->error, sizeof(status->error), message[0] == '\0' ? "unknown error" : message);
}
