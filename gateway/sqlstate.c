/*
 * sqlstate.c
 *		What an error of the database means to a client of the API.
 */
#include <ctype.h>
#include <string.h>

#include "gateway/gateway.h"

/* The first that is a prefix counts. */
static const struct
{
	const char *prefix;
	GwProblem	problem;
}			table[] = {
	{"08", GW_UNAVAILABLE},		/* connection exception */
	{"22", GW_BAD_DATA},		/* data exception */
	{"25006", GW_UNAVAILABLE},	/* a standby cannot write: the primary may be elsewhere by now */
	{"28", GW_UNAUTHORIZED},	/* invalid authorization */
	{"0P", GW_FORBIDDEN},		/* invalid role */
	{"40", GW_UNAVAILABLE},		/* serialization failure, deadlock */
	{"42501", GW_FORBIDDEN},	/* insufficient privilege */
	{"42601", GW_BAD_DATA},		/* syntax error: of PromQL */
	{"42704", GW_NOT_FOUND},	/* undefined object: the tenant */
	{"42P01", GW_UNAVAILABLE},	/* undefined table, function, schema: the extension is not there (yet) */
	{"42883", GW_UNAVAILABLE},
	{"3F000", GW_UNAVAILABLE},
	{"3D000", GW_UNAVAILABLE},	/* no such database (yet) */
	{"0A", GW_BAD_DATA},		/* feature not supported */
	{"53400", GW_BUDGET},		/* configuration limit exceeded */
	{"53", GW_UNAVAILABLE},		/* insufficient resources */
	{"54", GW_EXECUTION},		/* program limit exceeded */
	{"55P03", GW_UNAVAILABLE},	/* lock not available */
	{"57014", GW_TIMEOUT},		/* query canceled */
	{"57", GW_UNAVAILABLE},		/* operator intervention: shutdown, start, recovery conflict */
	{"58", GW_UNAVAILABLE},		/* system error: the disk is full, say */
};

GwProblem
gw_problem_of_sqlstate(const char *sqlstate)
{
	for (int i = 0; i < GW_COUNT(table); i++)
		if (strncmp(sqlstate, table[i].prefix, strlen(table[i].prefix)) == 0)
			return table[i].problem;
	return GW_INTERNAL;
}

/* Five characters between two colons: "FATAL:  28P01: password authentication failed". */
void
gw_find_sqlstate(const char *message, char sqlstate[6])
{
	for (const char *c = strstr(message, ":  "); c != NULL; c = strstr(c + 1, ":  "))
	{
		int			n = 0;

		while (n < 5 && (isdigit((unsigned char) c[3 + n]) || isupper((unsigned char) c[3 + n])))
			n++;
		if (n < 5 || c[8] != ':')
			continue;
		memcpy(sqlstate, c + 3, 5);
		sqlstate[5] = '\0';
		return;
	}
	sqlstate[0] = '\0';
}
